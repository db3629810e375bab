// Columns that others decide exactly: they have no density of their own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/datasets/column.h"

namespace thalweg {

/// A column that is offset + sum of coefficients times other columns, in all rows.
struct DerivedColumn {
  std::string name;
  double offset = 0.0;
  std::vector<double> coefficients;  ///< one a column of the model
  double origin = 0.0, step = 0.0;  ///< of evenly spaced values, to which sums are rounded; 0: none

  /// Its value in a row of the model's columns.
  double operator()(std::span<const double> row) const;
};

/// Finds columns, each in all rows a sum of multiples of columns before it and a constant, up to
/// 1e-10 of its deviation and `rounding`. `x` is rows x columns. Categories, circles and columns
/// that may be missing neither decide nor are decided. Gives the numbers of the others, in order,
/// and adds to `derived`, whose coefficients are those of these others.
std::vector<std::size_t> find_derived(const std::vector<ColumnOptions>& columns,
                                      std::span<const double> x, double rounding,
                                      std::vector<DerivedColumn>& derived);

/// "c = a + b", with short coefficients.
std::string formula_text(const DerivedColumn& column, const std::vector<ColumnOptions>& columns);

}  // namespace thalweg
