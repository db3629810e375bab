// The distance of samples from a density in the plane: by hand, by search, and its power.
#include "thalweg/metrics/rosenblatt_distance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

TEST(UniformDistance, OfOnePointAndOfEqualOnes) {
  // Just at the point the share is 1 and the area 0.25; just before its side the area is at most
  // 0.5.
  EXPECT_DOUBLE_EQ(uniform_distance(std::vector<double>{0.5, 0.5}), 0.75);
  EXPECT_DOUBLE_EQ(uniform_distance(std::vector<double>{0.9, 0.8}), 0.9);
  EXPECT_DOUBLE_EQ(uniform_distance(std::vector<double>{0.5, 0.5, 0.5, 0.5}), 0.75);
  EXPECT_DOUBLE_EQ(uniform_distance(std::vector<double>{1.0, 1.0}), 1.0);
  EXPECT_DOUBLE_EQ(uniform_distance(std::vector<double>{0.0, 0.0}), 1.0);
}

TEST(UniformDistance, AgreesWithASearch) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    RandomSequence random(seed, Stream::kTarget);
    std::vector<double> x;
    // Few different values, so that coordinates repeat.
    for (int i = 0; i < 24; ++i) x.push_back(static_cast<double>(random.below(13)) / 12.0);
    double expected = 0.0;
    constexpr int kSteps = 600;
    for (int i = 0; i <= kSteps; ++i)
      for (int j = 0; j <= kSteps; ++j)
        for (const double shift : {0.0, -1e-9}) {
          const double a = static_cast<double>(i) / kSteps + shift;
          const double b = static_cast<double>(j) / kSteps + shift;
          double share = 0.0;
          for (std::size_t k = 0; k < x.size(); k += 2)
            if (x[k] <= a + 1e-12 && x[k + 1] <= b + 1e-12) share += 1.0 / 12.0;
          if (a >= 0.0 && b >= 0.0) expected = std::max(expected, std::abs(share - a * b));
        }
    EXPECT_NEAR(uniform_distance(x), expected, 1e-8) << seed;
  }
}

/// Normal of unit deviations and the given correlation.
PlaneLogDensity normal_density(double correlation) {
  return [=](std::span<const double> points) {
    std::vector<double> result;
    for (std::size_t i = 0; i < points.size(); i += 2) {
      const double a = points[i], b = points[i + 1];
      result.push_back(5.0 - 0.5 * (a * a - 2.0 * correlation * a * b + b * b) /
                                 (1.0 - correlation * correlation));
    }
    return result;
  };
}

std::vector<double> normal_samples(int count, double correlation, double deviation) {
  RandomSequence random(3, Stream::kTarget);
  std::vector<double> x;
  for (int i = 0; i < count; ++i) {
    const double a = random.normal();
    x.push_back(deviation * a);
    x.push_back(correlation * a + std::sqrt(1.0 - correlation * correlation) * random.normal());
  }
  return x;
}

TEST(RosenblattDistance, IsSmallForExactSamplesAndLargeForOthers) {
  // Of n exact samples it exceeds t / sqrt(n) with probability at most 4 (n + 1) exp(-2 t^2)
  // (Naaman 2021, for both orders): below 1e-6 for t = 3.4.
  constexpr int kSamples = 2000;
  const double limit = 3.4 / std::sqrt(kSamples);
  const auto distance = [&](double correlation, double deviation) {
    return rosenblatt_distance(normal_samples(kSamples, correlation, deviation),
                               normal_density(0.8), 6.0, 600);
  };
  EXPECT_LT(distance(0.8, 1.0), limit);
  EXPECT_GT(distance(0.8, 1.5), limit);
  // Equal marginals: only the dependence tells.
  EXPECT_GT(distance(0.2, 1.0), limit);
}

TEST(RosenblattDistance, DoesNotDependOnMonotoneMapsOfTheAxes) {
  // Uniform on a square after x -> sinh(x): density 1 / cosh in each of the new coordinates.
  RandomSequence random(4, Stream::kTarget);
  std::vector<double> x, mapped;
  for (int i = 0; i < 500; ++i)
    for (int axis = 0; axis < 2; ++axis) {
      x.push_back(2.0 * random.uniform() - 1.0);
      mapped.push_back(std::sinh(x.back()));
    }
  const auto flat = [](std::span<const double> points) {
    return std::vector<double>(points.size() / 2, 0.0);
  };
  const double edge = std::sinh(1.0);
  const auto bent = [](std::span<const double> points) {
    std::vector<double> result;
    for (std::size_t i = 0; i < points.size(); i += 2)
      result.push_back(-0.5 * std::log1p(points[i] * points[i]) -
                       0.5 * std::log1p(points[i + 1] * points[i + 1]));
    return result;
  };
  EXPECT_NEAR(rosenblatt_distance(mapped, bent, edge), rosenblatt_distance(x, flat, 1.0), 1e-4);
}

TEST(RosenblattDistance, RefusesWhatItCannotUse) {
  const std::vector<double> one = {0.1, 0.2}, odd = {0.1};
  const auto zero = [](std::span<const double> points) {
    return std::vector<double>(points.size() / 2, -INFINITY);
  };
  EXPECT_THROW(rosenblatt_distance(one, normal_density(0.0), 0.0), ConfigError);
  EXPECT_THROW(rosenblatt_distance(odd, normal_density(0.0), 1.0), ShapeError);
  EXPECT_THROW(rosenblatt_distance(one, zero, 1.0, 10), NumericalError);
  EXPECT_THROW(uniform_distance(odd), ShapeError);
  EXPECT_THROW(uniform_distance(std::vector<double>{0.5, 1.5}), DataError);
}

}  // namespace
}  // namespace thalweg
