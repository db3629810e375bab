// Reading pictures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace thalweg {

/// Brightness from 0 (black) to 255 (white), rows x columns from the top left corner.
struct GreyImage {
  std::int64_t rows = 0, columns = 0;
  std::vector<double> values;
};

/// Reads a PNG or JPEG file, told apart by their first bytes: the mean of red, green and blue in 8
/// bits, with what is transparent over white. Throws DataError for other kinds of files, for those
/// that are damaged or end early, and for more than 10^8 pixels.
GreyImage read_image(const std::string& path);

}  // namespace thalweg
