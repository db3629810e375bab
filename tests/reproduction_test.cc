// Experiments as a library: interrupted ones go on, diverging runs are counted, tables are sums.
#include "thalweg/runs/reproduction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "temporary_folder.h"
#include "thalweg/runs/experiment_pictures.h"
#include "thalweg/runs/experiment_tables.h"

namespace thalweg {
namespace {

namespace fs = std::filesystem;

/// Two lengths of training of one flow on two rings, with two seeds.
Experiment two_columns() {
  return read_experiment("rings", R"(title = "rings"
metric = "kl_nats"
metric_label = "KL"
seeds = 2
settings.data.target = "two_rings"
settings.flow.blocks = 2
settings.flow.hidden = [8]
settings.training.iterations = 10
settings.training.batch_size = 64
[[rows]]
key = "rings"
name = "rings"
[[columns]]
key = "short"
name = "5"
settings.training.iterations = 5
[[columns]]
key = "long"
name = "10"
)");
}

struct ReproductionTest : testing::Test {
  Reproduction reproduction(ReproductionRequest request = {}) {
    request.out = folder.path("out");
    return Reproduction(two_columns(), std::move(request));
  }

  TemporaryFolder folder;
  ThreadPool pool{1};
};

TEST_F(ReproductionTest, GoesOnAfterAnInterruptionToTheSameMetrics) {
  Reproduction whole = reproduction();
  std::vector<std::string> begun;
  ReproductionCallbacks callbacks;
  callbacks.begins = [&](const ReproductionStep& step) {
    begun.push_back(
        fmt::format("{}/{} {} {} {}", step.number, step.total, step.row, step.column, step.seed));
  };
  ASSERT_TRUE(whole.train(pool, callbacks));
  EXPECT_EQ(begun, (std::vector<std::string>{"1/4 rings 5 1", "2/4 rings 10 1", "3/4 rings 5 2",
                                             "4/4 rings 10 2"}));

  fs::rename(folder.path("out"), folder.path("whole"));
  Reproduction cut = reproduction();
  int steps = 0;
  callbacks.train = [&](const RunPlan& request) {
    return run_training(request, pool, {.interrupted = [&] { return ++steps == 8; }});
  };
  EXPECT_FALSE(cut.train(pool, callbacks)) << "the second training was interrupted";
  EXPECT_EQ(cut.results().runs[0][0].size(), 1U);
  EXPECT_EQ(cut.results().runs[0][1].size(), 0U);
  begun.clear();
  ASSERT_TRUE(cut.train(pool, callbacks));
  EXPECT_EQ(begun.front(), "2/4 rings 10 1");
  for (std::size_t column = 0; column < 2; ++column)
    for (std::size_t seed = 0; seed < 2; ++seed) {
      const RunResult& a = whole.results().runs[0][column].at(seed);
      const RunResult& b = cut.results().runs[0][column].at(seed);
      EXPECT_EQ(b.steps, column == 0 ? 5 : 10);
      ASSERT_TRUE(a.find("kl_nats") && b.find("kl_nats"));
      EXPECT_EQ(a.find("kl_nats")->value, b.find("kl_nats")->value);
    }
}

TEST_F(ReproductionTest, LeavesOutRunsThatDiverge) {
  Reproduction rings = reproduction({.seeds = 1});
  std::vector<std::string> failed;
  ReproductionCallbacks callbacks;
  callbacks.train = [&](const RunPlan& request) {
    if (request.options.training.iterations == 5)
      throw NumericalError("training: expected numbers");
    return run_training(request, pool);
  };
  callbacks.failed = [&](const ReproductionStep& step, const NumericalError& error) {
    failed.push_back(step.column + ": " + error.what());
  };
  ASSERT_TRUE(rings.train(pool, callbacks));
  EXPECT_EQ(failed, std::vector<std::string>{"5: training: expected numbers"});
  EXPECT_EQ(rings.results().failed, 1);
  const std::vector<TextTable> tables = experiment_tables(rings);
  ASSERT_EQ(tables.size(), 1U);
  ASSERT_EQ(tables[0].rows.size(), 2U);
  EXPECT_EQ(tables[0].rows[0], (std::vector<std::string>{"rings", "5", "-", "-", "0", "-", "-"}));
  EXPECT_EQ(tables[0].rows[1][2],
            fmt::format("{:.4f}", rings.results().runs[0][1].at(0).find("kl_nats")->value));
}

TEST_F(ReproductionTest, OverviewsShowEachTargetInItsPlace) {
  // Targets that reach differently far share one square; the four modes stay where they are.
  Experiment experiment = two_columns();
  experiment.rows.push_back(experiment.rows.front());
  experiment.rows.front().key = "four";
  experiment.rows.front().settings = "data.target = 'ring_of_gaussians_4'\n";
  ReproductionRequest request;
  request.out = folder.path("out");
  request.seeds = 1;
  request.columns = {"short"};
  Reproduction reproduced(experiment, request);
  ASSERT_TRUE(reproduced.train(pool));
  ExperimentPicture picture;
  picture.kind = "overview";
  const std::vector<DrawnPlot> plots =
      find_picture_kind(picture.kind, "test").draw(reproduced, picture, pool);
  ASSERT_EQ(plots.size(), 1U);
  const auto& plot = std::get<HeatMapPlot>(plots[0].plot);
  ASSERT_EQ(plot.panels.size(), 4U);  // target and run of each row
  const Grid& four = plot.panels.front();
  const auto largest = std::max_element(four.values.begin(), four.values.end());
  const auto cell = largest - four.values.begin();
  const auto place = [&](const std::array<double, 2>& range, std::int64_t number) {
    return range[0] + (range[1] - range[0]) * (static_cast<double>(number) + 0.5) /
                          static_cast<double>(four.columns);
  };
  const double radius = std::hypot(place(plot.x_range, cell % four.columns),
                                   place(plot.y_range, cell / four.columns));
  // Mean variance 1: half the radius' square and that of the modes, of deviation 0.207.
  const double cells =
      2.0 * (plot.x_range[1] - plot.x_range[0]) / static_cast<double>(four.columns);
  EXPECT_NEAR(radius, std::sqrt(2.0 * (1.0 - 0.207 * 0.207)), cells);
  EXPECT_EQ(*largest, 1.0) << "in units of the target's largest density";
}

TEST_F(ReproductionTest, KeepsWhatIsWantedAlone) {
  EXPECT_EQ(reproduction({.columns = {"long"}}).experiment().columns.at(0).name, "10");
  expect_parts(message_of<ConfigError>([&] { reproduction({.columns = {"lnog"}}); }),
               {"unknown column 'lnog'", "did you mean 'long'"});
}

}  // namespace
}  // namespace thalweg
