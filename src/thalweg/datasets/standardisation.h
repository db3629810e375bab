// Mean and scale of columns.
#pragma once

#include <span>

#include "thalweg/datasets/column.h"

namespace thalweg {

/// Sets mean and scale (root of the mean squared deviation) of a column from its values, after
/// their bounds' map; a periodic column needs neither. Throws DataError where they are no use.
void measure(ColumnOptions& column, std::span<const double> values);

}  // namespace thalweg
