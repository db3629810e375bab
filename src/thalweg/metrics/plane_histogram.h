// Histograms in the plane, of samples and of densities, and how far they are apart.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thalweg/metrics/grid_divergence.h"

namespace thalweg {

/// Shares of a distribution in bins x bins squares of [-half_width, half_width]^2, and outside.
struct PlaneHistogram {
  double half_width = 0.0;
  std::int64_t bins = 0;
  std::vector<double> shares;  ///< bins x bins, the first feature along each row
  double outside = 0.0;        ///< samples that are not finite lie here, too
};

/// Of samples, rows x 2. Throws ConfigError unless bins >= 1 and half_width > 0, ShapeError for no
/// samples or an odd number of values.
PlaneHistogram plane_histogram(std::span<const double> samples, double half_width,
                               std::int64_t bins);

/// Of a density whose integral has the log `log_normaliser`, by the midpoint rule with `points` x
/// `points` points a bin; what is left to 1 is outside. Throws ConfigError as above.
PlaneHistogram plane_histogram(const PlaneLogDensity& log_density, double log_normaliser,
                               double half_width, std::int64_t bins, std::int64_t points = 16);

/// KL(p || q) of the shares in nats, outside included, with 1e-10 added to each: sum of p log (p /
/// q) (Wu, Koehler, Noe 2020, Fig. 3). What differs within bins is not seen. n samples of p itself
/// as q come to (bins that hold mass - 1) / (2 n) on average: 0.0025 nats for 2500 bins and 500 000
/// samples. Throws ShapeError for histograms of other bins.
double histogram_divergence(const PlaneHistogram& p, const PlaneHistogram& q);

}  // namespace thalweg
