#include "thalweg/flows/column_transforms.h"

#include <cmath>
#include <numbers>

#include "thalweg/transforms/affine_constant.h"
#include "thalweg/transforms/bounded.h"

namespace thalweg {

std::vector<std::shared_ptr<const Transform>> column_transforms(
    ParameterStore& parameters, RandomSequence& random, std::span<const ColumnOptions> columns) {
  AffineConstantOptions standard;
  standard.trainable = false;
  std::vector<ColumnBounds> bounds;
  bool bounded = false;
  for (const ColumnOptions& column : columns) {
    if (column.periodic) {
      standard.mean.push_back(0.5 * (column.lower + column.upper));
      standard.scale.push_back((column.upper - column.lower) / (2.0 * std::numbers::pi));
      bounds.push_back({});
      continue;
    }
    standard.mean.push_back(column.mean);
    standard.scale.push_back(column.scale);
    bounds.push_back({column.lower, column.upper});
    bounded = bounded || std::isfinite(column.lower) || std::isfinite(column.upper);
  }
  std::vector<std::shared_ptr<const Transform>> result;
  result.push_back(std::make_shared<AffineConstant>(
      parameters, "columns.standard", random, static_cast<std::int64_t>(columns.size()), standard));
  if (bounded) result.push_back(std::make_shared<BoundedColumns>("columns.bounds", bounds));
  return result;
}

}  // namespace thalweg
