#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/targets/target.h"

namespace thalweg::testing {
namespace {

constexpr int kSamples = 20000;
constexpr std::size_t kCells = 12;  // a side of the histogram
constexpr std::size_t kFine = 50;   // points a side of a cell
constexpr std::size_t kPoints = kCells * kFine;

std::vector<double> log_densities(const Target& target, const std::vector<double>& points) {
  const ParameterStore parameters;
  Graph graph(parameters);
  const Value x = graph.input({target.features(), 1});
  return run_graph(graph, {target.log_density(x)}, {points},
                   {static_cast<std::int64_t>(points.size()) / target.features()})[0];
}

/// Midpoints of a side x side grid over the square of the given half width.
std::vector<double> grid(std::size_t side, double half_width) {
  std::vector<double> points;
  const double step = 2.0 * half_width / static_cast<double>(side);
  for (std::size_t i = 0; i < side; ++i)
    for (std::size_t j = 0; j < side; ++j) {
      points.push_back(-half_width + step * (static_cast<double>(i) + 0.5));
      points.push_back(-half_width + step * (static_cast<double>(j) + 0.5));
    }
  return points;
}

TEST(Targets, KnownValues) {
  // Values of the corrected formulas, worked out by hand and in NumPy.
  const std::map<std::string, std::pair<double, double>> expected = {
      {"dual_moon", {0.0, -25.29678}},
      {"circle_of_gaussians", {-1.18529, -8.06565}},
      {"two_rings", {0.0, -0.62877}}};
  for (const auto& [name, values] : expected) {
    SCOPED_TRACE(name);
    const auto found = log_densities(*make_target(name), {2.0, 0.0, 0.3, 1.1});
    EXPECT_NEAR(found[0], values.first, 5e-6);
    EXPECT_NEAR(found[1], values.second, 5e-6);
  }
}

TEST(Targets, NormalisersByQuadrature) {
  // The midpoint rule converges faster than any power for smooth functions that vanish outside or
  // repeat.
  for (const TargetKind& entry : target_kinds().rows()) {
    if (entry.make_particles) continue;  // see particles_test.cc
    SCOPED_TRACE(entry.name);
    const auto target = make_target(entry.name);
    ASSERT_TRUE(target->log_normaliser().has_value());
    if (target->features() != 2) continue;
    const int side = 940;
    const double half_width = target->circular() ? target->half_width() : 8.0;
    double integral = 0.0;
    const std::vector<double> values = log_densities(*target, grid(side, half_width));
    for (const double value : values) integral += std::exp(value);
    integral *= std::pow(2.0 * half_width / side, 2);
    EXPECT_NEAR(std::log(integral), *target->log_normaliser(), 1e-12);
  }
}

TEST(Targets, ManyWellsAreIndependentDoubleWells) {
  const auto many = make_target("many_well"), well = make_target("double_well");
  ASSERT_EQ(many->features(), 32);
  EXPECT_NEAR(*many->log_normaliser(), 164.695675, 1e-6);
  RandomSequence random(5, Stream::kTarget), same(5, Stream::kTarget);
  const std::vector<double> x = many->sample(random);
  std::vector<double> pairs;
  for (int pair = 0; pair < 16; ++pair)
    for (const double value : well->sample(same)) pairs.push_back(value);
  EXPECT_EQ(x, pairs);
  const auto parts = log_densities(*well, x);
  EXPECT_NEAR(log_densities(*many, x)[0], std::accumulate(parts.begin(), parts.end(), 0.0), 1e-11);
}

TEST(Targets, PublishedIntegrals) {
  EXPECT_NEAR(std::exp(*make_target("dual_moon")->log_normaliser()), 2.23494, 5e-6);
  EXPECT_NEAR(std::exp(*make_target("two_rings")->log_normaliser()), 5.90610, 5e-6);
}

TEST(Targets, SamplesFollowTheDensity) {
  // Chi-square over cells with at least 20 expected samples: with n cells its mean is about n and
  // its variance 2 n; the limit of 6 deviations is passed by chance less than once in 10^6.
  for (const TargetKind& entry : target_kinds().rows()) {
    if (entry.make_particles) continue;  // see particles_test.cc
    SCOPED_TRACE(entry.name);
    const auto target = make_target(entry.name);
    if (target->features() != 2) continue;
    const double half_width = target->half_width();
    std::vector<double> mass(kCells * kCells, 0.0);
    std::vector<double> count(kCells * kCells, 0.0);
    const auto values = log_densities(*target, grid(kPoints, half_width));
    const double area = std::pow(2.0 * half_width / kPoints, 2);
    for (std::size_t i = 0; i < kPoints * kPoints; ++i)
      mass[i / kPoints / kFine * kCells + i % kPoints / kFine] +=
          area * std::exp(values[i] - *target->log_normaliser());
    int outside = 0;
    for (int s = 0; s < kSamples; ++s) {
      RandomSequence random(21, Stream::kTarget, static_cast<std::uint64_t>(s));
      const std::vector<double> x = target->sample(random);
      const double row = (x[0] / half_width + 1.0) * 0.5 * kCells;
      const double column = (x[1] / half_width + 1.0) * 0.5 * kCells;
      if (std::min(row, column) < 0.0 || std::max(row, column) >= kCells)
        ++outside;
      else
        count[static_cast<std::size_t>(row) * kCells + static_cast<std::size_t>(column)] += 1.0;
    }
    EXPECT_LE(outside, 20);  // at most 1e-4 of the mass: 2 expected
    double statistic = 0.0;
    double cells = 0.0;
    for (std::size_t i = 0; i < mass.size(); ++i) {
      const double expected = mass[i] * kSamples;
      if (expected < 20.0) continue;
      statistic += std::pow(count[i] - expected, 2) / expected;
      cells += 1.0;
    }
    EXPECT_GE(cells, 4.0);
    EXPECT_LT(statistic, cells + 6.0 * std::sqrt(2.0 * cells) + 18.0);
  }
}

TEST(Targets, UnknownNameSuggestsTheNearest) {
  try {
    make_target("two_ring");
    FAIL() << "expected a ConfigError";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("two_rings"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace thalweg::testing
