#include "thalweg/datasets/standardisation.h"

#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/datasets/column_bounds.h"

namespace thalweg {

void measure(ColumnOptions& column, std::span<const double> values) {
  if (column.periodic) return;
  double mean = 0.0, square = 0.0;
  const auto rows = static_cast<double>(values.size());
  for (const double value : values) mean += unbounded(value, column) / rows;
  for (const double value : values) {
    const double deviation = unbounded(value, column) - mean;
    square += deviation * deviation / rows;
  }
  column.mean = mean;
  column.scale = std::sqrt(square);
  if (!std::isfinite(mean) || !std::isfinite(column.scale) || column.scale <= 0.0)
    fail<DataError>(
        "column '{}': its mean {} and deviation {} cannot be used to standardise it; rescale it",
        column.name, mean, column.scale);
}

}  // namespace thalweg
