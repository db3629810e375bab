// The page of a run: its name, what it learnt from, and its metrics by group.
#include "thalweg/runs/run_report.h"

#include <gtest/gtest.h>

#include "temporary_folder.h"
#include "thalweg/runs/run_maps.h"
#include "thalweg/runs/run_tables.h"
#include "thalweg/runs/training_run.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {
namespace {

RunOptions small_run(const std::string& more = "") {
  RunOptions options;
  read_options(options,
               "data.target = 'two_rings'\nflow.blocks = 2\nflow.hidden = [8]\n"
               "training.iterations = 5\ntraining.batch_size = 64\n" +
                   more,
               "test");
  options.model.features = 2;
  return options;
}

TEST(RunReport, HasTheNameThatTheRunHasInTheEnd) {
  const TemporaryFolder folder;
  ThreadPool pool(1);
  for (const bool force : {false, true}) {
    RunPlan request;
    request.options = small_run();
    request.out = folder.path("rings");
    request.force = force;
    run_training(request, pool);
    const std::string page = read_bytes(folder.path("rings/report.html"));
    expect_parts(page,
                 {"<h1>Thalweg: rings</h1>", "2 columns, learnt from samples of two rings in "});
    EXPECT_EQ(page.find("rings.new"), std::string::npos) << "named by where it was made";
  }
}

TEST(RunReport, DrawsInThePrecisionOfTheRun) {
  const TemporaryFolder folder;
  ThreadPool pool(1);
  RunPlan plan;
  plan.options = small_run("precision = 'double'\n");
  plan.out = folder.path("rings");
  plan.report = false;
  run_training(plan, pool);
  const LoadedRun run = load_run(plan.out);
  const ScatterPlot plot = sample_maps({{"rings", &run}}, pool);
  const std::vector<double> x = FlowSampler(*run.model, pool, 1, Precision::kDouble).next(2);
  ASSERT_EQ(plot.panels.size(), 2U);
  EXPECT_EQ(plot.panels[1].x[1], x[2]);
  EXPECT_EQ(plot.panels[1].y[1], x[3]);
}

TEST(RunReport, SetsRunsOfOneTargetSideBySide) {
  const TemporaryFolder folder;
  ThreadPool pool(1);
  for (const auto& [name, more] :
       {std::pair{"a", ""}, {"b", "seed = 2\n"}, {"c", "data.target = 'dual_moon'\n"}}) {
    RunPlan plan;
    plan.options = small_run();
    read_options(plan.options, more, "test");
    plan.out = folder.path(name);
    plan.report = false;
    run_training(plan, pool);
  }
  const std::string page =
      report_runs({folder.path("a"), folder.path("b")}, folder.path("both"), pool);
  EXPECT_EQ(page, folder.path("both/report.html"));
  expect_parts(read_bytes(page), {"Thalweg: a, b"});
  expect_parts(message_of<ConfigError>([&] {
                 report_runs({folder.path("a"), folder.path("c")}, folder.path("no"), pool);
               }),
               {"different targets"});
  EXPECT_FALSE(std::filesystem::exists(folder.path("no")));
}

TEST(RunReport, KeepsOtherColumnsApart) {
  const TemporaryFolder folder;
  ThreadPool pool(1);
  for (const auto& [name, header] : {std::pair{"a", "height,weight"}, {"b", "price,age"}}) {
    std::string text = std::string(header) + "\n";
    for (int row = 0; row < 40; ++row) text += fmt::format("{},{}\n", 0.37 * row, 1.71 * row * row);
    RunPlan plan =
        plan_run({.settings = {{"data.path", folder.file(std::string(name) + ".csv", text)},
                               {"flow.hidden", std::vector<std::int64_t>{8}},
                               {"training.iterations", std::int64_t{2}}},
                  .out = folder.path(name)});
    plan.report = false;
    run_training(plan, pool);
  }
  expect_parts(message_of<ConfigError>([&] {
                 report_runs({folder.path("a"), folder.path("b")}, folder.path("no"), pool);
               }),
               {"different columns"});
}

TEST(RunReport, SaysWhatWasLearnt) {
  EXPECT_EQ(learnt_from(small_run()), "samples of two rings");
  EXPECT_EQ(learnt_from(small_run("training.objective = 'reverse_kl'\n")),
            "the energy of two rings");
  EXPECT_EQ(learnt_from(small_run("training.objective = 'mixed'\n")),
            "samples of two rings and its energy");
  RunOptions options;
  options.data.path = "some/where/points.csv";
  EXPECT_EQ(learnt_from(options), "the points of points.csv");
  options.data.forces = "some/where/forces.csv";
  options.training.objective = "force_matching";
  EXPECT_EQ(learnt_from(options), "the points of points.csv and the forces of forces.csv");
  options.data.forces = "";
  options.data.path = "";
  options.target.energy = "0.5*x^2";
  options.training.objective = "reverse_kl";
  EXPECT_EQ(learnt_from(options), "the energy 0.5*x^2");
}

TEST(RunReport, NamesRunsByTheirFolder) {
  EXPECT_EQ(run_name("runs/rings"), "rings");
  EXPECT_EQ(run_name("runs/rings/"), "rings");
  EXPECT_EQ(run_name("runs/rings/../moons/."), "moons");
}

TEST(RunReport, SetsMetricsInGroups) {
  const std::vector<std::vector<Metric>> metrics = {
      {{.name = "kl", .label = "KL", .value = 0.25, .group = "grid"},
       {.name = "fit", .label = "log likelihood", .value = -1.5, .error = 0.125, .group = "fit"},
       {.name = "other", .label = "other", .value = 3.0, .decimals = 0}},
      {{.name = "kl", .label = "KL", .value = 0.5, .decimals = 2, .group = "grid"},
       {.name = "ess", .label = "effective share", .value = 0.75, .group = "weights"}}};
  const std::vector<TextTable> tables = metrics_tables({"a", "b"}, metrics);
  ASSERT_EQ(tables.size(), 4U);
  const std::vector<std::vector<std::string>> rows = {{"log likelihood", "-1.5000 ± 0.1250", "-"},
                                                      {"effective share", "-", "0.7500"},
                                                      {"KL", "0.2500", "0.50"},
                                                      {"other", "3", "-"}};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(tables[i].header, (std::vector<std::string>{"metric", "a", "b"}));
    EXPECT_EQ(tables[i].rows, std::vector<std::vector<std::string>>{rows[i]});
  }
}

}  // namespace
}  // namespace thalweg
