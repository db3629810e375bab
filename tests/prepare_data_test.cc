// From tables to points: what is found, what is refused.
#include "thalweg/datasets/prepare_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/datasets/column_coding.h"
#include "thalweg/runs/plan.h"

namespace thalweg {
namespace {

Table named(std::vector<double> values) {
  Table table;
  table.names = {"a", "b"};
  table.rows = static_cast<std::int64_t>(values.size() / 2);
  table.values = std::move(values);
  return table;
}

/// `rows` x 2: a standard normal column, and one made by `second` from the row's number.
std::vector<double> table(std::size_t rows, const std::function<double(std::size_t)>& second) {
  std::vector<double> values;
  RandomSequence random(5, Stream::kTarget);
  for (std::size_t row = 0; row < rows; ++row) {
    values.push_back(random.normal());
    values.push_back(second(row));
  }
  return values;
}

double root(std::size_t row) { return std::sqrt(static_cast<double>(row) + 0.5); }

template <typename ErrorType>
std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const ErrorType& error) {
    return error.what();
  }
  return "no such error";
}

TEST(PrepareData, SplitsEveryRowOnce) {
  DataOptions options;
  options.validation_fraction = 0.2;
  const auto values = table(1000, root);
  const PreparedData data = prepare_data(named(values), options, 3);
  EXPECT_EQ(data.train.size(), 700u);
  EXPECT_EQ(data.validation.size(), 200u);
  EXPECT_EQ(data.test.size(), 100u);
  std::set<std::int64_t> all(data.train.begin(), data.train.end());
  all.insert(data.validation.begin(), data.validation.end());
  all.insert(data.test.begin(), data.test.end());
  EXPECT_EQ(all.size(), 1000u);
  EXPECT_EQ(prepare_data(named(values), options, 3).test, data.test);
  EXPECT_NE(prepare_data(named(values), options, 4).test, data.test);
}

TEST(PrepareData, KeepsGivenRowsApart) {
  const auto values = table(1000, root);
  const auto numbers = [](std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> result(static_cast<std::size_t>(end - begin));
    std::iota(result.begin(), result.end(), begin);
    return result;
  };
  PreparedData data = prepare_data(named(values), {}, 3, {150, 250});
  EXPECT_EQ(data.validation, numbers(600, 750));
  EXPECT_EQ(data.test, numbers(750, 1000));
  std::sort(data.train.begin(), data.train.end());
  EXPECT_EQ(data.train, numbers(0, 600));
  // What is not given is drawn from the other rows; nothing of the given rows is learnt from.
  data = prepare_data(named(values), {}, 3, {0, 250});
  EXPECT_EQ(data.test, numbers(750, 1000));
  EXPECT_EQ(data.validation.size(), 75u);
  EXPECT_EQ(data.train.size(), 675u);
  EXPECT_LT(*std::max_element(data.train.begin(), data.train.end()), 750);
  EXPECT_LT(*std::max_element(data.validation.begin(), data.validation.end()), 750);
  double mean = 0.0;
  for (const std::int64_t row : data.train)
    mean += values[2 * static_cast<std::size_t>(row)] / 675.0;
  EXPECT_NEAR(data.columns[0].mean, mean, 1e-12);
  DataOptions options;
  options.drop_duplicates = true;
  EXPECT_EQ(message_of<ConfigError>([&] {
              prepare_data(named(values), options, 3, {0, 250});
            }),
            "data.drop_duplicates cannot be combined with data.validation and data.test; drop them "
            "in the files");
  EXPECT_THROW(prepare_data(named(values), {}, 3, {500, 501}), ShapeError);
}

TEST(PrepareData, MeasuresAfterNoiseAndBounds) {
  DataOptions options;
  options.bounds = {"b=0:"};
  const auto values = table(2000, [](std::size_t row) { return std::exp(0.001 * row); });
  const PreparedData data = prepare_data(named(values), options, 3);
  EXPECT_EQ(data.columns[1].lower, 0.0);
  EXPECT_EQ(data.columns[1].upper, INFINITY);
  double mean = 0.0;
  for (const std::int64_t row : data.train) mean += 0.001 * static_cast<double>(row);
  EXPECT_NEAR(data.columns[1].mean, mean / static_cast<double>(data.train.size()), 1e-9);
  // Rows are uniform on [0, 2): deviation 2 / sqrt(12).
  EXPECT_NEAR(data.columns[1].scale, 2.0 / std::sqrt(12.0), 0.02);
}

TEST(PrepareData, FindsEvenlySpacedColumns) {
  // Single precision rounds 341 values that are 1 apart, none of them whole.
  const auto shifted = table(
      5000, [](std::size_t row) { return static_cast<float>(-69.975 + double(row * 7 % 341)); });
  const ColumnOptions column = prepare_data(named(shifted), {}, 1).columns[1];
  EXPECT_TRUE(column.integer);
  EXPECT_NEAR(column.step, 1.0, 1e-6);
  EXPECT_NEAR(column.origin, -69.975, 1e-5);
  // So do files with five digits.
  const auto cut = table(5000, [](std::size_t row) {
    const double value = -69.975 + static_cast<double>(row * 7 % 341);
    const double unit = std::abs(value) >= 100.0 ? 0.01 : 0.001;
    return unit * std::round(value / unit);
  });
  EXPECT_NEAR(prepare_data(named(cut), {}, 1).columns[1].step, 1.0, 1e-4);
  const auto tens = table(1000, [](std::size_t row) { return 10.0 * (row % 7) + 3.0; });
  DataOptions no_kinds;
  no_kinds.find_kinds = false;
  EXPECT_EQ(prepare_data(named(tens), no_kinds, 1).columns[1].step, 10.0);
  const auto whole = table(1000, [](std::size_t row) { return double(row * row % 1009); });
  EXPECT_TRUE(prepare_data(named(whole), {}, 1).columns[1].integer);
  EXPECT_FALSE(prepare_data(named(table(1000, root)), {}, 1).columns[1].integer);
  const auto uneven = table(1000, [](std::size_t row) { return root(row % 10); });
  EXPECT_FALSE(prepare_data(named(uneven), {}, 1).columns[1].integer);
  DataOptions options;
  options.find_integers = false;
  EXPECT_FALSE(prepare_data(named(tens), options, 1).columns[1].integer);
  options.integers = {"b"};
  EXPECT_EQ(prepare_data(named(tens), options, 1).columns[1].step, 1.0);
  options.integers = {"a"};
  const auto declared = [&](const std::vector<double>& values) {
    return message_of<DataError>([&] { prepare_data(named(values), options, 1); });
  };
  std::vector<double> halves = tens;
  for (std::size_t row = 0; row < 1000; ++row) halves[2 * row] = row == 3 ? 0.5 : double(row);
  EXPECT_EQ(declared(halves),
            "row 4, column 'a': the column is declared an integer but holds 0.5, which is not "
            "whole: leave it out of data.integers; other steps are found by themselves (--kinds "
            "name=spaced demands one)");
  halves[2 * 3] = 1e16;
  EXPECT_EQ(declared(halves),
            "row 4, column 'a': the column is declared an integer but holds 1e+16, which is beyond "
            "2^53, where double does not hold every whole number: leave it out of data.integers");
}

/// What prepare_data() makes of a second column in 1000 rows.
ColumnOptions column_of(const std::function<double(std::size_t)>& second, bool single = false) {
  Table points = named(table(1000, second));
  points.single_precision = single;
  if (single)
    for (double& value : points.values) value = static_cast<double>(static_cast<float>(value));
  return prepare_data(points, {}, 1).columns[1];
}

TEST(PrepareData, FindsWholeNumbersUpToWhatDoubleHolds) {
  // Beyond 2^24, where single precision would lose every other number, and dates, whose months end.
  const double odd[] = {123456001.0, 20210131.0, 1e15 + 1.0, 9007199240000000.0};
  for (const double first : odd) {
    const ColumnOptions column =
        column_of([&](std::size_t row) { return first + static_cast<double>(7 * row * row); });
    EXPECT_TRUE(column.integer) << first;
    EXPECT_EQ(column.step, 7.0) << first;
    EXPECT_EQ(column.origin, first);
  }
  // A step far below 1e-5 of the values, and more than a million steps.
  ColumnOptions column = column_of(
      [](std::size_t row) { return 123456000.0 + 10.0 * static_cast<double>(row * row * row); });
  EXPECT_TRUE(column.integer);
  EXPECT_EQ(column.step, 10.0);
  // Large floats are whole by rounding alone.
  EXPECT_FALSE(column_of([](std::size_t row) { return 1e20 * root(row); }).integer);
  EXPECT_FALSE(column_of([](std::size_t row) { return 1e16 + 1e14 * root(row); }).integer);
  EXPECT_FALSE(column_of([](std::size_t row) { return 3e7 * (1.0 + root(row)); }, true).integer);
  EXPECT_TRUE(column_of([](std::size_t row) { return 16777216.0 - double(row); }, true).integer);
}

TEST(PrepareData, FindsStepsByThePrecisionOfTheData) {
  // 4096 a second in GPS time: a step of 2e-13 of the values, which double holds exactly.
  ColumnOptions column =
      column_of([](std::size_t row) { return 1126259462.0 + double(row % 97) / 4096.0; });
  EXPECT_TRUE(column.integer);
  EXPECT_EQ(column.step, 1.0 / 4096.0);
  // Prices.
  column = column_of([](std::size_t row) { return double(123456 + row * row % 89) / 100.0; });
  EXPECT_TRUE(column.integer);
  EXPECT_NEAR(column.step, 0.01, 1e-9);
  // 0.1 k beside its decimal: two values that differ by rounding are one.
  column = column_of([](std::size_t row) {
    const auto k = double(row % 37);
    return row % 2 == 0 ? 0.1 * k : k / 10.0;
  });
  EXPECT_TRUE(column.integer);
  EXPECT_NEAR(column.step, 0.1, 1e-12);
  // What is left of uneven values by single precision is a grid, too: that of its rounding,
  // 2^-14 here. A file may say it is single, or all its values may be floats.
  const auto rounded = [](std::size_t row) {
    return static_cast<double>(static_cast<float>(1000.0 + 0.001 * root(row % 150)));
  };
  EXPECT_FALSE(column_of(rounded, true).integer);
  EXPECT_FALSE(column_of(rounded, false).integer);
  EXPECT_TRUE(column_of([](std::size_t row) { return 0.1 * double(row % 150); }, true).integer);
}

TEST(PrepareData, RefusesWhatIsConstantButForRounding) {
  const auto fails = [](Table points, const DataOptions& options, const GivenRows& given = {}) {
    return message_of<DataError>([&] { prepare_data(points, options, 1, given); });
  };
  const double above = std::nextafter(0.1, 1.0);
  Table rounding = named(table(100, [&](std::size_t row) { return row % 50 == 3 ? above : 0.1; }));
  const std::string message =
      "column 'b' has a single value, 0.1 (but for rounding in 2 rows), and so nothing to learn; "
      "leave it out with --drop-constant (data.drop_constant = true)";
  EXPECT_EQ(fails(rounding, {}), message);
  DataOptions options;
  options.condition = {"b"};
  EXPECT_EQ(fails(rounding, options), message);
  options.drop_constant = true;
  const PreparedData data = prepare_data(rounding, options, 1);
  EXPECT_EQ(data.context_features(), 0);
  EXPECT_EQ(data.notes.at(0),
            "column 'b' has a single value, 0.1 (but for rounding in 2 rows), and is left out");

  // One row in which it varies, which is not learnt from.
  const Table test_alone = named(table(100, [](std::size_t row) { return row == 99 ? 0.7 : 0.5; }));
  DataOptions continuous;
  continuous.kinds = {"b=continuous"};
  const std::string alone =
      "column 'b' has a single value, 0.5, in all 88 rows to train on, and others in 1 of the 12 "
      "rows to validate and test on alone, so that they cannot be learnt; name columns without it "
      "(--columns, --condition), add rows to train on in which it varies, or draw others (--seed)";
  EXPECT_EQ(fails(test_alone, continuous, {0, 2}), alone);
  options = {};
  options.condition = {"b"};
  EXPECT_EQ(fails(test_alone, options, {0, 2}), alone);
  // Where values have a mass, that one has next to all of it.
  for (const double rare : {5.0, 4.71}) {
    const PreparedData kept = prepare_data(
        named(table(100, [&](std::size_t row) { return row == 99 ? rare : 4.0; })), {}, 1, {0, 2});
    EXPECT_TRUE(kept.columns[1].has_intervals());
    EXPECT_TRUE(std::isfinite(kept.columns[1].mean) && kept.columns[1].scale > 0.0);
  }

  // Small beside their size, but far above rounding.
  for (const auto& [offset, width] :
       {std::pair{1126259462.0, 0.02}, std::pair{2460000.5, 0.2}, std::pair{-1e13, 100.0}}) {
    const ColumnOptions column = column_of(
        [&](std::size_t row) { return offset + width * std::fmod(0.618033988749895 * row, 1.0); });
    EXPECT_NEAR(column.mean, offset + width / 2.0, 0.02 * width);
    EXPECT_NEAR(column.scale, width / std::sqrt(12.0), 0.02 * width);
  }
  // Numbers in sequence are exact, however large.
  EXPECT_TRUE(column_of([](std::size_t row) { return 9e15 + double(row); }).integer);
  // Single precision: two neighbours of 300 are one, 300 and 300.1 are not.
  const auto warm = [](double more) {
    return [more](std::size_t row) { return row % 50 == 3 ? 300.0 + more : 300.0; };
  };
  EXPECT_EQ(message_of<DataError>([&] { column_of(warm(0x1p-15), true); }).substr(0, 44),
            "column 'b' has a single value, 300 (but for ");
  EXPECT_EQ(column_of(warm(0.1), true).values.size(), 2u);
}

TEST(PrepareData, StandardisesAllSizesThatDoubleHolds) {
  for (const double size : {1e-140, 1e-40, 1e-5, 1e35, 1e140}) {
    const ColumnOptions column = column_of([&](std::size_t row) { return size * root(row); });
    // The mean of sqrt(r) over [0, n] is 2/3 sqrt(n), its mean square n / 2; 800 rows of 1000 are
    // drawn: 5 % is 6 standard errors of the deviation.
    EXPECT_NEAR(column.mean / size, 2.0 / 3.0 * std::sqrt(1000.0), 0.05 * 21.0) << size;
    EXPECT_NEAR(column.scale / size, std::sqrt(1000.0 / 18.0), 0.05 * 7.5) << size;
  }
  EXPECT_EQ(message_of<DataError>([&] {
              column_of([](std::size_t row) { return 1e-160 * root(row); });
            }).substr(0, 22),
            "column 'b': its mean 2");
}

TEST(PrepareData, ChecksBoundsInDouble) {
  DataOptions options;
  options.bounds = {"b= -1 : +1 "};
  const auto near = [](double value) {
    return named(table(100, [=](std::size_t row) { return row == 50 ? value : 0.01 * root(row); }));
  };
  for (const double inside : {1.0 - 2e-8, std::nextafter(1.0, 0.0), -1.0 + 2e-8}) {
    const PreparedData data = prepare_data(near(inside), options, 1);
    EXPECT_EQ(data.x[2 * 50 + 1], inside);
    EXPECT_EQ(data.columns[1].lower, -1.0);
    EXPECT_EQ(data.columns[1].upper, 1.0);
  }
  EXPECT_EQ(
      message_of<DataError>([&] { prepare_data(near(std::nextafter(1.0, 2.0)), options, 1); }),
      "row 51, column 'b': the value 1.0000000000000002 is outside of its bounds -1:1; correct it "
      "or widen the bounds");
  // Bounds beside which all values are one.
  options.bounds = {"b=-1e16:"};
  EXPECT_EQ(message_of<DataError>([&] { prepare_data(near(0.0), options, 1); }),
            "column 'b': its bounds -1e+16: are so far from its values that these are all one "
            "beside them; give bounds that are nearer, or none");
  options.bounds = {"b=-1e400:"};
  EXPECT_EQ(message_of<ConfigError>([&] { prepare_data(near(0.0), options, 1); }),
            "data.bounds: 'b=-1e400:': -1e400 is beyond the range of double; leave it empty for no "
            "bound");
  options.bounds = {"b=-1:", "b=:1"};
  EXPECT_EQ(message_of<ConfigError>([&] { prepare_data(near(0.0), options, 1); }),
            "data.bounds: 'b=:1': column 'b' is given bounds twice; give both ends in one entry");
}

TEST(PrepareData, AddsNoiseBelowOneStep) {
  std::vector<ColumnOptions> columns(2);
  columns[1].integer = true;
  columns[1].step = 0.5;
  std::vector<double> x = {1.0, 2.0, 3.0, 4.0};
  add_noise(columns, 9, Stream::kDequantisation, x);
  EXPECT_EQ(x[0], 1.0);
  EXPECT_EQ(x[2], 3.0);
  EXPECT_GT(x[1], 2.0);
  EXPECT_LT(x[1], 2.5);
  EXPECT_GT(x[3], 4.0);
  EXPECT_NE(x[1] - 2.0, x[3] - 4.0);
}

TEST(PrepareData, ReportsAndDropsDuplicates) {
  auto values = table(100, root);
  std::copy(values.begin(), values.begin() + 20, values.begin() + 40);
  PreparedData data = prepare_data(named(values), {}, 1);
  EXPECT_EQ(data.rows, 100);
  ASSERT_EQ(data.notes.size(), 1u);
  EXPECT_EQ(data.notes[0].substr(0, 27), "10 rows equal an earlier on");
  DataOptions options;
  options.drop_duplicates = true;
  data = prepare_data(named(values), options, 1);
  EXPECT_EQ(data.rows, 90);
  EXPECT_EQ(data.train.size() + data.validation.size() + data.test.size(), 90u);
}

TEST(PrepareData, ChoosesColumns) {
  DataOptions options;
  options.condition = {"a"};
  const auto values = table(100, root);
  const PreparedData data = prepare_data(named(values), options, 1);
  EXPECT_EQ(data.features(), 1);
  EXPECT_EQ(data.columns[0].name, "b");
  EXPECT_EQ(data.context_columns[0].name, "a");
  EXPECT_EQ(data.x[3], values[7]);
  EXPECT_EQ(data.context[3], values[6]);
}

TEST(ChooseForData, BuildsModelsForAllSizes) {
  for (const std::int64_t features : {1, 2, 10, 64}) {
    PreparedData data;
    data.columns.resize(static_cast<std::size_t>(features));
    for (const std::size_t rows : {800u, 10000u, 900000u}) {
      data.train.resize(rows);
      RunOptions options;
      choose_for_data(options, data);
      options.model.features = features;
      options.model.columns = data.columns;
      EXPECT_NO_THROW(Model(options.model, 1));
      EXPECT_LE(options.training.batch_size, static_cast<std::int64_t>(rows));
      EXPECT_EQ(options.model.base.kind, features <= 16 ? "resampled" : "normal");
    }
  }
}

TEST(ChooseForData, PeriodicColumnsLeaveTheOthersLinearMapsAndTheResampledBase) {
  for (const std::size_t angles : {1u, 2u, 4u}) {
    PreparedData data;
    data.columns.resize(4);
    for (std::size_t i = 0; i < angles; ++i) {
      data.columns[i].periodic = true;
      data.columns[i].lower = -180.0;
      data.columns[i].upper = 180.0;
    }
    data.train.resize(5000);
    RunOptions options;
    choose_for_data(options, data);
    EXPECT_EQ(options.model.flow.permutation, angles < 4 ? "lu" : "swap");
    EXPECT_EQ(options.model.base.kind, angles < 4 ? "resampled" : "normal");
    options.model.features = 4;
    options.model.columns = data.columns;
    EXPECT_NO_THROW(Model(options.model, 1));
  }
}

TEST(PrepareData, SaysWhatIsWrong) {
  const auto fails = [](const std::vector<double>& values, const DataOptions& options) {
    return message_of<DataError>([&] { prepare_data(named(values), options, 1); });
  };
  auto values = table(100, root);
  values[2 * 41 + 1] = NAN;
  EXPECT_EQ(
      fails(values, {}),
      "row 42, column 'b': the value is missing, as in 1 of 100 rows: fill it in, leave out such "
      "rows with --drop-missing, or learn that it is missing with --kinds 'b=missing'");
  values[2 * 41 + 1] = -INFINITY;
  EXPECT_EQ(fails(values, {}).substr(0, 38), "row 42, column 'b': the value is -inf;");
  values[2 * 41 + 1] = -1e151;
  EXPECT_EQ(fails(values, {}),
            "row 42, column 'b': the value -1e+151 is too large to standardise in double; expected "
            "at most 1e+150 in magnitude: rescale the column");
  const auto constant = table(100, [](std::size_t) { return 4.0; });
  EXPECT_EQ(fails(constant, {}),
            "column 'b' has a single value, 4, and so nothing to learn; leave it out with "
            "--drop-constant (data.drop_constant = true)");
  DataOptions options;
  options.drop_constant = true;
  EXPECT_EQ(prepare_data(named(constant), options, 1).features(), 1);
  EXPECT_EQ(fails(table(19, root), {}),
            "the data have 19 rows; expected at least 20 to learn from");
  options.bounds = {"b=3:"};
  EXPECT_EQ(fails(table(100, root), options).substr(0, 45),
            "row 1, column 'b': the value 0.70710678118654");
  options.bounds = {"b=0:7"};
  EXPECT_EQ(
      fails(table(100, [](std::size_t row) { return row == 50 ? 7.0 : 0.01 * root(row); }), options)
          .substr(0, 46),
      "no such error");
}

TEST(PrepareData, AValueOnABoundOfAClosedColumnIsLikeAnyOther) {
  DataOptions options;
  options.bounds = {"b=0:1"};
  const auto values = table(100, [](std::size_t row) { return row == 7 ? 0.0 : 0.1 * root(row); });
  // Elsewhere it has a mass, since the density would be 0 or infinite there.
  EXPECT_EQ(prepare_data(named(values), options, 1).columns[1].atoms, std::vector{0.0});
  options.closed = true;
  options.marginal_maps = false;
  for (const bool find_kinds : {true, false}) {
    options.find_kinds = find_kinds;
    const ColumnOptions column = prepare_data(named(values), options, 1).columns[1];
    EXPECT_TRUE(column.atoms.empty());
    EXPECT_EQ(column.lower, 0.0);
    EXPECT_EQ(column.upper, 1.0);
    EXPECT_TRUE(std::isfinite(column.mean) && std::isfinite(column.scale));
  }
  // Those beyond stay errors, and a column of one bound has no closed interval.
  options.bounds = {"b=0.05:1"};
  EXPECT_NE(message_of<DataError>([&] { prepare_data(named(values), options, 1); }).find("outside"),
            std::string::npos);
  options.bounds = {"b=0:"};
  options.find_kinds = true;
  EXPECT_EQ(prepare_data(named(values), options, 1).columns[1].atoms, std::vector{0.0});
}

TEST(PrepareData, LeavesPeriodicColumnsToTheModel) {
  DataOptions options;
  options.periodic = {"b=0:0.5"};
  // Values on a bound and outside stand for a point of the circle, too.
  const PreparedData data = prepare_data(named(table(100, root)), options, 1);
  EXPECT_FALSE(data.columns[0].periodic);
  EXPECT_TRUE(data.columns[1].periodic);
  EXPECT_EQ(data.columns[1].lower, 0.0);
  EXPECT_EQ(data.columns[1].upper, 0.5);
  // A period that is too short is a slip more often than not. sqrt(0.5) is above it already.
  const auto noted = [](const PreparedData& prepared) {
    return std::ranges::count_if(prepared.notes, [](const std::string& note) {
      return note.find("column 'b': 100 of 100 values are outside of its period 0:0.5") !=
             std::string::npos;
    });
  };
  EXPECT_EQ(noted(data), 1);
  options.periodic = {"b=0:10"};
  for (const std::string& note : prepare_data(named(table(100, root)), options, 1).notes)
    EXPECT_EQ(note.find("outside of its period"), std::string::npos) << note;
  RunOptions run;
  choose_for_data(run, data);
  run.model.features = 2;
  run.model.columns = data.columns;
  EXPECT_NO_THROW(Model(run.model, 1));
  for (const char* period : {"b", "b=1", "b=0:", "b=:1", "b=-inf:1", "b=2:1", "c=0:1"}) {
    options.periodic = {period};
    EXPECT_EQ(message_of<ConfigError>([&] {
                prepare_data(named(table(100, root)), options, 1);
              }).substr(0, 14),
              "data.periodic:")
        << period;
  }
}

TEST(PrepareData, RefusesUnknownColumns) {
  const auto fails = [](const DataOptions& options) {
    return message_of<ConfigError>([&] { prepare_data(named(table(100, root)), options, 1); });
  };
  DataOptions options;
  options.condition = {"bb"};
  EXPECT_EQ(fails(options), "data.condition: unknown column 'bb'; did you mean 'b'?");
  options.condition = {"a"};
  options.columns = {"a", "b"};
  EXPECT_EQ(fails(options), "data.condition: column 'a' is to be modelled as well; name it once");
  options = {};
  for (const char* bounds : {"b", "b=1", "b=x:", "b=2:1", "c=0:1"}) {
    options.bounds = {bounds};
    EXPECT_EQ(fails(options).substr(0, 12), "data.bounds:") << bounds;
  }
  options = {};
  options.validation_fraction = options.test_fraction = 0.5;
  EXPECT_EQ(fails(options).substr(0, 24), "data.validation_fraction");
}

}  // namespace
}  // namespace thalweg
