// Distances between samples against closed forms.
#include "thalweg/metrics/sample_divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

std::vector<double> normals(std::int64_t rows, std::int64_t features, double mean, double deviation,
                            std::uint64_t seed) {
  RandomSequence random(seed, Stream::kTarget);
  std::vector<double> x;
  for (std::int64_t i = 0; i < rows * features; ++i)
    x.push_back(mean + deviation * random.normal());
  return x;
}

// The estimate's deviation over seeds was 0.02 to 0.03: five of them.
TEST(SampleDivergence, NeighboursFindTheDivergenceOfNormals) {
  ThreadPool pool;
  for (const std::int64_t features : {1, 2, 3}) {
    const auto d = static_cast<double>(features);
    const std::vector<double> x = normals(4000, features, 0.5, 1.0, 1);
    const std::vector<double> y = normals(5000, features, 0.0, 1.5, 2);
    const double truth = d * (std::log(1.5) + (1.0 + 0.25) / (2.0 * 2.25) - 0.5);
    EXPECT_NEAR(neighbour_divergence(x, y, features, pool), truth, 0.13) << features;
    const std::vector<double> same = normals(5000, features, 0.5, 1.0, 3);
    EXPECT_NEAR(neighbour_divergence(x, same, features, pool), 0.0, 0.13) << features;
  }
}

TEST(SampleDivergence, RowsThatRepeatHardlyChangeIt) {
  ThreadPool pool;
  std::vector<double> x = normals(3000, 2, 0.0, 1.0, 4);
  const std::vector<double> y = normals(5000, 2, 0.0, 1.5, 5);
  const double once = neighbour_divergence(x, y, 2, pool);
  x.insert(x.end(), x.begin(), x.begin() + 600);
  EXPECT_NEAR(neighbour_divergence(x, y, 2, pool), once, 0.15);
}

TEST(SampleDivergence, PlaneDistanceOfSquaresIsTheirOverlap) {
  ThreadPool pool;
  RandomSequence random(6, Stream::kTarget);
  std::vector<double> x, y;
  for (int i = 0; i < 2000; ++i) {
    x.insert(x.end(), {random.uniform(), random.uniform()});
    y.insert(y.end(), {0.5 + random.uniform(), random.uniform()});
  }
  // The half plane left of 0.5 holds half of x and nothing of y; 0.06 are five deviations.
  EXPECT_NEAR(plane_distance(x, y, pool), 0.5, 0.06);
  EXPECT_EQ(plane_distance(x, x, pool), 0.0);
  // One sample each: a quadrant holds all of one and nothing of the other.
  EXPECT_EQ(plane_distance(std::vector<double>{0.0, 0.0}, std::vector<double>{1.0, 1.0}, pool),
            1.0);
}

TEST(SampleDivergence, ShareOutsideIsOneMinusTheMassForExactSamples) {
  std::vector<double> exact, far;
  for (int i = 0; i < 1000; ++i) {
    exact.push_back(-0.001 * i);
    far.push_back(i < 250 ? NAN : i < 500 ? -2.0 : -0.5);
  }
  EXPECT_NEAR(share_outside(exact, exact, 0.99), 0.01, 1e-3);
  EXPECT_DOUBLE_EQ(share_outside(far, exact, 0.99), 0.5);
}

TEST(SampleDivergence, RefusesWhatItCannotJudge) {
  ThreadPool pool;
  const std::vector<double> one = {1.0, 2.0};
  EXPECT_THROW(neighbour_divergence(one, one, 2, pool), ShapeError);
  const std::vector<double> equal = {1.0, 1.0, 1.0};
  EXPECT_THROW(neighbour_divergence(equal, equal, 1, pool), NumericalError);
  EXPECT_THROW(plane_distance({}, one, pool), ShapeError);
  EXPECT_THROW(share_outside(one, one, 1.0), ConfigError);
}

}  // namespace
}  // namespace thalweg
