#include "thalweg/datasets/column.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace thalweg {

bool fits_single_precision(const ColumnOptions& column) {
  const bool low = std::isfinite(column.lower), high = std::isfinite(column.upper);
  double spread = column.scale, largest = std::abs(column.mean) + 6.0 * column.scale;
  if (low && high) {
    spread = column.upper - column.lower;
    largest = std::max(std::abs(column.lower), std::abs(column.upper));
  } else if (low ||
             high) {  // The distance to the bound has the logarithm that mean and scale are of.
    const double sign = low ? 1.0 : -1.0;
    spread = std::exp(sign * column.mean) * std::min(1.0, column.scale);
    largest = std::abs(low ? column.lower : column.upper) +
              std::exp(sign * column.mean + 6.0 * column.scale);
  }
  if (column.integer && largest + std::abs(column.origin) > 0x1p23 * column.step) return false;
  return largest <= 1000.0 * spread && spread > 1e-30 && largest < 1e30;
}

std::vector<ColumnOptions> angle_columns(std::int64_t features) {
  std::vector<ColumnOptions> columns;
  for (std::int64_t i = 0; i < features; ++i)
    columns.push_back({.name = fmt::format("x{}", i),
                       .lower = -std::numbers::pi,
                       .upper = std::numbers::pi,
                       .periodic = true});
  return columns;
}

}  // namespace thalweg
