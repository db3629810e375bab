// Models of smooth maps on bounded, unbounded and periodic columns: their densities, samples and
// forces, and what does not go with them.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <string>
#include <tuple>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/flows/model.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {
namespace {

ModelOptions smooth_options(std::vector<ColumnOptions> columns) {
  ModelOptions options;
  options.features = std::ssize(columns);
  options.flow.kind = "smooth";
  options.flow.blocks = 2;
  options.flow.hidden = {8};
  options.flow.activation = "silu";
  options.flow.act_norm = false;
  options.base.kind = "uniform";
  options.columns = std::move(columns);
  return options;
}

const ColumnOptions kBounded{.name = "a", .lower = 2.0, .upper = 5.0};
const ColumnOptions kLine{.name = "b", .mean = -1.0, .scale = 2.0};
const ColumnOptions kPositive{.name = "c", .lower = 0.0, .mean = 0.1, .scale = 0.7};
const ColumnOptions kAngle{.name = "d", .lower = -180.0, .upper = 180.0, .periodic = true};

/// Moves all trainable parameters by normal numbers of deviation `scale`.
void disturb(Model& model, double scale) {
  RandomSequence random(5, Stream::kInitialisation);
  for (std::size_t i = 0; i < model.parameters().infos().size(); ++i)
    if (model.parameters().infos()[i].trainable)
      for (double& value : model.parameters().values({static_cast<std::int32_t>(i)}))
        value += scale * random.normal();
}

/// Sum of the density over midpoints of a grid.
double integral(const Model& model, std::array<double, 2> from, std::array<double, 2> to) {
  constexpr int kCells = 400;
  ThreadPool pool(1);
  std::vector<double> x;
  for (int i = 0; i < kCells; ++i)
    for (int j = 0; j < kCells; ++j) {
      x.push_back(from[0] + (to[0] - from[0]) * (i + 0.5) / kCells);
      x.push_back(from[1] + (to[1] - from[1]) * (j + 0.5) / kCells);
    }
  double total = 0.0;
  for (const double value : DensityEvaluator(model, pool, Precision::kDouble).log_prob(x))
    total += std::exp(value);
  return total * (to[0] - from[0]) * (to[1] - from[1]) / (kCells * kCells);
}

TEST(SmoothModel, DensitiesIntegrateToOne) {
  // Midpoints of smooth functions: on the circle and on the line to rounding, on an interval to the
  // square of the cells' width.
  for (const auto& [columns, from, to] :
       {std::tuple{std::vector{kBounded, kLine}, std::array{2.0, -21.0}, std::array{5.0, 19.0}},
        {std::vector{kAngle, kBounded}, std::array{-180.0, 2.0}, std::array{180.0, 5.0}},
        {std::vector{kAngle, kAngle}, std::array{-180.0, -180.0}, std::array{180.0, 180.0}}}) {
    Model model(smooth_options(columns), 1);
    disturb(model, 0.5);
    EXPECT_NEAR(integral(model, from, to), 1.0, 2e-4) << columns[0].name << columns[1].name;
  }
}

TEST(SmoothModel, SamplesHaveTheDensityThatTheyAreGiven) {
  Model model(smooth_options({kBounded, kLine, kPositive, kAngle}), 1);
  disturb(model, 0.5);
  ThreadPool pool(1);
  DensityEvaluator evaluator(model, pool, Precision::kDouble);
  FlowSampler sampler(model, pool, 3, Precision::kDouble);
  std::vector<double> log_prob;
  const std::vector<double> x = sampler.next(2000, {}, &log_prob);
  const std::vector<double> expected = evaluator.log_prob(x);
  for (std::size_t row = 0; row < expected.size(); ++row) {
    EXPECT_NEAR(log_prob[row], expected[row], 1e-9 * (1.0 + std::abs(expected[row])));
    EXPECT_GT(x[4 * row], 2.0);
    EXPECT_LT(x[4 * row], 5.0);
    EXPECT_GT(x[4 * row + 2], 0.0);
    EXPECT_LE(std::abs(x[4 * row + 3]), 180.0);
  }
  const std::vector<double> z = evaluator.to_latent(x);
  const std::vector<double> back = evaluator.to_data(z);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(back[i], x[i], 1e-9);
  // And in single precision.
  const std::vector<double> single = DensityEvaluator(model, pool, Precision::kFloat).log_prob(x);
  for (std::size_t row = 0; row < expected.size(); ++row)
    EXPECT_NEAR(single[row], expected[row], 1e-3);
}

TEST(SmoothModel, KeepsBoundsAndTheSeam) {
  Model model(smooth_options({kBounded, kAngle}), 1);
  disturb(model, 0.5);
  ThreadPool pool(1);
  DensityEvaluator evaluator(model, pool, Precision::kDouble);
  const std::vector<double> values =
      evaluator.log_prob(std::vector{2.0 + 1e-9, 10.0, 2.0 + 2e-9, 10.0, 1.9, 10.0, 5.1, 10.0, 3.0,
                                     -180.0, 3.0, 180.0, 3.0, 540.0});
  // The density does not vanish at a bound, and is 0 beyond it.
  EXPECT_NEAR(values[0], values[1], 1e-6);
  EXPECT_GT(values[0], std::log(1e-6 / (3.0 * 360.0)));
  EXPECT_EQ(values[2], -INFINITY);
  EXPECT_EQ(values[3], -INFINITY);
  EXPECT_NEAR(values[4], values[5], 1e-10);
  EXPECT_NEAR(values[4], values[6], 1e-10);
}

TEST(SmoothModel, BoundsBelongToTheInterval) {
  RandomSequence random(7, Stream::kEvaluation);
  ThreadPool pool(1);
  for (int trial = 0; trial < 20; ++trial) {
    ColumnOptions column = kBounded;
    column.lower = trial == 0 ? 0.05 : random.normal();
    column.upper = trial == 0 ? 0.3 : column.lower + std::exp(random.normal());
    Model model(smooth_options({column, kAngle}), 1);
    disturb(model, 0.5);
    DensityEvaluator evaluator(model, pool, Precision::kDouble);
    const double width = column.upper - column.lower, inwards = 1e-12 * width;
    const std::vector<double> values = evaluator.log_prob(std::vector{
        column.lower, 10.0, column.lower + inwards, 10.0, column.upper, 10.0,
        column.upper - inwards, 10.0, column.lower - inwards, 10.0, column.upper + inwards, 10.0});
    EXPECT_NEAR(values[0], values[1], 1e-6) << column.lower << " " << column.upper;
    EXPECT_NEAR(values[2], values[3], 1e-6) << column.lower << " " << column.upper;
    EXPECT_EQ(values[4], -INFINITY);
    EXPECT_EQ(values[5], -INFINITY);
    // And rounding takes no sample out of it.
    const std::vector<double> ends = evaluator.to_data(std::vector{0.0, 0.3, 1.0, 0.3});
    EXPECT_GE(ends[0], column.lower);
    EXPECT_LE(ends[2], column.upper);
  }
}

TEST(SmoothModel, TailsWithoutBoundsAreThoseOfANormal) {
  Model model(smooth_options({kLine, kBounded}), 1);
  disturb(model, 0.5);
  ThreadPool pool(1);
  std::vector<double> x;
  for (const double deviations : {-40.0, -39.0, 39.0, 40.0})
    x.insert(x.end(), {-1.0 + 2.0 * deviations, 3.0});
  const std::vector<double> values = DensityEvaluator(model, pool, Precision::kDouble).log_prob(x);
  EXPECT_NEAR(values[0] - values[1], -0.5 * (40.0 * 40.0 - 39.0 * 39.0), 1e-6);
  EXPECT_NEAR(values[3] - values[2], -0.5 * (40.0 * 40.0 - 39.0 * 39.0), 1e-6);
}

TEST(SmoothModel, DensitiesFallTowardsBoundsThatAreNotReached) {
  ColumnOptions open = kBounded;
  open.open = true;
  open.mean = 0.3;  // of the logit
  open.scale = 0.2;
  Model model(smooth_options({open, kAngle}), 1);
  disturb(model, 0.5);
  EXPECT_NEAR(integral(model, {2.0, -180.0}, {5.0, 180.0}), 1.0, 2e-4);
  ThreadPool pool(1);
  std::vector<double> x;
  for (const double logit : {-8.0, -7.0, -6.0, 7.0, 8.0, 9.0})
    x.insert(x.end(), {2.0 + 3.0 / (1.0 + std::exp(-logit)), 10.0});
  x.insert(x.end(), {2.0, 10.0, 5.0, 10.0});
  const std::vector<double> values = DensityEvaluator(model, pool, Precision::kDouble).log_prob(x);
  EXPECT_LT(values[0], values[1] - 20.0);
  EXPECT_LT(values[1], values[2] - 20.0);
  EXPECT_LT(values[4], values[3] - 20.0);
  EXPECT_LT(values[5], values[4] - 20.0);
  EXPECT_EQ(values[6], -INFINITY);
  EXPECT_EQ(values[7], -INFINITY);
}

TEST(SmoothModel, ThreadsChangeNoBit) {
  Model model(smooth_options({kBounded, kLine, kPositive, kAngle}), 1);
  disturb(model, 0.5);
  const auto drawn = [&](int threads) {
    ThreadPool pool(threads);
    return FlowSampler(model, pool, 3, Precision::kFloat).next(1000);
  };
  EXPECT_EQ(drawn(1), drawn(3));
}

TEST(SmoothModel, RefusesWhatLeavesTheUnitInterval) {
  const auto refused = [](const std::function<void(ModelOptions&)>& change) -> std::string {
    ModelOptions options = smooth_options({kBounded, kLine});
    change(options);
    try {
      const Model model(options, 1);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refused([](ModelOptions&) {}), "");
  const auto expect = [&](const std::string& start,
                          const std::function<void(ModelOptions&)>& change) {
    const std::string message = refused(change);
    EXPECT_TRUE(message.starts_with(start)) << message;
  };
  expect("base.kind: expected uniform", [](auto& o) { o.base.kind = "normal"; });
  expect("base.proposal: expected uniform", [](auto& o) { o.base.kind = "resampled"; });
  expect("base.kind: 'uniform' is on [0, 1]", [](auto& o) { o.flow.kind = "spline"; });
  expect("flow.permutation: expected swap", [](auto& o) { o.flow.permutation = "lu"; });
  expect("flow.act_norm: expected false", [](auto& o) { o.flow.act_norm = true; });
  expect("flow.heads: expected false", [](auto& o) { o.flow.heads = true; });
  expect("flow.index_features: expected 0", [](auto& o) { o.flow.index_features = 1; });
  expect("stochastic.kind: expected none", [](auto& o) { o.stochastic.kinds = {"metropolis"}; });
  expect("flow.activation: expected one of tanh", [](auto& o) { o.flow.activation = "relu"; });
  expect("columns: 'b' has a marginal map", [](auto& o) {
    o.columns[1].knots = {-1.0, 0.0, 1.0};
    o.columns[1].scores = {-1.5, 0.0, 1.5};
  });
  EXPECT_EQ(refused([](auto& o) {
              o.base.kind = "resampled";
              o.base.proposal = "uniform";
              o.base.hidden = {8};
            }),
            "");
  EXPECT_EQ(refused([](auto& o) {
              o.flow.kind = "elementwise_smooth";
              o.flow.permutation = "none";
            }),
            "");
}

}  // namespace
}  // namespace thalweg
