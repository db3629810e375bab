// Columns that others decide exactly: they have no density of their own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/datasets/column.h"

namespace thalweg {

/// A column that others decide in all rows: offset + sum of coefficients times theirs, or what a
/// table has for the value of one of them. A row of others has the columns of a model and after
/// them those of its condition.
struct DerivedColumn {
  std::string name;
  double offset = 0.0;
  std::vector<double> coefficients;  ///< one a column; fewer: the others have 0
  double origin = 0.0, step = 0.0;  ///< of evenly spaced values, to which sums are rounded; 0: none
  std::int64_t place = -1;   ///< its number among all columns of the data; -1: after all others
  std::int64_t source = -1;  ///< number of the column that decides by the table; -1: by the sum
  /// The table: where the source has keys[i], ascending, this column has values[i]; between keys
  /// what the nearest has.
  std::vector<double> keys = {}, values = {};
  std::vector<std::string> labels = {};  ///< what values 0, 1, ... stand for, of a column of texts
  std::string date = {};                 ///< how a date is written; empty for numbers

  /// Its value in a row of others. NaN if one of those that decide it is.
  double operator()(std::span<const double> row) const;
  /// What the table has for `key`, or for the key nearest to it; NaN for NaN.
  double of_key(double key) const;
  /// Whether `value` is the one of a row up to rounding, 1e-6 of what makes it. A key that the
  /// table lacks says nothing.
  bool agrees(std::span<const double> row, double value) const;
  /// Name, texts and date, as a column of the data has them.
  ColumnOptions written() const;
};

/// Rows of data to look for derived columns in.
struct DerivedSearch {
  const std::vector<ColumnOptions>& columns;
  std::span<const double> x;  ///< rows x columns
  const std::vector<ColumnOptions>& context_columns;
  std::span<const double> context =
      {};                 ///< rows x context columns, which decide but are not decided
  double rounding = 0.0;  ///< of the values, relative
  bool tables = true;     ///< look for tables, and let the condition decide
};

/// Finds columns that others decide in all rows. First those that are a sum of multiples of columns
/// before them, or of the condition, and a constant, up to 1e-10 of their deviation and the
/// rounding; categories take no part in that. Then those that a table of one other column gives, a
/// category or evenly spaced one or one of the condition, where so many rows agree that chance
/// would not have it in one of e^40 tables; of two that decide each other the first stays. Circles
/// and columns that may be missing neither decide nor are decided. Gives the numbers of columns
/// that are left, in order, and adds to `derived`, whose rows are of these.
std::vector<std::size_t> find_derived(const DerivedSearch& search,
                                      std::vector<DerivedColumn>& derived);

/// The order that the data have: of a row of `columns` columns and after them the derived ones, the
/// numbers of those that come first, second, ...
std::vector<std::size_t> order_of_data(std::size_t columns,
                                       const std::vector<DerivedColumn>& derived);

/// "c = a + b", with short coefficients, or "region decided by state". `columns` are those of a
/// row.
std::string formula_text(const DerivedColumn& column, const std::vector<ColumnOptions>& columns);

}  // namespace thalweg
