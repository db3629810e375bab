// Bounds of columns: as settings give them, as values must keep them, as the model maps them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "thalweg/datasets/column.h"

namespace thalweg {

/// Sets bounds by entries "name=lower:upper" (either side may be empty) of data.bounds, and periods
/// by those of data.periodic; dates and times are ends, too, of columns that have them. Throws
/// ConfigError for unknown columns, unreadable entries and columns that are named twice.
void read_bounds(std::vector<ColumnOptions>& columns, const std::vector<std::string>& bounds,
                 const std::vector<std::string>& periods);

/// Throws DataError, with row (from 1) and column, for values beyond the bounds of their column or,
/// where they have no interval and the column is not `closed`, on one. Moves bounds of
/// evenly spaced values to such values, and the upper one to where the last interval ends.
void check_bounds(ColumnOptions& column, std::span<const double> values, bool closed = false);

/// A value on the unbounded line, as the model maps it.
double unbounded(double value, const ColumnOptions& column);

}  // namespace thalweg
