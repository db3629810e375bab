// Columns of a table in (-1, 1) or on the line, and what a network sees of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/engine/graph.h"

namespace thalweg {

/// What moves one column.
struct ColumnHead {
  /// Empty: a spline on the whole line, whose column is about standard normal. Else each value of
  /// the column lies in one of the cells between these ascending borders from -1 to 1, both
  /// included; a cell holds its left border, the last one also 1.
  std::vector<double> borders = {};
  /// For each cell: whether it stands for one value, so that the place inside of it is noise, which
  /// later columns must not see. One flag a cell.
  std::vector<bool> single = {};
  bool has_cells() const { return !borders.empty(); }
  std::int64_t cells() const { return static_cast<std::int64_t>(borders.size()) - 1; }
};

/// Throws ConfigError, naming `name` and the column, for borders that do not lead from -1 to 1 in
/// steps of at least 1e-6, which float keeps apart, or flags of another number.
void check_column_heads(const std::string& name, const std::vector<ColumnHead>& heads);

/// Numbers by which a network knows columns, one group a column. A column on the line is seen as
/// itself, clamped to [-8, 8]. One of cells is seen by sqrt(3) w, if some cell is not single or
/// there is just one, with w replaced by the middle of a single cell; and by 1 where it has reached
/// border i, else 0, for each inner border.
class ColumnInputs {
 public:
  explicit ColumnInputs(std::vector<ColumnHead> heads) : heads_(std::move(heads)) {}

  /// The column of each number, ascending.
  std::vector<std::int32_t> owners() const;
  /// Numbers of the columns first, first + 1, ..., of which `x` holds one value each.
  Value build(Value x, std::size_t first = 0) const;

 private:
  Value without_noise(Value x, const std::vector<std::int32_t>& rows, std::size_t first) const;
  std::vector<ColumnHead> heads_;
};

}  // namespace thalweg
