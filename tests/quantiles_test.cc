#include "thalweg/core/quantiles.h"

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

TEST(SortedQuantile, IsTheNearestValue) {
  const std::vector<double> sorted = {1.0, 2.0, 4.0, 8.0, 16.0};
  EXPECT_EQ(sorted_quantile(sorted, 0.0), 1.0);
  EXPECT_EQ(sorted_quantile(sorted, 0.3), 2.0);
  EXPECT_EQ(sorted_quantile(sorted, 0.5), 4.0);
  EXPECT_EQ(sorted_quantile(sorted, 0.99), 16.0);
  EXPECT_EQ(sorted_quantile(sorted, 1.0), 16.0);
  EXPECT_THROW(sorted_quantile({}, 0.5), ShapeError);
}

TEST(Median, RefusesNoValue) { EXPECT_THROW(median({}), ShapeError); }

}  // namespace
}  // namespace thalweg
