// Experiments as a library: interrupted ones go on, diverging runs are counted, tables are sums.
#include "thalweg/runs/reproduction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "temporary_folder.h"
#include "thalweg/core/random.h"
#include "thalweg/io/npy.h"
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

// What a run found before its training, as by an exploration, is no other setting.
TEST_F(ReproductionTest, GoesOnWithWhatAnExplorationFound) {
  const auto experiment = [] {
    return read_experiment("energies", R"(
title = "energy"
metric = "reverse_kl_nats"
metric_label = "KL"
seeds = 1
defaults = true
[[rows]]
key = "wells"
name = "wells"
settings.energy = "4*(x^2-1)^2 + y^2"
settings.exploration.evaluations = 20000
settings.training.iterations = 20
[[columns]]
key = "flow"
name = "flow"
settings.flow.blocks = 2
settings.flow.hidden = [8]
)");
  };
  Reproduction cut(experiment(), {.out = folder.path("out")});
  ReproductionCallbacks callbacks;
  int steps = 0;
  bool trains = false;
  callbacks.train = [&](const RunPlan& request) {
    return run_training(request, pool,
                        {.progress = [&](const TrainingProgress&) { trains = true; },
                         .interrupted = [&] { return trains && ++steps == 8; }});
  };
  EXPECT_FALSE(cut.train(pool, callbacks));
  ASSERT_TRUE(trains);
  ASSERT_TRUE(cut.train(pool, callbacks));
  EXPECT_EQ(cut.results().runs[0][0].at(0).steps, 20);
}

TEST_F(ReproductionTest, ScalesWhateverCountsSteps) {
  TrainingOptions training;
  training.reconstruction_steps = training.annealing_steps = training.iterations = 100;
  scale_training(training, 0.1);
  for (const std::int64_t steps :
       {training.reconstruction_steps, training.annealing_steps, training.iterations})
    EXPECT_EQ(steps, 10);
}

TEST_F(ReproductionTest, ResultsOfOtherSettingsAreNotTaken) {
  ASSERT_TRUE(reproduction({.seeds = 1}).train(pool));
  Experiment changed = two_columns();
  changed.columns[0].settings = "training.iterations = 6";
  const auto again = [&](Experiment experiment, bool force) {
    return Reproduction(std::move(experiment),
                        {.out = folder.path("out"), .seeds = 1, .force = force});
  };
  for (const bool train : {false, true})
    expect_parts(message_of<ConfigError>([&] {
                   Reproduction other = again(changed, false);
                   if (train)
                     other.train(pool);
                   else
                     other.load();
                 }),
                 {"short", "metrics.json", "other settings", "--force"});
  Reproduction forced = again(changed, true);
  ASSERT_TRUE(forced.train(pool));
  EXPECT_EQ(forced.results().runs[0][0].at(0).steps, 6);
  // Captions may change.
  changed.title = "two rings";
  again(changed, false).load();
}

TEST_F(ReproductionTest, PicturesThatCannotBeAreRefusedBeforeTheTraining) {
  const std::string text = R"(title = "points"
metric = "log_likelihood"
metric_label = "log likelihood"
[[rows]]
key = "points"
name = "points"
data = "points"
[[columns]]
key = "a"
name = "spline"
[[pictures]]
title = "picture"
)";
  for (const auto& [kind, need] : {std::pair{"chart", "columns whose names are numbers"},
                                   {"densities", "rows with a target in place of data"},
                                   {"samples", "rows with a target in place of data"}})
    expect_parts(message_of<ConfigError>(
                     [&] { read_experiment("points", text + "kind = \"" + kind + "\"\n"); }),
                 {"points: pictures", kind, need});
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

// As `train --data FOLDER` does: what a folder says of its points counts, unless the experiment
// says otherwise.
TEST_F(ReproductionTest, ResultsOfOtherFilesAreNotTaken) {
  const auto write = [&](const char* name, double centre) {
    std::vector<double> values(400);
    RandomSequence random(4, Stream::kTarget);
    for (double& value : values) value = centre + random.normal();
    fs::create_directories(folder.path("data"));
    write_npy(folder.path("data/") + name, std::vector<std::int64_t>{200, 2}, values);
  };
  write("points.npy", 1.0);
  write("test.npy", 1.0);
  const Experiment experiment = read_experiment("points", R"(title = "points"
metric = "log_likelihood"
metric_label = "log likelihood"
seeds = 1
settings.flow.blocks = 1
settings.flow.hidden = [4]
settings.training.iterations = 2
settings.data.test = "test.npy"
[[rows]]
key = "points"
name = "points"
data = "points.npy"
[[columns]]
key = "one"
name = "one"
)");
  const auto again = [&] {
    return Reproduction(experiment, {.out = folder.path("out"), .data = folder.path("data")});
  };
  ASSERT_TRUE(again().train(pool));
  // The same files elsewhere are the same.
  fs::rename(folder.path("data"), folder.path("moved"));
  Reproduction moved(experiment, {.out = folder.path("out"), .data = folder.path("moved")});
  ASSERT_TRUE(moved.train(pool));
  EXPECT_EQ(moved.results().runs[0][0].size(), 1U);
  fs::rename(folder.path("moved"), folder.path("data"));
  write("test.npy", 2.0);
  expect_parts(message_of<ConfigError>([&] { again().train(pool); }),
               {"metrics.json", "other files than --data", "--force"});
  fs::remove(folder.path("data/test.npy"));
  expect_parts(message_of<DataError>([&] { again().train(pool); }),
               {"data/test.npy: no such file", "--data", "points.npy"});
  // Results are shown without files.
  again().load();
}

TEST_F(ReproductionTest, TakesTheSettingsOfAFolderOfPoints) {
  const std::string points = folder.path("data/pairs");
  fs::create_directories(points);
  RandomSequence random(3, Stream::kTarget);
  for (const auto& [name, rows] : {std::pair{"train", 200}, {"validation", 40}, {"test", 40}}) {
    std::vector<double> values(static_cast<std::size_t>(4 * rows));
    for (double& value : values) value = 5.0 + random.normal();
    write_npy(points + "/" + name + ".npy", std::vector<std::int64_t>{rows, 4}, values);
  }
  {
    std::ofstream settings(points + "/settings.toml");
    settings << "[data]\nparticles = 2\n[training]\nbatch_size = 50\n";
  }
  const auto trained = [&](const std::string& more) {
    const Experiment experiment = read_experiment("pairs", R"(title = "pairs"
metric = "log_likelihood"
metric_label = "log likelihood"
seeds = 1
settings.base.kind = "mean_free_normal"
settings.flow.kind = "free_form"
settings.flow.network = "equivariant"
settings.flow.network_blocks = 1
settings.flow.hidden = [4]
settings.flow.blocks = 1
settings.flow.act_norm = false
settings.training.objective = "free_form"
settings.training.iterations = 2
)" + more + R"([[rows]]
key = "pairs"
name = "pairs"
data = "pairs"
[[columns]]
key = "one"
name = "one"
)");
    RunOptions options;
    double sum = 0.0;
    ReproductionCallbacks callbacks;
    callbacks.train = [&](const RunPlan& plan) {
      options = plan.options;
      for (std::size_t i = 0; i < 4; i += 2) sum += plan.data->x[i];
      return run_training(plan, pool);
    };
    Reproduction reproduced(
        experiment, {.out = folder.path("out"), .data = folder.path("data"), .force = true});
    EXPECT_TRUE(reproduced.train(pool, callbacks));
    EXPECT_EQ(options.data.particles, 2);
    EXPECT_EQ(options.model.base.dimensions, 2);
    EXPECT_NEAR(sum, 0.0, 1e-6) << "rows are moved to a centre of mass of 0";
    return options.training.batch_size;
  };
  EXPECT_EQ(trained(""), 50);
  EXPECT_EQ(trained("settings.training.batch_size = 20\n"), 20);
}

TEST_F(ReproductionTest, RemembersWhatDiverged) {
  Reproduction failing = reproduction();
  ReproductionCallbacks callbacks;
  callbacks.train = [](const RunPlan&) -> TrainingOutcome {
    throw NumericalError("no batch was finite");
  };
  ASSERT_TRUE(failing.train(pool, callbacks));
  EXPECT_EQ(failing.results().failed, 4);
  EXPECT_TRUE(failing.lacks_results());
  Reproduction shown = reproduction();
  shown.load();
  EXPECT_EQ(shown.results().failed, 4);
  EXPECT_TRUE(shown.lacks_results());
  // With other settings nothing has diverged yet.
  Experiment changed = two_columns();
  changed.columns[0].settings = "training.iterations = 6\n";
  Reproduction others(std::move(changed), {.out = folder.path("out")});
  others.load();
  EXPECT_EQ(others.results().failed, 2);
  Reproduction mended = reproduction();
  ASSERT_TRUE(mended.train(pool));
  EXPECT_EQ(mended.results().failed, 0);
  shown.load();
  EXPECT_EQ(shown.results().failed, 0);
  EXPECT_FALSE(shown.lacks_results());
}

TEST_F(ReproductionTest, KeepsWhatIsWantedAlone) {
  EXPECT_EQ(reproduction({.columns = {"long"}}).experiment().columns.at(0).name, "10");
  expect_parts(message_of<ConfigError>([&] { reproduction({.columns = {"lnog"}}); }),
               {"unknown column 'lnog'", "did you mean 'long'"});
}

}  // namespace
}  // namespace thalweg
