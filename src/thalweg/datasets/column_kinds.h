// Kinds of columns: what a column's values can be, found or declared.
#pragma once

#include <string>
#include <vector>

#include "thalweg/datasets/column.h"

namespace thalweg {

/// How the kind of a column is decided.
struct ColumnKindRequest {
  /// By a setting: continuous, spaced, whole or category; empty: it is found.
  std::string declared = {};
  bool find_spacing = true;   ///< whether evenly spaced columns are looked for
  bool find_kinds = true;     ///< whether categories, atoms, limits and digits are looked for
  bool closed = false;        ///< see DataOptions
  bool missing = false;       ///< whether values are missing besides, which is to have a mass
  double rounding = 0x1p-53;  ///< the largest relative error of a value
  int rules = 5;              ///< see DataOptions
};

/// Decides what `column`, whose bounds or period are set, can hold, by its `values`, which are
/// finite and more than one:
/// - A column with labels, or evenly spaced values of which there are at most 40, each in at least
///   5 rows, is a category; of more than 12 each has a thousandth of the rows besides, or the next
///   row may have a number beyond them.
/// - Others that are evenly spaced (see find_spacing) stay within the values seen.
/// - Of the rest, a value in at least 1 % of the rows and 8 of them has a mass of its own, an atom,
///   and so has one on a bound, whose column is closed there, unless a column of two bounds is
///   closed in any case.
/// - Samples of a spaced column keep to the values seen, its levels, if these are at most 1000 and
///   60 % of the steps between them or rounded off the steps, and as few rows as 5 % have a value
///   that no other has, which estimates how often a new row would have a new one (Good 1953).
/// - What is then continuous may have values of a few significant digits, which samples keep.
/// - Where values are missing, that is one more value of a category, and an atom of others.
/// - Columns that are never below 0, or never above, or that have an atom at an end, do not leave
///   what they keep to.
/// Throws DataError for declared kinds that values do not fit, with row (from 1) and value, and for
/// values outside of their bounds. Adds a note on a value that is common without a mass.
void find_kind(ColumnOptions& column, const std::vector<double>& values,
               const ColumnKindRequest& request, std::vector<std::string>& notes);

/// What log densities of rows are of, as "masses of city; masses over the step of age; densities
/// elsewhere"; empty if of densities alone.
std::string measure_text(const std::vector<ColumnOptions>& columns);

}  // namespace thalweg
