#include "thalweg/datasets/missing_values.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/datasets/matrix.h"

namespace thalweg {

std::vector<double> without_missing(std::vector<double> values) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  return values;
}

std::int64_t count_missing(std::span<const double> matrix, std::size_t width, std::size_t column) {
  std::int64_t count = 0;
  for (std::size_t i = column; i < matrix.size(); i += width) count += std::isnan(matrix[i]);
  return count;
}

void refuse_missing(const Table& table, std::size_t features, const std::vector<bool>& learnt) {
  std::vector<std::string> entries;
  std::optional<std::size_t> first;
  for (std::size_t column = 0; column < table.names.size(); ++column) {
    if (count_missing(table.values, table.names.size(), column) == 0) continue;
    const std::string& name = table.names[column];
    if (column < features)
      entries.push_back(
          fmt::format("{0}{1}{0}=missing", name.find(',') == std::string::npos ? "" : "\"", name));
    if (!first && !learnt[column]) first = column;
  }
  if (!first) return;
  const std::vector<double> values = take_column(table.values, table.names.size(), *first);
  const auto found =
      std::ranges::find_if(values, [](double value) { return std::isnan(value); }) - values.begin();
  fail<DataError>(
      "row {}, column '{}': the value is missing, as in {} of {} rows: fill it in, leave out such "
      "rows with --drop-missing{}",
      found + 1, table.names[*first], count_missing(values, 1, 0), table.rows,
      *first < features
          ? fmt::format(", or learn that it is missing with --kinds '{}'", fmt::join(entries, ","))
          : "; a condition cannot be missing");
}

void leave_out_missing(Table& table, GivenRows& given, const std::vector<bool>& learnt,
                       std::vector<std::string>& notes) {
  const auto width = static_cast<std::ptrdiff_t>(table.names.size());
  const std::int64_t first_test = table.rows - given.test;
  const std::int64_t first_validation = first_test - given.validation;
  std::int64_t kept = 0;
  auto to = table.values.begin();
  const GivenRows before = given;
  for (std::int64_t row = 0; row < table.rows; ++row) {
    const auto from = table.values.begin() + row * width;
    bool missing = false;
    for (std::ptrdiff_t column = 0; column < width; ++column)
      missing = missing || (std::isnan(from[column]) && !learnt[static_cast<std::size_t>(column)]);
    if (missing) {
      if (row >= first_test)
        --given.test;
      else if (row >= first_validation)
        --given.validation;
      continue;
    }
    to = std::copy(from, from + width, to);
    ++kept;
  }
  if (before.test > 0 && given.test == 0)
    fail<DataError>("every row to test on has missing values");
  if (before.validation > 0 && given.validation == 0)
    fail<DataError>("every row to validate on has missing values");
  table.values.erase(to, table.values.end());
  if (kept < table.rows)
    notes.push_back(fmt::format("{} of {} rows have missing values and are left out",
                                table.rows - kept, table.rows));
  table.rows = kept;
}

}  // namespace thalweg
