// Continuously indexed layers: their density against quadrature over the index, the bound and the
// importance-weighted estimate, draws, gradients, and training.
#include "thalweg/transforms/continuously_indexed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "contract_table.h"
#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/objectives/maximum_likelihood.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"
#include "thalweg/sampling/normaliser.h"
#include "thalweg/training/trainer.h"

namespace thalweg::testing {
namespace {

using Arrays = std::vector<std::vector<double>>;

/// One layer over a standard normal in the plane, with one index.
struct OneLayer {
  OneLayer() {
    RandomSequence random(3, Stream::kInitialisation);
    ContinuouslyIndexedOptions options;
    options.network = network_factory<Mlp>({.hidden = {6}, .activation = Activation::kTanh});
    layer = std::make_shared<ContinuouslyIndexed>(parameters, "layer", random, 2, options);
    disturb(parameters, 0.3);
    flow = std::make_unique<Flow>(std::make_shared<Normal>(parameters, "normal", 2),
                                  std::vector<std::shared_ptr<const Transform>>{layer});
  }

  /// p(x): a sum over the index, which converges faster than any power of the step.
  std::vector<double> density(const std::vector<double>& x, int half = 60) const {
    Graph graph(parameters);
    const Value point = graph.input({2, 1}), u = graph.input({1, 1});
    const Mapped mapped = layer->inverse_at(point, u);
    const Value joint = flow->base().log_prob(mapped.value) + mapped.log_det;
    std::vector<double> points, indices;
    const double step = 6.0 / half;
    for (std::size_t i = 0; i < x.size(); i += 2)
      for (int k = -2 * half; k <= 2 * half; ++k) {
        points.insert(points.end(), {x[i], x[i + 1]});
        indices.push_back(step * k);
      }
    const Arrays values =
        run_graph(graph, {joint}, {points, indices}, {static_cast<std::int64_t>(indices.size())});
    std::vector<double> result(x.size() / 2, 0.0);
    const std::size_t each = indices.size() / result.size();
    for (std::size_t i = 0; i < values[0].size(); ++i)
      result[i / each] += step * std::exp(values[0][i]);
    return result;
  }

  ParameterStore parameters;
  std::shared_ptr<const ContinuouslyIndexed> layer;
  std::unique_ptr<Flow> flow;
};

constexpr double kCell = 0.1;
constexpr int kHalf = 80;  // cells on each side of 0

std::vector<double> grid() {
  std::vector<double> points;
  for (int i = -kHalf; i < kHalf; ++i)
    for (int j = -kHalf; j < kHalf; ++j)
      points.insert(points.end(), {kCell * (i + 0.5), kCell * (j + 0.5)});
  return points;
}

TEST(ContinuouslyIndexed, DensityIntegratesToOneAndSamplesFollowIt) {
  const OneLayer model;
  const std::vector<double> points = grid();
  const std::vector<double> density = model.density(points, 40);
  const auto statistics = [](double x, double y) {
    return std::array<double, 4>{1.0, x, x * y, x > 0.5 && y > 0.0 ? 1.0 : 0.0};
  };
  std::array<double, 4> mean{}, square{};
  for (std::size_t i = 0; i < density.size(); ++i) {
    const auto values = statistics(points[2 * i], points[2 * i + 1]);
    for (std::size_t k = 0; k < 4; ++k) {
      mean[k] += kCell * kCell * density[i] * values[k];
      square[k] += kCell * kCell * density[i] * values[k] * values[k];
    }
  }
  EXPECT_NEAR(mean[0], 1.0, 1e-4);
  constexpr std::int64_t kDraws = 100000;
  Graph graph(model.parameters);
  const Value z = model.flow->base().draw(graph, 0);
  const Mapped mapped = model.flow->forward(z);
  // Another normalised density, narrow, over the density of what was drawn: its mean is 1.
  const Value other = -0.5 * sum(mapped.value * mapped.value, Axis::kFeatures);
  const Arrays draws =
      run_graph(graph,
                {mapped.value, other - std::log(2.0 * std::numbers::pi) -
                                   model.flow->base().log_prob(z) + mapped.log_det},
                {}, {kDraws});
  std::array<double, 4> found{};
  double weight = 0.0, weights = 0.0;
  for (std::size_t i = 0; i < draws[1].size(); ++i) {
    const auto values = statistics(draws[0][2 * i], draws[0][2 * i + 1]);
    for (std::size_t k = 0; k < 4; ++k) found[k] += values[k] / kDraws;
    const double value = std::exp(draws[1][i]);
    weight += value / kDraws;
    weights += value * value / kDraws;
  }
  // Limits of 5 standard errors: passed by chance less than once in 10^5.
  for (std::size_t k = 1; k < 4; ++k)
    EXPECT_NEAR(found[k], mean[k],
                5.0 * std::sqrt((square[k] - mean[k] * mean[k]) / kDraws) + 1e-3);
  EXPECT_NEAR(weight, 1.0, 5.0 * std::sqrt((weights - weight * weight) / kDraws));
}

TEST(ContinuouslyIndexed, BoundsRiseWithTheDrawsToTheDensity) {
  const OneLayer model;
  const std::vector<double> points = {0.3, -0.2, 1.1, 0.4, -1.5, 2.0};
  const std::vector<double> density = model.density(points);
  constexpr std::size_t kDraws = 200000;
  for (std::size_t point = 0; point < density.size(); ++point) {
    SCOPED_TRACE(point);
    Graph graph(model.parameters);
    const Value log_prob = model.flow->log_prob(graph.input({2, 1}));
    std::vector<double> repeated;
    for (std::size_t i = 0; i < kDraws; ++i)
      repeated.insert(repeated.end(), {points[2 * point], points[2 * point + 1]});
    const Arrays values = run_graph(graph, {log_prob}, {repeated}, {kDraws});
    // The mean of the logarithm of the mean of each `draws` values, and its standard error.
    const auto estimate = [&](std::size_t draws) {
      double sum = 0.0, squares = 0.0;
      for (std::size_t i = 0; i < kDraws; i += draws) {
        double mean = 0.0;
        for (std::size_t k = 0; k < draws; ++k)
          mean += std::exp(values[0][i + k]) / static_cast<double>(draws);
        sum += std::log(mean);
        squares += std::log(mean) * std::log(mean);
      }
      const double count = static_cast<double>(kDraws) / static_cast<double>(draws);
      const double mean = sum / count;
      return std::array<double, 2>{mean, std::sqrt((squares / count - mean * mean) / count)};
    };
    const auto one = estimate(1), five = estimate(5), many = estimate(2000);
    EXPECT_LT(one[0], five[0]);
    EXPECT_LT(five[0], many[0]);
    // 5 standard errors: passed by chance less than once in 10^6.
    EXPECT_LT(one[0], std::log(density[point]) + 5.0 * one[1]);
    EXPECT_LT(many[0], std::log(density[point]) + 5.0 * many[1]);
    EXPECT_NEAR(many[0], std::log(density[point]), 0.02 + 5.0 * many[1]);
    // The bound is not tight, or the test would say nothing.
    EXPECT_LT(one[0], many[0] - 0.02);
    double mean = 0.0, square = 0.0;
    for (const double value : values[0]) {
      mean += std::exp(value) / kDraws;
      square += std::exp(2.0 * value) / kDraws;
    }
    EXPECT_NEAR(mean, density[point], 5.0 * std::sqrt((square - mean * mean) / kDraws));
  }
}

TEST(ContinuouslyIndexed, GradientsOfTheBoundMatchDifferences) {
  OneLayer model;
  Graph graph(model.parameters, Phase::kTraining);
  const TrainingStep step = training_step(graph, *model.flow, MaximumLikelihood());
  std::vector<Value> outputs{step.loss};
  outputs.insert(outputs.end(), step.gradients.begin(), step.gradients.end());
  const auto run = [&] {
    return run_graph(graph, outputs, {{0.3, -0.2, 1.1, 0.4, -1.5, 2.0}}, {3});
  };
  const Arrays at = run();
  for (std::size_t k = 0; k < step.trainable.size(); ++k) {
    const std::span<double> values = model.parameters.values(step.trainable[k]);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double kept = values[i];
      values[i] = kept + 1e-5;
      const double above = run()[0][0];
      values[i] = kept - 1e-5;
      const double below = run()[0][0];
      values[i] = kept;
      ASSERT_NEAR(at[1 + k][i], (above - below) / 2e-5, 1e-6 * (1.0 + std::abs(at[1 + k][i])))
          << model.parameters.info(step.trainable[k]).name << ", element " << i;
    }
  }
}

ModelOptions small_model(const std::string& base) {
  ModelOptions options;
  options.flow.blocks = 3;
  options.flow.hidden = {16};
  options.flow.index_features = 2;
  options.flow.index_hidden = {8};
  options.base.kind = base;
  options.base.hidden = {16};
  return options;
}

TEST(ContinuouslyIndexed, TrainsAndEvaluatesToTheSameBitsWithAnyThreads) {
  for (const char* base : {"normal", "resampled"})
    for (const char* objective : {"maximum_likelihood", "reverse_kl"}) {
      SCOPED_TRACE(fmt::format("{}, {}", base, objective));
      std::vector<std::vector<double>> found;
      for (const int threads : {1, 3}) {
        ThreadPool pool(threads);
        TrainingData data;
        data.target = make_target("two_rings");
        data.generator = [&](std::uint64_t first, std::int64_t count, double* out) {
          for (std::int64_t i = 0; i < count; ++i) {
            RandomSequence random(1, Stream::kTarget, first + static_cast<std::uint64_t>(i));
            const std::vector<double> point = data.target->sample(random);
            std::copy(point.begin(), point.end(), out + 2 * i);
          }
        };
        Model model(small_model(base), 1);
        TrainingOptions options;
        options.objective = objective;
        options.iterations = 30;
        options.batch_size = 128;
        Trainer trainer(model, data, options, pool);
        trainer.run();
        EXPECT_EQ(trainer.counters().bad_steps, 0);
        estimate_normaliser(model, 4096, 1, pool);
        const std::vector<double> x = FlowSampler(model, pool, 2).next(500);
        std::vector<double> one = DensityEvaluator(model, pool).log_prob(x);
        const std::vector<double> many =
            DensityEvaluator(model, pool, Precision::kFloat, 50).log_prob(x);
        double rise = 0.0;
        for (std::size_t i = 0; i < one.size(); ++i) rise += (many[i] - one[i]) / 500.0;
        EXPECT_GT(rise, 0.0);
        one.insert(one.end(), many.begin(), many.end());
        one.insert(one.end(), x.begin(), x.end());
        found.push_back(std::move(one));
        EXPECT_THROW(DensityEvaluator(model, pool, Precision::kFloat, 0), ConfigError);
      }
      EXPECT_EQ(found[0], found[1]);
    }
}

TEST(ContinuouslyIndexed, BadOptionsAreNamed) {
  ParameterStore parameters;
  RandomSequence random(1, Stream::kInitialisation);
  ContinuouslyIndexedOptions options;
  options.index_features = 0;
  EXPECT_THROW(ContinuouslyIndexed(parameters, "layer", random, 2, options), ConfigError);
}

}  // namespace
}  // namespace thalweg::testing
