// What an evaluation takes, and that it is made smaller where a time budget leaves too little.
#include "thalweg/runs/evaluation_cost.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "temporary_folder.h"
#include "thalweg/core/random.h"
#include "thalweg/runs/training_run.h"

namespace thalweg {
namespace {

ModelOptions free_form(std::int64_t features) {
  ModelOptions options;
  options.features = features;
  options.flow.kind = "free_form";
  options.flow.blocks = 1;
  options.flow.act_norm = false;
  return options;
}

TEST(EvaluationCost, TakesAsManyRowsAsATimeAllows) {
  const Model model(free_form(2), 1);
  // A tenth of a second a density: 100 s of held-out rows, 40 of the check, 50 of draws, which take
  // one Jacobian in place of two, 20 of samples, and 4 of programs.
  const EvaluationCost cost(model, 1.0, 0.1, 0.001);
  const EvaluationRows all{1000, 100, 1000, 20000};
  EXPECT_NEAR(cost.seconds(all), 214.0, 1e-9);
  EXPECT_EQ(cost.within(215.0, all), all);
  EXPECT_EQ(shortened_text(all, all), "");
  const EvaluationRows half = cost.within(109.0, all);
  EXPECT_EQ(half, (EvaluationRows{500, 50, 500, 10000}));
  EXPECT_NEAR(cost.seconds(half), 109.0, 1e-9);
  EXPECT_EQ(shortened_text(half, all),
            "to end within the time budget, the evaluation took 500 of 1000 held-out rows, 50 of "
            "100 rows of the check, 500 of 1000 weighted draws, 10000 of 20000 samples in "
            "pictures; `thalweg evaluate` and `report` take all");
  // Some of each are taken however little time is left, but no more than there are.
  const EvaluationRows least = cost.within(-50.0, all);
  EXPECT_GT(least.held_out, 0);
  EXPECT_LT(cost.seconds(least), 25.0);
  EXPECT_EQ(cost.within(0.0, {5, 0, 0, 7}), (EvaluationRows{5, 0, 0, 7}));
}

// 12 columns with networks 256 wide: 800 rows and their check take some 4e11 floating-point
// operations, for which half a second is left.
TEST(EvaluationCost, ShrinksTheEvaluationOfABudget) {
  const TemporaryFolder folder;
  const std::string points = folder.path("points.csv");
  {
    std::ofstream file(points);
    RandomSequence random(3, Stream::kTarget);
    for (int row = 0; row < 8000; ++row)
      for (int column = 0; column < 12; ++column)
        file << random.normal() << (column < 11 ? "," : "\n");
  }
  RunPlan plan = plan_run({.settings = {{"data.path", points},
                                        {"data.header", std::string("no")},
                                        {"flow.kind", std::string("free_form")},
                                        {"flow.hidden", std::vector<std::int64_t>{256}},
                                        {"training.validation_rows", std::int64_t{16}},
                                        {"training.time_budget", 2.0}},
                           .out = folder.path("run")});
  ThreadPool pool(2);
  const TrainingOutcome outcome = run_training(plan, pool);
  EXPECT_LT(outcome.evaluation.rows.held_out, std::ssize(plan.data->test));
  EXPECT_NE(outcome.evaluation.title.find(" of 800 test rows"), std::string::npos)
      << outcome.evaluation.title;
  EXPECT_TRUE(std::ranges::any_of(outcome.evaluation.warnings, [](const std::string& warning) {
    return warning.starts_with("to end within the time budget, the evaluation took ");
  }));
  // Without a budget all are taken.
  const LoadedRun run = load_run(plan.out);
  DensityEvaluator density = evaluation_density(run, pool);
  EXPECT_EQ(evaluation_rows(run, 800, density).held_out, 800);
}

}  // namespace
}  // namespace thalweg
