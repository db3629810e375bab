// Mean and scale of columns.
#pragma once

#include <span>

#include "thalweg/datasets/column.h"

namespace thalweg {

/// Sets mean and scale (root of the mean squared deviation) of a column from its values, after
/// their bounds' map; a periodic column needs neither, and a
/// category has those that map its numbers to [-1, 1]. Magnitudes are to be at most 1e150. Throws
/// DataError for a scale below 1e-150 and for bounds so far away that no value differs beside them.
void measure(ColumnOptions& column, std::span<const double> values);

}  // namespace thalweg
