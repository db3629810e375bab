// What is known of one column of data.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace thalweg {

/// One column of data. A model works on standardised columns inside; x and log p(x) are always in
/// the units of the data.
struct ColumnOptions {
  std::string name;
  bool integer = false;  ///< evenly spaced values, origin + k step: uniform noise on [0, step) is
                         ///< added in training, samples are rounded down to such values
  double origin = 0.0, step = 1.0;  ///< of evenly spaced values; whole numbers as they stand
  double lower = -INFINITY,
         upper = INFINITY;  ///< bounds that samples respect; a log or logit map is inside the model
  double mean = 0.0, scale = 1.0;  ///< of the column after its bounds' map: the model removes them
  /// wraps around between its bounds, both of which it then needs, as an angle does from -180 to
  /// 180: the map inside the model is one to [-pi, pi], mean and scale are not used
  bool periodic = false;

  /// `value`, after its bounds' map, in units of the column's spread.
  double standardised(double value) const { return (value - mean) / scale; }
};

/// Whether single precision keeps the values of such a column to 1e-4 of their spread, and evenly
/// spaced ones exactly.
bool fits_single_precision(const ColumnOptions& column);

/// x0, x1, ..., each an angle in [-pi, pi].
std::vector<ColumnOptions> angle_columns(std::int64_t features);

}  // namespace thalweg
