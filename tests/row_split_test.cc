// Which rows serve what, and whether rows follow each other.
#include "thalweg/datasets/row_split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/datasets/prepare_data.h"
#include "thalweg/runs/log_densities.h"

namespace thalweg {
namespace {

using Rows = std::vector<std::int64_t>;

/// `walkers` chains that take turns, each column of which keeps `kept` of itself from step to step:
/// normal, with a correlation of kept^k after k steps.
std::vector<double> chains(std::int64_t rows, std::int64_t columns, double kept,
                           std::int64_t walkers, std::uint64_t seed) {
  RandomSequence random(seed, Stream::kTarget);
  std::vector<double> x(static_cast<std::size_t>(rows * columns));
  const auto turn = static_cast<std::size_t>(walkers * columns);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = i < turn ? random.normal()
                    : kept * x[i - turn] + std::sqrt(1.0 - kept * kept) * random.normal();
  return x;
}

TEST(RowOrder, IndependentRowsHaveNone) {
  // 5 standard errors at least for each of 4096 lags at most: a chance of 1e-3 for all tables.
  for (const std::int64_t rows : {20, 100, 1000, 20000})
    for (const std::int64_t columns : {1, 3, 100}) {
      std::vector<double> x = chains(rows, columns, 0.0, 1, 7);
      EXPECT_EQ(find_row_order(x, columns).lag, 0) << rows << " x " << columns;
      EXPECT_EQ(find_row_order(x, columns).block_rows, 1);
      for (double& value : x) value = std::tan(1.5 * std::erf(value));  // heavy tails
      EXPECT_EQ(find_row_order(x, columns).lag, 0) << rows << " x " << columns;
      for (double& value : x) value = value > 0.5 ? 1.0 : 0.0;
      EXPECT_EQ(find_row_order(x, columns).lag, 0) << rows << " x " << columns;
    }
  EXPECT_EQ(find_row_order({}, 2).lag, 0);
}

TEST(RowOrder, ColumnsInOrderDoNotCount) {
  std::vector<double> x = chains(2000, 3, 0.0, 1, 7);
  for (std::size_t row = 0; row < 2000; ++row) {
    x[3 * row] = std::sqrt(static_cast<double>(row));
    x[3 * row + 1] = -std::floor(static_cast<double>(row) / 700.0);  // classes, one after another
  }
  EXPECT_EQ(find_row_order(x, 3).lag, 0);
  // A time beside a chain does not hide it.
  std::vector<double> chain = chains(2000, 3, 0.95, 1, 7);
  for (std::size_t row = 0; row < 2000; ++row) chain[3 * row] = static_cast<double>(row);
  EXPECT_EQ(find_row_order(chain, 3).lag, 1);
}

TEST(RowOrder, TablesInSomeOrderAreNoChains) {
  RandomSequence random(13, Stream::kTarget);
  using Row = std::vector<double>;
  const auto table = [](std::int64_t rows, const auto& row_of) {
    std::vector<double> x;
    for (std::int64_t row = 0; row < rows; ++row)
      for (const double value : row_of(row)) x.push_back(value);
    return x;
  };
  // Sorted by a column that others depend on.
  double last = 0.0;
  const std::vector<double> sorted = table(2000, [&](std::int64_t) {
    last -= std::log(random.uniform());
    return Row{last, last + 200.0 * random.normal(), std::sin(0.01 * last)};
  });
  EXPECT_EQ(find_row_order(sorted, 3).lag, 0);
  // Groups of rows about centres of their own, with a column that names them and without.
  Row centre(3);
  const auto grouped = [&](std::int64_t size, double apart, bool named) {
    return table(2000, [&, size, apart, named](std::int64_t row) {
      if (row % size == 0)
        for (double& value : centre) value = apart * random.normal();
      Row result;
      for (const double value : centre) result.push_back(value + random.normal());
      if (named) result.push_back(static_cast<double>(row / size * 37 % 101));
      return result;
    });
  };
  EXPECT_EQ(find_row_order(grouped(50, 5.0, true), 4).lag, 0);
  EXPECT_EQ(find_row_order(grouped(20, 5.0, true), 4).lag, 0);
  EXPECT_EQ(find_row_order(grouped(200, 2.0, false), 3).lag, 0);
  std::vector<double> group;
  for (std::int64_t row = 0; row < 2000; ++row) group.push_back(static_cast<double>(row / 20));
  EXPECT_EQ(find_row_order(grouped(20, 5.0, false), 3, group, 1).lag, 0);
  // Three classes in turn, as Iris has them.
  const std::vector<double> classes = table(150, [&](std::int64_t row) {
    const double middle = row < 50 ? 0.0 : row < 100 ? 3.0 : 4.5;
    return Row{middle + random.normal(), middle + random.normal(), 0.5 * middle + random.normal()};
  });
  EXPECT_EQ(find_row_order(classes, 3).lag, 0);
  // A design of three factors and a response.
  const std::vector<double> design = table(1000, [&](std::int64_t row) {
    return Row{static_cast<double>(row / 100), static_cast<double>(row / 10 % 10),
               static_cast<double>(row % 10), random.normal()};
  });
  EXPECT_EQ(find_row_order(design, 4).lag, 0);
  // Copies of a table after each other, which blocks do not part.
  const std::vector<double> once = chains(300, 3, 0.0, 1, 7);
  std::vector<double> copies;
  for (int copy = 0; copy < 10; ++copy) copies.insert(copies.end(), once.begin(), once.end());
  EXPECT_EQ(find_row_order(copies, 3).lag, 0);
  // Few values beside many that are missing.
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    std::vector<double> sparse = chains(1000, 1, 0.0, 1, seed);
    for (std::size_t row = 0; row < sparse.size(); ++row)
      if (row * 7 % 20 > 1) sparse[row] = NAN;
    EXPECT_EQ(find_row_order(sparse, 1).lag, 0) << seed;
  }
}

TEST(RowOrder, ChainsAreFoundWithTheirWalkersAndTheirMemory) {
  for (const std::int64_t walkers : {1, 7, 500}) {
    std::vector<double> x = chains(100000, 4, 0.9, walkers, 3);
    const RowOrder order = find_row_order(x, 4);
    EXPECT_EQ(order.lag, walkers);
    EXPECT_NEAR(order.correlation, 0.9, 0.03);
    // .9^k is below .1 after 22 steps; looked at is each step at first, and a quarter more later.
    const std::int64_t least = std::clamp<std::int64_t>(5 * 17 * walkers, 1001, 5000);
    const std::int64_t most = std::clamp<std::int64_t>(5 * 32 * walkers, 1001, 5000);
    EXPECT_GE(order.block_rows, least);
    EXPECT_LE(order.block_rows, most);
    for (std::size_t i = 0; i < x.size(); i += 9) x[i] = NAN;
    EXPECT_EQ(find_row_order(x, 4).lag, walkers);
  }
  // Draws that are refused repeat a row.
  const std::vector<double> moves = chains(2000, 3, 0.0, 1, 5);
  std::vector<double> repeated;
  for (std::size_t row = 0; row < 20000; ++row)
    repeated.insert(repeated.end(), moves.begin() + static_cast<std::ptrdiff_t>(row / 10 * 3),
                    moves.begin() + static_cast<std::ptrdiff_t>(row / 10 * 3 + 3));
  EXPECT_EQ(find_row_order(repeated, 3).lag, 1);
  // Where they remember more than a block has, it is said.
  EXPECT_NE(row_order_text(find_row_order(chains(64 * 20, 4, 0.98, 64, 3), 4)).find("remember"),
            std::string::npos);
  EXPECT_EQ(row_order_text(find_row_order(chains(20000, 4, 0.9, 1, 3), 4)).find("remember"),
            std::string::npos);
  // What a flow that overfits hardly gains from is left to chance.
  EXPECT_EQ(find_row_order(chains(100000, 4, 0.5, 1, 3), 4).lag, 0);
}

TEST(RowSplit, BlocksStayTogether) {
  const RowSplit split = split_rows(1007, 0.1, 0.2, 5, {}, 50);
  EXPECT_EQ(split.test.size() + split.validation.size() + split.train.size(), 1007u);
  std::set<std::int64_t> all;
  const auto blocks_of = [&](const Rows& rows) {
    std::set<std::int64_t> blocks;
    for (const std::int64_t row : rows) {
      EXPECT_TRUE(all.insert(row).second);
      blocks.insert(std::min<std::int64_t>(row / 50, 19));  // the last one is longer
    }
    return blocks;
  };
  EXPECT_EQ(blocks_of(split.test).size(), 4u);
  EXPECT_EQ(blocks_of(split.validation).size(), 2u);
  EXPECT_EQ(blocks_of(split.train).size(), 14u);
  EXPECT_EQ(all.size(), 1007u);
  EXPECT_EQ(*all.rbegin(), 1006);
  // In random order, so that the first of them are from all blocks.
  EXPECT_FALSE(std::ranges::is_sorted(split.train));
  EXPECT_EQ(split_rows(1007, 0.1, 0.2, 5, {}, 50).test, split.test);
  EXPECT_NE(split_rows(1007, 0.1, 0.2, 6, {}, 50).test, split.test);
  // Given rows are no part of a block.
  const RowSplit given = split_rows(1007, 0.1, 0.2, 5, {.test = 7}, 50);
  EXPECT_EQ(given.test, (Rows{1000, 1001, 1002, 1003, 1004, 1005, 1006}));
  EXPECT_EQ(given.validation.size(), 100u);
  EXPECT_THROW(split_rows(1000, 0.1, 0.1, 5, {}, 400), ConfigError);
  EXPECT_EQ(split_rows(1000, 0.1, 0.1, 5, {400, 400}, 150).train.size(), 200u);  // nothing drawn
  EXPECT_EQ(split_rows(1000, 0.05, 0.05, 5, {}, 100).test.size(), 200u);         // for an error
  EXPECT_EQ(block_of(1006, 50, 1007), 19);
  EXPECT_EQ(block_of(949, 50, 1007), 18);
  EXPECT_EQ(block_of(3, 50, 7), 0);
}

TEST(RowSplit, PreparedDataKeepNeighboursOnOneSide) {
  Table table;
  table.names = {"a", "b", "c"};
  table.rows = 4000;
  table.values = chains(table.rows, 3, 0.97, 1, 11);
  const PreparedData data = prepare_data(table, {}, 3);
  EXPECT_EQ(data.block_rows, 200);
  EXPECT_NE(data.notes.back().find("rows follow each other"), std::string::npos);
  const std::set<std::int64_t> test(data.test.begin(), data.test.end());
  EXPECT_EQ(test.size(), 400u);
  for (const std::int64_t row : data.test) EXPECT_TRUE(test.contains(row / 200 * 200));
  const auto rows_of = [&](std::int64_t block_rows, const GivenRows& given, bool weighted) {
    DataOptions options;
    options.block_rows = block_rows;
    Table own = table;
    if (weighted) {
      own.names.push_back("w");
      own.values.clear();
      for (std::int64_t row = 0; row < own.rows; ++row) {
        for (std::int64_t i = 0; i < 3; ++i)
          own.values.push_back(table.values[static_cast<std::size_t>(3 * row + i)]);
        own.values.push_back(1.0 + static_cast<double>(row % 3));
      }
      options.weights = "w";
    }
    return prepare_data(own, options, 3, given).block_rows;
  };
  EXPECT_EQ(rows_of(1, {}, false), 1);
  EXPECT_EQ(rows_of(37, {}, false), 37);
  EXPECT_EQ(rows_of(0, {400, 400}, false), 160);  // for the folds of a stack
  EXPECT_EQ(rows_of(0, {0, 400}, false), 180);
  EXPECT_EQ(rows_of(0, {}, true), 200);
}

TEST(RowSplit, ErrorsAreOfBlocksWhereRowsFollowEachOther) {
  // The mean of n values of a chain with correlation r^k has n (1 - r) / (1 + r) independent ones.
  constexpr std::int64_t kRows = 20000;
  constexpr double kKept = 0.9;
  const double expected = std::sqrt((1.0 + kKept) / (1.0 - kKept) / kRows);
  double squares = 0.0, naive = 0.0;
  constexpr int kRepeats = 40;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const std::vector<double> x =
        chains(kRows, 1, kKept, 1, 100 + static_cast<std::uint64_t>(repeat));
    const Rows blocks = blocks_in_order(x, 1);
    ASSERT_FALSE(blocks.empty());
    squares += std::pow(mean_with_error(x, {.blocks = blocks}).error, 2) / kRepeats;
    naive += std::pow(mean_with_error(x).error, 2) / kRepeats;
    // As many groups as rows are rows.
    Rows apart(x.size());
    std::iota(apart.begin(), apart.end(), 0);
    EXPECT_NEAR(mean_with_error(x, {.blocks = apart}).error, mean_with_error(x).error, 1e-15);
  }
  EXPECT_NEAR(std::sqrt(squares) / expected, 1.0, 0.1);  // 6 standard errors
  EXPECT_LT(std::sqrt(naive), 0.3 * expected);
  EXPECT_TRUE(blocks_in_order(chains(kRows, 1, 0.0, 1, 1), 1).empty());
  // With weights as without, where they are alike; few blocks that agree by chance do not count.
  const std::vector<double> x = {1.0, -1.0, 2.0, -2.0}, ones = {2.0, 2.0, 2.0, 2.0};
  const Rows pairs = {0, 0, 1, 1};
  EXPECT_DOUBLE_EQ(mean_with_error(x, {ones, {}}).error, mean_with_error(x).error);
  EXPECT_DOUBLE_EQ(mean_with_error(x, {.blocks = pairs}).error, std::sqrt(10.0 / 12.0));
}

}  // namespace
}  // namespace thalweg
