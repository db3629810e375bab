// Stacks: mixtures of densities of any kinds, and how small tables get theirs.
#include "thalweg/bases/stack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "run_graph.h"
#include "temporary_folder.h"
#include "thalweg/bases/full_gaussian_mixture.h"
#include "thalweg/bases/normal.h"
#include "thalweg/core/error.h"
#include "thalweg/flows/stack_members.h"
#include "thalweg/metrics/small_table_fits.h"
#include "thalweg/metrics/stacking.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/stack_fit.h"
#include "thalweg/runs/training_run.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg::testing {
namespace {

const double kLog2Pi = std::log(2.0 * std::numbers::pi);

std::vector<double> log_densities_of(const Base& base, const ParameterStore& parameters,
                                     const std::vector<double>& z) {
  Graph graph(parameters);
  const Value input = graph.input({base.features(), 1});
  return run_graph(graph, {base.log_prob(input)}, {z},
                   {static_cast<std::int64_t>(z.size()) / base.features()})[0];
}

/// Two normals of full covariance in the plane.
std::shared_ptr<FullGaussianMixture> two_normals(ParameterStore& parameters,
                                                 const std::string& name) {
  auto mixture = std::make_shared<FullGaussianMixture>(parameters, name, 2, 2);
  mixture->set(parameters, std::vector{0.3, 0.7}, std::vector{1.0, -1.0, 0.5, 2.0},
               std::vector{0.5, 0.0, 0.4, 0.3, 2.0, 0.0, -1.0, 1.5});
  return mixture;
}

/// log N(x; mean, L L^T) in the plane, by the inverse of L L^T written out.
double log_normal(double x, double y, double mean_x, double mean_y, double a, double b, double c) {
  const double xx = a * a, xy = a * b, yy = b * b + c * c, det = xx * yy - xy * xy;
  const double dx = x - mean_x, dy = y - mean_y;
  return -0.5 * (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / det - 0.5 * std::log(det) -
         kLog2Pi;
}

double log_two_normals(double x, double y) {
  return std::log(0.3 * std::exp(log_normal(x, y, 1.0, -1.0, 0.5, 0.4, 0.3)) +
                  0.7 * std::exp(log_normal(x, y, 0.5, 2.0, 2.0, -1.0, 1.5)));
}

TEST(FullGaussianMixture, IsTheSumOfItsNormals) {
  ParameterStore parameters;
  const auto mixture = two_normals(parameters, "base");
  const std::vector<double> z = {0.0, 0.0, 1.0, -1.0, -3.0, 2.5, 40.0, -40.0};
  const std::vector<double> found = log_densities_of(*mixture, parameters, z);
  for (std::size_t row = 0; row < 3; ++row)
    EXPECT_NEAR(found[row], log_two_normals(z[2 * row], z[2 * row + 1]), 1e-12);
  // Far out, where both densities underflow, the wider normal is left.
  EXPECT_NEAR(found[3], std::log(0.7) + log_normal(40.0, -40.0, 0.5, 2.0, 2.0, -1.0, 1.5), 1e-9);
}

TEST(FullGaussianMixture, DrawsHaveItsMeanAndCovariance) {
  ParameterStore parameters;
  const auto mixture = two_normals(parameters, "base");
  Graph graph(parameters);
  const Value draw = mixture->draw(graph, 0);
  const std::int64_t count = 200000;
  const std::vector<double> z = run_graph(graph, {draw}, {}, {count})[0];
  double mean_x = 0.0, mean_y = 0.0, xx = 0.0, xy = 0.0;
  for (std::size_t row = 0; row < z.size(); row += 2) {
    mean_x += z[row] / count;
    mean_y += z[row + 1] / count;
    xx += z[row] * z[row] / count;
    xy += z[row] * z[row + 1] / count;
  }
  // Errors of the means are below 0.006 and of the products below 0.02; 5 of them by chance once in
  // 10^6.
  EXPECT_NEAR(mean_x, 0.3 * 1.0 + 0.7 * 0.5, 0.03);
  EXPECT_NEAR(mean_y, 0.3 * -1.0 + 0.7 * 2.0, 0.03);
  EXPECT_NEAR(xx, 0.3 * (1.0 + 0.25) + 0.7 * (0.25 + 4.0), 0.1);
  EXPECT_NEAR(xy, 0.3 * (-1.0 + 0.2) + 0.7 * (1.0 - 2.0), 0.1);
}

TEST(FullGaussianMixture, RefusesWhatDoesNotFit) {
  ParameterStore parameters;
  EXPECT_THROW(FullGaussianMixture(parameters, "none", 2, 0), ConfigError);
  const FullGaussianMixture mixture(parameters, "base", 2, 1);
  EXPECT_THROW(
      mixture.set(parameters, std::vector{1.0}, std::vector{0.0}, std::vector{1.0, 0.0, 0.0, 1.0}),
      ShapeError);
  EXPECT_THROW(mixture.set(parameters, std::vector{1.0}, std::vector{0.0, 0.0},
                           std::vector{1.0, 0.0, 0.0, 0.0}),
               NumericalError);
}

TEST(KernelDensity, IsTheMeanOverItsPoints) {
  // C = U^-1 U^-T for U = [[2, 1], [0, 4]].
  const std::vector<double> points = {0.0, 0.0, 1.0, 2.0, -1.0, 0.5}, upper = {2.0, 1.0, 0.0, 4.0};
  const double bandwidth = 0.6;
  ParameterStore parameters;
  const KernelDensity base(parameters, "base", 2, 3);
  KernelDensity::set(parameters, "base", points, upper, bandwidth);
  const std::vector<double> z = {0.1, 0.2, 1.0, 1.0};
  const std::vector<double> found = log_densities_of(base, parameters, z);
  const FittedKernelDensity fitted{2, points, upper, bandwidth};
  const std::vector<double> same = fitted.log_prob(z);
  for (std::size_t row = 0; row < 2; ++row) {
    double density = 0.0;
    for (std::size_t point = 0; point < 3; ++point) {
      const double dx = z[2 * row] - points[2 * point], dy = z[2 * row + 1] - points[2 * point + 1];
      const double u = (2.0 * dx + dy) / bandwidth, v = 4.0 * dy / bandwidth;
      density += std::exp(-0.5 * (u * u + v * v)) * 8.0 / (bandwidth * bandwidth) /
                 (2.0 * std::numbers::pi) / 3.0;
    }
    EXPECT_NEAR(found[row], std::log(density), 1e-12);
    EXPECT_NEAR(same[row], std::log(density), 1e-12);
  }
}

TEST(Stack, IsTheWeightedSumOfItsMembers) {
  ParameterStore parameters;
  const auto normal = std::make_shared<Normal>(parameters, "normal", 2);
  const Stack stack(parameters, "stack", {normal, two_normals(parameters, "mixture")});
  stack.set_weights(parameters, std::vector{1.0, 3.0});
  EXPECT_NEAR(stack.weights(parameters)[0], 0.25, 1e-15);
  EXPECT_NEAR(stack.weights(parameters)[1], 0.75, 1e-15);
  const std::vector<double> z = {0.0, 0.0, 1.5, -0.7};
  const std::vector<double> found = log_densities_of(stack, parameters, z);
  for (std::size_t row = 0; row < 2; ++row) {
    const double x = z[2 * row], y = z[2 * row + 1];
    EXPECT_NEAR(found[row],
                std::log(0.25 * std::exp(-0.5 * (x * x + y * y) - kLog2Pi) +
                         0.75 * std::exp(log_two_normals(x, y))),
                1e-12);
  }
}

TEST(Stack, DrawsMembersByTheirWeights) {
  // Members so far apart that a draw says whose it is.
  ParameterStore parameters;
  std::vector<std::shared_ptr<const Base>> members;
  for (int k = 0; k < 3; ++k) {
    auto member =
        std::make_shared<FullGaussianMixture>(parameters, "member" + std::to_string(k), 1, 1);
    member->set(parameters, std::vector{1.0}, std::vector{100.0 * k}, std::vector{1.0});
    members.push_back(std::move(member));
  }
  const Stack stack(parameters, "stack", members);
  const std::vector<double> weights = {0.2, 0.5, 0.3};
  stack.set_weights(parameters, weights);
  Graph graph(parameters);
  const std::int64_t count = 40000;
  const std::vector<double> z = run_graph(graph, {stack.draw(graph, 0)}, {}, {count})[0];
  std::vector<double> shares(3, 0.0);
  for (const double value : z)
    shares[static_cast<std::size_t>(std::lround(value / 100.0))] += 1.0 / count;
  // Errors are at most 0.0025; 5 of them by chance once in 10^6.
  for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(shares[k], weights[k], 0.0125);
}

TEST(Stack, RefusesWhatCannotBeAMember) {
  ParameterStore parameters;
  EXPECT_THROW(Stack(parameters, "none", {}), ConfigError);
  const auto two = std::make_shared<Normal>(parameters, "two", 2);
  EXPECT_THROW(Stack(parameters, "uneven", {two, std::make_shared<Normal>(parameters, "one", 1)}),
               ConfigError);
  const Stack stack(parameters, "stack", {two});
  EXPECT_THROW(stack.set_weights(parameters, std::vector{0.5, 0.5}), ShapeError);
}

TEST(StackingWeights, FindTheOptimum) {
  // Two candidates, densities (2, 1) at 60 rows and (1, 3) at 40: the derivative of
  // 60 log(1 + w) + 40 log(3 - 2 w) vanishes at w = (60 * 3 - 80) / (2 * 100) = 0.5. A third one
  // is nowhere better and gets nothing.
  std::vector<double> log_densities;
  for (int row = 0; row < 100; ++row) log_densities.push_back(std::log(row < 60 ? 2.0 : 1.0));
  for (int row = 0; row < 100; ++row) log_densities.push_back(std::log(row < 60 ? 1.0 : 3.0));
  for (int row = 0; row < 100; ++row) log_densities.push_back(std::log(0.5));
  const std::vector<double> weights = stacking_weights(log_densities, 3, {.tolerance = 1e-13});
  EXPECT_NEAR(weights[0], 0.5, 1e-4);
  EXPECT_NEAR(weights[1], 0.5, 1e-4);
  EXPECT_EQ(weights[2], 0.0);
}

TEST(StackingWeights, LeaveOutWhatHasNoDensity) {
  const double nowhere = -INFINITY;
  // The second is NaN somewhere; the third alone explains the last row, by next to no weight else.
  const std::vector<double> weights = stacking_weights(
      std::vector{0.0, 0.0, nowhere, 9.0, std::nan(""), 9.0, -9.0, -9.0, -50.0}, 3);
  EXPECT_NEAR(weights[0], 2.0 / 3.0, 1e-3);
  EXPECT_EQ(weights[1], 0.0);
  EXPECT_NEAR(weights[2], 1.0 / 3.0, 1e-3);
  EXPECT_THROW(stacking_weights(std::vector{0.0, nowhere, 0.0, nowhere}, 2), NumericalError);
  EXPECT_THROW(stacking_weights(std::vector{0.0, 0.0, 0.0}, 2), ShapeError);
}

TEST(RandomFolds, AreOfEqualSizes) {
  const std::vector<std::int64_t> folds = random_folds(23, 5, 1);
  for (std::int64_t fold = 0; fold < 5; ++fold)
    EXPECT_EQ(std::count(folds.begin(), folds.end(), fold), fold < 3 ? 5 : 4);
  EXPECT_NE(folds, random_folds(23, 5, 2));
  EXPECT_THROW(random_folds(4, 5, 1), ConfigError);
}

/// Rows of a normal of deviations 2 and 0.5 and correlation 0.8, with means 10 and -3.
std::vector<double> correlated_rows(std::int64_t rows, std::uint64_t seed = 3) {
  std::vector<double> x;
  RandomSequence random(seed, Stream::kEvaluation);
  for (std::int64_t row = 0; row < rows; ++row) {
    const double u = random.normal(), v = random.normal();
    x.push_back(10.0 + 2.0 * u);
    x.push_back(-3.0 + 0.5 * (0.8 * u + 0.6 * v));
  }
  return x;
}

TEST(SmallTableFits, FindANormal) {
  // 20 000 rows: errors of what is compared are below 0.02.
  const std::vector<double> x = correlated_rows(20000);
  for (const FittedGaussianMixture& fit : {fit_shrunk_gaussian(x, 2), fit_elliptical(x, 2),
                                           fit_whitened_mixture(x, 2, {.components = 1}, 1)}) {
    const double expected = -kLog2Pi - std::log(2.0 * 0.5 * 0.6);
    EXPECT_NEAR(fit.log_prob(std::vector{10.0, -3.0})[0], expected, 0.1);
    EXPECT_NEAR(fit.log_prob(std::vector{12.0, -2.6})[0], expected - 0.5, 0.1);
    EXPECT_NEAR(fit.log_prob(std::vector{10.0, -2.7})[0], expected - 0.5, 0.1);
  }
  const std::vector<double> upper = whitening_factor(x, 2);
  EXPECT_NEAR(upper[0], 1.0 / (2.0 * 0.6), 0.02);  // 1 / deviation of the first given the second
  EXPECT_NEAR(upper[3], 2.0, 0.05);
  EXPECT_EQ(upper[2], 0.0);
}

TEST(SmallTableFits, ShrinkAndWiden) {
  // Independent columns: with few rows nearly all of the correlation is taken for noise.
  RandomSequence random(5, Stream::kEvaluation);
  std::vector<double> x(2 * 12);
  for (double& value : x) value = random.normal();
  const FittedGaussianMixture raw = fit_gaussian_mixture(x, 2, {.components = 1}, 1);
  const FittedGaussianMixture shrunk = fit_shrunk_gaussian(x, 2);
  EXPECT_LT(std::abs(shrunk.factors[2]), std::abs(raw.factors[2]));
  // A cloud with one row in 20 ten deviations away: tails are part of the elliptical density.
  std::vector<double> tailed(400);
  for (std::size_t i = 0; i < tailed.size(); ++i)
    tailed[i] = (i % 20 == 0 ? 6.0 : 1.0) * random.normal();
  double gain = 0.0;
  const std::vector<double> with = fit_elliptical(tailed, 1).log_prob(tailed);
  const std::vector<double> without =
      fit_gaussian_mixture(tailed, 1, {.components = 1}, 1).log_prob(tailed);
  for (std::size_t i = 0; i < with.size(); ++i)
    gain += (with[i] - without[i]) / static_cast<double>(with.size());
  EXPECT_GT(gain, 0.1);
  EXPECT_THROW(fit_elliptical(std::vector{1.0, 2.0}, 1), DataError);
  EXPECT_THROW(fit_kernel_density(std::vector{1.0, 2.0, 3.0}, 2), ShapeError);
  EXPECT_THROW(fit_shrunk_gaussian(std::vector{1.0, std::nan(""), 3.0, 4.0}, 1), DataError);
}

TEST(SmallTableFits, KernelEstimateOfItsOwnRowsIsSmooth) {
  const std::vector<double> x = correlated_rows(300);
  const FittedKernelDensity fit = fit_kernel_density(x, 2);
  EXPECT_GT(fit.bandwidth, 0.1);
  EXPECT_LT(fit.bandwidth, 0.8);
  EXPECT_NEAR(fit.log_prob(std::vector{10.0, -3.0})[0], -kLog2Pi - std::log(0.6), 0.5);
}

/// A file of 60 rows: a normal column, and one of whole numbers that follows it.
std::string small_table(const TemporaryFolder& folder) {
  std::string text = "a,b\n";
  RandomSequence random(9, Stream::kEvaluation);
  for (int row = 0; row < 60; ++row) {
    const double a = random.normal();
    text += fmt::format("{:.6f},{:.0f}\n", 3.0 + 0.5 * a, 20.0 + 6.0 * a + 3.0 * random.normal());
  }
  return folder.file("small.csv", text);
}

TEST(StackRun, ASmallTableGetsAStack) {
  const TemporaryFolder folder;
  const std::string table = small_table(folder);
  ThreadPool pool(2);
  RunPlan plan = plan_run({.settings = {{"data.path", table}}, .out = folder.path("run")});
  EXPECT_EQ(plan.options.model.base.kind, "stack");
  plan.report = false;
  std::vector<std::string> said;
  run_training(plan, pool,
               {.fitting = [&](double, const std::string& what) { said.push_back(what); }});
  EXPECT_FALSE(said.empty());
  const LoadedRun run = load_run(folder.path("run"));
  EXPECT_EQ(run.manifest.status, "finished");
  const std::size_t members = run.options.model.base.members.size();
  ASSERT_GE(members, 1u);

  // The density integrates to 1: in the plane, where a and the dequantised b are continuous.
  DensityEvaluator evaluator(*run.model, pool, Precision::kDouble);
  std::vector<double> grid;
  const double step_a = 0.05, step_b = 0.5;
  for (double a = -5.0; a < 11.0; a += step_a)
    for (double b = -75.0; b < 115.0; b += step_b) grid.insert(grid.end(), {a, b});
  double integral = 0.0;
  for (const double value : evaluator.log_prob(grid)) integral += std::exp(value) * step_a * step_b;
  EXPECT_NEAR(integral, 1.0, 5e-3);  // What is beyond the grid is a few thousandths.

  // Weights sum to 1, and each member has its held-out likelihood.
  const std::vector<Metric> metrics = stack_metrics(*run.model);
  ASSERT_EQ(metrics.size(), 2 * members);
  double total = 0.0;
  for (std::size_t i = 0; i < metrics.size(); i += 2) total += metrics[i].value;
  EXPECT_NEAR(total, 1.0, 1e-12);
  // What is known of the rows: entropy of a (deviation .5), and of b given a (deviation 3).
  const double truth = -kLog2Pi - 1.0 - std::log(0.5 * 3.0);
  double best = -INFINITY;
  for (std::size_t i = 1; i < metrics.size(); i += 2) best = std::max(best, metrics[i].value);
  // Of 54 rows the error is 0.14; what must be learnt of so few costs some tenths more.
  EXPECT_LT(best, truth + 0.6);
  EXPECT_GT(best, truth - 1.0);

  // Samples are of the same model: whole numbers stay whole, and the means are near.
  FlowSampler sampler(*run.model, pool, 1, Precision::kDouble);
  const std::vector<double> samples = sampler.next(20000);
  double mean_a = 0.0;
  for (std::size_t row = 0; row < samples.size(); row += 2) mean_a += samples[row] / 20000.0;
  EXPECT_NEAR(mean_a, 3.0, 0.3);  // The mean of 60 rows has an error of 0.065.

  // Evaluated as one model, with its members.
  const std::optional<PreparedData> data = run.data();
  const Evaluation evaluation = evaluate_run(run, data, pool);
  EXPECT_NE(evaluation_text(evaluation).find("a stack of densities"), std::string::npos);
}

TEST(StackRun, GivesTheSameBitsAgainAndFromItsFiles) {
  const TemporaryFolder folder;
  const std::string table = small_table(folder);
  const auto train = [&](const std::string& name, int threads) {
    ThreadPool pool(threads);
    RunPlan plan = plan_run({.settings = {{"data.path", table}}, .out = folder.path(name)});
    plan.report = false;
    run_training(plan, pool);
    return load_run(folder.path(name));
  };
  const LoadedRun one = train("one", 1), two = train("two", 2);
  EXPECT_EQ(one.manifest.model_hash, two.manifest.model_hash);
  EXPECT_EQ(one.options.model.base.members, two.options.model.base.members);
  // To go on with a finished stack changes nothing.
  ThreadPool pool(1);
  RunPlan plan = plan_run({.out = folder.path("one"), .resume = true});
  plan.report = false;
  run_training(plan, pool);
  EXPECT_EQ(load_run(folder.path("one")).manifest.model_hash, two.manifest.model_hash);
}

TEST(StackRun, AnInterruptedFitLeavesNothing) {
  const TemporaryFolder folder;
  ThreadPool pool(1);
  RunPlan plan =
      plan_run({.settings = {{"data.path", small_table(folder)}}, .out = folder.path("run")});
  const TrainingOutcome outcome = run_training(plan, pool, {.interrupted = [] { return true; }});
  EXPECT_EQ(outcome.reason, StopReason::kCallback);
  EXPECT_TRUE(outcome.folder.empty());
  EXPECT_FALSE(std::filesystem::exists(folder.path("run")));
}

TEST(StackRun, ASettingOfAFlowMeansAFlow) {
  const TemporaryFolder folder;
  const std::string table = small_table(folder);
  const auto base_of = [&](const std::vector<Setting>& more) {
    std::vector<Setting> settings = {{"data.path", table}};
    settings.insert(settings.end(), more.begin(), more.end());
    return plan_run({.settings = settings, .out = folder.path("run")}).options.model.base.kind;
  };
  EXPECT_EQ(base_of({}), "stack");
  EXPECT_EQ(base_of({{"seed", std::int64_t{2}}}), "stack");
  EXPECT_EQ(base_of({{"base.kind", std::string("resampled")}}), "resampled");
  EXPECT_EQ(base_of({{"flow.blocks", std::int64_t{2}}}), "resampled");
  EXPECT_EQ(base_of({{"training.iterations", std::int64_t{50}}}), "resampled");
  EXPECT_EQ(base_of({{"data.condition", std::vector<std::string>{"b"}}}), "resampled");
  EXPECT_EQ(base_of({{"data.periodic", std::vector<std::string>{"a=-10:20"}}}), "resampled");
  EXPECT_EQ(base_of({{"data.periodic", std::vector<std::string>{"a=-10:20", "b=-90:90"}}}),
            "normal");
}

TEST(StackRun, SaysWhatItCannotDo) {
  ModelOptions model;
  model.base.kind = "stack";
  EXPECT_THROW(Model(model, 1), ConfigError);  // It has no members yet.
  model.flow.kind = "none";
  PreparedData data;
  EXPECT_NO_THROW(check_stack(model, &data));
  EXPECT_THROW(check_stack(model, nullptr), ConfigError);
  data.weights = {1.0, 2.0};
  EXPECT_THROW(check_stack(model, &data), ConfigError);
  data.weights.clear();
  model.context_features = 1;
  EXPECT_THROW(check_stack(model, &data), ConfigError);
  model.context_features = 0;
  model.flow.kind = "spline";
  EXPECT_THROW(check_stack(model, &data), ConfigError);
  model.flow.kind = "none";
  model.base.members = {"Gaussian"};
  EXPECT_THROW(Model(model, 1), ConfigError);  // Its lists do not belong together.
  model.base.member_kinds = {"normals"};
  model.base.member_sizes = {1};
  EXPECT_NO_THROW(Model(model, 1));
}

}  // namespace
}  // namespace thalweg::testing
