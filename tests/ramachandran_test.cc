// Free energies along angles, against closed forms.
#include "thalweg/runs/ramachandran.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "thalweg/core/random.h"

namespace thalweg {
namespace {

constexpr double kPi = std::numbers::pi;

/// Angles of density (1 + 0.8 cos(angle)) / (2 pi), by rejection.
std::vector<double> drawn_angles(std::size_t count, std::uint64_t seed) {
  RandomSequence random(seed, Stream::kEvaluation);
  std::vector<double> angles;
  while (angles.size() < count) {
    const double angle = kPi * (2.0 * random.uniform() - 1.0);
    if (1.8 * random.uniform() < 1.0 + 0.8 * std::cos(angle)) angles.push_back(angle);
  }
  return angles;
}

TEST(AngleProfile, IsTheLogarithmOfTheDensityWithItsErrors) {
  constexpr double kBin = kPi / 30.0;
  double squares = 0.0;
  constexpr int kRepeats = 20;
  for (int seed = 1; seed <= kRepeats; ++seed) {
    const LineSeries profile = angle_profile("", drawn_angles(40000, seed));
    ASSERT_EQ(profile.x.size(), 60u);
    EXPECT_EQ(profile.x.front(), -177.0);
    for (std::size_t i = 0; i < 60; ++i) {
      const double low = -kPi + kBin * static_cast<double>(i), high = low + kBin;
      const double share = (kBin + 0.8 * (std::sin(high) - std::sin(low))) / (2.0 * kPi);
      const double off = (profile.y[i] + std::log(share / kBin)) / profile.errors[i];
      squares += off * off;
    }
  }
  // Squares of Student's t with 19 degrees of freedom have mean 19/17 and variance 3.2; bins are
  // almost independent: five standard errors of the mean of 1200, once in 2e6.
  EXPECT_NEAR(squares / (60.0 * kRepeats), 19.0 / 17.0, 5.0 * std::sqrt(3.2 / (60.0 * kRepeats)));
}

TEST(AngleProfile, ChainsThatKeepTheirPlaceHaveLargeErrors) {
  // Eight chains take turns, each within one half of the circle: no stretch shows that.
  const std::vector<double> drawn = drawn_angles(8000, 3);
  std::vector<double> angles;
  for (std::size_t i = 0; i < drawn.size(); ++i)
    angles.push_back(i % 8 < 3 ? std::abs(drawn[i]) : -std::abs(drawn[i]));
  const LineSeries by_chain = angle_profile("", angles, 8), by_stretch = angle_profile("", angles);
  // Three of eight chains: sqrt(8 / 7 * 3 * 5 / 8 / 8 * 64) / 3 of relative error, about 0.49.
  EXPECT_NEAR(by_chain.errors[32], 0.49, 0.1);
  EXPECT_LT(by_stretch.errors[32], 0.2);
}

TEST(AngleProfile, LeavesOutWhatIsNoAngle) {
  const LineSeries profile = angle_profile("", std::vector<double>{0.01, NAN, 0.02, INFINITY, kPi});
  EXPECT_NEAR(profile.y[30], -std::log(2.0 / 3.0 / (kPi / 30.0)), 1e-12);
  EXPECT_TRUE(std::isnan(profile.y[0]));
  EXPECT_FALSE(std::isnan(profile.y[59]));
}

}  // namespace
}  // namespace thalweg
