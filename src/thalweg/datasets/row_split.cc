#include "thalweg/datasets/row_split.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <unordered_set>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/quantiles.h"
#include "thalweg/core/random.h"
#include "thalweg/datasets/matrix.h"

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

/// Values of a column at rows that are evenly spaced, those that are missing left out.
std::vector<double> sampled_values(std::span<const double> x, std::int64_t columns,
                                   std::int64_t number) {
  std::vector<double> values =
      take_column(x, static_cast<std::size_t>(columns), static_cast<std::size_t>(number),
                  evenly_spaced_rows(std::ssize(x) / columns, kSample));
  std::erase_if(values, [](double value) { return std::isnan(value); });
  return values;
}

/// Whether values only rise or only fall, but for one change in a hundred.
bool keeps_direction(std::span<const double> values) {
  std::int64_t rises = 0, falls = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    rises += values[i] > values[i - 1] ? 1 : 0;
    falls += values[i] < values[i - 1] ? 1 : 0;
  }
  return 100 * std::min(rises, falls) <= rises + falls;
}

/// Whether values are on a line, within a hundredth of their range.
bool evenly_spaced(std::span<const double> values) {
  const double step = (values.back() - values.front()) / static_cast<double>(values.size() - 1);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (std::abs(values[i] - values.front() - static_cast<double>(i) * step) >
        0.01 * std::abs(values.back() - values.front()))
      return false;
  return true;
}

/// How often a column changes from row to row, and how many values it has.
struct Changes {
  std::int64_t changes = 0, different = 0;
};
Changes changes_of(std::span<const double> x, std::int64_t columns, std::int64_t number) {
  constexpr std::size_t kMostRows = 100000;
  x = x.first(std::min(x.size(), kMostRows * static_cast<std::size_t>(columns)));
  std::unordered_set<double> different;
  Changes result;
  for (auto i = static_cast<std::size_t>(number); i < x.size();
       i += static_cast<std::size_t>(columns)) {
    const double value = x[i], before = i < static_cast<std::size_t>(columns)
                                            ? value
                                            : x[i - static_cast<std::size_t>(columns)];
    result.changes += value != before && !(std::isnan(value) && std::isnan(before)) ? 1 : 0;
    if (std::isfinite(value)) different.insert(value);
  }
  result.different = std::ssize(different);
  return result;
}

/// Whether a column names groups that follow one another, its values being in one run each, while
/// others change within them.
bool in_groups(std::span<const double> x, std::int64_t columns, std::span<const double> context,
               std::int64_t context_columns) {
  std::vector<Changes> all;
  for (std::int64_t i = 0; i < columns; ++i) all.push_back(changes_of(x, columns, i));
  for (std::int64_t i = 0; i < context_columns; ++i)
    all.push_back(changes_of(context, context_columns, i));
  const std::int64_t most = std::ranges::max(all, {}, &Changes::changes).changes;
  return std::ranges::any_of(all, [&](const Changes& each) {
    return each.different > 1 && 2 * each.changes <= 3 * each.different && 5 * each.changes <= most;
  });
}

std::optional<ScaledColumn> scaled(std::vector<double> values, std::int64_t number) {
  std::ranges::sort(values);
  const double scale = 0.5 * (sorted_quantile(values, 0.84) - sorted_quantile(values, 0.16));
  if (!(scale > 0.0 && std::isfinite(1.0 / scale))) return std::nullopt;
  ScaledColumn result{
      .number = number, .middle = sorted_quantile(values, 0.5), .inverse_scale = 1.0 / scale};
  double sum = 0.0, squares = 0.0;
  for (const double value : values) {
    sum += result(value);
    squares += result(value) * result(value);
  }
  const auto size = static_cast<double>(values.size());
  result.variance = squares / size - sum * sum / (size * size);
  return result;
}

/// The columns that tell how rows follow each other; none if the table is in the order of one.
std::vector<ScaledColumn> telling_columns(std::span<const double> x, std::int64_t columns) {
  constexpr std::int64_t kMostColumns = 64;  // of many a part tells as much
  constexpr std::int64_t kFewValues = 20;
  std::vector<ScaledColumn> result;
  const std::int64_t looked_at = std::min(columns, kMostColumns);
  for (std::int64_t i = 0; i < looked_at; ++i) {
    const std::int64_t number = i * columns / looked_at;
    std::vector<double> values = sampled_values(x, columns, number);
    if (std::ssize(std::unordered_set<double>(values.begin(), values.end())) <= kFewValues)
      continue;
    if (keeps_direction(values)) {
      if (!evenly_spaced(values)) return {};
      continue;
    }
    if (const auto column = scaled(std::move(values), number)) result.push_back(*column);
  }
  return result;
}

/// Half the mean squared difference of rows `lag` rows apart, 1 for independent ones, and from how
/// many pairs it is, a mean over columns.
struct Difference {
  double value = 1.0, pairs = 0.0;
};
Difference row_difference(std::span<const double> x, std::int64_t columns,
                          std::span<const ScaledColumn> telling, std::int64_t lag) {
  const std::int64_t first_rows = std::ssize(x) / columns - lag;
  const std::int64_t pairs = std::min(first_rows, kPairs);
  double sum = 0.0;
  std::int64_t terms = 0;
  for (std::int64_t i = 0; i < pairs; ++i) {
    const double* one = &x[static_cast<std::size_t>(i * first_rows / pairs * columns)];
    const double* other = one + lag * columns;
    for (const ScaledColumn& column : telling) {
      const double difference = column(one[column.number]) - column(other[column.number]);
      if (std::isnan(difference)) continue;
      sum += difference * difference / (2.0 * column.variance);
      ++terms;
    }
  }
  if (terms == 0) return {};
  return {sum / static_cast<double>(terms),
          static_cast<double>(terms) / static_cast<double>(telling.size())};
}

}  // namespace

RowOrder find_row_order(std::span<const double> x, std::int64_t columns,
                        std::span<const double> context, std::int64_t context_columns) {
  constexpr std::int64_t kMostLags = 4096;
  constexpr double kLeast = 0.6, kNearer = 0.55, kForgotten = 0.1, kRemembered = 0.2, kNear = 0.02;
  RowOrder result;
  if (x.empty()) return result;
  const std::vector<ScaledColumn> telling = telling_columns(x, columns);
  if (telling.empty()) return result;
  const std::int64_t rows = std::ssize(x) / columns;
  std::vector<double> correlations{0.0};
  double best = 0.0;
  for (std::int64_t lag = 1; lag <= std::min(kMostLags, rows / 4); ++lag) {
    const Difference found = row_difference(x, columns, telling, lag);
    // The variance of a squared difference of two normal numbers is twice its mean's square.
    const bool sure = 1.0 - found.value >= 5.0 * std::sqrt(2.0 / std::max(found.pairs, 1e-9));
    correlations.push_back(sure ? 1.0 - found.value : 0.0);
    best = std::max(best, correlations.back());
  }
  if (best < kLeast) return result;
  // Of lags that are as good but for chance the first.
  const auto lag = std::ranges::find_if(correlations,
                                        [&](double correlation) {
                                          return correlation >= std::max(kLeast, best - kNear);
                                        }) -
                   correlations.begin();
  const std::int64_t times = std::clamp<std::int64_t>(rows / 2 / lag, 2, 8);
  const double near = row_difference(x, columns, telling, lag).value;
  if (!(near < kNearer * row_difference(x, columns, telling, times * lag).value)) return result;
  if (in_groups(x, columns, context, context_columns)) return result;
  result.lag = lag;
  result.correlation = correlations[static_cast<std::size_t>(lag)];
  const std::int64_t longest = std::max<std::int64_t>(2, rows / 20);
  std::int64_t far = lag;
  while (5 * far < longest && 1.0 - row_difference(x, columns, telling, far).value > kForgotten)
    far += std::max<std::int64_t>(1, far / lag / 4) * lag;
  result.block_rows = std::clamp(5 * far, std::min(longest, rows / 100 + 1), longest);
  result.remembers =
      1.0 - row_difference(x, columns, telling, result.block_rows / lag * lag).value > kRemembered;
  return result;
}

std::string row_order_text(const RowOrder& order) {
  if (order.lag == 0) return "";
  return fmt::format(
      "rows follow each other, as frames of a trajectory or draws of a Markov chain do (those {} "
      "apart correlate by {:.2f}), so blocks of {} rows go to training, validation and test "
      "together{}; data.block_rows = 1 draws each row by itself",
      order.lag, order.correlation, order.block_rows,
      order.remembers ? ", which is less than they remember: with so few independent rows, what "
                        "validation and test say may still be too good"
                      : "");
}

std::int64_t block_of(std::int64_t row, std::int64_t block_rows, std::int64_t rows) {
  return std::min(row / block_rows, std::max<std::int64_t>(1, rows / block_rows) - 1);
}

RowSplit split_rows(std::int64_t rows, double validation_fraction, double test_fraction,
                    std::uint64_t seed, const GivenRows& given, std::int64_t block_rows) {
  if (validation_fraction + test_fraction > 0.95)
    fail<ConfigError>(
        "data.validation_fraction + data.test_fraction: expected at most 0.95, got {}",
        validation_fraction + test_fraction);
  const std::int64_t free_rows = rows - given.validation - given.test;
  const std::int64_t blocks = std::max<std::int64_t>(1, free_rows / block_rows);
  const bool draws = (validation_fraction > 0.0 && given.validation == 0) ||
                     (test_fraction > 0.0 && given.test == 0);
  if (block_rows > 1 && blocks < 3 && draws)
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
    // An error takes two blocks at least.
    const auto least = block_rows > 1 && blocks >= 6 ? 2LL : 1LL;
    return fraction > 0.0 && given_rows == 0 ? std::max(least, count) : 0LL;
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
