// Flows with known densities, right and wrong, beside explorations of known energies.
#include "thalweg/runs/verdict.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

constexpr std::size_t kSamples = 20000;

/// A mixture of Gaussians with equal deviations in all columns.
struct Mixture {
  std::vector<double> mass;
  std::vector<std::vector<double>> mean;
  std::vector<double> deviation;

  std::size_t width() const { return mean.front().size(); }

  double log_density(const double* x) const {
    double sum = 0.0, largest = -INFINITY;
    std::vector<double> parts;
    for (std::size_t mode = 0; mode < mass.size(); ++mode) {
      double value = std::log(mass[mode]);
      for (std::size_t i = 0; i < width(); ++i)
        value -= 0.5 * std::pow((x[i] - mean[mode][i]) / deviation[mode], 2) +
                 std::log(deviation[mode] * std::sqrt(2.0 * std::numbers::pi));
      parts.push_back(value);
      largest = std::max(largest, value);
    }
    for (const double part : parts) sum += std::exp(part - largest);
    return largest + std::log(sum);
  }

  std::vector<double> sample(std::uint64_t seed) const {
    std::vector<double> x;
    for (std::uint64_t row = 0; row < kSamples; ++row) {
      RandomSequence random(seed, Stream::kEvaluation, row);
      double left = random.uniform();
      std::size_t mode = 0;
      while (mode + 1 < mass.size() && left > mass[mode]) left -= mass[mode++];
      for (std::size_t i = 0; i < width(); ++i)
        x.push_back(mean[mode][i] + deviation[mode] * random.normal());
    }
    return x;
  }

  std::vector<double> log_densities(const std::vector<double>& x) const {
    std::vector<double> result;
    for (std::size_t begin = 0; begin < x.size(); begin += width())
      result.push_back(log_density(x.data() + begin));
    return result;
  }
};

constexpr double kLogIntegral = 202.5;

/// What a sound exploration says of it, exp(kLogIntegral) times a density.
Exploration explored(const Mixture& truth, double error = 0.005) {
  Exploration result;
  result.features = static_cast<std::int64_t>(truth.width());
  result.x = truth.sample(1);
  for (const double value : truth.log_densities(result.x))
    result.log_target.push_back(value + kLogIntegral);
  result.log_integral = kLogIntegral + 0.5 * error;
  result.log_integral_error = error;
  result.method = "importance weights";
  for (std::size_t mode = 0; mode < truth.mass.size(); ++mode)
    result.modes.push_back({truth.mass[mode], 0.05 * truth.mass[mode], truth.mean[mode],
                            std::vector<double>(truth.width(), truth.deviation[mode])});
  result.evaluations = 1000000;
  return result;
}

RunVerdict verdict(const Mixture& truth, const Mixture& flow, const Exploration& exploration) {
  const std::vector<double> x = flow.sample(2), log_flow = flow.log_densities(x);
  std::vector<double> log_weights = truth.log_densities(x);
  for (std::size_t i = 0; i < log_weights.size(); ++i) log_weights[i] += kLogIntegral - log_flow[i];
  const std::vector<double> log_model = flow.log_densities(exploration.x);
  ModelOptions model;
  model.features = exploration.features;
  return compare_with_exploration(
      {.x = x, .weights = smoothed_weights(log_weights), .log_model = log_model}, exploration,
      model);
}

const Metric& metric(const RunVerdict& verdict, const std::string& name) {
  const auto found = std::ranges::find(verdict.metrics, name, &Metric::name);
  if (found == verdict.metrics.end()) throw std::runtime_error("no metric " + name);
  return *found;
}

std::string all(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += sentence + "\n";
  return text;
}

const Mixture kTwo{{0.5, 0.5}, {{-20.0, 0.0}, {20.0, 0.0}}, {1.0, 1.0}};

TEST(Verdict, AgreesOnAFlowThatIsRight) {
  const RunVerdict found = verdict(kTwo, kTwo, explored(kTwo));
  EXPECT_TRUE(found.agrees()) << all(found.disagreements);
  EXPECT_EQ(found.text(), "flow and exploration agree");
  EXPECT_TRUE(found.flow_stands);
  EXPECT_NEAR(found.log_integral, kLogIntegral, 1e-9);
  EXPECT_EQ(metric(found, "missed_share").value, 0.0);
  // The effective error of 20 000 draws, five times: a fixed seed fails once in a million.
  EXPECT_NEAR(metric(found, "mode_1_drawn").value, 0.5, 5.0 * 0.5 / std::sqrt(kSamples));
}

TEST(Verdict, NamesAModeThatIsLost) {
  const Mixture one{{1.0}, {{20.0, 0.0}}, {1.0}};
  const RunVerdict found = verdict(kTwo, one, explored(kTwo));
  EXPECT_TRUE(found.lost());
  EXPECT_FALSE(found.flow_stands);
  expect_parts(found.text(), {"disagree", "log integral", "masses of the modes", "missed samples"});
  expect_parts(all(found.disagreements),
               {"the flow has lost the mode at (x0 -20, x1 0), which holds", "0 % of the flow's",
                "lacks mass"});
  // The exploration's integral, with an error of half of log 2.
  const Metric& integral = metric(found, "log_integral");
  EXPECT_NEAR(integral.value, kLogIntegral, 0.01);
  EXPECT_NEAR(integral.error, 0.5 * std::log(2.0), 0.01);
  EXPECT_NEAR(metric(found, "missed_share").value, 0.5, 0.02);
}

TEST(Verdict, TellsDrawsThatWantTheirWeights) {
  const Mixture skewed{{0.8, 0.2}, kTwo.mean, kTwo.deviation};
  const RunVerdict found = verdict(kTwo, skewed, explored(kTwo));
  EXPECT_FALSE(found.agrees());
  EXPECT_FALSE(found.lost());
  expect_parts(all(found.disagreements), {"weigh them", "KL(target || flow)"});
  // Weights mend that: KL is log(5/4) / 2 + log(5/2) / 2 - log(2) + log(2) = 0.2231.
  EXPECT_TRUE(found.flow_stands);
  EXPECT_NEAR(metric(found, "log_integral").value, kLogIntegral, 0.03);
  EXPECT_NEAR(metric(found, "exploration_kl_nats").value, 0.2231, 0.03);
  EXPECT_NEAR(metric(found, "mode_1_weighted").value, 0.5, 0.02);
}

TEST(Verdict, FindsALostModeOfOnePercentThatIntegralsCannot) {
  const std::vector<double> zero(20, 0.0), far(20, 10.0 / std::sqrt(20.0));
  const Mixture truth{{0.99, 0.01}, {zero, far}, {1.0, 1.0}}, one{{1.0}, {zero}, {1.0}};
  const RunVerdict lacking = verdict(truth, one, explored(truth));
  EXPECT_TRUE(lacking.lost());
  expect_parts(all(lacking.disagreements), {"has lost the mode at", "next to no density at"});
  const RunVerdict sound = verdict(truth, truth, explored(truth));
  EXPECT_TRUE(sound.agrees()) << all(sound.disagreements);
}

TEST(Verdict, TellsAnExplorationThatLacksWhatTheFlowHas) {
  const Mixture one{{1.0}, {{20.0, 0.0}}, {1.0}};
  Exploration exploration = explored(one);
  exploration.log_integral -= std::log(2.0);
  for (double& value : exploration.log_target) value -= std::log(2.0);
  exploration.warnings = {"its islands disagree"};
  const RunVerdict found = verdict(kTwo, kTwo, exploration);
  EXPECT_TRUE(found.lost());
  expect_parts(all(found.disagreements), {"the exploration lacks mass"});
  EXPECT_EQ(found.cautions, exploration.warnings);
  const Metric& integral = metric(found, "log_integral");
  EXPECT_LT(std::abs(integral.value - kLogIntegral), 3.0 * integral.error);
}

TEST(Verdict, WeightsThatAreNotFiniteAreNoEstimate) {
  const Exploration exploration = explored(kTwo);
  ModelOptions model;
  model.features = 2;
  const std::vector<double> x = kTwo.sample(2);
  const RunVerdict found = compare_with_exploration({.x = x}, exploration, model);
  EXPECT_TRUE(found.lost());
  EXPECT_EQ(found.log_integral, exploration.log_integral);
  EXPECT_FALSE(found.flow_stands);
  model.features = 3;
  EXPECT_THROW(compare_with_exploration({.x = x}, exploration, model), ShapeError);
}

TEST(Verdict, CertifiesNothingWithoutAnExploration) {
  const RunVerdict found = unexplored_verdict();
  EXPECT_FALSE(found.agrees());
  EXPECT_FALSE(found.lost());
  expect_parts(found.text(), {"nothing was checked against an independent exploration"});
  EXPECT_EQ(found.cautions.size(), 1U);
}

TEST(Verdict, ModesOfCirclesWrapAround) {
  // Two modes of an angle, one of them across the seam.
  Exploration exploration;
  exploration.features = 1;
  exploration.modes = {{0.5, 0.01, {3.1}, {0.2}}, {0.5, 0.01, {0.0}, {0.2}}};
  for (std::uint64_t row = 0; row < 4000; ++row) {
    RandomSequence random(3, Stream::kEvaluation, row);
    const double angle = (row % 2 == 0 ? 3.1 : 0.0) + 0.2 * random.normal();
    exploration.x.push_back(std::remainder(angle, 2.0 * std::numbers::pi));
    exploration.log_target.push_back(random.uniform());
  }
  exploration.log_integral = 0.0;
  ModelOptions model;
  model.features = 1;
  model.columns = {
      {.name = "phi", .lower = -std::numbers::pi, .upper = std::numbers::pi, .periodic = true}};
  const RunVerdict found = compare_with_exploration(
      {.x = exploration.x, .weights = smoothed_weights(std::vector<double>(4000, 0.0))},
      exploration, model);
  EXPECT_NEAR(metric(found, "mode_1_mass").value, 0.5, 1e-3);
  EXPECT_TRUE(found.agrees()) << all(found.disagreements);
}

}  // namespace
}  // namespace thalweg
