// Columns of texts and dates: what their numbers stand for in a table, and in a model.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "thalweg/datasets/column.h"
#include "thalweg/io/table.h"

namespace thalweg {

/// Takes labels and format of a table's column. Throws DataError for a column whose texts are too
/// many for a category.
void take_content(ColumnOptions& column, const Table& table, std::size_t number);

/// A number of a column as messages have it: a date where the column has dates of the years 0 to
/// 9999.
std::string written_value(const ColumnOptions& column, double value);
/// "lower:upper" of a column, an end without a bound being empty.
std::string written_bounds(const ColumnOptions& column);

/// How the values of a model's columns are written.
std::vector<ColumnText> contents_of(const std::vector<ColumnOptions>& columns);

/// The columns that a condition makes of a table's: the column itself, or of texts one for each of
/// them, which indicates it.
std::vector<ColumnOptions> condition_columns(const Table& table, std::size_t number);

/// Numbers of a table's column as those of a model's column: texts get the model's numbers, -1
/// where it has none; of a column that indicates a text 1 for it and 0 for others. Throws DataError
/// for texts in place of numbers, the other way round, and for dates beside times.
class ColumnReader {
 public:
  ColumnReader(const Table& table, std::size_t number, const ColumnOptions& column);
  double operator()(std::size_t row) const;

 private:
  const Table& table_;
  std::size_t number_;
  std::vector<double> of_label_;
};

/// The values of a condition, rows x columns, from a table's columns of number `first` and beyond.
std::vector<double> condition_values(const Table& table, std::size_t first,
                                     const std::vector<ColumnOptions>& columns);

/// How many rows of a condition, rows x columns, have a value beyond those of their column that
/// were trained on (its lowest and highest), and a sentence about them; empty without such rows.
std::string outside_of_training(const std::vector<ColumnOptions>& columns,
                                std::span<const double> values);

/// Throws DataError, with row (from 1), for rows of a condition whose text is none of those that
/// the model was trained with.
void require_known_texts(const std::vector<ColumnOptions>& columns, std::span<const double> values);

/// The columns of a table that make a condition: its names, how they are written, and the values of
/// rows of it. Columns that indicate texts become the one that they were made of.
class ConditionTable {
 public:
  explicit ConditionTable(const std::vector<ColumnOptions>& columns);
  const std::vector<std::string>& names() const { return names_; }
  const std::vector<ColumnText>& content() const { return content_; }
  /// Appends the values of one row, of as many numbers as there are columns of the condition.
  void append(std::span<const double> row, std::vector<double>& values) const;

 private:
  std::vector<std::size_t> first_;  // of the columns of each
  std::size_t width_;
  std::vector<std::string> names_;
  std::vector<ColumnText> content_;
};

}  // namespace thalweg
