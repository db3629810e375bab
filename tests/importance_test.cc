// Importance weights: closed forms for two normals, and a mode that a model does not have.
#include "thalweg/metrics/importance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

double log_normal(double x, double mean, double deviation) {
  const double z = (x - mean) / deviation;
  return -0.5 * z * z - std::log(deviation * std::sqrt(2.0 * std::numbers::pi));
}

TEST(Importance, EstimatesIntegralAndEffectiveShareOfTwoNormals) {
  // p = 7 N(0, 0.8), q = N(0, 1): the mean square of the weights is 49 / (s sqrt(2 - s^2)).
  constexpr double kScale = 0.8;
  constexpr int kSamples = 100000;
  RandomSequence random(5, Stream::kEvaluation);
  std::vector<double> log_weights;
  for (int i = 0; i < kSamples; ++i) {
    const double x = random.normal();
    log_weights.push_back(std::log(7.0) + log_normal(x, 0.0, kScale) - log_normal(x, 0.0, 1.0));
  }
  const ImportanceEstimate estimate = importance_estimate(smoothed_weights(log_weights));
  const double share = kScale * std::sqrt(2.0 - kScale * kScale);
  // Five standard errors: a fixed seed fails by chance once in a million.
  EXPECT_NEAR(estimate.log_integral, std::log(7.0), 5.0 * estimate.log_integral_error);
  EXPECT_NEAR(estimate.log_integral_error, std::sqrt((1.0 / share - 1.0) / kSamples), 1e-5);
  EXPECT_NEAR(estimate.effective_share, share, 0.01);
}

TEST(Importance, WeightedMeansHaveTheErrorsTheyState) {
  // Under p = N(0.3, 0.8) the mean of x^2 is 0.73; samples come from N(0, 1).
  constexpr int kSamples = 2000, kRepeats = 400;
  double deviations = 0.0, mean_error = 0.0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    RandomSequence random(7, Stream::kEvaluation, static_cast<std::uint64_t>(repeat));
    std::vector<double> log_weights, values;
    for (int i = 0; i < kSamples; ++i) {
      const double x = random.normal();
      log_weights.push_back(50.0 + log_normal(x, 0.3, 0.8) - log_normal(x, 0.0, 1.0));
      values.push_back(x * x);
    }
    log_weights.push_back(-std::numeric_limits<double>::infinity());
    values.push_back(std::numeric_limits<double>::quiet_NaN());
    const WeightedMean mean = weighted_mean(smoothed_weights(log_weights), values);
    deviations += (mean.value - 0.73) * (mean.value - 0.73) / kRepeats;
    mean_error += mean.error / kRepeats;
  }
  // The root mean square of 400 is known to 3.5 %: 15 % is more than four of its deviations.
  EXPECT_NEAR(std::sqrt(deviations) / mean_error, 1.0, 0.15);
  EXPECT_THROW(weighted_mean(smoothed_weights(std::vector<double>{0.0}), std::vector<double>{}),
               ShapeError);
}

/// Log weights of Exp(1) draws to p = e^3 Exp(1 - k): their tail has the shape k exactly, their log
/// integral is 3.
std::vector<double> exponential_weights(double k, int count, std::uint64_t seed,
                                        std::vector<double>* x = nullptr) {
  std::vector<double> log_weights;
  RandomSequence random(11, Stream::kEvaluation, seed);
  for (int i = 0; i < count; ++i) {
    const double draw = -std::log(random.uniform());
    log_weights.push_back(3.0 + std::log(1.0 - k) + k * draw);
    if (x != nullptr) x->push_back(draw);
  }
  return log_weights;
}

TEST(Importance, ErrorsCoverAsTheyShould) {
  // Of 600 repetitions a share of 68 % has a deviation of 1.9 %: outside of 60 to 76 % by chance
  // less than once in 10 000. Heavier tails, where a variance does not exist, may be covered more.
  constexpr int kRepeats = 600, kDraws = 4000;
  for (const double k : {0.1, 0.3, 0.45, 0.6}) {
    int inside = 0, within_three = 0, reliable = 0, mean_inside = 0;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      std::vector<double> x;
      const auto log_weights =
          exponential_weights(k, kDraws, static_cast<std::uint64_t>(repeat), &x);
      const SmoothedWeights weights = smoothed_weights(log_weights);
      if (!weights.reliable) continue;
      ++reliable;
      const ImportanceEstimate estimate = importance_estimate(weights);
      const double error = std::abs(estimate.log_integral - 3.0);
      inside += error < estimate.log_integral_error ? 1 : 0;
      within_three += error < 3.0 * estimate.log_integral_error ? 1 : 0;
      const WeightedMean mean = weighted_mean(weights, x);
      mean_inside += std::abs(mean.value - 1.0 / (1.0 - k)) < mean.error ? 1 : 0;
    }
    EXPECT_GE(reliable, k < 0.5 ? kRepeats * 19 / 20 : kRepeats * 3 / 4) << k;
    EXPECT_GE(inside, reliable * 0.60) << k;
    EXPECT_GE(within_three, reliable * (k < 0.5 ? 0.98 : 0.94)) << k;
    if (k < 0.5) {
      EXPECT_LE(inside, reliable * 0.76) << k;
    }
    if (k < 0.4) {
      EXPECT_GE(mean_inside, reliable * 0.60) << k;
    }
    if (k < 0.4) {
      EXPECT_LE(mean_inside, reliable * 0.76) << k;
    }
  }
}

TEST(Importance, NoErrorIsGivenOfAHeavyTail) {
  for (const double k : {0.9, 1.2}) {
    int reliable = 0;
    for (std::uint64_t repeat = 0; repeat < 100; ++repeat) {
      std::vector<double> log_weights;
      RandomSequence random(12, Stream::kEvaluation, repeat);
      for (int i = 0; i < 20000; ++i) log_weights.push_back(-k * std::log(random.uniform()));
      const SmoothedWeights weights = smoothed_weights(log_weights);
      reliable += weights.reliable ? 1 : 0;
      if (!weights.reliable) {
        EXPECT_TRUE(std::isnan(importance_estimate(weights).log_integral_error));
        EXPECT_TRUE(std::isnan(weighted_mean(weights, log_weights).error));
      }
    }
    // The estimated shape has a deviation of 0.09: 0.7 is more than two away.
    EXPECT_LE(reliable, 5) << k;
  }
}

TEST(Importance, WeightsThatAreNearlyEqualAreReliableWhateverTheirTail) {
  // 1 % of the draws weigh a little more, with a tail of shape 0.9: k alone would warn.
  int beyond = 0;
  for (std::uint64_t repeat = 0; repeat < 50; ++repeat) {
    std::vector<double> log_weights;
    RandomSequence random(13, Stream::kEvaluation, repeat);
    for (int i = 0; i < 20000; ++i) {
      const double excess = i % 100 == 0 ? 0.02 * std::pow(random.uniform(), -0.9) : 0.0;
      log_weights.push_back(std::log(1.0 + 0.01 * random.normal() + excess));
    }
    const SmoothedWeights weights = smoothed_weights(log_weights);
    beyond += weights.pareto_k > 0.7 ? 1 : 0;
    EXPECT_TRUE(weights.reliable) << weights.pareto_k;
    const ImportanceEstimate estimate = importance_estimate(weights);
    EXPECT_LT(estimate.log_integral_error, 0.01);
    // The mean excess is 0.02 * 10 / 100.
    EXPECT_NEAR(estimate.log_integral, std::log(1.002), 4.0 * estimate.log_integral_error);
  }
  EXPECT_GT(beyond, 25) << "the weights do not test what they should";
}

TEST(Importance, MeansThatDoNotExistAreTold) {
  // Equal weights of Cauchy's distribution, whose mean does not exist, and of Student's with three
  // degrees of freedom, whose mean does.
  int cauchy = 0, student = 0;
  const SmoothedWeights weights = smoothed_weights(std::vector<double>(20000, 0.0));
  EXPECT_TRUE(weights.reliable);
  for (std::uint64_t repeat = 0; repeat < 50; ++repeat) {
    std::vector<double> a, b;
    RandomSequence random(14, Stream::kEvaluation, repeat);
    for (int i = 0; i < 20000; ++i) {
      double square = 0.0;
      for (int j = 0; j < 3; ++j) square += std::pow(random.normal(), 2);
      b.push_back(random.normal() / std::sqrt(square / 3.0));
      a.push_back(std::tan(std::numbers::pi * (random.uniform() - 0.5)));
    }
    cauchy += std::isnan(weighted_mean(weights, a).error) ? 1 : 0;
    student += std::isnan(weighted_mean(weights, b).error) ? 1 : 0;
  }
  EXPECT_GE(cauchy, 48);
  EXPECT_EQ(student, 0);
}

TEST(Importance, TheLimitOfTheShapeDependsOnTheNumberOfWeights) {
  EXPECT_NEAR(largest_reliable_shape(100.0), 0.5, 1e-15);
  EXPECT_NEAR(largest_reliable_shape(1000.0), 2.0 / 3.0, 1e-15);
  EXPECT_EQ(largest_reliable_shape(1e6), 0.7);
  EXPECT_FALSE(smoothed_weights(std::vector<double>(24, 0.0)).reliable);
  // The smoothed weights keep their order, and none exceeds the largest raw one.
  const auto raw = exponential_weights(0.6, 2000, 1);
  const auto smooth = smoothed_weights(raw).log_weights;
  const auto top = std::ranges::max_element(raw) - raw.begin();
  EXPECT_EQ(std::ranges::max_element(smooth) - smooth.begin(), top);
  EXPECT_LE(*std::ranges::max_element(smooth), *std::ranges::max_element(raw));
}

TEST(Importance, FindsTheShareThatAModelMisses) {
  // The target has 30 % of its mass around 20, where the model has none.
  RandomSequence random(6, Stream::kEvaluation);
  std::vector<double> log_target, log_model;
  constexpr int kSamples = 20000;
  for (int i = 0; i < kSamples; ++i) {
    const double x = random.normal() + (i % 10 < 3 ? 20.0 : 0.0);
    log_target.push_back(2.0 + std::log(0.7 * std::exp(log_normal(x, 0.0, 1.0)) +
                                        0.3 * std::exp(log_normal(x, 20.0, 1.0))));
    log_model.push_back(log_normal(x, 0.0, 1.0));
  }
  const std::vector<double> equal(kSamples, 0.0);
  EXPECT_NEAR(missed_share(equal, log_target, log_model, 2.0), 0.3, 1e-3);
  EXPECT_EQ(missed_share(equal, log_model, log_model, 0.0), 0.0);
}

TEST(Importance, ParetoShapeOfParetoWeights) {
  // Weights of a generalised Pareto distribution: above any threshold they have its shape again.
  // The estimate's deviation is (1 + shape) / sqrt(tail), 0.02 to 0.05 for a tail of 1341; five of
  // them fail by chance less than once in a million. The prior of ten weights moves it by 0.004.
  constexpr int kSamples = 200000;
  const double tail = 3.0 * std::sqrt(kSamples);
  for (const double shape : {-0.2, 0.1, 0.4, 0.7, 1.0, 1.5}) {
    RandomSequence random(7, Stream::kEvaluation);
    std::vector<double> log_weights;
    for (int i = 0; i < kSamples; ++i)
      log_weights.push_back(3.0 +
                            std::log(std::expm1(-shape * std::log(random.uniform())) / shape));
    EXPECT_NEAR(pareto_shape(log_weights), shape, 5.0 * (1.0 + shape) / std::sqrt(tail) + 0.01);
  }
}

TEST(Importance, ParetoShapeTellsProposalsThatAreTooNarrow) {
  // p = N(0, 1), q = N(0, s) with s < 1: weights exceed w with probability w^(-1 / (1 - s^2)) but
  // for a root of a logarithm, so the shape is 1 - s^2, approached slowly from below. Five of the
  // estimate's deviations and 0.15 for the approach: a chance of less than one in a million.
  constexpr int kSamples = 100000;
  for (const double scale : {0.3, 0.5, 0.8}) {
    RandomSequence random(8, Stream::kEvaluation);
    std::vector<double> log_weights;
    for (int i = 0; i < kSamples; ++i) {
      const double x = scale * random.normal();
      log_weights.push_back(log_normal(x, 0.0, 1.0) - log_normal(x, 0.0, scale));
    }
    const double expected = 1.0 - scale * scale;
    const double deviations = 5.0 * (1.0 + expected) / std::sqrt(3.0 * std::sqrt(kSamples));
    EXPECT_GT(pareto_shape(log_weights), expected - deviations - 0.15) << scale;
    EXPECT_LT(pareto_shape(log_weights), expected + deviations) << scale;
  }
}

TEST(Importance, ParetoShapeOfSpecialWeights) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> log_weights(100, -2.0);
  EXPECT_EQ(pareto_shape(log_weights), -kInfinity);
  log_weights[50] = 700.0;
  EXPECT_EQ(pareto_shape(log_weights), kInfinity);
  // Log weights far beyond what exp can hold.
  for (std::size_t i = 0; i < log_weights.size(); ++i)
    log_weights[i] = -1e5 * static_cast<double>(i);
  EXPECT_EQ(pareto_shape(log_weights), kInfinity);
  RandomSequence random(9, Stream::kEvaluation);
  std::vector<double> many(2000, -kInfinity);
  for (std::size_t i = 0; i < many.size(); i += 2) many[i] = 1e4 + 50.0 * random.normal();
  EXPECT_GT(pareto_shape(many), 1.0);
  EXPECT_THROW(pareto_shape(std::vector<double>(24, 0.0)), ShapeError);
  EXPECT_THROW(pareto_shape(std::vector<double>(100, -kInfinity)), NumericalError);
}

TEST(Importance, RefusesWhatIsNoWeight) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_THROW(smoothed_weights({}), ShapeError);
  EXPECT_THROW(smoothed_weights(std::vector<double>{0.0, std::nan("")}), NumericalError);
  EXPECT_THROW(smoothed_weights(std::vector<double>{kInfinity}), NumericalError);
  EXPECT_THROW(smoothed_weights(std::vector<double>{-kInfinity}), NumericalError);
  EXPECT_EQ(
      importance_estimate(smoothed_weights(std::vector<double>{0.0, -kInfinity})).effective_share,
      0.5);
  EXPECT_THROW(missed_share(std::vector<double>{0.0}, {}, {}, 0.0), ShapeError);
}

TEST(Importance, ResamplingGivesEachRowItsShare) {
  const std::vector<double> log_weights = {0.0, std::log(3.0), -INFINITY, std::log(0.5),
                                           std::log(2.0)};
  const double total = 6.5;
  std::vector<double> mean(5, 0.0);
  constexpr int kOffsets =
      1300;  // a multiple of the shares' denominator, so that the mean is exact
  for (int i = 0; i < kOffsets; ++i) {
    const auto rows = resampled_rows(log_weights, (i + 0.5) / kOffsets);
    ASSERT_EQ(rows.size(), 5U);
    EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
    for (std::size_t row = 0; row < 5; ++row) {
      const auto times =
          static_cast<double>(std::count(rows.begin(), rows.end(), static_cast<std::int64_t>(row)));
      EXPECT_LT(std::abs(times - 5.0 * std::exp(log_weights[row]) / total), 1.0);
      mean[row] += times / kOffsets;
    }
  }
  for (std::size_t row = 0; row < 5; ++row)
    EXPECT_NEAR(mean[row], 5.0 * std::exp(log_weights[row]) / total, 1e-12);
  EXPECT_THROW(resampled_rows(log_weights, 1.0), ConfigError);
  EXPECT_THROW(resampled_rows({}, 0.5), ShapeError);
}

TEST(SmoothedWeights, WhoseLogsSpreadOverOrdersOfMagnitudeAreNeverReliable) {
  // As of particles that overlap: energies of 10^2 to 10^64, so that one draw is all of the sum and
  // the fitted tail, whose scale underflows, says nothing of it.
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    for (const double spread : {1.0, 2.0, 4.0, 8.0}) {
      SCOPED_TRACE(spread);
      RandomSequence random(seed, Stream::kEvaluation);
      std::vector<double> log_weights(1000);
      for (double& value : log_weights) value = -std::pow(10.0, spread * (5.0 + random.normal()));
      const SmoothedWeights weights = smoothed_weights(log_weights);
      EXPECT_FALSE(weights.reliable) << "k " << weights.pareto_k;
      EXPECT_TRUE(std::isnan(importance_estimate(weights).log_integral_error));
    }
}

}  // namespace
}  // namespace thalweg
