// Columns that others decide.
#include "thalweg/datasets/derived_columns.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/datasets/prepare_data.h"

namespace thalweg {
namespace {

TEST(DerivedColumns, AreFoundAndRestored) {
  // c = a + b, d = 2 c - a + 3, e is nearly so, and k = 24 - 2 n of whole numbers.
  RandomSequence random(4, Stream::kTarget);
  std::vector<ColumnOptions> columns(7);
  for (std::size_t i = 0; i < columns.size(); ++i) columns[i].name = std::string(1, "abcdenk"[i]);
  for (const std::size_t i : {5u, 6u}) columns[i].integer = true;
  std::vector<double> x;
  for (int row = 0; row < 300; ++row) {
    const double a = random.normal(), b = 1e4 + random.normal();
    const double n = std::floor(1000.0 * random.uniform());
    for (const double value :
         {a, b, a + b, 2.0 * (a + b) - a + 3.0, a + b + 1e-4 * random.normal(), n, 24.0 - 2.0 * n})
      x.push_back(value);
  }
  std::vector<DerivedColumn> derived;
  const std::vector<std::size_t> kept = find_derived({columns, x, {}, {}, 0x1p-53}, derived);
  EXPECT_EQ(kept, (std::vector<std::size_t>{0, 1, 4, 5}));
  ASSERT_EQ(derived.size(), 3u);
  const std::vector<ColumnOptions> of_kept = {columns[0], columns[1], columns[4], columns[5]};
  EXPECT_EQ(formula_text(derived[0], of_kept), "c = a + b");
  EXPECT_EQ(formula_text(derived[1], of_kept), "d = a + 2 b + 3");
  EXPECT_EQ(formula_text(derived[2], of_kept), "k = -2 n + 24");
  EXPECT_EQ(derived[2](std::vector<double>{0.0, 0.0, 0.0, 5.0}), 14.0);
  EXPECT_EQ(order_of_data(4, derived), (std::vector<std::size_t>{0, 1, 4, 5, 2, 3, 6}));
  derived[0].place = -1;  // As in runs that do not say it.
  EXPECT_EQ(order_of_data(4, derived), (std::vector<std::size_t>{0, 1, 2, 5, 3, 6, 4}));
}

/// 400 rows of a category of 20 states, their region, a number that a state has, and one of nobody.
struct States {
  std::vector<ColumnOptions> columns = {
      {.name = "region"}, {.name = "state"}, {.name = "area"}, {.name = "x"}};
  std::vector<double> x;

  States() {
    columns[0].values = {0.0, 1.0, 2.0};
    columns[0].labels = {"east", "south", "west"};
    for (int state = 0; state < 20; ++state) columns[1].values.push_back(state);
    RandomSequence random(2, Stream::kTarget);
    for (int row = 0; row < 400; ++row) {
      const double state = std::floor(20.0 * random.uniform());
      x.insert(x.end(), {std::fmod(state, 3.0), state, std::sqrt(state + 1.0), random.normal()});
    }
  }
};

TEST(DerivedColumns, AreLookedUpInTables) {
  const States data;
  std::vector<DerivedColumn> derived;
  EXPECT_EQ(find_derived({.columns = data.columns, .x = data.x, .context_columns = {}}, derived),
            (std::vector<std::size_t>{1, 3}));
  ASSERT_EQ(derived.size(), 2u);
  const std::vector<ColumnOptions> of_kept = {data.columns[1], data.columns[3]};
  EXPECT_EQ(formula_text(derived[0], of_kept), "region decided by state");
  EXPECT_EQ(derived[0].written().labels, data.columns[0].labels);
  for (double state = 0.0; state < 20.0; ++state) {
    EXPECT_EQ(derived[0](std::vector<double>{state, 0.5}), std::fmod(state, 3.0));
    EXPECT_EQ(derived[1](std::vector<double>{state, 0.5}), std::sqrt(state + 1.0));
  }
  EXPECT_TRUE(derived[0].agrees(std::vector<double>{4.0, 0.5}, 1.0));
  EXPECT_FALSE(derived[0].agrees(std::vector<double>{4.0, 0.5}, 2.0));
  EXPECT_TRUE(derived[0].agrees(std::vector<double>{99.0, 0.5}, 2.0));  // Not in the table.
  EXPECT_TRUE(derived[1].agrees(std::vector<double>{3.0, 0.5}, 2.0 + 1e-7));
  EXPECT_FALSE(derived[1].agrees(std::vector<double>{3.0, 0.5}, 2.0 + 1e-5));
  derived.clear();
  EXPECT_EQ(
      find_derived({.columns = data.columns, .x = data.x, .context_columns = {}, .tables = false},
                   derived)
          .size(),
      4u);
}

TEST(DerivedColumns, OfTwoThatDecideEachOtherTheFirstStays) {
  // b = 12 a, both categories; c by b and so by a.
  std::vector<ColumnOptions> columns = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
  columns[0].values = columns[1].values = {0.0};
  std::vector<double> x;
  RandomSequence random(3, Stream::kTarget);
  for (int row = 0; row < 300; ++row) {
    const double a = std::floor(12.0 * random.uniform());
    x.insert(x.end(), {a, 12.0 * a, std::cos(a)});
  }
  std::vector<DerivedColumn> derived;
  EXPECT_EQ(find_derived({.columns = columns, .x = x, .context_columns = {}}, derived),
            (std::vector<std::size_t>{0}));
  ASSERT_EQ(derived.size(), 2u);
  EXPECT_EQ(derived[0](std::vector<double>{7.0}), 84.0);
  EXPECT_EQ(derived[1](std::vector<double>{7.0}), std::cos(7.0));
}

TEST(DerivedColumns, ATableThatChanceMayHaveIsNone) {
  // Every key once, or a column that hardly varies: any table fits.
  std::vector<ColumnOptions> columns = {{.name = "id"}, {.name = "y"}, {.name = "rare"}};
  columns[0].integer = true;
  columns[2].values = {0.0, 1.0};
  std::vector<double> x;
  RandomSequence random(4, Stream::kTarget);
  for (int row = 0; row < 300; ++row)
    x.insert(x.end(), {row < 290 ? row : row - 290.0, random.normal(), row == 17 ? 1.0 : 0.0});
  x[3 * 290 + 1] = x[1];  // The keys that come twice agree, by chance.
  for (std::size_t row = 1; row < 10; ++row) x[3 * (290 + row) + 1] = x[3 * row + 1];
  std::vector<DerivedColumn> derived;
  // Ten pairs of a continuous column are no chance; of one that is 0 but for one row they are.
  EXPECT_EQ(find_derived({.columns = columns, .x = x, .context_columns = {}}, derived),
            (std::vector<std::size_t>{0, 2}));
}

TEST(DerivedColumns, FollowFromTheCondition) {
  Table table;
  table.names = {"a", "b", "c", "k"};
  RandomSequence random(5, Stream::kTarget);
  for (int row = 0; row < 500; ++row) {
    const double a = random.normal(), b = random.normal();
    const double k = std::floor(6.0 * random.uniform());
    table.values.insert(table.values.end(), {a, b, a + b, k});
    ++table.rows;
  }
  DataOptions options;
  options.condition = {"b", "k"};
  PreparedData data = prepare_data(table, options, 1);
  ASSERT_EQ(data.columns.size(), 1u);
  ASSERT_EQ(data.derived.size(), 1u);
  EXPECT_NEAR(data.derived[0](std::vector<double>{0.5, 2.0, 3.0}), 2.5, 1e-12);  // a, b, k

  // A continuous column by a whole number of the condition, which is no sum.
  for (std::size_t row = 0; row < 500; ++row)
    table.values[4 * row + 2] = std::exp(table.values[4 * row + 3]);
  data = prepare_data(table, options, 1);
  ASSERT_EQ(data.derived.size(), 1u);
  EXPECT_EQ(data.derived[0](std::vector<double>{0.5, 2.0, 3.0}), std::exp(3.0));

  options.columns = {"c"};
  try {
    prepare_data(table, options, 1);
    ADD_FAILURE() << "expected a DataError";
  } catch (const DataError& error) {
    EXPECT_EQ(std::string(error.what()),
              "c decided by k in all rows: the condition decides all that is to be modelled, which "
              "leaves nothing to learn");
  }
}

}  // namespace
}  // namespace thalweg
