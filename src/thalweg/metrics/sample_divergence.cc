#include "thalweg/metrics/sample_divergence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

/// The nearest neighbour that is not the point itself: squared distance and its rank among all.
struct Neighbour {
  double square = INFINITY;
  std::int64_t rank = 1;
};

/// Among rows of `y` that lie elsewhere than the point; `same` rows at its own place are no
/// neighbours at all (the point itself).
Neighbour nearest(const double* point, std::span<const double> y, std::int64_t features,
                  std::int64_t same) {
  Neighbour result;
  result.rank = 1 - same;
  for (const double* row = y.data(); row < y.data() + y.size(); row += features) {
    double square = 0.0;
    for (std::int64_t i = 0; i < features; ++i) square += (row[i] - point[i]) * (row[i] - point[i]);
    if (square == 0.0)
      ++result.rank;
    else
      result.square = std::min(result.square, square);
  }
  return result;
}

/// Digamma of a whole number, without Euler's constant.
double harmonic(std::int64_t n) {
  double sum = 0.0;
  for (std::int64_t i = 1; i < n; ++i) sum += 1.0 / static_cast<double>(i);
  return sum;
}

using Quadrants = std::array<std::int64_t, 4>;

/// Rows of `x` in each quadrant around a corner; those on its axes count above and right.
Quadrants count_around(const double* corner, std::span<const double> x) {
  Quadrants counts{};
  for (std::size_t i = 0; i < x.size(); i += 2)
    ++counts[(x[i] < corner[0] ? 1U : 0U) + (x[i + 1] < corner[1] ? 2U : 0U)];
  return counts;
}

std::int64_t checked_rows(const char* function, std::span<const double> x, std::int64_t features,
                          std::int64_t least) {
  const auto size = static_cast<std::int64_t>(x.size());
  if (features < 1 || size % features != 0 || size / features < least)
    fail<ShapeError>("{}: expected at least {} rows of {} values, got {} values", function, least,
                     features, size);
  return size / features;
}

}  // namespace

double neighbour_divergence(std::span<const double> x, std::span<const double> y,
                            std::int64_t features, ThreadPool& pool) {
  const std::int64_t rows = checked_rows("neighbour_divergence", x, features, 2);
  const std::int64_t others = checked_rows("neighbour_divergence", y, features, 2);
  std::vector<double> terms(static_cast<std::size_t>(rows));
  pool.parallel(rows, [&](std::int64_t row, int) {
    const double* point = x.data() + row * features;
    const Neighbour there = nearest(point, y, features, 0);
    const Neighbour here = nearest(point, x, features, 1);
    terms[static_cast<std::size_t>(row)] =
        0.5 * static_cast<double>(features) * std::log(there.square / here.square) +
        harmonic(here.rank) - harmonic(there.rank);
  });
  double sum = 0.0;
  for (const double term : terms) sum += term;
  if (!std::isfinite(sum))
    fail<NumericalError>(
        "neighbour_divergence: expected finite rows that differ, got some that are not finite, or "
        "one row many times");
  return sum / static_cast<double>(rows) +
         std::log(static_cast<double>(others) / static_cast<double>(rows - 1));
}

double plane_distance(std::span<const double> x, std::span<const double> y, ThreadPool& pool) {
  const std::int64_t of_x = checked_rows("plane_distance", x, 2, 1);
  const std::int64_t of_y = checked_rows("plane_distance", y, 2, 1);
  std::vector<double> largest(static_cast<std::size_t>(of_x + of_y));
  pool.parallel(of_x + of_y, [&](std::int64_t row, int) {
    const double* corner = row < of_x ? x.data() + 2 * row : y.data() + 2 * (row - of_x);
    const Quadrants first = count_around(corner, x), second = count_around(corner, y);
    for (std::size_t i = 0; i < first.size(); ++i)
      largest[static_cast<std::size_t>(row)] =
          std::max(largest[static_cast<std::size_t>(row)],
                   std::abs(static_cast<double>(first[i]) / static_cast<double>(of_x) -
                            static_cast<double>(second[i]) / static_cast<double>(of_y)));
  });
  return *std::ranges::max_element(largest);
}

double share_outside(std::span<const double> log_density, std::span<const double> of_exact_samples,
                     double mass) {
  checked_rows("share_outside", log_density, 1, 1);
  checked_rows("share_outside", of_exact_samples, 1, 1);
  if (!(mass > 0.0 && mass < 1.0))
    fail<ConfigError>("share_outside: expected a mass in (0, 1), got {}", mass);
  std::vector<double> sorted(of_exact_samples.begin(), of_exact_samples.end());
  const auto place = sorted.begin() +
                     static_cast<std::ptrdiff_t>((1.0 - mass) * static_cast<double>(sorted.size()));
  std::ranges::nth_element(sorted, place);
  const auto outside =
      std::ranges::count_if(log_density, [&](double value) { return !(value >= *place); });
  return static_cast<double>(outside) / static_cast<double>(log_density.size());
}

}  // namespace thalweg
