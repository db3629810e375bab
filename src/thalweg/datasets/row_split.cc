#include "thalweg/datasets/row_split.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {

namespace {

constexpr std::int64_t kSample = 2048;  // rows that centre and scale of a column are taken from
constexpr std::int64_t kPairs = 512;    // of rows, to tell how alike they are
constexpr double kClamp = 3.0;

/// A column whose values are made to have a middle of 0 and a scale of 1.
struct ScaledColumn {
  std::int64_t number = 0;
  double middle = 0.0, inverse_scale = 0.0, variance = 0.0;

  double operator()(double value) const {
    return std::clamp((value - middle) * inverse_scale, -kClamp, kClamp);
  }
};

/// Nothing for a column that only rises or falls, or hardly has a value that differs.
std::optional<ScaledColumn> scaled_column(std::span<const double> x, std::int64_t columns,
                                          std::int64_t number) {
  const std::int64_t rows = std::ssize(x) / columns;
  const std::int64_t count = std::min(rows, kSample);
  std::vector<double> values;
  std::int64_t rises = 0, falls = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double value = x[static_cast<std::size_t>(i * rows / count * columns + number)];
    if (std::isnan(value)) continue;
    if (!values.empty()) {
      rises += value > values.back() ? 1 : 0;
      falls += value < values.back() ? 1 : 0;
    }
    values.push_back(value);
  }
  // What keeps to one direction is in order, which says nothing of the other columns.
  if (100 * std::min(rises, falls) <= rises + falls) return std::nullopt;
  if (values.empty()) return std::nullopt;
  std::ranges::sort(values);
  const auto quantile = [&](double share) {
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
  };
  const double scale = 0.5 * (quantile(0.84) - quantile(0.16));
  if (!(scale > 0.0)) return std::nullopt;
  ScaledColumn result{.number = number, .middle = quantile(0.5), .inverse_scale = 1.0 / scale};
  double sum = 0.0, squares = 0.0;
  for (const double value : values) {
    sum += result(value);
    squares += result(value) * result(value);
  }
  const auto size = static_cast<double>(values.size());
  result.variance = squares / size - sum * sum / (size * size);
  return result;
}

/// Mean over columns of the correlation of rows that are `lag` rows apart.
double row_correlation(std::span<const double> x, std::int64_t columns,
                       std::span<const ScaledColumn> scaled, std::int64_t lag) {
  const std::int64_t first_rows = std::ssize(x) / columns - lag;
  const std::int64_t pairs = std::min(first_rows, kPairs);
  double sum = 0.0;
  std::int64_t terms = 0;
  for (std::int64_t i = 0; i < pairs; ++i) {
    const double* one = &x[static_cast<std::size_t>(i * first_rows / pairs * columns)];
    const double* other = one + lag * columns;
    for (const ScaledColumn& column : scaled) {
      const double difference = column(one[column.number]) - column(other[column.number]);
      if (std::isnan(difference)) continue;
      sum += difference * difference / (2.0 * column.variance);
      ++terms;
    }
  }
  return terms > 0 ? 1.0 - sum / static_cast<double>(terms) : 0.0;
}

}  // namespace

RowOrder find_row_order(std::span<const double> x, std::int64_t columns) {
  constexpr std::int64_t kMostLags = 4096;
  constexpr std::int64_t kMostColumns = 64;  // of many a part tells as much
  RowOrder result;
  if (x.empty()) return result;
  std::vector<ScaledColumn> scaled;
  const std::int64_t looked_at = std::min(columns, kMostColumns);
  for (std::int64_t i = 0; i < looked_at; ++i)
    if (const auto column = scaled_column(x, columns, i * columns / looked_at))
      scaled.push_back(*column);
  if (scaled.empty()) return result;
  const std::int64_t rows = std::ssize(x) / columns;
  for (std::int64_t lag = 1; lag <= std::min(kMostLags, rows / 4); ++lag) {
    const double correlation = row_correlation(x, columns, scaled, lag);
    // The variance of a squared difference of two normal numbers is twice its mean's square.
    const double noise = std::sqrt(2.0 / static_cast<double>(std::min(rows - lag, kPairs)));
    if (correlation < std::max({0.6, 5.0 * noise, result.correlation})) continue;
    result.lag = lag;
    result.correlation = correlation;
  }
  if (result.lag == 0) return result;
  const std::int64_t longest = std::max<std::int64_t>(2, rows / 20);
  std::int64_t far = result.lag;
  while (5 * far < longest && row_correlation(x, columns, scaled, far) > 0.1)
    far += std::max<std::int64_t>(1, far / result.lag / 4) * result.lag;
  result.block_rows = std::clamp(5 * far, std::min(longest, rows / 100 + 1), longest);
  return result;
}

std::string row_order_text(const RowOrder& order) {
  if (order.lag == 0) return "";
  return fmt::format(
      "rows follow each other, as frames of a trajectory or draws of a Markov chain do (those {} "
      "apart correlate by {:.2f}), so blocks of {} rows go to training, validation and test "
      "together; data.block_rows = 1 draws each row by itself",
      order.lag, order.correlation, order.block_rows);
}

RowSplit split_rows(std::int64_t rows, double validation_fraction, double test_fraction,
                    std::uint64_t seed, const GivenRows& given, std::int64_t block_rows) {
  if (validation_fraction + test_fraction > 0.95)
    fail<ConfigError>(
        "data.validation_fraction + data.test_fraction: expected at most 0.95, got {}",
        validation_fraction + test_fraction);
  const std::int64_t free_rows = rows - given.validation - given.test;
  const std::int64_t blocks = std::max<std::int64_t>(1, free_rows / block_rows);
  if (block_rows > 1 && blocks < 3)
    fail<ConfigError>(
        "data.block_rows: expected at most a third of the {} rows that are to be split, got {}",
        free_rows, block_rows);
  std::vector<std::int64_t> order(static_cast<std::size_t>(block_rows > 1 ? blocks : free_rows));
  std::iota(order.begin(), order.end(), 0);
  RandomSequence random(seed, Stream::kSplit);
  const auto shuffle = [&](std::vector<std::int64_t>& numbers) {
    for (std::size_t i = numbers.size(); i > 1; --i)
      std::swap(numbers[i - 1], numbers[random.below(i)]);
  };
  shuffle(order);
  const auto share = [&](double fraction, std::int64_t given_rows) {
    const auto count = std::llround(fraction * static_cast<double>(order.size()));
    return fraction > 0.0 && given_rows == 0 ? std::max<std::int64_t>(1, count) : std::int64_t{0};
  };
  RowSplit result;
  const auto test_end = order.begin() + share(test_fraction, given.test);
  const auto validation_end = test_end + share(validation_fraction, given.validation);
  result.test.assign(order.begin(), test_end);
  result.validation.assign(test_end, validation_end);
  result.train.assign(validation_end, order.end());
  if (block_rows > 1)
    for (auto* part : {&result.test, &result.validation, &result.train}) {
      const std::vector<std::int64_t> numbers = std::exchange(*part, {});
      for (const std::int64_t block : numbers)
        for (std::int64_t row = block * block_rows;
             row < (block + 1 < blocks ? (block + 1) * block_rows : free_rows); ++row)
          part->push_back(row);
      shuffle(*part);
    }
  for (std::int64_t row = free_rows; row < rows; ++row)
    (row < free_rows + given.validation ? result.validation : result.test).push_back(row);
  if (result.train.size() < 10)
    fail<DataError>(
        "only {} rows are left to train on; lower data.validation_fraction and "
        "data.test_fraction",
        result.train.size());
  return result;
}

}  // namespace thalweg
