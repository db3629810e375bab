// Graphs put together at random against libtorch.
#include <gtest/gtest.h>

#include "../random_graph.h"
#include "check.h"

namespace thalweg::oracle {
namespace {

class RandomGraphs : public ::testing::TestWithParam<int> {};

TEST_P(RandomGraphs, MatchOracle) {
  testing::RandomGraph made(static_cast<std::uint64_t>(GetParam()));
  const auto outputs = made.build(6 + GetParam() % 20);
  CheckOptions options;
  options.order = 2;
  options.float_tolerance = 0;  // single precision may fall on the other side of a kink
  expect_matches_oracle(made.graph(), outputs, options);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomGraphs, ::testing::Range(0, 200));

}  // namespace
}  // namespace thalweg::oracle
