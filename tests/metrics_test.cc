// Grid divergences and fitted mixtures against closed forms.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/metrics/gaussian_mixture_fit.h"
#include "thalweg/metrics/grid_divergence.h"

namespace thalweg {
namespace {

PlaneLogDensity gaussian(double mean, double deviation, double log_factor = 0.0) {
  return [=](std::span<const double> points) {
    std::vector<double> result;
    for (std::size_t i = 0; i < points.size(); i += 2)
      result.push_back(log_factor -
                       0.5 * (std::pow((points[i] - mean) / deviation, 2) +
                              std::pow(points[i + 1] / deviation, 2)) -
                       std::log(2.0 * std::numbers::pi * deviation * deviation));
    return result;
  };
}

TEST(GridDivergence, IsThatOfTwoGaussians) {
  // KL(N(0, a^2) || N(m, b^2)) in two dimensions = 2 log(b/a) + a^2/b^2 - 1 + m^2/(2 b^2).
  const double a = 0.4, b = 0.7, m = 0.3;
  const double expected = 2.0 * std::log(b / a) + a * a / (b * b) - 1.0 + m * m / (2.0 * b * b);
  const double log_factor = std::log(5.0);
  const GridDivergence divergence =
      grid_divergence(gaussian(0.0, a, log_factor), log_factor, gaussian(m, b));
  EXPECT_NEAR(divergence.nats, expected, 1e-6);
  // The published metric weights by the unnormalised density on cells that are a little too small.
  const double cell = std::pow(299.0 / 300.0, 2);
  EXPECT_NEAR(divergence.published_floor, cell * 5.0 * log_factor, 1e-6);
  EXPECT_NEAR((divergence.as_published - divergence.published_floor) / (cell * 5.0), expected,
              1e-6);
  EXPECT_EQ(divergence.non_finite, 0);
}

TEST(GridDivergence, CountsWhatIsNotFiniteAsNoDensity) {
  const PlaneLogDensity broken = [](std::span<const double> points) {
    std::vector<double> result = gaussian(0.0, 0.3)(points);
    result[41 * 20 + 20] = NAN;
    return result;
  };
  const GridDivergence divergence = grid_divergence(gaussian(0.0, 0.3), 0.0, broken, 3.0, 41);
  EXPECT_EQ(divergence.non_finite, 1);
  // The middle holds p = 1 / (2 pi 0.09) on a cell of 0.15 x 0.15.
  const double p = 1.0 / (2.0 * std::numbers::pi * 0.09);
  EXPECT_NEAR(divergence.nats, p * 0.15 * 0.15 * std::log(p / 1e-10), 1e-4);
  // As published, that point is left out; elsewhere the two densities are the same.
  EXPECT_NEAR(divergence.as_published, 0.0, 1e-12);
}

TEST(GridIntegral, IsTheMass) {
  EXPECT_NEAR(grid_integral(gaussian(0.5, 0.3, std::log(2.0)), 8.0, 400).value, 2.0, 1e-9);
}

TEST(GridIntegral, RefusesAnEmptyGrid) {
  EXPECT_THROW(grid_integral(gaussian(0.0, 1.0), 8.0, 1), ConfigError);
  EXPECT_THROW(grid_integral(gaussian(0.0, 1.0), 0.0, 10), ConfigError);
}

std::vector<double> two_clusters(std::int64_t rows) {
  // Weights 1/4 and 3/4; the second cluster's columns have covariance [[1, 0.8], [0.8, 1]].
  std::vector<double> x;
  RandomSequence random(1, Stream::kTarget);
  for (std::int64_t row = 0; row < rows; ++row) {
    const bool first = random.uniform() < 0.25;
    const double u = random.normal(), v = random.normal();
    x.push_back(first ? -6.0 + 0.5 * u : 2.0 + u);
    x.push_back(first ? 3.0 + 0.5 * v : 0.8 * u + 0.6 * v);
  }
  return x;
}

TEST(GaussianMixtureFit, OneComponentHasTheMeanAndCovariance) {
  const std::vector<double> x = {0, 0, 2, 0, 0, 4, 2, 4};
  GaussianMixtureFitOptions options;
  options.components = 1;
  options.regularisation = 0.0;
  const FittedGaussianMixture fit = fit_gaussian_mixture(x, 2, options, 1);
  EXPECT_NEAR(fit.means[0], 1.0, 1e-12);
  EXPECT_NEAR(fit.means[1], 2.0, 1e-12);
  EXPECT_NEAR(fit.factors[0], 1.0, 1e-12);
  EXPECT_NEAR(fit.factors[3], 2.0, 1e-12);
  const std::vector<double> at_mean = {1.0, 2.0};
  EXPECT_NEAR(fit.log_prob(at_mean)[0], -std::log(2.0 * std::numbers::pi * 2.0), 1e-12);
}

TEST(GaussianMixtureFit, FindsTwoClusters) {
  // 4 000 rows: standard errors below 0.02 for each figure, so 0.1 is missed once in 10^6 seeds.
  const std::vector<double> x = two_clusters(4000);
  GaussianMixtureFitOptions options;
  options.components = 2;
  const FittedGaussianMixture fit = fit_gaussian_mixture(x, 2, options, 3);
  const std::size_t second = fit.means[0] > 0.0 ? 0 : 1, first = 1 - second;
  EXPECT_NEAR(fit.weights[first], 0.25, 0.05);
  EXPECT_NEAR(fit.means[2 * first], -6.0, 0.1);
  EXPECT_NEAR(fit.means[2 * second], 2.0, 0.1);
  EXPECT_NEAR(fit.factors[4 * first], 0.5, 0.1);
  EXPECT_NEAR(fit.factors[4 * second + 2], 0.8, 0.1);
  EXPECT_NEAR(fit.factors[4 * second + 3], 0.6, 0.1);
  const FittedGaussianMixture again = fit_gaussian_mixture(x, 2, options, 3);
  EXPECT_EQ(fit.means, again.means);
}

TEST(GaussianMixtureFit, DensityIntegratesToOne) {
  GaussianMixtureFitOptions options;
  options.components = 5;
  const FittedGaussianMixture fit = fit_gaussian_mixture(two_clusters(500), 2, options, 4);
  EXPECT_NEAR(
      grid_integral([&](std::span<const double> points) { return fit.log_prob(points); }, 12.0)
          .value,
      1.0, 1e-6);
}

TEST(GaussianMixtureFit, LeadingColumnsHaveTheMarginalDensity) {
  GaussianMixtureFitOptions options;
  options.components = 3;
  const FittedGaussianMixture fit = fit_gaussian_mixture(two_clusters(500), 2, options, 4);
  double sum = 0.0;
  std::vector<double> line;
  for (int i = -2000; i < 2000; ++i) line.insert(line.end(), {1.5, 0.01 * i});
  for (const double value : fit.log_prob(line)) sum += 0.01 * std::exp(value);
  const std::vector<double> first = {1.5};
  EXPECT_NEAR(std::exp(fit.leading(1).log_prob(first)[0]), sum, 1e-9);
}

TEST(GaussianMixtureFit, RefusesWhatItCannotFit) {
  const std::vector<double> x = {0, 1, 2, 3}, broken = {0, 1, NAN, 3};
  GaussianMixtureFitOptions options;
  EXPECT_THROW(fit_gaussian_mixture(x, 2, options, 1), DataError);
  options.components = 1;
  EXPECT_THROW(fit_gaussian_mixture(broken, 2, options, 1), DataError);
  EXPECT_THROW(fit_gaussian_mixture(x, 3, options, 1), ShapeError);
  options.components = 0;
  EXPECT_THROW(fit_gaussian_mixture(x, 2, options, 1), ConfigError);
}

}  // namespace
}  // namespace thalweg
