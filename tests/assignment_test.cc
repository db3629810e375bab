// The linear assignment problem, against all permutations and by its dual certificate.
#include "thalweg/core/assignment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

std::vector<double> random_costs(std::int64_t size, std::uint64_t sample, bool ties) {
  RandomSequence random(5, Stream::kEvaluation, sample);
  std::vector<double> costs(static_cast<std::size_t>(size * size));
  for (double& cost : costs) cost = ties ? static_cast<double>(random.below(4)) : random.normal();
  return costs;
}

double cost_of(const std::vector<double>& costs, const std::vector<std::int32_t>& columns) {
  double sum = 0.0;
  for (std::size_t row = 0; row < columns.size(); ++row)
    sum += costs[row * columns.size() + static_cast<std::size_t>(columns[row])];
  return sum;
}

/// That it is a permutation, and that its potentials prove it the least.
void check_certificate(const std::vector<double>& costs, const Assignment& found) {
  const std::size_t size = found.column_of_row.size();
  std::vector<std::int32_t> sorted = found.column_of_row, all(size);
  std::iota(all.begin(), all.end(), 0);
  std::ranges::sort(sorted);
  EXPECT_EQ(sorted, all);
  double most = 0.0;
  for (const double cost : costs) most = std::max(most, std::abs(cost));
  for (std::size_t row = 0; row < size; ++row)
    for (std::size_t column = 0; column < size; ++column) {
      const double reduced =
          costs[row * size + column] - found.row_potential[row] - found.column_potential[column];
      EXPECT_GE(reduced, -1e-12 * most);
      if (static_cast<std::size_t>(found.column_of_row[row]) == column) {
        EXPECT_LE(reduced, 1e-12 * most);
      }
    }
}

TEST(Assignment, IsTheLeastOfAllPermutations) {
  for (std::int64_t size = 0; size <= 7; ++size)
    for (std::uint64_t sample = 0; sample < 20; ++sample) {
      const std::vector<double> costs = random_costs(size, sample, sample % 2 == 1);
      const Assignment found = least_assignment(costs, size);
      check_certificate(costs, found);
      std::vector<std::int32_t> columns(static_cast<std::size_t>(size));
      std::iota(columns.begin(), columns.end(), 0);
      double least = std::numeric_limits<double>::infinity();
      do least = std::min(least, cost_of(costs, columns));
      while (std::next_permutation(columns.begin(), columns.end()));
      EXPECT_NEAR(cost_of(costs, found.column_of_row), least, 1e-12) << size << " " << sample;
    }
}

TEST(Assignment, OfManyRowsHasACertificate) {
  constexpr std::int64_t kSize = 256;
  for (const bool ties : {false, true}) {
    const std::vector<double> costs = random_costs(kSize, 100, ties);
    check_certificate(costs, least_assignment(costs, kSize));
  }
  // Distances in the plane, as pairs of points have them.
  RandomSequence random(6, Stream::kEvaluation);
  std::vector<double> points(4 * kSize), costs;
  for (double& value : points) value = random.normal();
  for (std::size_t a = 0; a < kSize; ++a)
    for (std::size_t b = 0; b < kSize; ++b)
      costs.push_back(std::pow(points[4 * a] - points[4 * b + 2], 2) +
                      std::pow(points[4 * a + 1] - points[4 * b + 3], 2));
  check_certificate(costs, least_assignment(costs, kSize));
}

TEST(Assignment, RefusesBadCosts) {
  EXPECT_THROW(least_assignment(std::vector<double>(5), 2), ShapeError);
  const std::vector<double> costs = {0.0, 1.0, std::nan(""), 2.0};
  EXPECT_THROW(least_assignment(costs, 2), NumericalError);
}

}  // namespace
}  // namespace thalweg
