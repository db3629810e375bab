// The order in which settings count, and what plans make of requests.
#include "thalweg/runs/settings.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/presets.h"

namespace thalweg {
namespace {

std::string refusal(const RunRequest& request) {
  return message_of<ConfigError>([&] { plan_run(request); });
}

/// Points on a noisy parabola as a CSV file in `folder`.
std::string points_in(const TemporaryFolder& folder) {
  std::string text = "a,b\n";
  for (int row = 0; row < 2000; ++row) {
    const double a = std::sin(12.9898 * row);
    text += fmt::format("{},{}\n", a, a * a + 0.3 * std::cos(78.233 * row));
  }
  return folder.file("points.csv", text);
}

TEST(Settings, LaterLayersCountMore) {
  const TemporaryFolder folder;
  RunRequest request{.settings = {{"data.path", points_in(folder)}}};
  const RunOptions chosen = plan_run(request).options;
  EXPECT_EQ(chosen.model.flow.kind, "spline");  // by choose_for_data
  EXPECT_EQ(chosen.training.patience, 12);
  // A default that is asked for is no longer chosen.
  request.config = "[flow]\nkind = \"real_nvp\"\nblocks = 3\n[training]\npatience = 0\n";
  RunOptions options = plan_run(request).options;
  EXPECT_EQ(options.model.flow.kind, "real_nvp");
  EXPECT_EQ(options.model.flow.blocks, 3);
  EXPECT_EQ(options.training.patience, 0);
  EXPECT_EQ(options.model.flow.hidden, chosen.model.flow.hidden);
  request.settings.push_back({"flow.blocks", std::int64_t{5}});
  request.settings.push_back(parse_setting("flow.blocks=7"));
  options = plan_run(request).options;
  EXPECT_EQ(options.model.flow.blocks, 7);
  EXPECT_EQ(options.training.patience, 0);
  // Of presets, data choose for "tabular" alone.
  request.source = "rings-normal";
  request.config.clear();
  EXPECT_EQ(plan_run(request).options.model.flow.kind, "real_nvp");
  request.source = "tabular";
  EXPECT_EQ(plan_run(request).options.model.flow.kind, "spline");
}

// Nothing that makes forces jump is chosen beside smooth maps, and what they need is.
TEST(Settings, SmoothMapsHaveSmoothCompany) {
  const TemporaryFolder folder;
  for (const std::string kind : {"smooth", "logistic"}) {
    const RunOptions options =
        plan_run({.settings = {{"data.path", points_in(folder)}, {"flow.kind", kind}}}).options;
    const bool bounded = kind == "smooth";
    EXPECT_EQ(options.model.flow.activation, "silu");
    EXPECT_EQ(options.model.base.kind, bounded ? "uniform" : "normal");
    EXPECT_EQ(options.model.flow.permutation, bounded ? "swap" : "lu");
    EXPECT_EQ(options.model.flow.act_norm, !bounded);
    EXPECT_FALSE(options.model.flow.heads);
    EXPECT_FALSE(options.data.marginal_maps);
    EXPECT_EQ(options.data.closed, bounded);
  }
}

TEST(Settings, AnnealingTakesHalfOfATrainingUnlessSomebodySaysOtherwise) {
  RunRequest request{.settings = {{"energy", std::string("0.5*x^2 + 0.5*y^2")}}};
  // After an exploration there is nothing to anneal, and the first steps are of likelihood.
  EXPECT_EQ(plan_run(request).options.training.annealing_steps, 0);
  EXPECT_EQ(plan_run(request).options.training.likelihood_steps, 500);
  EXPECT_EQ(plan_run(request).options.training.objective, "mixed");
  request.settings.push_back({"exploration.evaluations", std::int64_t{0}});
  EXPECT_EQ(plan_run(request).options.training.objective, "reverse_kl");
  EXPECT_EQ(plan_run(request).options.training.annealing_steps, 3000);
  request.settings.push_back({"training.iterations", std::int64_t{10}});
  EXPECT_EQ(plan_run(request).options.training.annealing_steps, 5);
  request.settings.push_back({"training.annealing_steps", std::int64_t{0}});
  EXPECT_EQ(plan_run(request).options.training.annealing_steps, 0);
}

TEST(Settings, PointsAreLearntBeforeTheEnergiesOfDraws) {
  const TemporaryFolder folder;
  RunRequest request{.settings = {{"data.path", points_in(folder)},
                                  {"training.iterations", std::int64_t{101}},
                                  {"energy", std::string("0.5*a^2 + 0.5*b^2")}}};
  const auto first_steps = [&] { return plan_run(request).options.training.likelihood_steps; };
  request.settings.push_back({"flow.kind", std::string("smooth")});
  request.settings.push_back({"training.objective", std::string("force_matching")});
  EXPECT_EQ(first_steps(), 0);
  request.settings.push_back({"training.energy_weight", 0.1});
  EXPECT_EQ(first_steps(), 50);
  request.settings[4].value = std::string("mixed");
  EXPECT_EQ(first_steps(), 50);
  request.settings.push_back({"training.likelihood_steps", std::int64_t{0}});
  EXPECT_EQ(first_steps(), 0);
}

TEST(Settings, ATargetAloneIsLearntAsInThePresets) {
  const RunPlan plan = plan_run({.settings = {{"data.target", std::string("dual_moon")}}});
  RunOptions preset = find_preset("rings-resampled")->options();
  preset.target.name = "dual_moon";
  EXPECT_EQ(write_options(plan.options), write_options(preset));
  EXPECT_EQ(plan.out, "runs/dual_moon");
  ASSERT_TRUE(plan.target);
  EXPECT_EQ(plan.target->name(), "dual_moon");
  EXPECT_FALSE(plan.data);
}

TEST(Settings, PlansNameRuns) {
  const TemporaryFolder folder;
  const std::string points = points_in(folder);
  RunRequest request{.settings = {{"data.path", points}}};
  EXPECT_EQ(plan_run(request).out, "runs/points");
  request.source = "tabular";
  EXPECT_EQ(plan_run(request).out, "runs/points");
  request.source = folder.file("mine.toml", "[flow]\nblocks = 2\n");
  EXPECT_EQ(plan_run(request).out, "runs/mine");
  request.out = "elsewhere";
  EXPECT_EQ(plan_run(request).out, "elsewhere");
  EXPECT_EQ(plan_run(request).options.model.columns[1].name, "b");
}

TEST(Settings, SaysWhatMakesNoSense) {
  const TemporaryFolder folder;
  const Setting points{"data.path", points_in(folder)};
  EXPECT_NE(refusal({}).find("nothing to learn"), std::string::npos);
  EXPECT_NE(refusal({.resume = true}).find("--out"), std::string::npos);
  EXPECT_NE(refusal({.resume = true, .force = true}).find("exclude"), std::string::npos);
  EXPECT_NE(refusal({.source = "rings-nrmal"}).find("did you mean 'rings-normal'"),
            std::string::npos);
  EXPECT_EQ(refusal({.settings = {{"flow.bloks", std::int64_t{3}}}}),
            "settings: unknown key 'flow.bloks'; did you mean 'flow.blocks'?");
  EXPECT_EQ(refusal({.settings = {{"flow.blocks", std::string("three")}}}),
            "settings: flow.blocks: expected a whole number from 1 to 1000, got \"three\"");
  EXPECT_EQ(refusal({.settings = {{"flow.blocks", std::int64_t{0}}}}),
            "settings: flow.blocks: expected a whole number from 1 to 1000, got 0");
  EXPECT_NE(refusal({.settings = {points, {"training.objective", std::string("mixed")}}})
                .find("needs an energy besides the points"),
            std::string::npos);
  EXPECT_NE(refusal({.settings = {points, {"energy", std::string("a^2 + b^2")}}})
                .find("from points or from an energy"),
            std::string::npos);
}

TEST(Settings, SingleSettingsKeepEveryBit) {
  RunOptions options;
  set_option(options, Setting{"training.learning_rate", 0.1 + 0.2});
  EXPECT_EQ(options.training.learning_rate, 0.1 + 0.2);
  set_option(options, Setting{"training.learning_rate", std::int64_t{1}});
  EXPECT_EQ(options.training.learning_rate, 1.0);
  set_option(options, Setting{"flow.blocks", 4.0});
  EXPECT_EQ(options.model.flow.blocks, 4);
  const std::string odd = " 'a' = \"b\"\\\n";
  set_option(options, Setting{"data.path", odd});
  EXPECT_EQ(options.data.path, odd);
  set_option(options, Setting{"data.columns", std::vector<std::string>{"a, b", "c"}});
  EXPECT_EQ(options.data.columns, (std::vector<std::string>{"a, b", "c"}));
}

}  // namespace
}  // namespace thalweg
