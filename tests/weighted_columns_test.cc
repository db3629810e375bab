// Quantiles, correlations and directions of weighted samples, against closed forms.
#include "thalweg/metrics/weighted_columns.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

TEST(WeightedColumns, QuantilesOfWeightedNormals) {
  // Samples of N(0, 1) weighted to N(0.5, 0.8): the quantiles are 0.5 + 0.8 z. Their errors are at
  // most 0.01 for 2.5 % with these 100 000 samples, so five of them fail once in a million.
  std::vector<double> weights, values;
  for (std::uint64_t i = 0; i < 100000; ++i) {
    RandomSequence random(3, Stream::kEvaluation, i);
    const double x = random.normal(), z = (x - 0.5) / 0.8;
    values.push_back(x);
    weights.push_back(7.0 * std::exp(0.5 * (x * x - z * z)));
  }
  const std::vector<double> quantiles = weighted_quantiles(weights, values, kQuantiles);
  const double z[] = {-1.959964, -0.674490, 0.0, 0.674490, 1.959964};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(quantiles[i], 0.5 + 0.8 * z[i], 0.05) << i;
}

TEST(WeightedColumns, QuantilesOfFewValues) {
  const std::vector<double> values = {3.0, 1.0, 100.0, 2.0}, weights = {1.0, 1.0, 0.0, 2.0};
  const std::vector<double> probabilities = {0.0, 0.5, 0.3125, 1.0};
  // The middles of 1, 2 and 3 are at 1/8, 4/8 and 7/8.
  EXPECT_EQ(weighted_quantiles(weights, values, probabilities),
            (std::vector<double>{1.0, 2.0, 1.5, 3.0}));
  EXPECT_THROW(weighted_quantiles(weights, std::vector<double>{1.0}, probabilities), ShapeError);
  EXPECT_THROW(weighted_quantiles(std::vector<double>{0.0}, std::vector<double>{1.0}, {}),
               ShapeError);
}

TEST(WeightedColumns, CorrelationsOfWeightedColumns) {
  // y = x^2 over x = -1, 0, 2 with weights 1, 2, 1: means 1/4 and 5/4, variances 19/16 and 43/16,
  // covariance 7/4 - 5/16 = 23/16.
  const std::vector<double> x = {-1.0, 1.0, 7.0, 0.0, 0.0, 7.0, 2.0, 4.0, 7.0};
  const std::vector<double> weights = {2.0, 4.0, 2.0};
  const std::vector<double> found = weighted_correlations(weights, x, 3);
  EXPECT_NEAR(found[0], 1.0, 1e-14);
  EXPECT_NEAR(found[1], 23.0 / std::sqrt(19.0 * 43.0), 1e-14);
  EXPECT_EQ(found[1], found[3]);
  EXPECT_TRUE(std::isnan(found[2]));
  EXPECT_THROW(weighted_correlations(weights, x, 2), ShapeError);
}

TEST(WeightedColumns, DirectionsOfAnglesThatWrapAround) {
  // Two directions, 350 and 20 degrees, the first with three times the weight.
  const std::vector<double> values = {350.0, 20.0}, weights = {3.0, 1.0};
  const CircularMean mean = circular_mean(weights, values, 0.0, 360.0);
  const double degree = std::numbers::pi / 180.0;
  const double sine = 0.75 * std::sin(-10 * degree) + 0.25 * std::sin(20 * degree);
  const double cosine = 0.75 * std::cos(-10 * degree) + 0.25 * std::cos(20 * degree);
  EXPECT_NEAR(mean.direction, 360.0 + std::atan2(sine, cosine) / degree, 1e-10);
  EXPECT_NEAR(mean.concentration, std::hypot(sine, cosine), 1e-14);
  // The same angles from -180 on.
  const CircularMean shifted =
      circular_mean(weights, std::vector<double>{-10.0, 20.0}, -180.0, 180.0);
  EXPECT_NEAR(shifted.direction, mean.direction - 360.0, 1e-10);
}

}  // namespace
}  // namespace thalweg
