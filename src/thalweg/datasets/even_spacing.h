// Columns of evenly spaced values: how they are found.
#pragma once

#include <string>
#include <vector>

#include "thalweg/datasets/column.h"

namespace thalweg {

/// Decides whether a column is evenly spaced, and with what origin and step. `declared`: it holds
/// whole numbers by a setting, DataError if it does not; else it is looked for if `find`. Whole
/// numbers are evenly spaced by their greatest common divisor; others if they repeat and are
/// multiples of a step that stands out of `rounding`, the largest relative error of a value, or are
/// all of at most 4 decimals, or 6 if a tenth of the rows repeats others. Adds a note on a value
/// that is common.
void find_spacing(ColumnOptions& column, std::vector<double> values, bool declared, bool find,
                  double rounding, std::vector<std::string>& notes);

}  // namespace thalweg
