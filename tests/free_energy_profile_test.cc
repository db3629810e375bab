// Free-energy profiles: a normal density, weights, and errors whose values follow from the input.
#include "thalweg/metrics/free_energy_profile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(FreeEnergyProfile, IsTheParabolaOfANormal) {
  // Plain samples of N(0.2, 0.7), and samples of N(0, 1) with weights.
  constexpr int kSamples = 200000;
  RandomSequence random(3, Stream::kEvaluation);
  std::vector<double> plain, wide, log_weights;
  for (int i = 0; i < kSamples; ++i) {
    plain.push_back(0.2 + 0.7 * random.normal());
    wide.push_back(random.normal());
    const double z = (wide.back() - 0.2) / 0.7;
    log_weights.push_back(300.0 - 0.5 * z * z + 0.5 * wide.back() * wide.back());
  }
  plain.push_back(kNaN);
  for (const bool weighted : {false, true}) {
    const FreeEnergyProfile profile =
        weighted ? free_energy_profile(wide, log_weights, 20, {{-1.0, 1.4}})
                 : free_energy_profile(plain, {}, 20, {{-1.0, 1.4}});
    double mean = 0.0;
    std::vector<double> exact;
    for (const double x : profile.centres) exact.push_back(0.5 * std::pow((x - 0.2) / 0.7, 2));
    for (const double value : exact) mean += value / 20.0;
    // At least 2700 samples fall in each bin: 0.12 is six deviations and the curvature in a bin.
    for (std::size_t bin = 0; bin < 20; ++bin)
      EXPECT_NEAR(profile.values[bin], exact[bin] - mean, 0.12);
  }
}

TEST(FreeEnergyProfile, TakesItsEdgesFromTheSamples) {
  const std::vector<double> x = {0.0, 4.0, 0.5, 3.5, 3.9, INFINITY};
  const FreeEnergyProfile profile = free_energy_profile(x, {}, 4, std::nullopt);
  EXPECT_EQ(profile.centres, (std::vector<double>{0.5, 1.5, 2.5, 3.5}));
  EXPECT_NEAR(profile.values[0], 0.5 * std::log(1.5), 1e-12);
  EXPECT_TRUE(std::isnan(profile.values[1]) && std::isnan(profile.values[2]));
  EXPECT_NEAR(profile.values[3], -0.5 * std::log(1.5), 1e-12);
}

TEST(FreeEnergyProfile, ErrorsFollowTheirDefinitions) {
  // Two repeats over bins at -1, 0, 1 and 2, the last beyond the limit; the truth is 0 everywhere.
  const std::vector<double> centres = {-1.0, 0.0, 1.0, 2.0};
  const std::vector<FreeEnergyProfile> repeats = {{centres, {1.0, -1.0, 1.0, -1.0}},
                                                  {centres, {2.0, -1.0, kNaN, -1.0}}};
  const auto flat = [](double) { return 7.0; };
  const ProfileError error = profile_error(repeats, flat, 1.5);
  EXPECT_NEAR(error.bias, (1.0 - 1.0 + 1.0 + 2.0 - 1.0) / 5.0, 1e-12);
  EXPECT_NEAR(error.mean_absolute, 6.0 / 5.0, 1e-12);
  EXPECT_NEAR(error.deviation, 0.5 * (0.5 + 0.0), 1e-12);  // one value has no deviation
  EXPECT_NEAR(error.error_deviation, 0.25, 1e-12);
  const MeanProfile mean = mean_profile(repeats);
  EXPECT_NEAR(mean.values[0], 1.5, 1e-12);
  EXPECT_NEAR(mean.values[2], 1.0, 1e-12);
  EXPECT_TRUE(std::isnan(mean.deviations[2]));
}

TEST(FreeEnergyProfile, RefusesWhatItCannotUse) {
  const std::vector<double> x = {0.0, 1.0};
  EXPECT_THROW(free_energy_profile(x, {}, 0, std::nullopt), ConfigError);
  EXPECT_THROW(free_energy_profile(x, {}, 2, {{1.0, 0.0}}), ConfigError);
  EXPECT_THROW(free_energy_profile(x, std::vector<double>{0.0}, 2, std::nullopt), ShapeError);
  EXPECT_THROW(free_energy_profile(x, {}, 2, {{5.0, 6.0}}), NumericalError);
  EXPECT_THROW(free_energy_profile({}, {}, 2, std::nullopt), NumericalError);
  EXPECT_THROW(mean_profile({}), ShapeError);
}

}  // namespace
}  // namespace thalweg
