// Diagnostics of Markov chains against autoregressive chains, whose values are known.
#include "thalweg/metrics/chain_diagnostics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

/// Stationary chains x[t+1] = a x[t] + noise with variance 1, from the mean `shift(chain)`.
template <typename Shift>
std::vector<double> autoregressive(std::int64_t chains, std::int64_t draws, double a,
                                   const Shift& shift) {
  std::vector<double> values;
  for (std::int64_t chain = 0; chain < chains; ++chain) {
    RandomSequence random(3, Stream::kTarget, static_cast<std::uint64_t>(chain));
    double x = random.normal();
    for (std::int64_t draw = 0; draw < draws; ++draw) {
      values.push_back(x + shift(chain));
      x = a * x + std::sqrt(1.0 - a * a) * random.normal();
    }
  }
  return values;
}

const auto kCentred = [](std::int64_t /*chain*/) { return 0.0; };

// The relative deviation of the estimate over seeds was below 0.03: five of them.
TEST(ChainDiagnostics, EffectiveSamplesOfAutoregressiveChains) {
  for (const double a : {0.0, 0.5, 0.9, -0.4}) {
    const std::vector<double> values = autoregressive(20, 5000, a, kCentred);
    const double truth = 100000.0 * (1.0 - a) / (1.0 + a);
    const ChainDiagnostics found = chain_diagnostics(values, 20);
    EXPECT_NEAR(found.effective_samples / truth, 1.0, 0.15) << a;
    EXPECT_NEAR(found.r_hat, 1.0, 0.01) << a;
  }
}

double below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

/// R-hat, by quadrature over [low, high], of long independent chains of which half draw from the
/// density p and half from q.
template <typename P, typename Q>
double long_run(double low, double high, const P& p, const Q& q) {
  constexpr int kSteps = 200000;
  const double width = (high - low) / kSteps;
  double cumulated = 0.0, first[2] = {}, second[2] = {};
  for (int i = 0; i < kSteps; ++i) {
    const double x = low + (i + 0.5) * width, mixed = 0.5 * (p(x) + q(x)) * width;
    const double rank = cumulated + 0.5 * mixed;
    cumulated += mixed;
    double left = -10.0, right = 10.0;
    while (right - left > 1e-9)
      (below(0.5 * (left + right)) < rank ? left : right) = 0.5 * (left + right);
    for (int law = 0; law < 2; ++law) {
      const double mass = (law == 0 ? p(x) : q(x)) * width;
      first[law] += mass * left;
      second[law] += mass * left * left;
    }
  }
  const double within = 0.5 * (second[0] - first[0] * first[0] + second[1] - first[1] * first[1]);
  const double between = 0.25 * (first[0] - first[1]) * (first[0] - first[1]);
  return std::sqrt(1.0 + between / within);
}

double density(double x, double scale) {
  return std::exp(-0.5 * x * x / (scale * scale)) / (scale * std::sqrt(2.0 * M_PI));
}

// Against quadrature. By 80 000 draws an error of 0.02 is ten deviations.
TEST(ChainDiagnostics, ChainsThatDisagree) {
  const std::vector<double> values =
      autoregressive(400, 200, 0.0, [](std::int64_t chain) { return chain % 2 == 0 ? 0.5 : -0.5; });
  const ChainDiagnostics found = chain_diagnostics(values, 400);
  const double truth = long_run(
      -8.0, 8.0, [](double x) { return density(x - 0.5, 1.0); },
      [](double x) { return density(x + 0.5, 1.0); });
  EXPECT_NEAR(found.r_hat, truth, 0.02);
  EXPECT_LT(found.effective_samples, 0.1 * 80000.0);
}

// Chains that agree in their means but not in their widths: their distances from the median tell.
// So do ranks where tails have no variance.
TEST(ChainDiagnostics, OtherWidthsAndHeavyTailsShow) {
  std::vector<double> values = autoregressive(400, 200, 0.0, kCentred);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] *= i / 200 % 2 == 0 ? 1.0 : 3.0;
  const double truth = long_run(
      0.0, 30.0, [](double x) { return 2.0 * density(x, 1.0); },
      [](double x) { return 2.0 * density(x, 3.0); });
  EXPECT_GT(truth, 1.1);
  EXPECT_NEAR(chain_diagnostics(values, 400).r_hat, truth, 0.02);

  const auto shift = [](std::int64_t chain) { return chain % 2 == 0 ? 0.5 : -0.5; };
  values = autoregressive(400, 200, 0.0, shift);
  const double normal = chain_diagnostics(values, 400).r_hat;
  // Ranks stay as they are.
  for (double& value : values) value = std::sinh(4.0 * value) * std::exp(0.5 * value * value);
  EXPECT_NEAR(chain_diagnostics(values, 400).r_hat, normal, 0.01);
}

TEST(ChainDiagnostics, ADriftWithinChainsShows) {
  std::vector<double> values = autoregressive(4, 1000, 0.0, kCentred);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += i % 1000 < 500 ? 1.0 : -1.0;
  EXPECT_GT(chain_diagnostics(values, 4).r_hat, 1.3);
}

TEST(ChainDiagnostics, ManyShortChains) {
  const ChainDiagnostics found = chain_diagnostics(autoregressive(2000, 10, 0.0, kCentred), 2000);
  EXPECT_NEAR(found.r_hat, 1.0, 0.02);
  EXPECT_NEAR(found.effective_samples / 20000.0, 1.0, 0.2);
}

TEST(ChainDiagnostics, TheWorstColumnCounts) {
  constexpr std::int64_t kChains = 4, kDraws = 1000;
  const std::vector<double> good = autoregressive(kChains, kDraws, 0.0, kCentred);
  const std::vector<double> slow = autoregressive(kChains, kDraws, 0.9, kCentred);
  std::vector<double> draws;
  for (std::int64_t draw = 0; draw < kDraws; ++draw)
    for (std::int64_t chain = 0; chain < kChains; ++chain)
      for (const auto* column : {&good, &slow})
        draws.push_back((*column)[static_cast<std::size_t>(chain * kDraws + draw)]);
  const ChainDiagnostics first = chain_diagnostics(good, kChains);
  const ChainDiagnostics second = chain_diagnostics(slow, kChains);
  const ChainDiagnostics worst = worst_diagnostics(draws, kChains, 2);
  EXPECT_EQ(worst.r_hat, std::max(first.r_hat, second.r_hat));
  EXPECT_EQ(worst.effective_samples, std::min(first.effective_samples, second.effective_samples));
  for (std::size_t i = 1; i < draws.size(); i += 2) draws[i] = 0.1;
  EXPECT_TRUE(std::isnan(worst_diagnostics(draws, kChains, 2).r_hat));
  EXPECT_THROW(worst_diagnostics(draws, 3, 7), ShapeError);
}

TEST(ChainDiagnostics, SaysWhenThereIsNothingToSay) {
  EXPECT_TRUE(std::isnan(chain_diagnostics(std::vector<double>{1.0, 2.0, 3.0}, 1).r_hat));
  EXPECT_TRUE(std::isnan(chain_diagnostics(std::vector<double>(40, 1.0), 4).r_hat));
  EXPECT_THROW(chain_diagnostics(std::vector<double>(5, 1.0), 2), ShapeError);
}

}  // namespace
}  // namespace thalweg
