#include "thalweg/datasets/row_split.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {

RowSplit split_rows(std::int64_t rows, double validation_fraction, double test_fraction,
                    std::uint64_t seed, const GivenRows& given) {
  if (validation_fraction + test_fraction > 0.95)
    fail<ConfigError>(
        "data.validation_fraction + data.test_fraction: expected at most 0.95, got {}",
        validation_fraction + test_fraction);
  const std::int64_t free_rows = rows - given.validation - given.test;
  std::vector<std::int64_t> order(static_cast<std::size_t>(free_rows));
  std::iota(order.begin(), order.end(), 0);
  RandomSequence random(seed, Stream::kSplit);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  const auto share = [&](double fraction, std::int64_t given_rows) {
    const auto count = std::llround(fraction * static_cast<double>(free_rows));
    return fraction > 0.0 && given_rows == 0 ? std::max<std::int64_t>(1, count) : std::int64_t{0};
  };
  RowSplit result;
  const auto test_end = order.begin() + share(test_fraction, given.test);
  const auto validation_end = test_end + share(validation_fraction, given.validation);
  result.test.assign(order.begin(), test_end);
  result.validation.assign(test_end, validation_end);
  result.train.assign(validation_end, order.end());
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
