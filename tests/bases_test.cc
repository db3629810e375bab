// What the contract of all bases does not say: draws, and what a resampled base stands for.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "contract_table.h"
#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/objectives/maximum_likelihood.h"
#include "thalweg/objectives/reverse_kl.h"

namespace thalweg::testing {
namespace {

using Arrays = std::vector<std::vector<double>>;

/// Midpoints of a side x side grid over the square of the given half width.
std::vector<double> grid(std::int64_t side, double half_width) {
  std::vector<double> points;
  const double step = 2.0 * half_width / static_cast<double>(side);
  for (std::int64_t i = 0; i < side; ++i)
    for (std::int64_t j = 0; j < side; ++j) {
      points.push_back(-half_width + step * (static_cast<double>(i) + 0.5));
      points.push_back(-half_width + step * (static_cast<double>(j) + 0.5));
    }
  return points;
}

constexpr std::int64_t kDraws = 100000;
constexpr std::int64_t kSide = 400;
constexpr double kHalfWidth = 8.0;
constexpr double kArea = (2.0 * kHalfWidth / kSide) * (2.0 * kHalfWidth / kSide);

Arrays on_grid(const Base& base, const ParameterStore& parameters) {
  Graph graph(parameters);
  const Value z = graph.input({2, 1});
  std::vector<Value> outputs{base.log_prob(z)};
  if (const Value acceptance = base.acceptance(z); acceptance.valid())
    outputs.push_back(acceptance);
  return run_graph(graph, outputs, {grid(kSide, kHalfWidth)}, {kSide * kSide});
}

TEST(Bases, DrawsFollowTheDensity) {
  // First and second moments and the share in the upper right quadrant, against sums over a grid;
  // limits of 5 standard errors are passed by chance about once in 10^5 of these tests.
  for (const auto& entry : base_cases()) {
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto base = entry.make(parameters, random);
    if (base->features() != 2 || dynamic_cast<const ResampledBase*>(base.get()) != nullptr)
      continue;
    SCOPED_TRACE(entry.name);
    disturb(parameters);
    const auto statistics = [](double x, double y) {
      return std::array<double, 4>{x, x * x + 0.5 * x * y, y * y, x > 0.5 && y > 0.0 ? 1.0 : 0.0};
    };
    std::array<double, 4> mean{};
    std::array<double, 4> variance{};
    const std::vector<double> points = grid(kSide, kHalfWidth);
    const Arrays densities = on_grid(*base, parameters);
    for (const bool second : {false, true})
      for (std::size_t i = 0; i < densities[0].size(); ++i) {
        const auto values = statistics(points[2 * i], points[2 * i + 1]);
        const double mass = kArea * std::exp(densities[0][i]);
        for (std::size_t k = 0; k < 4; ++k)
          (second ? variance : mean)[k] +=
              mass * (second ? (values[k] - mean[k]) * (values[k] - mean[k]) : values[k]);
      }
    Graph graph(parameters);
    const Arrays draws = run_graph(graph, {base->draw(graph, 0)}, {}, {kDraws});
    std::array<double, 4> found{};
    for (std::size_t i = 0; i < draws[0].size(); i += 2) {
      const auto values = statistics(draws[0][i], draws[0][i + 1]);
      for (std::size_t k = 0; k < 4; ++k) found[k] += values[k] / kDraws;
    }
    for (std::size_t k = 0; k < 4; ++k)
      EXPECT_NEAR(found[k], mean[k], 5.0 * std::sqrt(variance[k] / kDraws)) << "statistic " << k;
  }
}

/// A resampled base over a standard normal whose Z comes from a sum over the grid.
struct Resampled {
  explicit Resampled(std::int64_t truncation) {
    RandomSequence random(3, Stream::kInitialisation);
    base = make_resampled(parameters, random, std::make_shared<Normal>(parameters, "proposal", 2),
                          truncation, 0.5);
    disturb(parameters, 1.5);
    points = grid(kSide, kHalfWidth);
    accepted = on_grid(*base, parameters)[1];
    for (std::size_t i = 0; i < accepted.size(); ++i) z += kArea * proposal(i) * accepted[i];
    parameters.values(base->normaliser())[0] = z;
  }
  double proposal(std::size_t i) const {
    const double square = points[2 * i] * points[2 * i] + points[2 * i + 1] * points[2 * i + 1];
    return std::exp(-0.5 * square) / (2.0 * std::numbers::pi);
  }
  ParameterStore parameters;
  std::unique_ptr<ResampledBase> base;
  std::vector<double> points, accepted;
  double z = 0.0;
};

TEST(ResampledBase, DensityIsTheFormulaAndIntegratesToOne) {
  for (const std::int64_t truncation : {0, 1, 2, 5, 100, 1000000}) {
    SCOPED_TRACE(truncation);
    const Resampled model(truncation);
    const Arrays found = on_grid(*model.base, model.parameters);
    const double alpha =
        truncation == 0 ? 0.0 : std::pow(1.0 - model.z, static_cast<double>(truncation - 1));
    double integral = 0.0;
    for (std::size_t i = 0; i < found[0].size(); ++i) {
      const double expected =
          model.proposal(i) * (alpha + (1.0 - alpha) * model.accepted[i] / model.z);
      ASSERT_NEAR(std::exp(found[0][i]), expected, 1e-12);
      integral += kArea * std::exp(found[0][i]);
    }
    EXPECT_NEAR(integral, 1.0, 1e-12);
  }
}

TEST(ResampledBase, FreshProposalsEstimateZ) {
  const Resampled model(100);
  Graph graph(model.parameters);
  const Value accepted = model.base->acceptance_of_proposal(graph);
  const Arrays found = run_graph(graph, {accepted}, {}, {kDraws});
  double mean = 0.0;
  for (const double value : found[0]) mean += value / kDraws;
  // A number in [0, 1] has a deviation of at most 1/2: five standard errors or more.
  EXPECT_NEAR(mean, model.z, 5.0 * 0.5 / std::sqrt(static_cast<double>(kDraws)));
  EXPECT_GT(model.z, 0.05);
  EXPECT_LT(model.z, 0.95);
}

TEST(ResampledBase, RejectionWithTruncationSamplesTheDensity) {
  // The share of samples in a half plane; 5 standard errors, by chance less than once in 10^6.
  const Resampled model(3);
  Graph graph(model.parameters);
  const Value draw = model.base->draw(graph, 0);
  const Arrays found = run_graph(graph, {draw, model.base->acceptance(draw)}, {}, {kDraws});
  RandomSequence random(9, Stream::kAcceptance);
  double samples = 0.0;
  double inside = 0.0;
  std::int64_t number = 0;
  for (std::size_t i = 0; i < found[1].size(); ++i) {
    ++number;
    if (number < model.base->truncation() && random.uniform() >= found[1][i]) continue;
    number = 0;
    samples += 1.0;
    inside += found[0][2 * i] > 0.3 ? 1.0 : 0.0;
  }
  const Arrays densities = on_grid(*model.base, model.parameters);
  double expected = 0.0;
  double proposed = 0.0;
  for (std::size_t i = 0; i < densities[0].size(); ++i) {
    if (model.points[2 * i] <= 0.3) continue;
    expected += kArea * std::exp(densities[0][i]);
    proposed += kArea * model.proposal(i);
  }
  const double error = std::sqrt(expected * (1.0 - expected) / samples);
  EXPECT_NEAR(inside / samples, expected, 5.0 * error);
  // The test could not tell otherwise.
  EXPECT_GT(std::abs(proposed - expected), 10.0 * error);
}

TEST(ResampledBase, TrainingMovesTheAverage) {
  Resampled model(100);
  const auto step = [&](double average) {
    model.parameters.values(model.base->z_average())[0] = average;
    Graph graph(model.parameters, Phase::kTraining);
    const Value log_prob = model.base->log_prob(graph.input({2, 1}));
    EXPECT_EQ(graph.domains(), 2);
    EXPECT_EQ(graph.default_count(1), 64);
    EXPECT_EQ(graph.buffer_updates().size(), 1U);
    EXPECT_EQ(graph.buffer_updates()[0].buffer.index, model.base->z_average().index);
    const Arrays results =
        run_graph(graph, {graph.buffer_updates()[0].value, log_prob}, {{0.3, -0.2}}, {1, 64});
    return std::array<double, 2>{results[0][0], results[1][0]};
  };
  const auto first = step(0.0);
  const auto later = step(0.9);
  EXPECT_NEAR(later[0], 0.95 * 0.9 + 0.05 * first[0], 1e-14);
  // The value in use is the moved average: what an evaluation graph gives with it as average.
  model.parameters.values(model.base->normaliser())[0] = 0.0;
  model.parameters.values(model.base->z_average())[0] = later[0];
  Graph graph(model.parameters);
  const Value log_prob = model.base->log_prob(graph.input({2, 1}));
  EXPECT_NEAR(run_graph(graph, {log_prob}, {{0.3, -0.2}}, {1})[0][0], later[1], 1e-13);
  model.parameters.values(model.base->z_average())[0] = 0.0;
  EXPECT_TRUE(std::isnan(run_graph(graph, {log_prob}, {{0.3, -0.2}}, {1})[0][0]));
}

/// Loss and all gradients of a training step on two points.
struct StepResult {
  double loss = 0.0;
  std::vector<double> gradients;
};

StepResult run_step(const Graph& graph, const TrainingStep& step, std::int64_t proposals) {
  std::vector<Value> outputs{step.loss};
  outputs.insert(outputs.end(), step.gradients.begin(), step.gradients.end());
  const Arrays values =
      run_graph(graph, outputs, {{0.3, -0.2, 1.1, 0.4}, {1.0, 1.0}}, {2, proposals});
  StepResult result{values[0][0], {}};
  for (std::size_t i = 1; i < values.size(); ++i)
    result.gradients.insert(result.gradients.end(), values[i].begin(), values[i].end());
  return result;
}

TEST(ResampledBase, RejectionTermAddsTheGradientOfZ) {
  // What the term adds to loss and gradient, against Z and its derivatives from sums over the grid.
  // With 200 000 proposals and derivatives of the acceptance of size below 1/4 (last layer: sigmoid
  // slope times tanh), 5 standard errors are 0.0028; passed by chance once in 10^6.
  constexpr std::int64_t kProposals = 200000;
  constexpr double kWeight = 3.0;
  Resampled model(100);
  const ParameterId last[] = {model.parameters.find("layer.acceptance.2.weights"),
                              model.parameters.find("layer.acceptance.2.bias")};
  const Flow flow(std::shared_ptr<const Base>(model.base.get(), [](const Base*) {}), {});
  const auto target = make_target("two_rings");
  for (const bool reverse : {false, true}) {
    SCOPED_TRACE(reverse);
    const auto step = [&](double weight) {
      Graph graph(model.parameters, Phase::kTraining);
      const TrainingStep nodes =
          reverse ? reverse_kl(graph, flow, *target, ScoreEstimator::kCovariance, weight)
                  : maximum_likelihood(graph, flow, weight);
      EXPECT_EQ(graph.domains(), 2);  // loss and term share their proposals
      EXPECT_EQ(graph.buffer_updates().size(), 1U);
      return run_step(graph, nodes, kProposals);
    };
    const StepResult without = step(0.0), with = step(kWeight);
    EXPECT_NEAR((without.loss - with.loss) / kWeight, model.z, 2.5 / std::sqrt(kProposals));
    std::size_t place = without.gradients.size();
    for (const ParameterId id : {last[1], last[0]}) {
      const std::span<double> values = model.parameters.values(id);
      place -= values.size();
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double kept = values[i];
        const auto z_at = [&](double value) {
          values[i] = value;
          const Arrays found = on_grid(*model.base, model.parameters);
          double z = 0.0;
          for (std::size_t k = 0; k < found[1].size(); ++k)
            z += kArea * model.proposal(k) * found[1][k];
          return z;
        };
        const double slope = (z_at(kept + 1e-4) - z_at(kept - 1e-4)) / 2e-4;
        values[i] = kept;
        const double added = (without.gradients[place + i] - with.gradients[place + i]) / kWeight;
        EXPECT_NEAR(added, slope, 0.0028) << "tensor " << id.index << ", element " << i;
        if (id.index == last[1].index) {
          EXPECT_GT(std::abs(slope), 0.05);  // the test could tell
        }
      }
    }
  }
}

TEST(ResampledBase, RejectionTermWantsARejectionStep) {
  ParameterStore parameters;
  const Flow flow(std::make_shared<Normal>(parameters, "normal", 2, true), {});
  Graph graph(parameters, Phase::kTraining);
  EXPECT_NO_THROW(maximum_likelihood(graph, flow, 0.0));
  EXPECT_THROW(maximum_likelihood(graph, flow, 1.0), ConfigError);
  EXPECT_THROW(maximum_likelihood(graph, flow, -1.0), ConfigError);
  EXPECT_THROW(reverse_kl(graph, flow, *make_target("two_rings"), ScoreEstimator::kPlain, 1.0),
               ConfigError);
}

TEST(Bases, BadOptionsAreNamed) {
  ParameterStore parameters;
  RandomSequence random(1, Stream::kInitialisation);
  const auto mixture = [&](GaussianMixtureOptions options) {
    GaussianMixture(parameters, "layer", random, 2, options);
  };
  EXPECT_THROW(mixture({.components = 0}), ConfigError);
  EXPECT_THROW(mixture({.scale = 0.0}), ConfigError);
  EXPECT_THROW(mixture({.location_scale = -1.0}), ConfigError);
  EXPECT_THROW(Normal(parameters, "layer", 0), ConfigError);
  int made = 0;
  const auto resample = [&](std::int64_t inputs, std::int64_t outputs, std::int64_t context,
                            ResampledBaseOptions options) {
    const std::string name = fmt::format("base{}", made++);
    auto network = std::make_unique<Mlp>(parameters, name + ".a", random, inputs, outputs,
                                         MlpOptions{.hidden = {}, .context_features = context});
    ResampledBase(parameters, name, std::make_shared<Normal>(parameters, name + ".p", 2),
                  std::move(network), options);
  };
  EXPECT_NO_THROW(resample(2, 1, 0, {}));
  EXPECT_THROW(resample(3, 1, 0, {}), ConfigError);
  EXPECT_THROW(resample(2, 2, 0, {}), ConfigError);
  EXPECT_THROW(resample(2, 1, 1, {}), ConfigError);
  EXPECT_THROW(resample(2, 1, 0, {.truncation = -1}), ConfigError);
  EXPECT_THROW(resample(2, 1, 0, {.average_rate = 0.0}), ConfigError);
  EXPECT_THROW(resample(2, 1, 0, {.training_proposals = 0}), ConfigError);
}

}  // namespace
}  // namespace thalweg::testing
