#include "thalweg/datasets/uci_steps.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "thalweg/core/error.h"
#include "thalweg/datasets/matrix.h"
#include "thalweg/datasets/rounding.h"

namespace thalweg::uci {

Table with_columns(const Table& table, const std::vector<std::size_t>& columns) {
  Table result;
  result.rows = table.rows;
  for (const std::size_t column : columns) result.names.push_back(table.names[column]);
  result.values.reserve(static_cast<std::size_t>(table.rows) * columns.size());
  for (std::int64_t row = 0; row < table.rows; ++row)
    for (const std::size_t column : columns)
      result.values.push_back(table.values[index(row, table, column)]);
  return result;
}

Table with_rows(const Table& table, std::int64_t begin, std::int64_t end) {
  Table result;
  result.names = table.names;
  result.rows = end - begin;
  result.values.assign(table.values.begin() + static_cast<std::ptrdiff_t>(begin * table.columns()),
                       table.values.begin() + static_cast<std::ptrdiff_t>(end * table.columns()));
  return result;
}

std::int64_t tenth_of(std::int64_t rows) {
  return static_cast<std::int64_t>(0.1 * static_cast<double>(rows));
}

std::vector<MeanAndDeviation> measure(const Table& table, std::int64_t rows, int lost) {
  std::vector<MeanAndDeviation> result(table.names.size());
  for (std::size_t column = 0; column < result.size(); ++column) {
    double sum = 0.0, squares = 0.0;
    for (std::int64_t row = 0; row < rows; ++row) sum += table.values[index(row, table, column)];
    const double mean = sum / static_cast<double>(rows);
    for (std::int64_t row = 0; row < rows; ++row) {
      const double offset = table.values[index(row, table, column)] - mean;
      squares += offset * offset;
    }
    const double deviation = std::sqrt(squares / static_cast<double>(rows - lost));
    const std::vector<double> values = take_column(table.values, table.names.size(), column);
    if (!std::isfinite(deviation) ||
        is_constant(std::span(values).first(static_cast<std::size_t>(rows)), table.rounding()))
      fail<DataError>("column '{}': its standard deviation is {}; expected values that vary",
                      table.names[column], deviation);
    result[column] = {mean, deviation};
  }
  return result;
}

void standardise(Table& table, const std::vector<MeanAndDeviation>& columns) {
  for (std::size_t i = 0; i < table.values.size(); ++i) {
    const MeanAndDeviation& column = columns[i % columns.size()];
    table.values[i] = (table.values[i] - column.mean) / column.deviation;
  }
}

std::vector<std::size_t> columns_without_repeats(const Table& table) {
  std::vector<std::size_t> result;
  for (std::size_t column = 0; column < table.names.size(); ++column) {
    double smallest = table.values[column];
    std::int64_t count = 0;
    for (std::int64_t row = 0; row < table.rows; ++row) {
      const double value = table.values[index(row, table, column)];
      if (value < smallest) {
        smallest = value;
        count = 0;
      }
      count += value == smallest;
    }
    if (count <= kRepeatsAllowed) result.push_back(column);
  }
  return result;
}

std::vector<std::size_t> columns_without_doubles(const Table& table) {
  const std::size_t width = table.names.size();
  const std::vector<MeanAndDeviation> columns = measure(table, table.rows, 0);
  std::vector<double> products(width * width);
  std::vector<double> scaled(width);
  for (std::int64_t row = 0; row < table.rows; ++row) {
    for (std::size_t i = 0; i < width; ++i)
      scaled[i] = (table.values[index(row, table, i)] - columns[i].mean) / columns[i].deviation;
    for (std::size_t i = 0; i < width; ++i)
      for (std::size_t j = 0; j < i; ++j) products[i * width + j] += scaled[i] * scaled[j];
  }
  const double limit = kCorrelationAllowed * static_cast<double>(table.rows);
  std::vector<std::size_t> left(width);
  for (std::size_t i = 0; i < width; ++i) left[i] = i;
  const auto is_double = [&](std::size_t i) {
    return std::any_of(left.begin(), left.end(), [&](std::size_t j) {
      return i != j && products[std::max(i, j) * width + std::min(i, j)] > limit;
    });
  };
  for (;;) {
    const auto found = std::find_if(left.begin(), left.end(), is_double);
    if (found == left.end()) return left;
    left.erase(found);
  }
}

void split_rows(const Table& all, SplitTable& result) {
  const std::int64_t test_begin = all.rows - tenth_of(all.rows);
  const std::int64_t validation_begin = test_begin - tenth_of(test_begin);
  result.train = with_rows(all, 0, validation_begin);
  result.validation = with_rows(all, validation_begin, test_begin);
  result.test = with_rows(all, test_begin, all.rows);
  result.steps.push_back(
      "the last 10 % of the rows are for the test, the last 10 % of the others for validation");
}

}  // namespace thalweg::uci
