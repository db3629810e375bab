// What programs ask of runs besides what the tool does: points that a run keeps, energies that are
// functions of the program, samples as a table, slopes of log densities.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/io/table.h"
#include "thalweg/runs/evaluation_json.h"
#include "thalweg/runs/force_metrics.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/samplers.h"
#include "thalweg/runs/training_run.h"
#include "thalweg/runs/training_text.h"

namespace thalweg {
namespace {

namespace fs = std::filesystem;

class ProgramRun : public testing::Test {
 protected:
  /// A file of `rows` points, two columns and a positive third.
  std::string points(std::int64_t rows) const {
    Table table;
    table.names = {"a", "b", "r"};
    table.rows = rows;
    for (std::uint64_t row = 0; row < static_cast<std::uint64_t>(rows); ++row) {
      RandomSequence random(3, Stream::kTarget, row);
      const double a = random.normal();
      table.values.insert(table.values.end(),
                          {a, a * a + 0.3 * random.normal(), std::exp(random.normal())});
    }
    save_table(folder_.path("points.csv"), table);
    return folder_.path("points.csv");
  }

  /// Trains a small flow of them.
  LoadedRun train(const std::string& out, bool keep) {
    RunPlan plan = plan_run({.settings = {{"data.path", points(400)},
                                          {"data.bounds", std::vector<std::string>{"r=0:"}},
                                          {"flow.kind", std::string("real_nvp")},
                                          {"flow.activation", std::string("tanh")},
                                          {"flow.blocks", std::int64_t{4}},
                                          {"flow.hidden", std::vector<std::int64_t>{16}},
                                          {"base.kind", std::string("normal")},
                                          {"precision", std::string("double")},
                                          {"training.iterations", std::int64_t{50}}},
                             .out = out,
                             .keep_points = keep});
    plan.report = false;
    run_training(plan, pool_);
    return load_run(out);
  }

  TemporaryFolder folder_;
  ThreadPool pool_{2};
};

TEST_F(ProgramRun, KeepsItsPointsAndMovesWithThem) {
  train(folder_.path("plain"), false);
  const LoadedRun kept = train(folder_.path("kept"), true);
  EXPECT_EQ(read_bytes(folder_.path("plain/model.safetensors")),
            read_bytes(folder_.path("kept/model.safetensors")));
  EXPECT_EQ(read_bytes(folder_.path("kept/points.csv")), read_bytes(folder_.path("points.csv")));
  expect_parts(read_bytes(folder_.path("kept/config.toml")), {"path = \"points.csv\""});

  fs::rename(folder_.path("kept"), folder_.path("moved"));
  fs::remove(folder_.path("points.csv"));
  const LoadedRun moved = load_run(folder_.path("moved"));
  EXPECT_EQ(moved.options.data.path, folder_.path("moved/points.csv"));
  EXPECT_EQ(moved.data()->rows, 400);
  message_of<DataError>([&] { load_run(folder_.path("plain")).data(); });

  // It goes on, and its settings serve another run.
  run_training(plan_run({.settings = {{"training.iterations", std::int64_t{60}}},
                         .out = folder_.path("moved"),
                         .resume = true}),
               pool_);
  expect_parts(read_bytes(folder_.path("moved/config.toml")), {"path = \"points.csv\""});
  EXPECT_EQ(plan_run({.source = folder_.path("moved/config.toml"), .out = folder_.path("again")})
                .data->rows,
            400);
}

TEST_F(ProgramRun, KeepsNoFolderOfPoints) {
  DataOptions options;
  options.path = folder_.path("");
  EXPECT_NE(message_of<DataError>([&] { keep_points({folder_.path("")}, options); }).find("folder"),
            std::string::npos);
}

/// |x - (1, 2)|^2 / 2.
class Bowl : public OutsideFunction {
 public:
  void evaluate(const double* points, std::int64_t count, std::int64_t features, double* values,
                double* gradients) const override {
    for (std::int64_t i = 0; i < count; ++i) {
      values[i] = 0.0;
      for (std::int64_t f = 0; f < features; ++f) {
        const double off = points[i * features + f] - static_cast<double>(f + 1);
        values[i] += 0.5 * off * off;
        gradients[i * features + f] = off;
      }
    }
  }
};

TEST_F(ProgramRun, LearnsAFunctionOfTheProgram) {
  const auto bowl = std::make_shared<const Bowl>();
  const std::string out = folder_.path("bowl");
  run_training(plan_run({.settings = {{"energy_function", std::string("bowl")},
                                      {"energy_features", std::int64_t{2}},
                                      {"exploration.evaluations", std::int64_t{40000}},
                                      {"exploration.samples", std::int64_t{1000}},
                                      {"training.iterations", std::int64_t{100}}},
                         .out = out,
                         .energy_function = bowl}),
               pool_);
  const LoadedRun run = load_run(out, {.energy_function = bowl});
  const Evaluation evaluation = evaluate_run(run, std::nullopt, pool_);
  ASSERT_TRUE(evaluation.verdict);
  EXPECT_NEAR(evaluation.verdict->log_integral, std::log(2.0 * std::numbers::pi), 0.05);
  HeldOut points;
  points.source = "its own samples";
  expect_parts(evaluation_json(out, points, evaluation),
               {"\"run\": \"" + out + "\"", "\"log_integral\": 1.8", "\"quantiles\""});

  const LoadedRun alone = load_run(out);
  EXPECT_EQ(sample_run(alone, {.count = 10}, pool_), sample_run(run, {.count = 10}, pool_));
  expect_parts(message_of<DataError>([&] { alone.target(); }), {"'bowl'", "give it that function"});
}

/// An energy that is `first` for some values and then 0, as no energy may be.
class Sinking : public OutsideFunction {
 public:
  void evaluate(const double* /*points*/, std::int64_t count, std::int64_t features, double* values,
                double* gradients) const override {
    for (std::int64_t i = 0; i < count; ++i) values[i] = left-- > 0 ? first : 0.0;
    std::fill_n(gradients, count * features, 0.0);
  }
  mutable std::atomic<std::int64_t> left{0};
  double first = 0.0;
};

TEST_F(ProgramRun, DrawsThatAreNeverKeptEnd) {
  const auto sinking = std::make_shared<Sinking>();
  const std::string out = folder_.path("sinking");
  run_training(plan_run({.settings = {{"energy_function", std::string("sinking")},
                                      {"energy_features", std::int64_t{1}},
                                      {"flow.kind", std::string("none")},
                                      {"base.kind", std::string("normal")},
                                      {"exploration.evaluations", std::int64_t{0}},
                                      {"training.iterations", std::int64_t{0}}},
                         .out = out,
                         .energy_function = sinking}),
               pool_);
  const LoadedRun run = load_run(out, {.energy_function = sinking});
  const SampleRequest request{.sampler = "importance", .count = 10, .weights = "reject"};
  sinking->left = 1024;
  sinking->first = -100.0;
  expect_parts(message_of<NumericalError>([&] { sample_run(run, request, pool_); }),
               {"0 of 10", "draws were kept", "--threshold"});
  // Pilots without weight are followed by more.
  sinking->left = 1024;
  sinking->first = INFINITY;
  const SampledTable kept = sample_table(run, request, pool_);
  EXPECT_EQ(kept.result.rejection->pilots, 1024 + 2048);
  EXPECT_EQ(kept.table.rows, 10);
}

TEST_F(ProgramRun, AFunctionNeedsItsColumns) {
  const auto plan = [&](std::vector<Setting> settings) {
    settings.push_back({"energy_function", std::string("bowl")});
    return message_of<ConfigError>([&] {
      plan_run({.settings = settings, .energy_function = std::make_shared<const Bowl>()});
    });
  };
  expect_parts(plan({}), {"energy_features", "variables"});
  expect_parts(plan({{"energy_features", std::int64_t{3}},
                     {"variables", std::vector<std::string>{"u", "v"}}}),
               {"energy_features says 3, variables 2"});
  expect_parts(plan({{"energy", std::string("x^2")}}), {"exclude each other"});
}

TEST_F(ProgramRun, SlopesAreThoseOfDifferences) {
  const LoadedRun run = train(folder_.path("run"), false);
  const Table table = load_table(folder_.path("points.csv"));
  std::vector<double> x(table.values.begin(), table.values.begin() + 60);
  DensitySlopes slopes(run, pool_);
  DensityEvaluator density = run_density(run, pool_);
  const std::vector<double> found = slopes(x);
  const auto moved = [&](std::size_t column, double by) {
    std::vector<double> y = x;
    for (std::size_t i = column; i < y.size(); i += 3) y[i] += by;
    return density.log_prob(y);
  };
  std::size_t near = 0;
  for (std::size_t column = 0; column < 3; ++column) {
    const double h = 1e-4;
    const auto above = moved(column, h), below = moved(column, -h);
    for (std::size_t row = 0; row < above.size(); ++row) {
      const double expected = (above[row] - below[row]) / (2.0 * h);
      near += std::abs(found[row * 3 + column] - expected) < 1e-5 * (1.0 + std::abs(expected));
    }
  }
  // Marginal maps have kinks of their second derivative, where differences are off.
  EXPECT_GE(near, 50u);
  x[2] = -1.0;  // outside of the bounds of r
  EXPECT_TRUE(std::isnan(slopes(x)[2]));
}

TEST_F(ProgramRun, SamplesAreATableAsInTheFile) {
  const LoadedRun run = train(folder_.path("run"), false);
  const SampleRequest request{.count = 50, .seed = 4};
  sample_to_file(run, request, folder_.path("samples.npy"), pool_);
  const SampledTable sampled = sample_table(run, request, pool_);
  EXPECT_EQ(sampled.table.names, (std::vector<std::string>{"a", "b", "r"}));
  EXPECT_EQ(sampled.table.rows, 50);
  EXPECT_EQ(sampled.table.values, load_table(folder_.path("samples.npy")).values);
  EXPECT_EQ(sampled.table.values, sample_run(run, request, pool_));
  EXPECT_EQ(log_densities(run, sampled.table, pool_).values,
            run_density(run, pool_).log_prob(sampled.table.values));
}

TEST(TrainingText, SaysHowFarATrainingIs) {
  const TrainingProgress progress{.step = 250,
                                  .iterations = 1000,
                                  .place = 100,
                                  .loss = 1.25,
                                  .steps_per_second = 100.0,
                                  .validation_loss = 1.5};
  EXPECT_DOUBLE_EQ(training_share(progress), 0.25);
  const std::string text = training_text(progress, "maximum_likelihood");
  expect_parts(text, {" 1.2500", "validation 1.5000", "100 steps/s", "7.5 s left"});
}

}  // namespace
}  // namespace thalweg
