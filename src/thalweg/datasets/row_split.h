// Which rows serve what.
#pragma once

#include <cstdint>
#include <span>
#include <string>
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

/// Splits rows by `seed`, in blocks of `block_rows` consecutive ones, the last of them longer, that
/// have one purpose: 1 draws each row by itself. Of more rows than one, a purpose takes two blocks
/// at least where there are six. Throws ConfigError for fractions above 0.95 together and where
/// rows are drawn from fewer than three such blocks, DataError if less than 10 rows are left to
/// train on.
RowSplit split_rows(std::int64_t rows, double validation_fraction, double test_fraction,
                    std::uint64_t seed, const GivenRows& given, std::int64_t block_rows = 1);

/// The block that a row is in: of `rows` rows, those that remain belong to the last whole one.
std::int64_t block_of(std::int64_t row, std::int64_t block_rows, std::int64_t rows);

/// How rows follow each other, as frames of a trajectory or draws of a Markov chain do.
struct RowOrder {
  std::int64_t lag = 0;         ///< rows from one to that which is most like it; 0: none is
  double correlation = 0.0;     ///< of rows so far apart, a mean over columns
  std::int64_t block_rows = 1;  ///< for split_rows(): 1 if rows do not follow each other
  bool remembers = false;       ///< rows are alike over more rows than a block has
};

/// Looks for the number of rows, up to 4096 as several walkers may take turns, at which rows of `x`
/// (rows x columns, row-major) are alike: a correlation of at least 0.6 (more where few pairs
/// tell), by squared differences of values clamped at three deviations, which are at most 0.55
/// times those of rows eight times as far apart. The latter tells chains from tables in the order
/// of a column or a group, whose neighbours are no nearer than others about them. Tables in the
/// order of a column that is not evenly spaced, or of groups that one of the `columns` or of
/// `context` (rows x context_columns) names, are left alone. Columns of 20 values and fewer, and
/// those that only rise or fall, as a time, do not count, nor do pairs with a missing value; of
/// more than 64 columns 64 do. A block has five times the rows in which the correlation falls below
/// 0.1, and is between a hundredth and a twentieth of the rows.
RowOrder find_row_order(std::span<const double> x, std::int64_t columns,
                        std::span<const double> context = {}, std::int64_t context_columns = 0);

/// What find_row_order() found, in a sentence; empty if rows do not follow each other.
std::string row_order_text(const RowOrder& order);

}  // namespace thalweg
