#include "thalweg/transforms/column_inputs.h"

#include <algorithm>
#include <numbers>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr double kSmallestCell = 1e-6;
constexpr double kLargestSeen = 8.0;

bool all_single(const ColumnHead& head) { return std::ranges::count(head.single, false) == 0; }

/// Whether the place of w is seen beside the cell.
bool shows_place(const ColumnHead& head) { return !all_single(head) || head.cells() == 1; }

}  // namespace

void check_column_heads(const std::string& name, const std::vector<ColumnHead>& heads) {
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const ColumnHead& head = heads[i];
    const auto cells = static_cast<std::size_t>(head.has_cells() ? head.cells() : 0);
    if (head.has_cells() &&
        (cells < 1 || head.borders.front() != -1.0 || head.borders.back() != 1.0))
      fail<ConfigError>(
          "{}: column {}: expected borders of cells from -1 to 1, got {} from {} to {}", name, i,
          head.borders.size(), head.borders.front(), head.borders.back());
    for (std::size_t k = 0; k < cells; ++k)
      if (!(head.borders[k + 1] - head.borders[k] >= kSmallestCell))
        fail<ConfigError>("{}: column {}: expected cells at least {} wide, got one from {} to {}",
                          name, i, kSmallestCell, head.borders[k], head.borders[k + 1]);
    if (head.single.size() != cells)
      fail<ConfigError>("{}: column {}: expected {} flags for single values, got {}", name, i,
                        cells, head.single.size());
  }
}

std::vector<std::int32_t> ColumnInputs::owners() const {
  std::vector<std::int32_t> owners;
  for (std::size_t i = 0; i < heads_.size(); ++i) {
    const ColumnHead& head = heads_[i];
    const std::int64_t numbers =
        head.has_cells() ? head.cells() - 1 + (shows_place(head) ? 1 : 0) : 1;
    owners.insert(owners.end(), static_cast<std::size_t>(numbers), static_cast<std::int32_t>(i));
  }
  return owners;
}

/// Those rows of x, with the middle in place of what lies in a single cell.
Value ColumnInputs::without_noise(Value x, const std::vector<std::int32_t>& rows,
                                  std::size_t first) const {
  struct Cell {
    double left = 2.0, right = 2.0, middle = 0.0;  // where no value is
  };
  std::vector<std::vector<Cell>> singles(rows.size());
  std::size_t most = 1;
  for (std::size_t c = 0; c < rows.size(); ++c) {
    const ColumnHead& head = heads_[first + static_cast<std::size_t>(rows[c])];
    for (std::size_t k = 0; k < head.single.size(); ++k)
      if (head.single[k])
        singles[c].push_back({head.borders[k],
                              k + 1 == head.single.size() ? 2.0 : head.borders[k + 1],
                              0.5 * (head.borders[k] + head.borders[k + 1])});
    most = std::max(most, singles[c].size());
  }
  for (auto& column : singles) column.resize(most);
  const Shape shape{static_cast<std::int64_t>(most), static_cast<std::int64_t>(rows.size())};
  const auto matrix = [&](double Cell::*member) {
    std::vector<double> values;
    for (std::size_t k = 0; k < most; ++k)
      for (const auto& column : singles) values.push_back(column[k].*member);
    return x.graph->constant(shape, std::move(values));
  };
  const Value row = transpose(take(x, rows));
  const Value inside = less_equal(matrix(&Cell::left), row) * less(row, matrix(&Cell::right));
  return transpose(row + sum(inside * (matrix(&Cell::middle) - row), Axis::kFeatures));
}

Value ColumnInputs::build(Value x, std::size_t first) const {
  std::vector<std::int32_t> on_line, open, noisy, bordered;
  std::vector<double> borders;
  const auto count = static_cast<std::int32_t>(x.features());
  for (std::int32_t row = 0; row < count; ++row) {
    const ColumnHead& head = heads_[first + static_cast<std::size_t>(row)];
    if (!head.has_cells()) {
      on_line.push_back(row);
      continue;
    }
    if (shows_place(head)) {
      const bool any_single = std::ranges::count(head.single, true) > 0;
      (any_single ? noisy : open).push_back(row);
    }
    for (std::size_t k = 1; k + 1 < head.borders.size(); ++k) {
      bordered.push_back(row);
      borders.push_back(head.borders[k]);
    }
  }
  const double spread = std::numbers::sqrt3;  // of a uniform number in (-1, 1) to deviation 1
  std::vector<Value> parts;
  if (!on_line.empty()) parts.push_back(clamp(take(x, on_line), -kLargestSeen, kLargestSeen));
  if (!open.empty()) parts.push_back(spread * take(x, open));
  if (!noisy.empty()) parts.push_back(spread * without_noise(x, noisy, first));
  if (!bordered.empty()) {
    const auto rows = static_cast<std::int64_t>(borders.size());
    parts.push_back(
        less_equal(x.graph->constant({rows, 1}, std::move(borders)), take(x, bordered)));
  }
  // Into the order of the columns, which is that of a stable sort.
  std::vector<std::int32_t> columns;
  for (const auto* part : {&on_line, &open, &noisy, &bordered})
    columns.insert(columns.end(), part->begin(), part->end());
  std::vector<std::int32_t> order(columns.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
  std::ranges::stable_sort(order, {},
                           [&](std::int32_t i) { return columns[static_cast<std::size_t>(i)]; });
  return take(concat(parts), std::move(order));
}

}  // namespace thalweg
