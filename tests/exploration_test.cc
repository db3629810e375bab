// Explorations of energies with known integrals, and the parts that they are made of, against
// closed forms and differences.
#include "thalweg/exploration/exploration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/exploration/estimates.h"
#include "thalweg/exploration/mixture.h"
#include "thalweg/exploration/modes.h"
#include "thalweg/exploration/reference_density.h"
#include "thalweg/exploration/scout.h"
#include "thalweg/exploration/tempering.h"
#include "thalweg/targets/expression.h"

namespace thalweg {
namespace {

const double kLogTwoPi = std::log(2.0 * std::numbers::pi);

std::shared_ptr<const Target> energy_of(const std::string& text) {
  return make_expression_target(text);
}

Exploration explored(const std::string& text, std::uint64_t seed = 1,
                     std::span<const ColumnOptions> columns = {}, int threads = 2) {
  ThreadPool pool(threads);
  return explore(energy_of(text), columns, {}, seed, pool).value();
}

Mixture two_normals() {
  Points means(2, 2);
  means << -1.0, 3.0, 2.0, 0.5;
  Eigen::MatrixXd first(2, 2), second(2, 2);
  first << 2.0, 0.6, 0.6, 1.0;
  second << 0.5, -0.2, -0.2, 0.3;
  return {Eigen::Vector2d(0.3, 0.7), means, {first, second}};
}

double normal_density(const Eigen::Vector2d& y, const Eigen::Vector2d& mean,
                      const Eigen::Matrix2d& covariance) {
  const Eigen::Vector2d d = y - mean;
  return std::exp(-0.5 * d.dot(covariance.inverse() * d)) /
         (2.0 * std::numbers::pi * std::sqrt(covariance.determinant()));
}

TEST(Exploration, DensityOfAMixtureIsItsFormula) {
  const Mixture mixture = two_normals();
  const Points y = (Points(2, 3) << 0.2, -4.0, 3.1, 1.0, 0.3, 0.4).finished();
  const Eigen::VectorXd log_density = mixture.log_density(y);
  for (int i = 0; i < 3; ++i) {
    const double expected =
        0.3 * normal_density(y.col(i), mixture.means().col(0), mixture.covariance(0)) +
        0.7 * normal_density(y.col(i), mixture.means().col(1), mixture.covariance(1));
    EXPECT_NEAR(log_density[i], std::log(expected), 1e-12);
  }
  const Mixture both(mixture, mixture);
  EXPECT_EQ(both.components(), 4);
  EXPECT_LT((both.log_density(y) - log_density).cwiseAbs().maxCoeff(), 1e-12);
}

/// Slopes by differences, and the integral over the plane by quadrature.
void check_reference(const ReferenceDensity& reference, double width) {
  RandomSequence random(3, Stream::kExploration);
  const Points y = reference.draw(20, random);
  const EnergyBatch batch = reference.energy(y);
  constexpr double kStep = 1e-5;
  for (int f = 0; f < 2; ++f) {
    Points up = y, down = y;
    up.row(f).array() += kStep;
    down.row(f).array() -= kStep;
    const Eigen::VectorXd slope =
        (reference.energy(up).energy - reference.energy(down).energy) / (2.0 * kStep);
    EXPECT_LT((slope - batch.gradient.row(f).transpose()).cwiseAbs().maxCoeff(), 1e-6);
  }
  constexpr int kPoints = 2000;
  const double step = 2.0 * width / kPoints;
  double sum = 0.0;
  Points line(2, kPoints);
  for (int i = 0; i < kPoints; ++i) {
    for (int j = 0; j < kPoints; ++j)
      line.col(j) = Eigen::Vector2d(-width + (i + 0.5) * step, -width + (j + 0.5) * step);
    sum += reference.log_density(line).array().exp().sum() * step * step;
  }
  EXPECT_NEAR(sum, 1.0, 2e-3);
  // Draws have the density: importance weights of one against the other average to 1. Four errors.
  const Points draws = reference.draw(20000, random);
  const Eigen::VectorXd inside =
      draws.colwise().norm().transpose().unaryExpr([](double r) { return r < 3.0 ? 1.0 : 0.0; });
  double mass = 0.0;
  for (int i = 0; i < kPoints; ++i) {
    for (int j = 0; j < kPoints; ++j)
      line.col(j) =
          Eigen::Vector2d(-3.0 + (i + 0.5) * 6.0 / kPoints, -3.0 + (j + 0.5) * 6.0 / kPoints);
    const Eigen::ArrayXd p = reference.log_density(line).array().exp();
    mass += (p * (line.colwise().norm().transpose().array() < 3.0).cast<double>()).sum() * 36.0 /
            kPoints / kPoints;
  }
  EXPECT_NEAR(inside.mean(), mass, 4.0 * std::sqrt(0.25 / 20000.0));
}

TEST(Exploration, ReferenceDensitiesAreNormalisedAndHaveTheirSlopes) {
  check_reference(WideReference(Eigen::Vector2d(0.5, -1.0), Eigen::Vector2d(1.0, 2.0)), 60.0);
  check_reference(HeavyMixture(two_normals()), 60.0);
}

TEST(Exploration, AFittedMixtureFindsGroupsOfUnequalSize) {
  RandomSequence random(8, Stream::kExploration);
  Points y = normal_points(5, 4000, random);
  for (int i = 0; i < 80; ++i) y.col(50 * i).array() += 6.0;  // 2 % of them
  const Mixture mixture =
      fit_mixture(y, nullptr, {.components = 8, .iterations = 5, .splits = 20}, random);
  ASSERT_GE(mixture.components(), 2);
  double weight = 0.0;
  for (std::int64_t k = 0; k < mixture.components(); ++k)
    if (mixture.means().col(k).minCoeff() > 4.0) weight += mixture.weights()[k];
  EXPECT_NEAR(weight, 0.02, 0.003);
}

TEST(Exploration, IntegralsOfPopulationsAreUnbiased) {
  // N(3, .5) of integral exp(2), from a start at 0: the mean over 40 populations of Z / its truth
  // is 1 within four standard errors; odds below 1e-4.
  ThreadPool pool(1);
  UnboundedEnergy energy(energy_of("2*(x - 3)^2 + 0.5*y^2 - 2"), {}, pool);
  const double truth = kLogTwoPi + std::log(0.5) + 2.0;
  const WideReference reference(Eigen::Vector2d::Zero(), Eigen::Vector2d::Constant(4.0));
  std::vector<double> ratios;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    RandomSequence random(seed, Stream::kExploration);
    const auto found = temper(energy, reference, {.particles = 200}, random, {});
    ratios.push_back(std::exp(found.value().log_integral - truth));
  }
  double mean = 0.0, square = 0.0;
  for (const double ratio : ratios) mean += ratio / 40.0;
  for (const double ratio : ratios) square += (ratio - mean) * (ratio - mean) / 39.0;
  EXPECT_NEAR(mean, 1.0, 4.0 * std::sqrt(square / 40.0));
  EXPECT_LT(square, 0.05);
}

TEST(Exploration, ErrorsOfMassesHaveTheSpreadOfPopulations) {
  // Two populations of 10 points in each of which 2 and 6 are in the second mode.
  Points y = Points::Zero(2, 20);
  for (const int column : {0, 1, 10, 11, 12, 13, 14, 15}) y.col(column) << 3.0, 0.5;
  const std::vector<std::int64_t> mode_of_component{0, 1};
  Points means(2, 2);
  means << 0.0, 3.0, 0.0, 0.5;
  const Eigen::MatrixXd unit = 0.01 * Eigen::MatrixXd::Identity(2, 2);
  const Mixture mixture(Eigen::VectorXd::Ones(2), means, {unit, unit});
  const Eigen::VectorXd weights = Eigen::VectorXd::Ones(20);
  const auto of = [&](const std::vector<std::int64_t>& islands) {
    return describe_modes(mixture, mode_of_component, y, y, weights, {}, islands);
  };
  ASSERT_EQ(of({}).size(), 2U);
  EXPECT_NEAR(of({})[1].mass, 0.4, 1e-12);
  EXPECT_NEAR(of({})[1].mass_error, std::sqrt(0.4 * 0.6 / 20.0), 1e-12);
  for (const ExploredMode& mode : of({10, 10})) EXPECT_NEAR(mode.mass_error, 0.2, 1e-12);
}

TEST(Exploration, ALaplaceFitIsAGaussian) {
  ThreadPool pool(1);
  UnboundedEnergy energy(energy_of("0.5*(4*(x - 1)^2 + 2*(x - 1)*(y + 2) + 3*(y + 2)^2)"), {},
                         pool);
  const auto fit = laplace_fit(energy, Eigen::Vector2d(0.0, 0.0), Eigen::Vector2d(1.0, 1.0));
  ASSERT_TRUE(fit.has_value());
  EXPECT_NEAR(fit->minimum[0], 1.0, 1e-6);
  EXPECT_NEAR(fit->minimum[1], -2.0, 1e-6);
  // The Hessian is (4 1; 1 3), of determinant 11.
  EXPECT_NEAR(fit->log_integral, kLogTwoPi - 0.5 * std::log(11.0), 1e-6);
  EXPECT_NEAR(fit->covariance(0, 0), 3.0 / 11.0, 1e-6);
  UnboundedEnergy saddle(energy_of("x^2 - y^2"), {}, pool);
  EXPECT_FALSE(laplace_fit(saddle, Eigen::Vector2d(0.1, 0.0), Eigen::Vector2d(1.0, 1.0)));
}

void expect_integral(const Exploration& exploration, double truth) {
  // Four errors: below 1e-4 by chance, if the error is right.
  EXPECT_NEAR(exploration.log_integral, truth, 4.0 * exploration.log_integral_error);
  EXPECT_LT(exploration.log_integral_error, 0.06);
  EXPECT_TRUE(exploration.warnings.empty())
      << (exploration.warnings.empty() ? "" : exploration.warnings.front());
  EXPECT_EQ(exploration.x.size(),
            exploration.log_target.size() * static_cast<std::size_t>(exploration.features));
}

TEST(Exploration, FindsModesFarApartWithTheirMasses) {
  // Masses 3/4 and 1/4, a thousand widths apart.
  const Exploration found = explored(
      "-logsumexp(log(0.75) - 0.5*((x - 500)^2 + y^2), log(0.25) - 0.5*((x + 500)^2 + y^2))");
  expect_integral(found, kLogTwoPi);
  ASSERT_EQ(found.modes.size(), 2U);
  EXPECT_NEAR(found.modes[0].mass, 0.75, 5.0 * found.modes[0].mass_error);
  EXPECT_NEAR(found.modes[0].mean[0], 500.0, 0.1);
  EXPECT_NEAR(found.modes[1].mean[0], -500.0, 0.1);
  EXPECT_NEAR(found.modes[0].deviation[1], 1.0, 0.05);
}

TEST(Exploration, MeasuresScalesThatAreFarApart) {
  const Exploration found = explored("0.5*((x - 5)*1e5)^2 + 0.5*(y/1e5)^2");
  expect_integral(found, kLogTwoPi);
  EXPECT_EQ(found.modes.size(), 1U);
  EXPECT_NEAR(found.modes[0].deviation[0], 1e-5, 1e-6);
  EXPECT_NEAR(found.modes[0].deviation[1], 1e5, 1e4);
}

TEST(Exploration, FollowsARing) {
  // The integral of exp(-(r - 10)^2 / .08): 2 pi 10 sqrt(.08 pi), up to exp(-1250).
  const Exploration found = explored("(sqrt(x^2 + y^2) - 10)^2/0.08");
  expect_integral(found, std::log(20.0 * std::numbers::pi * std::sqrt(0.08 * std::numbers::pi)));
  EXPECT_EQ(found.modes.size(), 1U);
}

TEST(Exploration, KeepsToBounds) {
  // Gamma(3, 1) in x and, in y, a quarter circle's worth of y (1 - y): 2 and 1/6.
  const std::vector<ColumnOptions> columns = {{.name = "x", .lower = 0.0},
                                              {.name = "y", .lower = 0.0, .upper = 1.0}};
  const Exploration found = explored("x - 2*log(x) - log(y*(1 - y))", 1, columns);
  expect_integral(found, std::log(2.0 / 6.0));
  for (std::size_t i = 0; i < found.x.size(); i += 2) {
    ASSERT_GT(found.x[i], 0.0);
    ASSERT_GT(found.x[i + 1], 0.0);
    ASSERT_LT(found.x[i + 1], 1.0);
  }
}

TEST(Exploration, GoesAroundCircles) {
  // exp(3 cos(x - 3) + y-independent): 2 pi I0(3) in x, whose mode lies across the end of the
  // interval, and 2 pi in y.
  std::vector<ColumnOptions> columns = angle_columns(2);
  const Exploration found = explored("-3*cos(x - 3.1) + 0*y", 1, columns);
  const double bessel = std::cyl_bessel_i(0.0, 3.0);
  expect_integral(found, 2.0 * kLogTwoPi + std::log(bessel));
  ASSERT_EQ(found.modes.size(), 1U);
  EXPECT_NEAR(found.modes[0].mean[0], 3.1, 0.03);
  for (const double angle : found.x) ASSERT_LE(std::abs(angle), std::numbers::pi);
}

TEST(Exploration, LiftsACircleWithoutChangingItsIntegral) {
  std::vector<ColumnOptions> columns = angle_columns(1);
  ThreadPool pool(1);
  UnboundedEnergy energy(energy_of("-cos(2*x) - x/100"), columns, pool);
  constexpr int kPoints = 100000;
  Points line(1, kPoints);
  double lifted = 0.0, plain = 0.0;
  for (int i = 0; i < kPoints; ++i) {
    line(0, i) = 2.0 * std::numbers::pi * (2.0 * (i + 0.5) / kPoints - 1.0);
    const double x = std::remainder(line(0, i), 2.0 * std::numbers::pi);
    plain += 0.5 * std::exp(std::cos(2.0 * x) + x / 100.0);
  }
  const EnergyBatch batch = energy(line);
  lifted = (-batch.energy).array().exp().sum();
  EXPECT_NEAR(lifted / plain, 1.0, 1e-6);
  // Slopes by differences.
  constexpr double kStep = 1e-6;
  const Points y = (Points(1, 3) << -5.9, 0.4, 4.0).finished();
  const Eigen::VectorXd slope =
      (energy((y.array() + kStep).matrix()).energy - energy((y.array() - kStep).matrix()).energy) /
      (2.0 * kStep);
  EXPECT_LT((slope - energy(y).gradient.transpose()).cwiseAbs().maxCoeff(), 1e-6);
}

TEST(Exploration, TakesWhatIsNoNumberForADensityOfZero) {
  // The square root makes half a line of it.
  const Exploration found = explored("sqrt(x)*0 + 0.5*(x^2 + y^2)");
  EXPECT_NEAR(found.log_integral, kLogTwoPi - std::log(2.0), 4.0 * found.log_integral_error);
  for (std::size_t i = 0; i < found.x.size(); i += 2) ASSERT_GE(found.x[i], 0.0);
}

TEST(Exploration, GivesTheSameBitsForAnyNumberOfThreads) {
  const std::string text = "-log(exp(-0.5*((x - 5)^2 + y^2)) + exp(-0.5*((x + 5)^2 + y^2)))";
  const Exploration one = explored(text, 4, {}, 1), three = explored(text, 4, {}, 3);
  EXPECT_EQ(one.x, three.x);
  EXPECT_EQ(one.log_integral, three.log_integral);
  EXPECT_EQ(one.evaluations, three.evaluations);
  EXPECT_NE(explored(text, 5).x, one.x);
}

TEST(Exploration, StopsWhereSomebodySaysSo) {
  ThreadPool pool(2);
  int calls = 0;
  const auto found = explore(energy_of("0.5*(x^2 + y^2)"), {}, {}, 1, pool,
                             {.interrupted = [&] { return ++calls > 3; }});
  EXPECT_FALSE(found.has_value());
}

TEST(Exploration, RefusesAnEnergyThatIsFiniteNowhere) {
  ThreadPool pool(1);
  EXPECT_THROW(explore(energy_of("log(-1 - x^2 - y^2)"), {}, {}, 1, pool), NumericalError);
}

TEST(Exploration, SaysWhereAnIntegralIsInfinite) {
  ThreadPool pool(2);
  for (const char* text : {"x + y^2", "0*x + y^2", "-0.5*x^2"}) {
    try {
      explore(energy_of(text), {}, {}, 1, pool);
      ADD_FAILURE() << text;
    } catch (const NumericalError& error) {
      EXPECT_NE(std::string(error.what()).find("seems to be infinite"), std::string::npos)
          << text << ": " << error.what();
    }
  }
}

TEST(Exploration, KeepsToASmallBudget) {
  ThreadPool pool(2);
  const auto found =
      explore(energy_of("0.5*(x^2 + y^2)"), {}, {.evaluations = 150000}, 1, pool).value();
  EXPECT_LT(found.evaluations, 200000);
  EXPECT_NEAR(found.log_integral, kLogTwoPi, 4.0 * found.log_integral_error);
}

TEST(Exploration, RefusesOptionsOutOfRange) {
  ThreadPool pool(1);
  const auto target = energy_of("0.5*(x^2 + y^2)");
  EXPECT_THROW(explore(target, {}, {.particles = 10}, 1, pool), ConfigError);
  EXPECT_THROW(explore(target, {}, {.islands = 1}, 1, pool), ConfigError);
  EXPECT_THROW(explore(target, {}, {.evaluations = 0}, 1, pool), ConfigError);
  EXPECT_THROW(explore(target, {}, {.seconds = -1.0}, 1, pool), ConfigError);
}

}  // namespace
}  // namespace thalweg
