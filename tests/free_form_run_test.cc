// Runs of free-form flows: what is chosen for them, what is said of them, and the search for the
// weight of the reconstruction.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/metrics/model_check.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/training_run.h"
#include "thalweg/training/reconstruction_search.h"

namespace thalweg {
namespace {

void write_points(const std::string& path) {
  std::ofstream file(path);
  file << "a,b,c\n";
  RandomSequence random(3, Stream::kTarget);
  for (int row = 0; row < 2000; ++row) {
    const double a = random.normal();
    file << a << "," << a * a + 0.3 * random.normal() << "," << random.normal() << "\n";
  }
}

RunPlan plan_of(const TemporaryFolder& folder, std::vector<Setting> settings) {
  const std::string points = folder.path("points.csv");
  write_points(points);
  settings.push_back({"data.path", points});
  settings.push_back({"flow.kind", std::string("free_form")});
  RunPlan plan = plan_run({.settings = std::move(settings), .out = folder.path("run")});
  plan.report = false;
  return plan;
}

double value_of(const Evaluation& evaluation, const std::string& name) {
  for (const Metric& metric : evaluation.metrics)
    if (metric.name == name) return metric.value;
  ADD_FAILURE() << "no metric " << name;
  return NAN;
}

TEST(FreeFormRun, ChoosesWhatServesAndSaysWhatItIsWorth) {
  const TemporaryFolder folder;
  const RunPlan plan = plan_of(folder, {{"training.iterations", std::int64_t{1500}},
                                        {"flow.hidden", std::vector<std::int64_t>{32}}});
  EXPECT_EQ(plan.options.training.objective, "free_form");
  EXPECT_EQ(plan.options.model.flow.blocks, 1);
  EXPECT_EQ(plan.options.model.flow.hidden, std::vector<std::int64_t>{32});
  EXPECT_EQ(plan.options.model.base.kind, "normal");
  ThreadPool pool(2);
  run_training(plan, pool);
  const LoadedRun run = load_run(plan.out);
  const Evaluation evaluation = evaluate_run(run, plan.data, pool);
  EXPECT_NEAR(value_of(evaluation, "log_likelihood_exact"), value_of(evaluation, "log_likelihood"),
              1e-9);
  EXPECT_NEAR(value_of(evaluation, "log_likelihood_decoder"),
              value_of(evaluation, "log_likelihood"), 0.1);
  EXPECT_GT(value_of(evaluation, "log_likelihood"), value_of(evaluation, "gaussian"));
  EXPECT_GE(value_of(evaluation, "solved_share"), 0.99);
  EXPECT_LT(value_of(evaluation, "reconstruction_error"), 0.1);
  EXPECT_GT(value_of(evaluation, "jacobian_error"), 0.0);
  DensityEvaluator density = evaluation_density(run, pool);
  const HeldOut few = held_out_points(run, "", plan.data, density, {.rows = 10});
  EXPECT_EQ(few.rows, 10);
  EXPECT_EQ(few.x.size(), 30U);
  EXPECT_EQ(few.source, "of " + std::to_string(plan.data->test.size()) + " test rows");
  const std::vector<Finding> findings = check_model(*run.model, {}, 1000, 1, pool);
  for (const char* name : {"no latent point found", "reconstruction", "encoder of decoder",
                           "Jacobians", "density as published"}) {
    const auto found = std::ranges::find(findings, name, &Finding::name);
    ASSERT_NE(found, findings.end()) << name;
    EXPECT_NE(found->verdict, Verdict::kBroken) << name << ": " << found->text;
  }
}

TEST(FreeFormRun, WarnsOfADensityByReconstruction) {
  const TemporaryFolder folder;
  // Hardly trained, with an encoder that the decoder leaves behind.
  const RunPlan plan = plan_of(folder, {{"training.iterations", std::int64_t{60}},
                                        {"training.learning_rate", 0.01},
                                        {"training.warm_up", std::int64_t{0}},
                                        {"training.weight_average", 0.0},
                                        {"training.reconstruction_weight", 0.01}});
  ThreadPool pool(2);
  run_training(plan, pool);
  const LoadedRun run = load_run(plan.out);
  const Evaluation evaluation = evaluate_run(run, plan.data, pool);
  EXPECT_TRUE(std::ranges::any_of(evaluation.warnings, [](const std::string& warning) {
    return warning.find("do not invert each other: do not believe it") != std::string::npos;
  }));
}

TEST(FreeFormRun, FindsTheWeightOfTheReconstruction) {
  const TemporaryFolder folder;
  const RunPlan plan = plan_of(folder, {{"training.iterations", std::int64_t{100}},
                                        {"training.warm_up", std::int64_t{0}},
                                        {"training.reconstruction_weight", 0.01},
                                        {"training.reconstruction_search", true},
                                        {"flow.hidden", std::vector<std::int64_t>{16}}});
  ThreadPool pool(2);
  ReconstructionSearch found;
  run_training(plan, pool,
               {.searched = [&](const ReconstructionSearch& search) { found = search; }});
  ASSERT_FALSE(found.trials.empty());
  EXPECT_EQ(found.trials.front().weight, 0.01);
  EXPECT_GE(found.weight, 0.01);
  EXPECT_EQ(load_run(plan.out).options.training.reconstruction_weight, found.weight);
}

TEST(FreeFormRun, EndsTheSearchOfAWeightWithItsTime) {
  const TemporaryFolder folder;
  const RunPlan plan = plan_of(folder, {{"training.iterations", std::int64_t{100}}});
  ThreadPool pool(1);
  const TrainingData data{.generator = [](std::uint64_t, std::int64_t count, double* x) {
    std::fill_n(x, 2 * count, 0.1);
  }};
  int steps = 0;
  const auto search = [&](int most) {
    steps = 0;
    return search_reconstruction_weight(
        [&] { return std::make_unique<Model>(plan.options.model, 1); }, data, plan.options.training,
        20, pool, {}, [&] { return ++steps > most; });
  };
  const ReconstructionSearch none = search(3);
  EXPECT_TRUE(none.trials.empty());
  EXPECT_EQ(none.weight, plan.options.training.reconstruction_weight);
  EXPECT_EQ(steps, 4);
  EXPECT_EQ(search(25).trials.size(), 1U);
}

TEST(FreeFormRun, RefusesOtherObjectivesBeforeAnythingIsWritten) {
  const TemporaryFolder folder;
  const RunPlan plan = plan_of(folder, {{"training.objective", std::string("maximum_likelihood")}});
  ThreadPool pool(1);
  EXPECT_THROW(run_training(plan, pool), ConfigError);
}

}  // namespace
}  // namespace thalweg
