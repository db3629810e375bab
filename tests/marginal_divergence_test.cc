// Divergences of marginals by histograms, against closed forms and what was published.
#include "thalweg/metrics/marginal_divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

constexpr double kPi = std::numbers::pi;

std::vector<double> normals(std::size_t count, double mean, double deviation,
                            std::uint64_t number) {
  RandomSequence random(7, Stream::kEvaluation, number);
  std::vector<double> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(mean + deviation * random.normal());
  return result;
}

TEST(MarginalDivergence, StandardisesByTheReference) {
  const StandardisedPair pair =
      standardised_pair(std::vector<double>{5.0}, std::vector<double>{1.0, 3.0}, false);
  EXPECT_DOUBLE_EQ(pair.reference[0], -1.0);
  EXPECT_DOUBLE_EQ(pair.reference[1], 1.0);
  EXPECT_DOUBLE_EQ(pair.values[0], 3.0);
  // Across the seam, whole turns away, and with the mean at the seam itself.
  const StandardisedPair angles =
      standardised_pair(std::vector<double>{kPi + 0.2, 5.0 * kPi - 0.2},
                        std::vector<double>{kPi - 0.1, -kPi + 0.1}, true);
  EXPECT_NEAR(std::abs(angles.reference[0]), 1.0, 1e-12);
  EXPECT_NEAR(angles.values[0], 2.0, 1e-12);
  EXPECT_NEAR(angles.values[1], -2.0, 1e-12);
  EXPECT_THROW(standardised_pair({}, {}, false), ShapeError);
}

TEST(MarginalDivergence, IsThatOfNormals) {
  // KL of N(0, 1) from N(m, s): log s + (1 + m^2) / (2 s^2) - 1/2. With 400 000 values the error
  // is below 0.002 (three deviations).
  constexpr std::size_t kCount = 400000;
  const std::vector<double> reference = normals(kCount, 3.0, 2.0, 1);
  const auto of = [&](double mean, double deviation) {
    return marginal_divergence(
        standardised_pair(normals(kCount, 3.0 + 2.0 * mean, 2.0 * deviation, 2), reference, false));
  };
  const MarginalDivergence same = of(0.0, 1.0);
  EXPECT_LT(same.nats, 3.0 * same.by_chance);
  EXPECT_GT(same.by_chance, 150.0 / 2.0 * 2.0 / kCount);
  EXPECT_LT(same.by_chance, 202.0 / 2.0 * 2.0 / kCount);
  const double expected = std::log(1.3) + 1.25 / (2.0 * 1.69) - 0.5;
  const MarginalDivergence off = of(0.5, 1.3);
  EXPECT_NEAR(off.nats, expected, 0.002);
  EXPECT_NEAR(off.as_published, expected, 0.003);
  EXPECT_THROW(marginal_divergence({}), ShapeError);
}

TEST(MarginalDivergence, CountsWhatLiesBeyond) {
  // Half of the values are beyond, where the published number does not look.
  const StandardisedPair pair{{0.01, 0.01, 9.0, std::nan("")}, {0.01, 0.01, 0.01, 0.01}};
  const MarginalDivergence found = marginal_divergence(pair);
  EXPECT_NEAR(found.nats, std::log(2.0), 1e-12);
  EXPECT_NEAR(found.as_published, 0.0, 1e-12);
  // A bin without values counts as half a value.
  EXPECT_NEAR(marginal_divergence({{0.01, 0.01}, {2.0, 2.0}}).nats, std::log(4.0), 1e-12);
}

TEST(MarginalDivergence, OfTorsionsIsTooLargeAsPublished) {
  // Densities 1 + a cos from uniform ones: KL = log((1 + r) / 2) + 1 - r with r = sqrt(1 - a^2).
  // Smoothing takes a by the kernel's share of the first wave; the rest is 2.5 over the width.
  constexpr std::size_t kCount = 50000;
  constexpr double kWave = 0.8, kWidth = 2.0 * kPi / 50.0;
  std::vector<double> even, wave;
  for (std::size_t i = 0; i < kCount; ++i) {
    const double share = (static_cast<double>(i) + 0.5) / kCount;
    even.push_back(2.0 * kPi * share - kPi);
    // The quantile of (x + a sin x) / 2 pi by Newton's steps, and whole turns besides.
    double x = even.back();
    for (int step = 0; step < 20; ++step)
      x -= (x + kWave * std::sin(x) - even.back()) / (1.0 + kWave * std::cos(x));
    wave.push_back(x + (i % 3 == 0 ? 2.0 * kPi : 0.0));
  }
  const double kept = (1.0 + std::cos(kWidth) + 0.5 * std::cos(2.0 * kWidth)) / 2.5 *
                      std::sin(0.5 * kWidth) / (0.5 * kWidth);
  const double r = std::sqrt(1.0 - kWave * kWave * kept * kept);
  const double nats = std::log(0.5 * (1.0 + r)) + 1.0 - r;
  EXPECT_NEAR(torsion_divergence_as_published(even, wave), 2.5 / kWidth * nats, 1e-3);
  EXPECT_NEAR(torsion_divergence_as_published(even, even), 0.0, 1e-12);
  EXPECT_THROW(torsion_divergence_as_published({}, even), ShapeError);
}

TEST(MarginalDivergence, OfRamachandranPlotsIsNoneAsPublished) {
  // Two equal samples have 1000 / 4096; 8 and 4 counts in one bin have log(8) / log(4) of it.
  const std::vector<double> two(2, 0.3), eight(8, 0.3);
  std::vector<double> half = eight;
  std::fill_n(half.begin(), 4, -1.0);
  EXPECT_NEAR(plane_divergence_as_published(eight, eight, eight, eight), 1000.0 / 4096.0, 1e-9);
  EXPECT_NEAR(plane_divergence_as_published(half, half, eight, eight), 1.5 * 1000.0 / 4096.0, 1e-6);
  EXPECT_NEAR(plane_divergence_as_published(two, two, eight, eight), 1000.0 / 4096.0, 1e-9);
  EXPECT_THROW(plane_divergence_as_published(two, eight, two, two), ShapeError);
}

}  // namespace
}  // namespace thalweg
