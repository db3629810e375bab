#include "thalweg/flows/column_transforms.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/transforms/affine_constant.h"
#include "thalweg/transforms/bounded.h"
#include "thalweg/transforms/marginal_map.h"
#include "thalweg/transforms/normal_cdf_columns.h"

namespace thalweg {
namespace {

// Deviations of an open column to one of the normal that takes it to [0, 1]: where the data are,
// the interval has room for densities given other columns, which are narrower, and far out the
// normal falls. Trainings on alanine dipeptide did worse with 1 and with 2.
constexpr double kOpenSpread = 1.5;

}  // namespace

std::vector<std::shared_ptr<const Transform>> column_transforms(
    ParameterStore& parameters, RandomSequence& random, std::span<const ColumnOptions> columns,
    bool unit_interval) {
  AffineConstantOptions standard;
  standard.trainable = false;
  std::vector<ColumnBounds> bounds;
  std::vector<bool> from_line;  // columns that go to [0, 1] by the normal's distribution function
  bool bounded = false;
  for (const ColumnOptions& column : columns) {
    if (column.periodic) {
      standard.mean.push_back(0.5 * (column.lower + column.upper));
      standard.scale.push_back((column.upper - column.lower) / (2.0 * std::numbers::pi));
      bounds.push_back({});
      from_line.push_back(false);
      continue;
    }
    if (unit_interval && !column.knots.empty())
      fail<ConfigError>(
          "columns: '{}' has a marginal map, whose slopes jump, and a flow of smooth maps cannot "
          "take it: set data.marginal_maps = false, and give a category as a condition",
          column.name);
    if (unit_interval && !column.open && std::isfinite(column.lower) &&
        std::isfinite(column.upper)) {
      standard.mean.push_back(column.lower);
      standard.scale.push_back(column.upper - column.lower);
      bounds.push_back({});
      from_line.push_back(false);
      continue;
    }
    from_line.push_back(unit_interval);
    standard.mean.push_back(column.mean);
    standard.scale.push_back(unit_interval && column.open ? kOpenSpread * column.scale
                                                          : column.scale);
    bounds.push_back({column.lower, column.upper});
    bounded = bounded || std::isfinite(column.lower) || std::isfinite(column.upper);
  }
  std::vector<std::shared_ptr<const Transform>> result;
  std::vector<MarginalKnots> knots;
  for (const ColumnOptions& column : columns)
    knots.push_back({column.knots, column.scores, column.smooth});
  if (std::ranges::any_of(columns, [](const auto& column) { return !column.knots.empty(); }))
    result.push_back(std::make_shared<MarginalMap>("columns.marginal", knots));
  if (std::ranges::count(from_line, true) > 0)
    result.push_back(std::make_shared<NormalCdfColumns>("columns.normal_cdf", from_line));
  result.push_back(std::make_shared<AffineConstant>(
      parameters, "columns.standard", random, static_cast<std::int64_t>(columns.size()), standard));
  if (bounded) result.push_back(std::make_shared<BoundedColumns>("columns.bounds", bounds));
  return result;
}

std::vector<ColumnHead> column_heads(std::span<const ColumnOptions> columns,
                                     std::int64_t features) {
  std::vector<ColumnHead> heads(static_cast<std::size_t>(features));
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].has_cells()) {
      heads[i].borders = columns[i].scores;
      heads[i].single.assign(columns[i].scores.size() - 1, columns[i].is_category());
    }
  return heads;
}

}  // namespace thalweg
