// Histograms in the plane against normal distribution functions.
#include "thalweg/metrics/plane_histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

/// Normal with the given mean along the first axis and unit deviations.
PlaneLogDensity normal_density(double mean, double log_factor) {
  return [=](std::span<const double> points) {
    std::vector<double> result;
    for (std::size_t i = 0; i < points.size(); i += 2)
      result.push_back(log_factor - std::log(2.0 * std::numbers::pi) -
                       0.5 * (std::pow(points[i] - mean, 2) + std::pow(points[i + 1], 2)));
    return result;
  };
}

double mass_between(double lower, double upper) {
  return 0.5 * (std::erf(upper / std::numbers::sqrt2) - std::erf(lower / std::numbers::sqrt2));
}

std::vector<double> normal_samples(std::int64_t count, double mean, std::uint64_t seed) {
  std::vector<double> x;
  RandomSequence random(seed, Stream::kTarget);
  for (std::int64_t i = 0; i < count; ++i) {
    x.push_back(mean + random.normal());
    x.push_back(random.normal());
  }
  return x;
}

TEST(PlaneHistogram, HoldsTheMassOfADensity) {
  const PlaneHistogram found = plane_histogram(normal_density(0.5, 3.0), 3.0, 2.0, 8, 40);
  for (int row = 0; row < 8; ++row)
    for (int column = 0; column < 8; ++column)
      EXPECT_NEAR(found.shares[static_cast<std::size_t>(row * 8 + column)],
                  mass_between(-2.5 + 0.5 * column, -2.0 + 0.5 * column) *
                      mass_between(-2.0 + 0.5 * row, -1.5 + 0.5 * row),
                  1e-6);
  EXPECT_NEAR(found.outside, 1.0 - mass_between(-2.5, 1.5) * mass_between(-2.0, 2.0), 1e-5);
}

TEST(PlaneHistogram, CountsSamples) {
  const std::vector<double> x = {-0.9, -0.9, 0.9,  -0.9, -0.9, 0.9, 1.1,  0.0,
                                 NAN,  0.0,  -0.2, -0.1, 1.0,  0.0, -1.0, -1.0};
  const PlaneHistogram found = plane_histogram(x, 1.0, 2);
  EXPECT_EQ(found.shares, (std::vector<double>{3.0 / 8, 1.0 / 8, 1.0 / 8, 0.0}));
  EXPECT_EQ(found.outside, 3.0 / 8);
}

TEST(PlaneHistogram, DivergenceOfNormalsAndOfTheirSamples) {
  // KL of N((0.8, 0), 1) and N(0, 1) is 0.32, of which bins of 0.25 lose about a two-hundredth.
  const PlaneHistogram p = plane_histogram(normal_density(0.8, 0.0), 0.0, 6.0, 48, 8);
  const PlaneHistogram q = plane_histogram(normal_density(0.0, 0.0), 0.0, 6.0, 48, 8);
  EXPECT_NEAR(histogram_divergence(p, q), 0.32, 0.003);
  EXPECT_EQ(histogram_divergence(p, p), 0.0);
  // With bins as wide as 4 by 4 most of the difference is within them.
  const auto coarse = [](double mean) {
    return plane_histogram(normal_density(mean, 0.0), 0.0, 6.0, 3, 100);
  };
  double expected = 0.0;
  for (const auto& [lower, upper] : {std::pair{-9.0, -2.0}, {-2.0, 2.0}, {2.0, 9.0}}) {
    const double there = mass_between(lower - 0.8, upper - 0.8), here = mass_between(lower, upper);
    expected += there * std::log(there / here);
  }
  EXPECT_NEAR(histogram_divergence(coarse(0.8), coarse(0.0)), expected, 1e-4);
  // Of exact samples: twice their number times it is chi-square, here in 9 bins and the outside,
  // which has next to no mass: beyond 41 once in a million.
  constexpr std::int64_t kSamples = 200000;
  const PlaneHistogram same = plane_histogram(normal_samples(kSamples, 0.0, 1), 6.0, 3);
  EXPECT_LT(2.0 * kSamples * histogram_divergence(coarse(0.0), same), 41.0);
  // And others are told: the deviation is sqrt(exp(0.8^2) / samples) = 0.003, of which five.
  const PlaneHistogram other = plane_histogram(normal_samples(kSamples, 0.0, 2), 6.0, 12);
  const PlaneHistogram exact = plane_histogram(normal_density(0.8, 0.0), 0.0, 6.0, 12, 8);
  const PlaneHistogram base = plane_histogram(normal_density(0.0, 0.0), 0.0, 6.0, 12, 8);
  EXPECT_NEAR(histogram_divergence(exact, other), histogram_divergence(exact, base), 0.015);
}

TEST(PlaneHistogram, RefusesWhatItCannotUse) {
  const std::vector<double> one = {1.0, 2.0}, odd = {1.0};
  EXPECT_THROW(plane_histogram(one, 0.0, 2), ConfigError);
  EXPECT_THROW(plane_histogram(one, 1.0, 0), ConfigError);
  EXPECT_THROW(plane_histogram(odd, 1.0, 2), ShapeError);
  EXPECT_THROW(plane_histogram(normal_density(0.0, 0.0), 0.0, 1.0, 2, 0), ConfigError);
  EXPECT_THROW(histogram_divergence(plane_histogram(one, 1.0, 2), plane_histogram(one, 1.0, 3)),
               ShapeError);
}

}  // namespace
}  // namespace thalweg
