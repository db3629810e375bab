#include "thalweg/core/median.h"

#include <gtest/gtest.h>

#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

TEST(Median, IsTheMiddleOrTheUpperMiddle) {
  EXPECT_EQ(median({3.0, -1.0, 2.0}), 2.0);
  EXPECT_EQ(median({4.0, 1.0, 3.0, 2.0}), 3.0);
  EXPECT_EQ(median({7.0}), 7.0);
}

TEST(Median, CountsNaNAsLargest) {
  EXPECT_EQ(median({NAN, 1.0, INFINITY, NAN, 2.0}), INFINITY);
  EXPECT_TRUE(std::isnan(median({NAN, NAN, 1.0})));
}

TEST(Median, RefusesNoValue) { EXPECT_THROW(median({}), ShapeError); }

}  // namespace
}  // namespace thalweg
