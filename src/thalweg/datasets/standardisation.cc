#include "thalweg/datasets/standardisation.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/datasets/column_bounds.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/datasets/rounding.h"

namespace thalweg {

namespace {

// What a square in double leaves room for.
constexpr double kSmallestScale = 1e-150;

}  // namespace

void measure(ColumnOptions& column, std::span<const double> values) {
  if (column.periodic) return;
  if (column.is_category()) {  // Its middle and half of its length.
    column.mean = column.scale = 0.5 * static_cast<double>(column.values.size());
    return;
  }
  std::vector<double> mapped;
  mapped.reserve(values.size());
  const bool low = std::isfinite(column.lower), high = std::isfinite(column.upper);
  const bool bounded = low || high;
  // A value on a bound, of a closed column, counts as one next to it.
  const double inwards = low && high ? 0x1p-40 * (column.upper - column.lower) : 0.0;
  for (const double value : values)
    mapped.push_back(
        unbounded(std::clamp(value, column.lower + inwards, column.upper - inwards), column));
  if (bounded && is_constant(mapped, 0x1p-53))
    fail<DataError>(
        "column '{}': its bounds {} are so far from its values that these are all one beside "
        "them; give bounds that are nearer, or none",
        column.name, written_bounds(column));
  // Sums of differences from one value and of ratios to one size keep all digits and overflow
  // nowhere.
  const auto rows = static_cast<double>(values.size());
  double mean = mapped.front(), largest = 0.0, square = 0.0;
  for (const double value : mapped) mean += (value - mapped.front()) / rows;
  for (const double value : mapped) largest = std::max(largest, std::abs(value - mean));
  for (const double value : mapped) {
    const double deviation = (value - mean) / largest;
    square += deviation * deviation / rows;
  }
  column.mean = mean;
  column.scale = largest * std::sqrt(square);
  if (!std::isfinite(mean) || !(column.scale >= kSmallestScale) || !std::isfinite(column.scale))
    fail<DataError>(
        "column '{}': its mean {} and deviation {} cannot be used to standardise it in double; "
        "expected a deviation of at least {}: rescale the column",
        column.name, mean, column.scale, kSmallestScale);
}

}  // namespace thalweg
