#include "thalweg/datasets/matrix.h"

#include <algorithm>

namespace thalweg {

std::vector<double> take_rows(std::span<const double> matrix, std::int64_t width,
                              std::span<const std::int64_t> rows) {
  std::vector<double> result;
  result.reserve(rows.size() * static_cast<std::size_t>(width));
  for (const std::int64_t row : rows) {
    const auto begin = matrix.begin() + row * width;
    result.insert(result.end(), begin, begin + width);
  }
  return result;
}

std::vector<std::int64_t> evenly_spaced_rows(std::int64_t count, std::int64_t most) {
  const std::int64_t kept = most > 0 ? std::min(count, most) : count;
  std::vector<std::int64_t> rows(static_cast<std::size_t>(kept));
  for (std::int64_t i = 0; i < kept; ++i) rows[static_cast<std::size_t>(i)] = i * count / kept;
  return rows;
}

std::vector<double> take_column(std::span<const double> matrix, std::size_t width,
                                std::size_t column) {
  std::vector<double> values;
  values.reserve(matrix.size() / width);
  for (std::size_t i = column; i < matrix.size(); i += width) values.push_back(matrix[i]);
  return values;
}

std::vector<double> take_column(std::span<const double> matrix, std::size_t width,
                                std::size_t column, std::span<const std::int64_t> rows) {
  std::vector<double> values;
  values.reserve(rows.size());
  for (const std::int64_t row : rows)
    values.push_back(matrix[static_cast<std::size_t>(row) * width + column]);
  return values;
}

}  // namespace thalweg
