// Which rows serve what.
#pragma once

#include <cstdint>
#include <vector>

namespace thalweg {

/// How many of a table's last rows have a purpose already: first those to validate on, then those
/// to test on. For a purpose without rows here, a share of the other rows is drawn.
struct GivenRows {
  std::int64_t validation = 0, test = 0;
};

/// Numbers of rows, each in random order but for those given.
struct RowSplit {
  std::vector<std::int64_t> train, validation, test;
};

/// Splits rows by `seed`. Throws ConfigError for fractions above 0.95 together, DataError if less
/// than 10 rows are left to train on.
RowSplit split_rows(std::int64_t rows, double validation_fraction, double test_fraction,
                    std::uint64_t seed, const GivenRows& given);

}  // namespace thalweg
