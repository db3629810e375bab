// Chains that never change modes are told by where they began.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/metrics/chain_diagnostics.h"

namespace thalweg {
namespace {

constexpr std::int64_t kChains = 200, kDraws = 50;

/// Draws x chains x 2 of two unit Gaussians at x = +-20, of which `share` of the chains begin in
/// the second; each step changes the mode with probability `jump` to either by its start's odds.
std::vector<double> two_modes(double share, double jump, std::uint64_t seed = 4) {
  std::vector<double> draws;
  std::vector<bool> second;
  for (std::int64_t chain = 0; chain < kChains; ++chain)
    second.push_back(static_cast<double>(chain) < share * kChains);
  for (std::int64_t draw = 0; draw < kDraws; ++draw)
    for (std::int64_t chain = 0; chain < kChains; ++chain) {
      RandomSequence random(seed, Stream::kChains,
                            static_cast<std::uint64_t>(draw * kChains + chain));
      const auto number = static_cast<std::size_t>(chain);
      if (random.uniform() < jump) second[number] = random.uniform() < share;
      draws.push_back((second[number] ? 20.0 : -20.0) + random.normal());
      draws.push_back(random.normal());
    }
  return draws;
}

TEST(StartDiagnostics, ChainsThatStayAreTold) {
  // Also where 2 % of them are apart, which R-hat hardly sees.
  for (const double share : {0.5, 0.02}) {
    int apart = 0;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      const auto found = start_diagnostics(two_modes(share, 0.0, seed), kChains, 2);
      ASSERT_TRUE(found);
      EXPECT_GT(found->r_hat, 1.5) << share;
      apart += found->groups == 2 && found->left == 0.0 ? 1 : 0;
    }
    // Sparse chains at the rim of a mode may look like a group of their own, which they leave.
    EXPECT_GE(apart, 45) << share;
  }
}

TEST(StartDiagnostics, ModesOfTenColumnsAreTold) {
  // Four modes at (+-8, +-8, 0, ..., 0), with 400 chains that stay.
  std::vector<double> draws;
  for (std::uint64_t draw = 0; draw < 10; ++draw)
    for (std::uint64_t chain = 0; chain < 400; ++chain) {
      RandomSequence random(6, Stream::kChains, draw * 400 + chain);
      for (int column = 0; column < 10; ++column) {
        const double sign = (column == 0 ? chain % 2 : chain / 2 % 2) == 0 ? 8.0 : -8.0;
        draws.push_back((column < 2 ? sign : 0.0) + random.normal());
      }
    }
  const auto found = start_diagnostics(draws, 400, 10);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->groups, 4);
  EXPECT_GT(found->r_hat, 1.5);
  EXPECT_EQ(found->left, 0.0);
}

TEST(StartDiagnostics, ChainsThatChangeModesAreNot) {
  // 100 chains of some 24 independent draws a group: the variance of a group's mean is 1 / 2400 of
  // that within, so R-hat exceeds 1.01 with a chance of less than 1e-6.
  const auto found = start_diagnostics(two_modes(0.5, 0.5), kChains, 2);
  ASSERT_TRUE(found);
  EXPECT_LT(found->r_hat, 1.01);
  EXPECT_GT(found->left, 0.99);
  // One mode: whatever the groups are, chains forget them.
  std::vector<double> normal;
  for (std::uint64_t i = 0; i < kChains * kDraws * 3; ++i)
    normal.push_back(RandomSequence(5, Stream::kChains, i).normal());
  const auto single = start_diagnostics(normal, kChains, 3);
  ASSERT_TRUE(single);
  EXPECT_LT(single->r_hat, 1.02);
}

// Means of few draws differ by chance, which is taken off: of independent draws of 10 chains, 6
// each, in 4 columns one in six or so looks apart. 50 of 200 have odds of 1 in 1 000 then.
TEST(StartDiagnostics, FewIndependentDrawsSeldomLookApart) {
  int apart = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    std::vector<double> draws;
    RandomSequence random(seed, Stream::kChains);
    for (int i = 0; i < 10 * 6 * 4; ++i) draws.push_back(random.normal());
    const auto found = start_diagnostics(draws, 10, 4);
    apart += found && found->r_hat > 1.05 ? 1 : 0;
  }
  EXPECT_LT(apart, 50);
  RecordProperty("apart", apart);
}

TEST(StartDiagnostics, TakesGroupsThatAreGiven) {
  const auto side = [](const double* row) { return row[0] > 0.0 ? std::size_t{1} : 0; };
  const auto found = start_diagnostics(two_modes(0.5, 0.0), kChains, 2, side);
  ASSERT_TRUE(found);
  EXPECT_GT(found->r_hat, 1.5);
  EXPECT_FALSE(start_diagnostics(two_modes(0.5, 0.0), kChains, 2,
                                 [](const double*) { return std::size_t{0}; }));
  EXPECT_FALSE(start_diagnostics(std::vector<double>(18, 0.0), 9, 1));
  EXPECT_THROW(start_diagnostics(std::vector<double>(21, 0.0), 10, 1), ShapeError);
}

}  // namespace
}  // namespace thalweg
