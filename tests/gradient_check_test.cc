// A user's slopes against differences: wrong ones are found, and rugged energies raise no alarm.
#include "thalweg/exploration/gradient_check.h"

#include <gtest/gtest.h>

#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/targets/energy_library.h"
#include "thalweg/targets/expression.h"
#include "thalweg/targets/target.h"

namespace thalweg {
namespace {

const std::vector<double> kScales = {1.0, 1.0, 1e-6, 1e6, 1e6, 1.0, 1.0, 1.0};

std::vector<double> rugged_points(std::uint64_t seed, std::int64_t count, double spread = 1.0) {
  std::vector<double> points;
  for (std::int64_t row = 0; row < count; ++row) {
    RandomSequence random(seed, Stream::kEvaluation, static_cast<std::uint64_t>(row));
    for (std::size_t f = 0; f < kScales.size(); ++f) {
      const double z = spread * kScales[f] * random.normal();
      points.push_back(f == 4 ? 1e9 + z : f == 5 ? std::abs(z) : z);
    }
  }
  return points;
}

/// What the check says, or nothing.
std::string verdict(const std::shared_ptr<const Target>& target, const std::vector<double>& points,
                    const std::vector<double>& scales,
                    const std::vector<ColumnOptions>& columns = {}) {
  ThreadPool pool(1);
  try {
    check_gradients(target, points, scales, columns, pool);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(GradientCheck, FindsAHalvedSlopeInAnyColumn) {
  const std::vector<std::pair<std::string, std::string>> cases = {{THALWEG_HALVED_0, "x0"},
                                                                  {THALWEG_HALVED_2, "x2"},
                                                                  {THALWEG_HALVED_4, "x4"},
                                                                  {THALWEG_HALVED_7, "x7"}};
  for (const auto& [path, column] : cases) {
    const std::shared_ptr<const Target> target = load_energy_library(path);
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const std::string said = verdict(target, rugged_points(seed, 200), kScales);
      EXPECT_EQ(said.find("energy: the slope in '" + column + "'"), 0u) << said;
      EXPECT_NE(said.find("correct the gradient"), std::string::npos) << said;
    }
  }
}

TEST(GradientCheck, RaisesNoAlarmAtKinksWallsJumpsAndScales) {
  const std::shared_ptr<const Target> target = load_energy_library(THALWEG_RUGGED);
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    for (const double spread : {0.0, 1e-3, 0.1, 1.0, 10.0})
      EXPECT_EQ(verdict(target, rugged_points(seed, 100, spread), kScales), "") << seed;
    // Scales that are a thousand times too large or too small.
    for (const double factor : {1e-3, 1e3}) {
      std::vector<double> scales = kScales;
      for (double& scale : scales) scale *= factor;
      EXPECT_EQ(verdict(target, rugged_points(seed, 100), scales), "") << seed << ' ' << factor;
    }
  }
}

TEST(GradientCheck, StandsWherePointsRanFarFromAShortPeriod) {
  const std::shared_ptr<const Target> target = make_expression_target("0.3*log(1+x^2)+cos(3*x)");
  std::vector<double> points;
  for (std::uint64_t row = 0; row < 200; ++row)
    points.push_back(1e6 * RandomSequence(1, Stream::kEvaluation, row).normal());
  EXPECT_EQ(verdict(target, points, {1e6}), "");
}

TEST(GradientCheck, StandsOnKinksAndWithinBounds) {
  // All points on the kinks, where a slope is anything between two, and steps that are powers of 2.
  const std::shared_ptr<const Target> kinks =
      make_expression_target("abs(x) + max(y, -3*y) + where(z > 0, z, -2*z)");
  EXPECT_EQ(verdict(kinks, std::vector<double>(300, 0.0), {1.0, 1.0, 1.0}), "");
  EXPECT_EQ(verdict(kinks, std::vector<double>(300, 0.0), {1e-300, 1e300, 1.0}), "");
  // Outside of its bounds, this energy is NaN.
  const std::shared_ptr<const Target> bounded = make_expression_target("x - 0.5*log(x)");
  std::vector<ColumnOptions> columns(1);
  columns[0].lower = 0.0;
  EXPECT_EQ(verdict(bounded, {1e-9, 1e-3, 0.1, 1.0, 2.0}, {1.0}, columns), "");
  EXPECT_EQ(verdict(bounded, {}, {1.0}), "");
  ThreadPool pool(1);
  const std::vector<double> point = {1.0}, none = {0.0}, two = {1.0, 2.0};
  EXPECT_THROW(check_gradients(bounded, point, none, {}, pool), ConfigError);
  EXPECT_THROW(check_gradients(bounded, point, two, {}, pool), ShapeError);
}

TEST(GradientCheck, SaysWhereAnEnergyIsUndefined) {
  const auto target = make_expression_target("x^2 + log(y) + z^2");
  const std::vector<double> point = {1.0, -2.0, 3.0};
  EXPECT_EQ(undefined_energy_text(*target, point),
            "energy: NaN at (x = 1, y = -2, z = 3), by character 7, after 'x^2 + ': log of -2");
  ThreadPool pool(1);
  const std::shared_ptr<const Target> shared = make_expression_target("x*log(y)");
  EXPECT_EQ(
      find_undefined_energy(shared, std::vector<double>{1.0, 2.0, 0.5, -1.0, 1.0, -3.0}, pool),
      "energy: NaN at (x = 0.5, y = -1), by character 3, after 'x*': log of -1");
  EXPECT_EQ(find_undefined_energy(shared, std::vector<double>{1.0, 2.0}, pool), "");
  const auto library = load_energy_library(THALWEG_MOODY, 2);
  EXPECT_EQ(undefined_energy_text(*library, std::span(point).first(2)),
            "energy: NaN at (x0 = 1, x1 = -2)");
}

}  // namespace
}  // namespace thalweg
