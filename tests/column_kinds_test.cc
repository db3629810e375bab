// Kinds of columns: values and coordinates, what is found, marginal maps, what others decide,
// texts.
#include "thalweg/datasets/column_kinds.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numbers>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/datasets/column_bounds.h"
#include "thalweg/datasets/column_coding.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/datasets/derived_columns.h"
#include "thalweg/datasets/even_spacing.h"
#include "thalweg/datasets/marginal_map.h"
#include "thalweg/datasets/prepare_data.h"
#include "thalweg/datasets/standardisation.h"
#include "thalweg/runs/plan.h"
#include "thalweg/transforms/marginal_map.h"

namespace thalweg {
namespace {

std::vector<double> values_of(std::size_t rows,
                              const std::function<double(RandomSequence&)>& draw) {
  RandomSequence random(11, Stream::kTarget);
  std::vector<double> values;
  for (std::size_t row = 0; row < rows; ++row) values.push_back(draw(random));
  return values;
}

ColumnOptions found(const std::vector<double>& values, ColumnOptions column = {},
                    const ColumnKindRequest& request = {}) {
  std::vector<std::string> notes;
  column.name = "c";
  find_kind(column, values, request, notes);
  return column;
}

TEST(ColumnCoding, GoesThereAndBack) {
  ColumnOptions spaced, category, masses, circle;
  spaced.integer = true;
  spaced.origin = 0.3;
  spaced.step = 0.1;
  category.values = {-2.0, 4.0, 6.5};
  masses.atoms = {-1.0, 0.0};
  masses.gap = 0.25;
  circle.periodic = true;
  circle.lower = -180.0;
  circle.upper = 180.0;
  circle.scores = {-1.0, 1.0};
  RandomSequence random(3, Stream::kTarget);
  // Steps that are no binary fractions round.
  double least = 1e-9;
  const auto check = [&](const ColumnOptions& column, double value) {
    for (const double noise : {least, random.uniform(), 1.0 - least})
      EXPECT_NEAR(value_at(column, coordinate_of(column, value, noise)), value, 1e-12)
          << value << " " << noise;
  };
  for (int k = -5; k < 20; ++k) check(spaced, 0.3 + 0.1 * k);
  least = 0.0;
  for (const double value : category.values) check(category, value);
  for (const double value : {-3.5, -1.0, -0.999, -1e-9, 0.0, 1e-9, 2.0}) check(masses, value);
  for (const double value : {-180.0, 0.0, 179.0}) check(circle, value);
  EXPECT_NEAR(coordinate_of(circle, 190.0, 0.5), -170.0, 1e-12);
  // The order of values stays, and each atom is as long as the gap.
  EXPECT_LT(coordinate_of(masses, -1.0 - 1e-9, 0.5), coordinate_of(masses, -1.0, 0.0));
  EXPECT_EQ(coordinate_of(masses, 1.0, 0.5), 1.5);
  EXPECT_NEAR(coordinate_of(masses, 0.0, 0.5), 0.25 + 0.125, 1e-12);
  EXPECT_EQ(coordinate_of(category, 5.0, 0.5), -1.0);
  EXPECT_EQ(log_interval(masses, 0.0), std::log(0.25));
  EXPECT_EQ(log_interval(masses, 0.1), 0.0);
  EXPECT_EQ(log_interval(category, 4.0), 0.0);
  // Beyond a category's ends, and beyond what a column keeps to.
  EXPECT_EQ(value_at(category, -7.0), -2.0);
  EXPECT_EQ(value_at(category, 3.5), 6.5);
  spaced.lowest = 0.3;
  spaced.highest = 2.3;
  EXPECT_NEAR(value_at(spaced, 0.05), 0.6, 1e-12);
  EXPECT_EQ(value_at(spaced, -4.0), 0.3);
  // Moved back into its limits, a value is written as the data are.
  spaced.decimals = 1;
  for (int k = 0; k < 15; ++k) {
    const double value = value_at(spaced, 0.25 - 0.1 * k);
    EXPECT_EQ(value, std::strtod(fmt::format("{:.1f}", value).c_str(), nullptr)) << k;
  }
  masses.lowest = -1.0;
  EXPECT_EQ(value_at(masses, -1.5), -1.0);
}

TEST(ColumnKinds, FindsWhatColumnsHold) {
  const ColumnOptions binary =
      found(values_of(200, [](auto& random) { return random.uniform() < 0.3 ? 1.0 : 0.0; }));
  EXPECT_EQ(binary.values, (std::vector<double>{0.0, 1.0}));
  const ColumnOptions cylinders = found(
      values_of(200, [](auto& random) { return 4.0 + 2.0 * std::floor(3.0 * random.uniform()); }));
  EXPECT_EQ(cylinders.values, (std::vector<double>{4.0, 6.0, 8.0}));
  // Counts with a tail are evenly spaced, and stay within what was seen.
  const ColumnOptions counts = found(
      values_of(500, [](auto& random) { return std::floor(-5.0 * std::log(random.uniform())); }));
  EXPECT_TRUE(counts.integer);
  EXPECT_FALSE(counts.is_category());
  EXPECT_EQ(counts.lowest, 0.0);
  EXPECT_GT(counts.highest, 15.0);
  const ColumnOptions rain = found(values_of(500, [](auto& random) {
    const double amount = -std::log(random.uniform());
    return random.uniform() < 0.57 ? 0.0 : amount;
  }));
  EXPECT_EQ(rain.atoms, std::vector<double>{0.0});
  EXPECT_EQ(rain.lowest, 0.0);
  const ColumnOptions plain = found(values_of(500, [](auto& random) { return random.normal(); }));
  EXPECT_FALSE(plain.has_intervals());
  EXPECT_EQ(plain.lowest, -INFINITY);
  // Of many numbers with thin tails the next may be one more.
  const auto tails = values_of(20000, [](auto& random) {
    return std::round(std::clamp(4.0 * random.normal(), -13.0, 13.0));
  });
  EXPECT_EQ(found(tails).is_category(), false);
  EXPECT_EQ(found(tails, {}, {.rules = 4}).is_category(), true);
  // Declared otherwise.
  const auto months =
      values_of(600, [](auto& random) { return 1.0 + std::floor(12.0 * random.uniform()); });
  EXPECT_EQ(found(months).values.size(), 12u);
  EXPECT_TRUE(found(months, {}, {.declared = "spaced"}).integer);
  EXPECT_TRUE(found(months, {}, {.declared = "whole"}).integer);
  EXPECT_FALSE(found(months, {}, {.declared = "continuous"}).has_intervals());
  EXPECT_TRUE(found(months, {}, {.find_kinds = false}).integer);
  EXPECT_EQ(message_of<DataError>([&] {
              found(values_of(500, [](auto& random) { return random.normal(); }), {},
                    {.declared = "spaced"});
            }),
            "column 'c' is declared evenly spaced, but no step is found in its values");
}

TEST(ColumnKinds, AValueFarBeyondTheOthersDoesNotMakeTheseOne) {
  for (const double far : {1e6, 3e7, 9.96921e36}) {
    std::vector<double> values = values_of(3000, [](auto& random) {
      return static_cast<double>(static_cast<float>(random.normal()));
    });
    values[7] = far;
    ColumnOptions column;
    column.name = "c";
    std::vector<std::string> notes;
    find_spacing(column, values, false, true, 0x1p-53, notes);
    EXPECT_FALSE(column.integer) << far;
    ASSERT_EQ(notes.size(), 1u) << far;
    expect_parts(notes[0], {"'c'", fmt::format("{:.6g}", far), "--missing"});
  }
}

TEST(ColumnKinds, FindsLevels) {
  // One of 40 numbers of two decimals a row, as what a town has.
  const auto towns = values_of(500, [](auto& random) {
    const double town = std::floor(40.0 * random.uniform() * random.uniform());
    return std::round(100.0 * (3.0 + town + std::sin(town))) / 100.0;
  });
  const ColumnOptions few = found(towns);
  ASSERT_TRUE(few.integer);
  ASSERT_GT(few.levels.size(), 30u);
  for (const double value : few.levels) {
    EXPECT_NE(std::find(towns.begin(), towns.end(), value), towns.end()) << value;
    EXPECT_EQ(value_at(few, coordinate_of(few, value, 0.5)), value);
  }
  EXPECT_EQ(value_at(few, 0.4 * few.levels[3] + 0.6 * few.levels[4]), few.levels[4]);
  EXPECT_EQ(value_at(few, -1e9), few.levels.front());
  // A value of the grid that nobody had still has a density, that of the grid.
  EXPECT_EQ(log_interval(few, few.levels[3] + few.step), 0.0);
  EXPECT_TRUE(found(towns, {}, {.rules = 4}).levels.empty());
  // All of the steps are seen, or many values once.
  for (const double spread : {30.0, 4000.0}) {
    const ColumnOptions others = found(
        values_of(500, [&](auto& random) { return std::floor(spread * (random.normal() + 4.0)); }));
    EXPECT_TRUE(others.integer);
    EXPECT_TRUE(others.levels.empty()) << spread;
  }
}

TEST(ColumnKinds, FindsWhatItsLogarithmStraightens) {
  const auto lognormal =
      values_of(200, [](auto& random) { return std::exp(8.0 + random.normal()); });
  EXPECT_TRUE(wants_logarithm(found(lognormal), lognormal));
  const auto counts = values_of(
      200, [](auto& random) { return std::floor(std::exp(2.0 + 1.2 * random.normal())); });
  EXPECT_TRUE(wants_logarithm(found(counts), counts));
  const auto years =
      values_of(200, [](auto& random) { return 1990.0 + std::floor(30.0 * random.uniform()); });
  EXPECT_FALSE(wants_logarithm(found(years), years));
  const auto signs = values_of(200, [](auto& random) { return random.normal(); });
  EXPECT_FALSE(wants_logarithm(found(signs), signs));
  const auto sizes = values_of(200, [](auto& random) { return 10.0 + random.normal(); });
  EXPECT_FALSE(wants_logarithm(found(sizes), sizes));
  const auto heap = values_of(200, [](auto& random) {
    return random.uniform() < 0.4 ? 0.0 : std::floor(std::exp(4.0 + random.normal()));
  });
  EXPECT_FALSE(wants_logarithm(found(heap), heap));
  ColumnOptions bounded;
  bounded.lower = 1.0;
  EXPECT_FALSE(wants_logarithm(found(lognormal, bounded), lognormal));
}

double rounded(double value, double digits) {
  const double unit = std::pow(10.0, digits - 1.0 - std::floor(std::log10(std::abs(value))));
  return std::round(value * unit) / unit;
}

TEST(ColumnKinds, FindsSignificantDigits) {
  const auto lognormal = [](auto& random) { return std::exp(5.0 + 2.0 * random.normal()); };
  std::vector<double> values = values_of(500, lognormal);
  EXPECT_EQ(found(values).digits, 0);
  std::vector<double> floats = values;
  for (double& value : floats) value = static_cast<double>(static_cast<float>(value));
  EXPECT_EQ(found(floats, {}, {.rounding = 0x1p-24}).digits, 0);
  EXPECT_EQ(found(floats).digits, 0);
  for (double& value : values) value = std::stod(fmt::format("{:.5g}", value));
  const ColumnOptions column = found(values);
  EXPECT_EQ(column.digits, 5);
  EXPECT_FALSE(column.has_intervals());
  EXPECT_EQ(found(values, {}, {.declared = "continuous"}).digits, 0);
  for (double& value : floats) value = static_cast<float>(rounded(value, 5.0));
  EXPECT_EQ(found(floats, {}, {.rounding = 0x1p-24}).digits, 5);
  EXPECT_EQ(found(floats).digits, 5);

  // Samples have as many, no more decimals than the data, and stay off 0.
  RandomSequence normals(8, Stream::kTarget);
  for (int draw = 0; draw < 1000; ++draw) {
    const double drawn = std::exp(5.0 + 4.0 * normals.normal()), value = value_at(column, drawn);
    EXPECT_EQ(std::stod(fmt::format("{:.5g}", value)), value);
    EXPECT_NEAR(value, drawn, std::max(5.1e-5 * drawn, 1.01 * std::pow(10.0, -column.decimals)));
    EXPECT_GT(value, 0.0);
    EXPECT_EQ(value_at(column, value), value);
  }
  // Nor do they come to lie on a bound, on which the density is none.
  ColumnOptions bounded;
  bounded.lower = 2.0;
  bounded.upper = 3.0;
  bounded = found(values_of(500,
                            [](auto& random) {
                              return std::stod(fmt::format("{:.6g}", 2.0 + random.uniform()));
                            }),
                  bounded);
  ASSERT_EQ(bounded.digits, 6);
  EXPECT_EQ(value_at(bounded, 3.0 - 1e-9), 2.99999);
  EXPECT_EQ(value_at(bounded, 2.0 + 1e-9), 2.00001);
  EXPECT_EQ(value_at(bounded, 2.4567891), 2.45679);
}

TEST(ColumnKinds, SaysWhatDensitiesAreOf) {
  std::vector<ColumnOptions> columns(4);
  for (std::size_t i = 0; i < 4; ++i) columns[i].name = std::string(1, "abcd"[i]);
  EXPECT_EQ(measure_text(columns), "");
  columns[0].values = {0.0, 1.0};
  columns[1].integer = true;
  columns[2].atoms = {0.0};
  EXPECT_EQ(measure_text(columns),
            "masses of a; masses over the step of b; masses at the common values of c; densities "
            "elsewhere");
}

TEST(ColumnKinds, ClosesBoundsWithValuesOnThem) {
  // Percentages, of which some are 0 and 100: these are masses however few there are.
  std::vector<double> percent =
      values_of(300, [](auto& random) { return 100.0 * random.uniform(); });
  percent[7] = 0.0;
  percent[8] = percent[9] = 100.0;
  ColumnOptions column;
  column.lower = 0.0;
  column.upper = 100.0;
  column = found(percent, column);
  EXPECT_EQ(column.atoms, (std::vector<double>{0.0, 100.0}));
  EXPECT_EQ(column.upper, 100.0 + 2.0 * column.gap);
  // A bounded column of zeros and ones is a category, which needs no bounds.
  ColumnOptions binary;
  binary.lower = -0.5;
  binary.upper = 1.5;
  binary = found(values_of(200, [](auto& random) { return random.uniform() < 0.3 ? 1.0 : 0.0; }),
                 binary);
  EXPECT_TRUE(binary.is_category());
  EXPECT_EQ(binary.lower, -INFINITY);
}

/// Fitted to values that `draw` gives, and mapped with noise.
std::vector<double> scores_of(ColumnOptions& column, const std::vector<double>& values) {
  std::vector<double> coordinates = values;
  add_noise({&column, 1}, 5, Stream::kDequantisation, coordinates);
  measure(column, coordinates);
  for (double& value : coordinates) value = column.standardised(value);
  fit_marginal_map(column, coordinates);
  const MarginalMap map("map", {{column.knots, column.scores, column.smooth}});
  static const ParameterStore no_parameters;
  Graph graph(no_parameters);
  ThreadPool pool(1);
  RowMap rows(graph, {map.inverse(graph.input({1, 1})).value}, pool);
  return rows({.rows = static_cast<std::int64_t>(values.size()), .inputs = {coordinates}});
}

/// Kolmogorov and Smirnov's distance from a distribution function.
double distance(std::vector<double> values, const std::function<double(double)>& cdf) {
  std::sort(values.begin(), values.end());
  double worst = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i)
    worst = std::max(
        worst, std::abs((static_cast<double>(i) + 0.5) / std::ssize(values) - cdf(values[i])));
  return worst;
}

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

TEST(MarginalMap, MakesColumnsNormalAndCategoriesUniform) {
  // The map is fitted to these very values, so the distance is far below what chance would give.
  for (const auto& draw : std::vector<std::function<double(RandomSequence&)>>{
           [](auto& random) { return std::exp(1.5 * random.normal()); },
           [](auto& random) { return random.uniform() < 0.4 ? 0.0 : std::exp(random.normal()); },
           [](auto& random) { return std::floor(20.0 * std::exp(0.5 * random.normal())); },
           [](auto& random) { return random.normal() / std::abs(random.normal()); }}) {
    const std::vector<double> values = values_of(4000, draw);
    ColumnOptions column = found(values);
    EXPECT_FALSE(column.is_category());
    EXPECT_LT(distance(scores_of(column, values), normal_cdf), 0.012);
  }
  const std::vector<double> values =
      values_of(4000, [](auto& random) { return std::floor(3.0 * std::sqrt(random.uniform())); });
  ColumnOptions column = found(values);
  ASSERT_TRUE(column.is_category());
  EXPECT_LT(distance(scores_of(column, values), [](double w) { return 0.5 * (w + 1.0); }), 0.02);
  EXPECT_TRUE(column.has_cells());
}

TEST(MarginalMap, GoesOnBeyondTheRowsAsItEnds) {
  // Just beyond the extremes the density must not fall off: the score of a value three deviations
  // out stays near that of the normal itself.
  const std::vector<double> values = values_of(1500, [](auto& random) {
    return std::round(100.0 * (20.0 + 3.0 * random.normal())) / 100.0;
  });
  ColumnOptions column = found(values);
  ASSERT_TRUE(column.integer);
  scores_of(column, values);
  ASSERT_FALSE(column.knots.empty());
  const MarginalMap map("map", {{column.knots, column.scores, column.smooth}});
  static const ParameterStore no_parameters;
  Graph graph(no_parameters);
  ThreadPool pool(1);
  RowMap rows(graph, {map.inverse(graph.input({1, 1})).value}, pool);
  const std::vector<double> outside = {4.5, -4.5};
  const std::vector<double> scores = rows({.rows = 2, .inputs = {outside}});
  EXPECT_NEAR(scores[0], 4.5, 2.5);
  EXPECT_NEAR(scores[1], -4.5, 2.5);
}

Table texts() {
  Table table;
  table.names = {"x", "who", "when"};
  table.content = {{},
                   {.content = ColumnContent::kText, .labels = {"ann", "bob", "eve"}},
                   {.content = ColumnContent::kDate, .format = "YYYY-MM-DD"}};
  RandomSequence random(6, Stream::kTarget);
  table.rows = 300;
  for (int row = 0; row < 300; ++row) {
    table.values.push_back(random.normal());
    table.values.push_back(std::floor(3.0 * random.uniform()));
    table.values.push_back(18000.0 + std::floor(200.0 * random.uniform()));
  }
  return table;
}

TEST(ColumnTexts, AreCategoriesDatesAndConditions) {
  const PreparedData data = prepare_data(texts(), {}, 1);
  EXPECT_EQ(data.columns[1].labels, (std::vector<std::string>{"ann", "bob", "eve"}));
  EXPECT_EQ(data.columns[1].values.size(), 3u);
  EXPECT_EQ(data.columns[2].date, "YYYY-MM-DD");
  EXPECT_TRUE(data.columns[2].integer);
  const std::vector<ColumnText> content = contents_of(data.columns);
  EXPECT_EQ(content[1].content, ColumnContent::kText);
  EXPECT_EQ(content[2].format, "YYYY-MM-DD");

  DataOptions options;
  options.condition = {"who", "when"};
  const PreparedData given = prepare_data(texts(), options, 1);
  ASSERT_EQ(given.context_columns.size(), 4u);
  const Table table = texts();
  for (std::size_t row = 0; row < 300; ++row) {
    const double* context = given.context.data() + 4 * row;
    EXPECT_EQ(context[0] + context[1] + context[2], 1.0);
    EXPECT_EQ(context[static_cast<std::size_t>(table.values[3 * row + 1])], 1.0);
    EXPECT_EQ(context[3], table.values[3 * row + 2]);
  }
  // Back to the columns that the condition came from.
  const ConditionTable back(given.context_columns);
  EXPECT_EQ(back.names(), (std::vector<std::string>{"who", "when"}));
  std::vector<double> values;
  back.append({given.context.data(), 4}, values);
  EXPECT_EQ(values, (std::vector<double>{table.values[1], table.values[2]}));

  EXPECT_EQ(message_of<DataError>([&] {
              require_known_texts(given.context_columns, std::vector{0.0, 0.0, 0.0, 18000.0});
            }),
            "row 1, column 'who': expected a text that the model was trained with (ann, bob, eve), "
            "got another");

  // Another file numbers its texts otherwise, and may have others.
  ModelOptions model;
  model.features = 3;
  model.columns = data.columns;
  Table other = texts();
  other.content[1].labels = {"bob", "carl", "eve"};
  other.rows = 3;
  other.values = {0.0, 0.0, 18000.0, 0.0, 1.0, 18000.0, 0.0, 2.0, 18000.0};
  const std::vector<double> x = rows_for_model(other, model).x;
  EXPECT_EQ(x[1], 1.0);
  EXPECT_EQ(x[4], -1.0);
  EXPECT_EQ(x[7], 2.0);
  other.content[1] = {};
  EXPECT_EQ(message_of<DataError>([&] { rows_for_model(other, model); }),
            "column 'who': expected texts, as the model was trained on, got numbers");
}

TEST(PrepareData, RefusesTextsAsNumbers) {
  DataOptions options;
  options.kinds = {"who=continuous"};
  EXPECT_EQ(message_of<ConfigError>([&] { prepare_data(texts(), options, 1); }),
            "data.kinds: column 'who' holds texts, which are a category; it cannot be continuous");
  options.kinds.clear();
  options.weights = "who";
  EXPECT_EQ(message_of<DataError>([&] { prepare_data(texts(), options, 1); }),
            "data.weights: column 'who' holds texts or dates; expected numbers");
  Table table = texts();
  options.weights = "x";
  EXPECT_EQ(message_of<DataError>([&] { prepare_data(table, options, 1); }).substr(0, 3), "row");
  for (std::size_t row = 0; row < 300; ++row) table.values[3 * row] = 0.0;
  EXPECT_EQ(message_of<DataError>([&] { prepare_data(table, options, 1); }),
            "column 'x': all weights are 0, so that no row counts");
  // Rows of weight 0 are as good as absent, and two of weight 1 as one of weight 2.
  for (std::size_t row = 0; row < 300; ++row)
    table.values[3 * row] = row % 3 == 0 ? 0.0 : static_cast<double>(row % 3);
  options.validation_fraction = options.test_fraction = 0.0;
  const PreparedData data = prepare_data(table, options, 1);
  EXPECT_NEAR(data.weights[1], 1.0, 1e-12);
  EXPECT_NEAR(data.weights[2], 2.0, 1e-12);
  std::vector<std::int64_t> counts(3);
  for (const std::int64_t row : data.training_rows(1)) ++counts[static_cast<std::size_t>(row % 3)];
  EXPECT_EQ(counts[0], 0);
  EXPECT_NEAR(static_cast<double>(counts[1]), 100.0, 1.0);
  EXPECT_NEAR(static_cast<double>(counts[2]), 200.0, 1.0);
}

TEST(PrepareData, LeavesOutRowsWithMissingValues) {
  Table table = texts();
  table.values[3 * 17 + 1] = NAN;
  table.values[3 * 299] = NAN;
  EXPECT_EQ(message_of<DataError>([&] { prepare_data(table, {}, 1); }),
            "row 300, column 'x': the value is missing, as in 1 of 300 rows: fill it in, leave out "
            "such rows with --drop-missing, or learn that it is missing with --kinds "
            "'x=missing,who=missing'");
  DataOptions options;
  options.drop_missing = true;
  const PreparedData data = prepare_data(table, options, 1, {.validation = 20, .test = 30});
  EXPECT_EQ(data.rows, 298);
  EXPECT_EQ(data.test.size(), 29u);
  EXPECT_EQ(data.validation.size(), 20u);
  EXPECT_EQ(data.notes.front(), "2 of 300 rows have missing values and are left out");
}

TEST(ColumnKinds, BoundsOfDatesAreDates) {
  std::vector<ColumnOptions> columns = {{.name = "day", .date = "YYYY-MM-DD"},
                                        {.name = "at", .date = "YYYY-MM-DD HH:MM"},
                                        {.name = "x"}};
  read_bounds(columns, {"day=2020-01-01:2020-12-31", "at=2020-01-01 06:30 : 2020-01-02", "x=0:2.5"},
              {});
  EXPECT_EQ(columns[0].lower, 18262.0);  // Days since 1970.
  EXPECT_EQ(columns[0].upper, 18627.0);
  EXPECT_EQ(columns[1].lower, 18262.0 * 86400.0 + 6.5 * 3600.0);
  EXPECT_EQ(columns[1].upper, 18263.0 * 86400.0);
  EXPECT_EQ(columns[2].upper, 2.5);
  std::vector<ColumnOptions> half = {{.name = "at", .date = "YYYY-MM-DD HH:MM"}};
  read_bounds(half, {"at=:2020-01-01 06:30"}, {});
  EXPECT_EQ(half[0].lower, -INFINITY);
  EXPECT_EQ(half[0].upper, columns[1].lower);
  EXPECT_EQ(written_bounds(half[0]), ":2020-01-01 06:30");
  EXPECT_EQ(message_of<DataError>([&] { check_bounds(columns[0], std::vector{18700.0}); }),
            "row 1, column 'day': the value 2021-03-14 is outside of its bounds "
            "2020-01-01:2020-12-31; correct it or widen the bounds");
  // Of whole numbers bounds are the numbers within, and no bound between two of them is.
  ColumnOptions count{.name = "n", .integer = true, .lower = 0.5, .upper = 100.5};
  check_bounds(count, std::vector{1.0, 100.0});
  EXPECT_EQ(count.lower, 1.0);
  EXPECT_EQ(count.upper, 101.0);  // 100 stands for what is below
  ColumnOptions month{.name = "m", .integer = true, .lower = 0.5, .upper = 12.5, .periodic = true};
  check_bounds(month, std::vector{1.0, 12.0});
  EXPECT_EQ(month.lower, 1.0);
  EXPECT_EQ(month.upper, 13.0);
  ColumnOptions tenth{
      .name = "t", .integer = true, .origin = 0.05, .step = 0.1, .lower = 0.1, .upper = 0.36};
  check_bounds(tenth, std::vector{0.15, 0.35});
  EXPECT_NEAR(tenth.lower, 0.15, 1e-12);
  EXPECT_NEAR(tenth.upper, 0.45, 1e-12);
  for (const char* entry : {"x=2020-01-01:", "day=2020-01-01 06:30:", "day=2020-13-01:"})
    EXPECT_THROW(read_bounds(columns, {entry}, {}), ConfigError) << entry;
}

}  // namespace
}  // namespace thalweg
