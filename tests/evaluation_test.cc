// What is said of a run of an energy: with an exploration that its flow lacks a mode of, with one
// it agrees with, and without one.
#include "thalweg/runs/evaluation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "temporary_folder.h"
#include "thalweg/core/random.h"
#include "thalweg/core/work_progress.h"
#include "thalweg/exploration/exploration_file.h"
#include "thalweg/io/npy.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/run_report.h"
#include "thalweg/runs/samplers.h"
#include "thalweg/runs/training_run.h"

namespace thalweg {
namespace {

constexpr std::uint64_t kRows = 4000;
const double kLog2Pi = std::log(2.0 * std::numbers::pi);

const std::string kOneMode = "0.5*x^2 + 0.5*y^2";
const std::string kTwoModes = "0.5*(abs(x-10)-10)^2 + 0.5*y^2";  // at x = 0 and x = 20

/// An untrained flow, which is a unit Gaussian about 0, of an energy.
LoadedRun gaussian_run(const std::string& out, const std::string& energy, ThreadPool& pool,
                       const std::vector<std::string>& variables = {}) {
  RunPlan plan = plan_run({.settings = {{"energy", energy},
                                        {"variables", variables},
                                        {"flow.kind", std::string("real_nvp")},
                                        {"flow.blocks", std::int64_t{1}},
                                        {"flow.act_norm", false},
                                        {"base.kind", std::string("normal")},
                                        {"exploration.evaluations", std::int64_t{0}},
                                        {"training.iterations", std::int64_t{0}}},
                           .out = out});
  plan.report = false;
  run_training(plan, pool);
  return load_run(out);
}

Exploration explored(bool two) {
  Exploration result;
  result.features = 2;
  for (std::uint64_t row = 0; row < kRows; ++row) {
    RandomSequence random(5, Stream::kExploration, row);
    const double x = random.normal(), y = random.normal();
    result.x.push_back(x + (two && row % 2 == 0 ? 20.0 : 0.0));
    result.x.push_back(y);
    result.log_target.push_back(-0.5 * (x * x + y * y));
  }
  result.component.assign(kRows, 0);
  result.confirmed = true;
  result.log_integral = kLog2Pi + (two ? std::log(2.0) : 0.0);
  result.log_integral_error = 0.01;
  result.method = "exact samples";
  result.modes = {{two ? 0.5 : 1.0, 0.01, {0.0, 0.0}, {1.0, 1.0}}};
  if (two) result.modes.push_back({0.5, 0.01, {20.0, 0.0}, {1.0, 1.0}});
  result.evaluations = 123456;
  return result;
}

const Metric& metric(const Evaluation& evaluation, const std::string& name) {
  const auto found = std::ranges::find(evaluation.metrics, name, &Metric::name);
  if (found == evaluation.metrics.end()) throw std::runtime_error("no metric " + name);
  return *found;
}

TEST(Evaluation, ALostModeIsNamedEverywhere) {
  const TemporaryFolder folder;
  ThreadPool pool(2);
  const LoadedRun run = gaussian_run(folder.path("run"), kTwoModes, pool);
  write_exploration(run.folder.exploration(), explored(true));
  const Evaluation evaluation = evaluate_run(run, {}, pool);
  ASSERT_TRUE(evaluation.verdict);
  EXPECT_TRUE(evaluation.verdict->lost());
  expect_parts(warnings_text(evaluation), {"warning: the flow has lost the mode at (x 20, y 0)",
                                           "next to no density at 50 %"});
  expect_parts(evaluation_text(evaluation),
               {"learnt from an energy", "flow and exploration disagree", "may remain unseen",
                "2.5 %", "Correlations"});
  EXPECT_EQ(evaluation_text(evaluation).find("held"), std::string::npos);
  // Integral, means and quantiles are those of the exploration, with errors that say so.
  const Metric& integral = metric(evaluation, "log_integral");
  EXPECT_NEAR(integral.value, kLog2Pi + std::log(2.0), 1e-9);
  EXPECT_NEAR(integral.error, 0.5 * std::log(2.0), 0.02);
  EXPECT_NEAR(metric(evaluation, "flow_log_integral").value, kLog2Pi, 0.02);
  EXPECT_NEAR(metric(evaluation, "mean_x").value, 10.0, 0.2);
  EXPECT_NEAR(metric(evaluation, "mean_x").error, 5.0, 0.2);
  ASSERT_TRUE(evaluation.columns);
  EXPECT_GT(evaluation.columns->columns[0].quantiles[4], 20.0);

  const auto verdict = verdict_of(run, pool);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->disagreements, evaluation.verdict->disagreements);
  report_runs({run.folder.path}, "", pool);
  expect_parts(read_bytes(run.folder.report()),
               {"flow and exploration disagree", "Warning: the flow has lost the mode",
                "Beside an independent exploration", "Quantiles under the target"});
  EXPECT_EQ(read_bytes(run.folder.report()).find("held"), std::string::npos);
}

TEST(Evaluation, AFlowThatIsRightAgrees) {
  const TemporaryFolder folder;
  ThreadPool pool(2);
  const LoadedRun run = gaussian_run(folder.path("run"), kOneMode, pool);
  write_exploration(run.folder.exploration(), explored(false));
  const Evaluation evaluation = evaluate_run(run, {}, pool);
  ASSERT_TRUE(evaluation.verdict);
  EXPECT_TRUE(evaluation.verdict->agrees()) << warnings_text(evaluation);
  EXPECT_TRUE(evaluation.warnings.empty()) << warnings_text(evaluation);
  EXPECT_NEAR(metric(evaluation, "log_integral").value, kLog2Pi, 1e-6);
  expect_parts(evaluation_text(evaluation), {"flow and exploration agree; a mode much narrower"});
}

TEST(Evaluation, WhatWasNotExploredIsNotCertified) {
  const TemporaryFolder folder;
  ThreadPool pool(2);
  const LoadedRun run = gaussian_run(folder.path("run"), kOneMode, pool);
  const Evaluation evaluation = evaluate_run(run, {}, pool);
  ASSERT_TRUE(evaluation.verdict);
  EXPECT_FALSE(evaluation.verdict->agrees());
  expect_parts(warnings_text(evaluation),
               {"nothing was checked against an independent exploration of the energy"});
  // Other draws by another seed, without any change to the run.
  const Evaluation other = evaluate_run(run, {}, pool, {.seed = 77});
  EXPECT_NE(metric(other, "mean_x").value, metric(evaluation, "mean_x").value);
}

TEST(Evaluation, LocalMovesBetweenFarModesAreWarnedOf) {
  // Modes at x = +-1.5 with a deviation of 0.2, the base of deviation 1 meets both.
  const TemporaryFolder folder;
  ThreadPool pool(2);
  const LoadedRun run = gaussian_run(folder.path("run"), "12.5*(abs(x)-1.5)^2 + 0.5*y^2", pool);
  for (const double local : {1.0, 0.2}) {
    SampleRequest request;
    request.sampler = "mala";
    request.count = 8000;
    request.chains = 200;
    request.burn_in = 100;
    request.thinning = 20;
    request.local_probability = local;
    const auto result = make_sampler(run, request, pool)->draw([](std::span<const double>) {}, {});
    ASSERT_TRUE(result.chains && result.chains->starts);
    if (local == 1.0) {
      EXPECT_EQ(result.chains->starts->left, 0.0);
      ASSERT_EQ(result.chains->warnings.size(), 1U);
      expect_parts(result.chains->warnings[0], {"keep to where they began", "--local-probability"});
    } else {
      EXPECT_GT(result.chains->starts->left, 0.9);
      EXPECT_TRUE(result.chains->warnings.empty()) << result.chains->warnings[0];
    }
  }
}

TEST(Evaluation, DrawsTellHowFarTheyAreAndEndWhereTheyAreAskedTo) {
  const TemporaryFolder folder;
  ThreadPool pool(2);
  const LoadedRun run = gaussian_run(folder.path("run"), kOneMode, pool);
  for (const std::string sampler : {"naive", "importance"}) {
    SampleRequest request;
    request.sampler = sampler;
    request.count = 100'000;
    std::int64_t told = 0, rows = 0;
    SampleCallbacks callbacks{.progress = [&](std::int64_t done, std::int64_t count) {
      EXPECT_EQ(count, request.count);
      EXPECT_GT(done, told);
      told = done;
    }};
    const std::int64_t columns = sampler == "naive" ? 2 : 3;
    const auto sink = [&](std::span<const double> drawn) { rows += std::ssize(drawn) / columns; };
    EXPECT_FALSE(make_sampler(run, request, pool)->draw(sink, callbacks).interrupted);
    EXPECT_EQ(told, request.count);
    EXPECT_EQ(rows, request.count);
    told = rows = 0;
    callbacks.interrupted = [] { return true; };
    EXPECT_TRUE(make_sampler(run, request, pool)->draw(sink, callbacks).interrupted);
    EXPECT_LE(rows, 256) << "the first block is a small one, whatever a row costs";
  }
}

// A unit Gaussian's weights for one of deviation 0.7 about 0.3, whose largest is finite.
TEST(Evaluation, RejectedDrawsLeaveWeightsThatAreExactAndMoreAlike) {
  const TemporaryFolder folder;
  const std::string narrow = "(x - 0.3)^2 / 0.98 + y^2 / 0.98";
  ThreadPool pool(2), alone(1);
  const LoadedRun run = gaussian_run(folder.path("run"), narrow, pool);
  const auto drawn = [&](const SampleRequest& request, ThreadPool& threads) {
    return sample_table(run, request, threads);
  };
  SampleRequest request;
  request.sampler = "importance";
  request.count = 60'000;
  const SampledTable all = drawn(request, pool);
  request.count = 20'000;
  request.weights = "reject";
  request.threshold = 1.4;
  const SampledTable kept = drawn(request, pool);
  EXPECT_EQ(drawn(request, alone).table.values, kept.table.values);
  ASSERT_TRUE(kept.result.rejection && kept.result.importance);
  ASSERT_EQ(kept.table.rows, 20'000);
  ASSERT_EQ(kept.table.names, all.table.names);
  const RejectionSummary& rejection = *kept.result.rejection;
  ASSERT_LE(rejection.pilots + rejection.draws, all.table.rows);
  EXPECT_GE(rejection.kept, 20'000);
  // Each number is that of the seed, whatever the threads and the time that blocks take.
  const SampleResult again = drawn(request, alone).result;
  EXPECT_EQ(again.rejection->draws, rejection.draws);
  EXPECT_EQ(again.importance->estimate.log_integral, kept.result.importance->estimate.log_integral);

  // The same draws, from behind the pilots on, of which some are kept; none weighs less than c.
  std::int64_t row = rejection.pilots;
  double expected = 0.0, variance = 0.0;
  std::vector<double> log_weights, x;
  for (std::int64_t k = 0; k < kept.table.rows; ++k, ++row) {
    const double* sample = &kept.table.values[static_cast<std::size_t>(3 * k)];
    const auto same = [&] {
      const double* draw = &all.table.values[static_cast<std::size_t>(3 * row)];
      const double share = std::min(1.0, std::exp(draw[2] - rejection.log_threshold));
      expected += share;
      variance += share * (1.0 - share);
      return draw[0] == sample[0] && draw[1] == sample[1];
    };
    while (!same()) ASSERT_LT(++row, all.table.rows);
    const double own = all.table.values[static_cast<std::size_t>(3 * row + 2)];
    ASSERT_EQ(sample[2], std::max(own, rejection.log_threshold));
    log_weights.push_back(sample[2]);
    x.push_back(sample[0]);
  }
  // 5 deviations: 6e-7 by chance.
  EXPECT_NEAR(20'000.0, expected, 5.0 * std::sqrt(variance));
  EXPECT_NEAR(rejection.effective_share, all.result.importance->estimate.effective_share, 0.02);
  EXPECT_GT(kept.result.importance->estimate.effective_share, rejection.effective_share + 0.1);
  const WeightedMean mean = weighted_mean(smoothed_weights(log_weights), x);
  EXPECT_NEAR(mean.value, 0.3, 5.0 * mean.error);
  EXPECT_LT(mean.error, 0.01);
  const ImportanceEstimate& estimate = kept.result.importance->estimate;
  EXPECT_NEAR(estimate.log_integral, kLog2Pi + std::log(0.49), 5.0 * estimate.log_integral_error);
  EXPECT_LT(estimate.log_integral_error, 0.02);

  // A threshold above every weight is rejection sampling.
  request.count = 2'000;
  request.threshold = 50.0;
  const SampledTable exact = drawn(request, pool);
  for (std::size_t k = 2; k < exact.table.values.size(); k += 3)
    ASSERT_EQ(exact.table.values[k], exact.result.rejection->log_threshold);
  EXPECT_DOUBLE_EQ(exact.result.importance->estimate.effective_share, 1.0);
}

TEST(Evaluation, FewKeptDrawsAreNoReasonToDoubtTheWeights) {
  const TemporaryFolder folder;
  ThreadPool pool(1);
  const LoadedRun run = gaussian_run(folder.path("run"), "(x - 0.1)^2 / 1.9 + y^2 / 1.9", pool);
  for (const std::string sampler : {"importance", "annealed"})
    for (const std::int64_t count : {1, 24, 100}) {
      SampleRequest request{.sampler = sampler,
                            .count = count,
                            .weights = "reject",
                            .leapfrog_steps = 2,
                            .levels = 3};
      if (sampler == "importance") request.leapfrog_steps = request.levels = 8;
      const SampledTable kept = sample_table(run, request, pool);
      ASSERT_EQ(kept.table.rows, count);
      const ImportanceEstimate& estimate = kept.result.importance->estimate;
      EXPECT_NEAR(estimate.log_integral, kLog2Pi + std::log(0.95),
                  5.0 * estimate.log_integral_error);
      EXPECT_LT(estimate.log_integral_error, 0.02);
      EXPECT_LT(*kept.result.importance->pareto_k, 0.7);
      if (sampler == "annealed") {
        EXPECT_GE(kept.result.annealing->evaluations, 5 * kept.result.rejection->draws);
      }
    }
}

// Without names x2 would be x1, and log_weight x2, which is a column of the model.
TEST(Evaluation, SamplesThatWouldBeReadAsOtherColumnsAreRefused) {
  const TemporaryFolder folder;
  ThreadPool pool(1);
  const LoadedRun run = gaussian_run(folder.path("run"), "0.5*x0^2 + 0.5*x2^2", pool, {"x0", "x2"});
  SampleRequest request{.sampler = "importance", .count = 10};
  expect_parts(message_of<ConfigError>(
                   [&] { sample_to_file(run, request, folder.path("samples.npy"), pool); }),
               {"x0, x2, log_weight", "x0 to x2", "write .csv"});
  EXPECT_FALSE(std::filesystem::exists(folder.path("samples.npy")));
  EXPECT_NO_THROW(sample_to_file(run, request, folder.path("samples.csv"), pool));
  // As many columns as the model has are taken in their order.
  request.sampler = "naive";
  std::vector<std::vector<double>> found;
  for (const char* name : {"samples.npy", "samples.csv"}) {
    sample_to_file(run, request, folder.path(name), pool);
    found.push_back(log_densities(run, run.read_table(folder.path(name)), pool, {}).values);
  }
  for (std::size_t row = 0; row < 10; ++row) EXPECT_NEAR(found[0][row], found[1][row], 1e-5);
  // One more, and nothing says which they are.
  write_npy(folder.path("three.npy"), std::vector<std::int64_t>{2, 3}, std::vector<double>(6));
  const LoadedRun plain = gaussian_run(folder.path("plain"), kOneMode, pool);
  expect_parts(message_of<DataError>([&] {
                 log_densities(plain, plain.read_table(folder.path("three.npy")), pool, {});
               }),
               {"lack column 'x'", "3 columns without names", "weights"});
}

TEST(Evaluation, SamplersRefuseWhatTheyWouldNotRead) {
  const TemporaryFolder folder;
  ThreadPool pool(2);
  const LoadedRun run = gaussian_run(folder.path("run"), kOneMode, pool);
  const auto refusal = [&](const SampleRequest& request) {
    return message_of<ConfigError>([&] { make_sampler(run, request, pool); });
  };
  expect_parts(refusal({.count = 10, .weights = "column"}), {"weights", "importance", "naive"});
  expect_parts(refusal({.sampler = "importance", .count = 10, .weights = "rows"}),
               {"column, resample or reject", "'rows'"});
  expect_parts(refusal({.sampler = "importance", .count = 10, .leapfrog_steps = 3}),
               {"samplers that move", "importance"});
  expect_parts(refusal({.sampler = "annealed", .count = 10, .leapfrog_steps = 3, .levels = 1}),
               {"with one level nothing moves"});
  expect_parts(refusal({.sampler = "importance", .count = 10, .levels = 3}),
               {"levels", "importance"});
  expect_parts(refusal({.sampler = "importance", .count = 10, .threshold = 2.0}),
               {"threshold", "reject"});
  expect_parts(
      refusal({.sampler = "importance", .count = 10, .weights = "reject", .threshold = 0.0}),
      {"threshold above 0", "got 0"});
  expect_parts(refusal({.count = 10, .seed = -1}), {"seed of at least 0", "-1"});
  expect_parts(refusal({.count = 10, .chains = 4}), {"chains", "naive"});
  // Rows of a condition are taken in turn, so there must be one.
  expect_parts(message_of<ShapeError>([] { rows_in_turn({}, 2, 0, 3); }), {"2 columns", "none"});
  EXPECT_EQ(rows_in_turn({}, 0, 0, 3), std::vector<double>());
}

TEST(Evaluation, WeightedDrawsAreInDoubleUnlessFloatIsAskedFor) {
  const TemporaryFolder folder;
  ThreadPool pool(2);
  const LoadedRun run = gaussian_run(folder.path("run"), "0.7*x^2 + 0.5*y^2", pool);
  const auto drawn = [&](std::optional<Precision> precision) {
    return sample_run(
        run, {.sampler = "importance", .count = 500, .seed = 3, .precision = precision}, pool);
  };
  const std::vector<double> usual = drawn({}), in_float = drawn(Precision::kFloat);
  EXPECT_EQ(usual, drawn(Precision::kDouble));
  double largest = 0.0;
  for (std::size_t i = 0; i < usual.size(); ++i)
    largest = std::max(largest, std::abs(usual[i] - in_float[i]));
  EXPECT_GT(largest, 0.0);
  EXPECT_LT(largest, 1e-4);
}

TEST(Evaluation, AnInterruptedOneLeavesTheTrainingThatIsOver) {
  const TemporaryFolder folder;
  ThreadPool pool(2);
  RunPlan plan = plan_run({.settings = {{"data.target", std::string("two_rings")},
                                        {"flow.kind", std::string("real_nvp")},
                                        {"flow.blocks", std::int64_t{1}},
                                        {"base.kind", std::string("normal")},
                                        {"training.iterations", std::int64_t{5}}},
                           .out = folder.path("run")});
  bool trained = false;
  int looks = 0;
  const RunCallbacks callbacks{
      .progress = [&](const TrainingProgress& now) { trained = now.step == now.iterations; },
      .interrupted = [&] { return trained && ++looks > 1; }};
  TrainingOutcome outcome = run_training(plan, pool, callbacks);
  EXPECT_EQ(outcome.reason, StopReason::kIterations);
  EXPECT_TRUE(outcome.unjudged);
  EXPECT_TRUE(outcome.evaluation.metrics.empty());
  EXPECT_EQ(load_run(plan.out).manifest.status, "finished");
  // The same in the place of a run that is there.
  plan.force = true;
  plan.options.training.iterations = 6;
  trained = false;
  looks = 0;
  outcome = run_training(plan, pool, callbacks);
  EXPECT_TRUE(outcome.unjudged);
  EXPECT_EQ(outcome.folder, plan.out);
  EXPECT_EQ(load_run(plan.out).manifest.steps, 6);
}

TEST(Evaluation, TellsWhatItIsAt) {
  const TemporaryFolder folder;
  ThreadPool pool(1);
  const LoadedRun run = gaussian_run(folder.path("run"), kOneMode, pool);
  std::vector<std::string> parts;
  double last = 0.0;
  {
    const ProgressScope scope([&](const std::string& part, double share) {
      if (parts.empty() || parts.back() != part) parts.push_back(part);
      EXPECT_GE(share, 0.0);
      EXPECT_LT(share, 1.0);
      last = share;
    });
    pool.parallel(10, [](std::int64_t, int) {});
    EXPECT_TRUE(parts.empty()) << "what has no name is not told";
    evaluate_run(run, std::nullopt, pool);
  }
  EXPECT_EQ(parts, (std::vector<std::string>{"evaluating: weighted draws", "evaluating: forces",
                                             "evaluating: the density on a grid"}));
  EXPECT_GT(last, 0.0);
}

TEST(Evaluation, ChainsNameTheModeThatTheyNeverSee) {
  const TemporaryFolder folder;
  ThreadPool pool(2);
  const LoadedRun run = gaussian_run(folder.path("run"), kTwoModes, pool);
  write_exploration(run.folder.exploration(), explored(true));
  for (const double local : {1.0, 0.5}) {
    SampleRequest request;
    request.sampler = "mala";
    request.count = 4000;
    request.chains = 100;
    request.burn_in = 100;
    request.thinning = 2;
    request.local_probability = local;
    const auto result = make_sampler(run, request, pool)->draw([](std::span<const double>) {}, {});
    ASSERT_TRUE(result.chains);
    ASSERT_EQ(result.chains->warnings.size(), 1U);
    expect_parts(result.chains->warnings[0],
                 {"0 % of the draws lie in the mode at (x 20, y 0), which holds 50 %"});
  }
}

}  // namespace
}  // namespace thalweg
