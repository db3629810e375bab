// Pictures as densities in the plane.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/io/image_file.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// How a picture becomes a density.
struct ImageOptions {
  std::vector<std::int64_t> crop = {};  ///< left, top, width, height in pixels; empty: all
  std::vector<std::int64_t> embed =
      {};                    ///< width, height of a white sheet to centre it on; empty: none
  double threshold = 225.0;  ///< brighter pixels, of 0 to 255, become white
  double sigma = 3.0;        ///< pixels, deviation of a Gaussian blur; 0: none
  std::vector<double> centre =
      {};              ///< pixels from left and bottom, where x is 0; empty: the middle
  double scale = 0.0;  ///< pixels to a unit of x; 0: the longer side is 5 units long
};

/// The density of Wu, Koehler, Noe 2020, Fig. 3: dark where the picture is dark. With g_s the
/// brightness, from 0 to the brightest pixel's 1, blurred by s pixels, pixels have density 1 -
/// g_sigma + (g_10 + g_20 + g_50) / 100, so that white has 3 % of what black has. Between the
/// centres of pixels the density is bilinear. Beyond those of the outermost it falls off as a
/// Gaussian of the distance, with deviation one two-hundredth of the longer side, from its value at
/// the nearest point: finite and continuous everywhere.
///
/// The first feature grows to the right, the second upwards. Normalised, sampled exactly,
/// differentiable once. `name` is that of the picture in messages. Throws ConfigError for options
/// that do not fit the picture, DataError for one that is all of one brightness.
std::unique_ptr<Target> make_image_target(const GreyImage& image, const ImageOptions& options,
                                          const std::string& name);

}  // namespace thalweg
