// Runs of continuous flows: what is chosen for them, and what is said where their steps are too
// few.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "temporary_folder.h"
#include "thalweg/core/random.h"
#include "thalweg/metrics/model_check.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/samplers.h"
#include "thalweg/runs/training_run.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {
namespace {

bool warns(const Evaluation& evaluation) {
  return std::ranges::any_of(evaluation.warnings, [](const std::string& warning) {
    return warning.find("the integration is too coarse for") != std::string::npos;
  });
}

// No gradient of flow matching reaches the base, nor may weight decay, which would draw the
// components of a mixture together.
TEST(ContinuousRun, LeavesTheBaseAsItIs) {
  const TemporaryFolder folder;
  std::string points = "a,b\n";
  RandomSequence random(3, Stream::kTarget);
  for (int row = 0; row < 500; ++row)
    points += fmt::format("{},{}\n", random.normal(), random.normal());
  RunPlan plan = plan_run({.settings = {{"data.path", folder.file("points.csv", points)},
                                        {"flow.kind", std::string("continuous")},
                                        {"flow.hidden", std::vector<std::int64_t>{8}},
                                        {"base.kind", std::string("mixture")},
                                        {"training.weight_decay", 1e-3},
                                        {"training.iterations", std::int64_t{200}}},
                           .out = folder.path("run")});
  plan.report = false;
  ThreadPool pool(1);
  run_training(plan, pool);
  const LoadedRun run = load_run(plan.out);
  const ParameterStore& learnt = run.model->parameters();
  const Model fresh(plan.options.model, static_cast<std::uint64_t>(plan.options.training.seed));
  const ParameterId locations = fresh.parameters().find("base.mixture.locations");
  const auto before = fresh.parameters().values(locations), after = learnt.values(locations);
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_NEAR(after[i], before[i], 1e-6 * std::abs(before[i]));
}

TEST(ContinuousRun, ChoosesWhatServesAndSaysWhereStepsAreTooFew) {
  const TemporaryFolder folder;
  const std::string points = folder.path("points.csv");
  {
    std::ofstream file(points);
    file << "a,b\n";
    RandomSequence random(3, Stream::kTarget);
    for (int row = 0; row < 2000; ++row) {
      const double a = random.normal();
      file << a << "," << a * a + 0.3 * random.normal() << "\n";
    }
  }
  RunPlan plan = plan_run({.settings = {{"data.path", points},
                                        {"flow.kind", std::string("continuous")},
                                        {"flow.network", std::string("mlp")},
                                        {"flow.hidden", std::vector<std::int64_t>{16, 16}},
                                        {"training.pairing", std::string("optimal_transport")},
                                        {"training.iterations", std::int64_t{1500}}},
                           .out = folder.path("run")});
  plan.report = false;
  EXPECT_EQ(plan.options.training.objective, "flow_matching");
  EXPECT_EQ(plan.options.model.flow.blocks, 1);
  EXPECT_FALSE(plan.options.model.flow.act_norm);
  EXPECT_EQ(plan.options.model.base.kind, "normal");
  ThreadPool pool(2);
  run_training(plan, pool);
  const LoadedRun run = load_run(plan.out);
  const Evaluation evaluation = evaluate_run(run, plan.data, pool);
  const auto value = [&](const std::string& name) {
    const auto found = std::ranges::find(evaluation.metrics, name, &Metric::name);
    return found == evaluation.metrics.end() ? NAN : found->value;
  };
  EXPECT_GT(value("log_likelihood"), value("gaussian"));
  EXPECT_FALSE(warns(evaluation));
  for (const Finding& finding : check_model(*run.model, {}, 500, 1, pool))
    EXPECT_NE(finding.verdict, Verdict::kBroken) << finding.name << ": " << finding.text;

  // Steps are no part of the training: only the config changes.
  RunOptions coarse = run.options;
  coarse.model.flow.steps = 1;
  {
    std::ofstream config(RunFolder{plan.out}.config());
    config << write_options(coarse);
  }
  const LoadedRun other = load_run(plan.out);
  EXPECT_TRUE(warns(evaluate_run(other, plan.data, pool)));
  const std::vector<Finding> findings = check_model(*other.model, {}, 500, 1, pool);
  const auto found = std::ranges::find(findings, "integration too coarse", &Finding::name);
  ASSERT_NE(found, findings.end());
  EXPECT_NE(found->verdict, Verdict::kGood) << found->text;

  // Samples are counted as well, whoever draws them, and so are the maps by themselves.
  const auto missed = [&](const LoadedRun& of, const char* sampler) {
    SampleRequest request{.sampler = sampler, .count = 400};
    if (sampler_kinds().find("sampler", sampler).chains)
      request.chains = 200, request.burn_in = 20, request.step_size = 0.3;
    return make_sampler(of, request, pool)->draw([](std::span<const double>) {}, {}).unsolved;
  };
  for (const char* sampler : {"naive", "mala"}) {
    EXPECT_EQ(missed(run, sampler), 0) << sampler;
    EXPECT_GT(missed(other, sampler), 0) << sampler;
    EXPECT_LE(missed(other, sampler), 400) << sampler;
  }
  for (const bool coarsely : {false, true}) {
    const LoadedRun& of = coarsely ? other : run;
    FlowSampler draws(*of.model, pool, 1, Precision::kDouble);
    std::vector<double> log_density;
    const std::vector<double> x = draws.next(400, {}, &log_density);
    EXPECT_EQ(draws.statistics().unsolved > 0, coarsely);
    DensityEvaluator map(*of.model, pool, Precision::kDouble);
    const std::vector<double> z = map.to_latent(x);
    EXPECT_EQ(map.unsolved() > 0, coarsely);
    map.to_data(z);
    EXPECT_EQ(map.unsolved() > 0, coarsely);
  }
}

// Compiling a density of many steps takes seconds, of particles minutes: whoever asks what is
// affordable must not pay for it again.
TEST(ContinuousRun, TheDensityIsCompiledOnceForAllThatAskWhatIsAffordable) {
  ModelOptions options;
  options.features = 2;
  options.flow.kind = "continuous";
  options.flow.blocks = 1;
  options.flow.act_norm = false;
  options.flow.network = "mlp";
  const Model model(options, 1);
  ThreadPool pool(1);
  DensityEvaluator density(model, pool, Precision::kDouble);
  const auto seconds = [&] {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_GE(density.affordable_rows(), 100);
    EXPECT_GE(density.affordable_cells(50), 10);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const double first = seconds();
  // A thousand times faster where it was measured; compiling anew takes as long as the first time.
  EXPECT_LT(seconds(), 0.2 * first);
}

}  // namespace
}  // namespace thalweg
