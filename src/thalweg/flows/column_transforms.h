// The maps between the columns of data and what layers see of them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "thalweg/core/random.h"
#include "thalweg/datasets/column.h"
#include "thalweg/engine/parameters.h"
#include "thalweg/transforms/column_inputs.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

/// In order from the layers to the data: standardisation, whose constants are kept in `parameters`,
/// then, where a column has bounds, their log or logit maps. A periodic column becomes an angle in
/// [-pi, pi]. For layers on the `unit_interval` a column with two bounds that is not open is
/// stretched to [0, 1] in place of its logit, and any other that is not periodic goes there by the
/// distribution function of a normal, of 1.5 times the column's deviation if it is open; throws
/// ConfigError for a marginal map.
std::vector<std::shared_ptr<const Transform>> column_transforms(
    ParameterStore& parameters, RandomSequence& random, std::span<const ColumnOptions> columns,
    bool unit_interval = false);

/// The heads of columns: cells for those whose marginal map goes to (-1, 1), splines for others.
std::vector<ColumnHead> column_heads(std::span<const ColumnOptions> columns, std::int64_t features);

}  // namespace thalweg
