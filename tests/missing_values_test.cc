// Values that are missing, learnt as such: coordinates, preparation, and runs against known masses.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/datasets/column_coding.h"
#include "thalweg/datasets/column_kinds.h"
#include "thalweg/datasets/prepare_data.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/samplers.h"
#include "thalweg/runs/training_run.h"

namespace thalweg {
namespace {

/// 200 values that `draw` gives, of which some besides are missing.
template <typename Draw>
ColumnOptions found(const Draw& draw, ColumnOptions column = {}) {
  RandomSequence random(11, Stream::kTarget);
  std::vector<double> values;
  for (int row = 0; row < 200; ++row) values.push_back(draw(random));
  std::vector<std::string> notes;
  column.name = "c";
  find_kind(column, values, {.missing = true}, notes);
  return column;
}

TEST(MissingValues, AreOneMoreIntervalOfEveryKind) {
  ColumnOptions bounded;
  bounded.lower = 0.0;
  bounded.upper = 1.0;
  const auto uniform = [](auto& random) { return random.uniform(); };
  const ColumnOptions columns[] = {
      found([](auto& random) { return random.normal(); }),
      found([](auto& random) { return std::exp(random.normal()); }),
      found(uniform, bounded),
      found([](auto& random) { return std::floor(1000.0 * random.uniform()) / 10.0; }),
      found([](auto& random) { return 1e6 * std::floor(1000.0 * random.uniform()); }),
      found([](auto& random) { return std::max(0.0, random.normal()); }),
      found([](auto& random) { return std::floor(4.0 * random.uniform()); }),
      found([](auto&) { return 7.0; })};
  EXPECT_TRUE(columns[3].integer && columns[4].integer);
  EXPECT_TRUE(columns[6].is_category() && columns[7].is_category());
  EXPECT_EQ(columns[5].atoms.size(), 2u);
  RandomSequence random(5, Stream::kTarget);
  for (const ColumnOptions& column : columns) {
    ASSERT_TRUE(column.missing);
    for (const double noise : {1e-9, 0.3, 0.999}) {
      const double coordinate = coordinate_of(column, NAN, noise);
      EXPECT_TRUE(std::isfinite(coordinate));
      EXPECT_TRUE(column.is_category() || (coordinate > column.lower && coordinate < column.upper));
      EXPECT_TRUE(std::isnan(value_at(column, coordinate)));
    }
    const double length = column.is_category() ? 1.0 : column.gap;
    EXPECT_NEAR(coordinate_of(column, NAN, 1.0 - 1e-12) - coordinate_of(column, NAN, 1e-12), length,
                1e-6 * length);
    EXPECT_EQ(log_interval(column, NAN), column.is_category() ? 0.0 : std::log(column.gap));
  }
  // What lies below all values that were seen is not missing, and not moved.
  EXPECT_EQ(coordinate_of(columns[0], -100.0, 0.5), -100.0);
  EXPECT_EQ(coordinate_of(columns[4], 0.0, 0.5), 0.5e6);
  // Values go there and back beside it.
  for (const double value : {-1.5, 0.0, 0.7})
    EXPECT_NEAR(value_at(columns[0], coordinate_of(columns[0], value, 0.5)), value, 1e-12);
  for (const double value : {1e-3, 0.5, 0.999})
    EXPECT_NEAR(value_at(columns[2], coordinate_of(columns[2], value, 0.5)), value, 1e-12);
  for (const double value : {3.0, 50.3, 99.0}) {
    EXPECT_NEAR(value_at(columns[3], coordinate_of(columns[3], value, 0.5)), value, 1e-12);
    const double large = 1e7 * std::floor(value);
    EXPECT_EQ(value_at(columns[4], coordinate_of(columns[4], large, 0.5)), large);
  }
  for (const double value : {0.0, 0.4})
    EXPECT_NEAR(value_at(columns[5], coordinate_of(columns[5], value, 0.5)), value, 1e-12);
  for (const double value : {0.0, 3.0})
    EXPECT_EQ(value_at(columns[6], coordinate_of(columns[6], value, 0.5)), value);
  // The number that stands for a missing one is none of the category's.
  EXPECT_EQ(coordinate_of(columns[6], 4.0, 0.5), -1.0);
  ColumnOptions circle = bounded;
  circle.periodic = true;
  EXPECT_THROW(found(uniform, circle), DataError);
}

/// Two columns, "a" normal and "b", of which every third value is missing.
Table with_missing() {
  Table table;
  table.names = {"a", "b"};
  table.rows = 300;
  RandomSequence random(3, Stream::kTarget);
  for (int row = 0; row < 300; ++row) {
    table.values.push_back(random.normal());
    table.values.push_back(row % 3 == 0 ? NAN : random.normal());
  }
  return table;
}

TEST(MissingValues, AreRefusedDroppedOrLearnt) {
  const auto message = [](Table table, const DataOptions& options) -> std::string {
    try {
      prepare_data(std::move(table), options, 1);
    } catch (const DataError& error) {
      return error.what();
    }
    return "no error";
  };
  Table table = with_missing();
  EXPECT_EQ(message(table, {}),
            "row 1, column 'b': the value is missing, as in 100 of 300 rows: fill it in, leave out "
            "such rows with --drop-missing, or learn that it is missing with --kinds 'b=missing'");
  DataOptions options;
  options.condition = {"b"};
  EXPECT_EQ(message(table, options),
            "row 1, column 'b': the value is missing, as in 100 of 300 rows: fill it in, leave out "
            "such rows with --drop-missing; a condition cannot be missing");
  options = {};
  options.kinds = {"b=missing"};
  const PreparedData learnt = prepare_data(table, options, 1);
  EXPECT_EQ(learnt.rows, 300);
  EXPECT_TRUE(learnt.columns[1].missing);
  EXPECT_FALSE(learnt.columns[0].missing);
  EXPECT_TRUE(std::isnan(learnt.x[1]));
  EXPECT_NE(std::ranges::find(learnt.notes,
                              "that a value is missing is learnt, and found as often in samples, "
                              "as an empty field, in 'b' (33.3 %)"),
            learnt.notes.end());
  EXPECT_EQ(measure_text(learnt.columns), "masses of a missing value of b; densities elsewhere");
  // Rows without a value of other columns are dropped, if that is asked for.
  table.values[2] = NAN;
  EXPECT_EQ(message(table, options).substr(0, 39), "row 2, column 'a': the value is missing");
  options.drop_missing = true;
  EXPECT_EQ(prepare_data(table, options, 1).rows, 299);
  for (std::size_t i = 1; i < table.values.size(); i += 2) table.values[i] = NAN;
  EXPECT_EQ(message(table, options),
            "column 'b': every value is missing; leave it out of --columns");
  // A kind may be declared beside it.
  options.kinds = {"b=missing", "b=continuous"};
  EXPECT_TRUE(prepare_data(with_missing(), options, 1).columns[1].missing);
}

/// Trains on `text`, by default settings but for `more`.
LoadedRun trained(const TemporaryFolder& folder, const std::string& text,
                  const std::vector<std::string>& kinds, std::vector<Setting> more,
                  ThreadPool& pool) {
  more.push_back({"data.path", folder.file("rows.csv", text)});
  more.push_back({"data.kinds", kinds});
  std::filesystem::remove_all(folder.path("run"));
  RunPlan plan = plan_run({.settings = more, .out = folder.path("run")});
  plan.report = false;
  run_training(plan, pool);
  return load_run(folder.path("run"));
}

struct Drawn {
  std::int64_t rows = 0;
  std::vector<double> missing = {};  // share in each column
  Table table;
};

/// Samples by way of a file.
Drawn drawn(const TemporaryFolder& folder, const LoadedRun& run, ThreadPool& pool) {
  SampleRequest request;
  request.count = 20000;
  const SampleResult result = sample_to_file(run, request, folder.path("samples.csv"), pool);
  EXPECT_EQ(result.non_finite, 0);
  Drawn samples{.table = run.read_table(folder.path("samples.csv"))};
  samples.rows = samples.table.rows;
  const std::size_t width = samples.table.names.size();
  for (std::size_t column = 0; column < width; ++column) {
    double share = 0.0;
    for (std::size_t i = column; i < samples.table.values.size(); i += width)
      share += std::isnan(samples.table.values[i]) / static_cast<double>(samples.rows);
    samples.missing.push_back(share);
  }
  return samples;
}

// Of 4000 rows shares have errors of .01 at most, logarithms of masses of .04; the bounds are four
// of these and what training leaves.
TEST(MissingValues, HaveTheirMassBesideACategory) {
  const TemporaryFolder folder;
  ThreadPool pool(2);
  RandomSequence random(7, Stream::kTarget);
  std::string text = "who,size,colour\n";
  for (int row = 0; row < 4000; ++row) {
    const bool ann = random.uniform() < 0.5;
    const bool missing = random.uniform() < (ann ? 0.6 : 0.1);
    const double size = (ann ? 0.0 : 3.0) + random.normal();
    const double colour = random.uniform();
    text +=
        fmt::format("{},{},{}\n", ann ? "ann" : "bob", missing ? "" : fmt::format("{:.8f}", size),
                    colour < 0.25  ? ""
                    : colour < 0.5 ? "red"
                                   : "blue");
  }
  const Setting steps = {"training.iterations", std::int64_t{1500}};
  const LoadedRun run = trained(folder, text, {"size=missing", "colour=missing"}, {steps}, pool);
  const Drawn samples = drawn(folder, run, pool);
  EXPECT_EQ(samples.missing[0], 0.0);
  EXPECT_NEAR(samples.missing[1], 0.35, 0.04);
  EXPECT_NEAR(samples.missing[2], 0.25, 0.04);
  double ann = 0.0, missing_of_ann = 0.0, missing_of_bob = 0.0;
  for (std::size_t i = 0; i < samples.table.values.size(); i += 3) {
    const bool missing = std::isnan(samples.table.values[i + 1]);
    (samples.table.values[i] == 0.0 ? missing_of_ann : missing_of_bob) += missing;
    ann += samples.table.values[i] == 0.0;
  }
  EXPECT_NEAR(missing_of_ann / ann, 0.6, 0.06);
  EXPECT_NEAR(missing_of_bob / (static_cast<double>(samples.rows) - ann), 0.1, 0.04);
  const Table rows = run.read_table(folder.file(
      "new.csv", "who,size,colour\nann,,red\nbob,,blue\nann,,\nbob,3,\nann,0.5,blue\n"));
  const std::vector<double> found = log_densities(run, rows, pool).values;
  const double at_3 = -0.5 * std::log(2.0 * std::numbers::pi);
  const double expected[] = {std::log(0.5 * 0.6 * 0.25), std::log(0.5 * 0.1 * 0.5),
                             std::log(0.5 * 0.6 * 0.25), std::log(0.5 * 0.9 * 0.25) + at_3,
                             std::log(0.5 * 0.4 * 0.5) + at_3 - 0.125};
  // Densities are those in the middle of an interval, in which a spline has curves.
  for (std::size_t row = 0; row < 5; ++row) EXPECT_NEAR(found[row], expected[row], 0.45) << row;
  // A mixture, whose density is largest in the middle of an interval, is not ahead of the truth:
  // its entropy is 3.154, and the error of 400 rows .05.
  const std::optional<PreparedData> data = run.data();
  const Evaluation evaluation = evaluate_run(run, data, pool);
  const auto mixture = std::ranges::find(evaluation.metrics, "mixture", &Metric::name);
  ASSERT_NE(mixture, evaluation.metrics.end());
  EXPECT_LT(mixture->value, -3.154 + 0.2);
  // All rows of samples have a density.
  EXPECT_EQ(log_densities(run, samples.table, pool).mean.counted, 20000);
}

TEST(MissingValues, HaveTheirMassInFlowsAndStacks) {
  const TemporaryFolder folder;
  ThreadPool pool(2);
  for (const int rows : {200, 3000}) {
    RandomSequence random(7, Stream::kTarget);
    std::string text = "a,b\n";
    for (int row = 0; row < rows; ++row) {
      const double a = random.normal();
      text += fmt::format("{:.8f},{}\n", a,
                          random.uniform() < 0.3 ? "" : fmt::format("{:.8f}", a + random.normal()));
    }
    std::vector<Setting> settings;
    if (rows > 1000)
      settings = {{"training.iterations", std::int64_t{1500}},
                  {"final_proposals", std::int64_t{200000}}};
    const LoadedRun run = trained(folder, text, {"b=missing"}, settings, pool);
    EXPECT_EQ(run.options.model.base.kind, rows > 1000 ? "resampled" : "stack");
    const Drawn samples = drawn(folder, run, pool);
    // Errors of the rows are .03 and .008.
    EXPECT_NEAR(samples.missing[1], 0.3, rows > 1000 ? 0.035 : 0.12);
    const Table points = run.read_table(folder.file("new.csv", "a,b\n0,\n1,\n"));
    const std::vector<double> found = log_densities(run, points, pool).values;
    for (std::size_t row = 0; row < 2; ++row)
      EXPECT_NEAR(
          found[row],
          std::log(0.3) - 0.5 * std::log(2.0 * std::numbers::pi) - 0.5 * static_cast<double>(row),
          rows > 1000 ? 0.25 : 0.7)
          << rows << " " << row;
  }
}

}  // namespace
}  // namespace thalweg
