#include "thalweg/metrics/rosenblatt_distance.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

/// Distribution functions of a density that is constant in each square of a grid.
class GridDistribution {
 public:
  GridDistribution(const PlaneLogDensity& log_density, double half_width, std::int64_t points)
      : half_width_(half_width), points_(points) {
    const double step = 2.0 * half_width / static_cast<double>(points);
    std::vector<double> grid;
    const auto place = [&](std::int64_t i) {
      return -half_width + step * (static_cast<double>(i) + 0.5);
    };
    for (std::int64_t i = 0; i < points; ++i)
      for (std::int64_t j = 0; j < points; ++j) grid.insert(grid.end(), {place(i), place(j)});
    values_ = log_density(grid);
    const double top = *std::max_element(values_.begin(), values_.end());
    if (!std::isfinite(top))
      fail<NumericalError>(
          "rosenblatt_distance: expected a density that is finite and not 0 everywhere, its "
          "largest logarithm is {}",
          top);
    for (double& value : values_) {
      if (std::isnan(value))
        fail<NumericalError>("rosenblatt_distance: the density is NaN in places");
      value = std::exp(value - top);
    }
  }

  /// Both coordinates as uniform numbers, the first one of `axis` taken alone, the other given it.
  std::vector<double> transformed(std::span<const double> samples, std::size_t axis) const {
    const auto count = static_cast<std::size_t>(points_);
    std::vector<double> first(count + 1, 0.0), given(count * (count + 1), 0.0);
    for (std::size_t i = 0; i < count; ++i) {
      double* sums = given.data() + i * (count + 1);
      for (std::size_t j = 0; j < count; ++j)
        sums[j + 1] = sums[j] + values_[axis == 0 ? i * count + j : j * count + i];
      first[i + 1] = first[i] + sums[count];
    }
    std::vector<double> result;
    for (std::size_t row = 0; row < samples.size(); row += 2) {
      const double place = cells(samples[row + axis]), other = cells(samples[row + 1 - axis]);
      const auto cell = std::min(static_cast<std::size_t>(place), count - 1);
      result.push_back(share(first.data(), place));
      result.push_back(share(given.data() + cell * (count + 1), other));
    }
    return result;
  }

 private:
  /// A coordinate in cells from the left edge; NaN counts as on it.
  double cells(double x) const {
    const double place = (x / half_width_ + 1.0) * 0.5 * static_cast<double>(points_);
    return place > 0.0 ? std::min(place, static_cast<double>(points_)) : 0.0;
  }

  /// Between sums up to each cell, over the last; where all vanish, as if the density were
  /// constant.
  double share(const double* sums, double place) const {
    const auto cell = std::min(static_cast<std::int64_t>(place), points_ - 1);
    if (!(sums[points_] > 0.0)) return place / static_cast<double>(points_);
    const double part = place - static_cast<double>(cell);
    return std::min(1.0, (sums[cell] + part * (sums[cell + 1] - sums[cell])) / sums[points_]);
  }

  double half_width_;
  std::int64_t points_;
  std::vector<double> values_;  // densities over the largest, the first coordinate slowest
};

}  // namespace

double uniform_distance(std::span<const double> uniform) {
  if (uniform.empty() || uniform.size() % 2 != 0)
    fail<ShapeError>("uniform_distance: expected rows of 2 values, got {} values", uniform.size());
  for (const double value : uniform)
    if (!(value >= 0.0 && value <= 1.0))
      fail<DataError>("uniform_distance: expected values from 0 to 1, got {}", value);
  const std::size_t rows = uniform.size() / 2;
  std::vector<std::size_t> by_first(rows), by_second(rows), rank(rows);
  std::iota(by_first.begin(), by_first.end(), std::size_t{0});
  std::iota(by_second.begin(), by_second.end(), std::size_t{0});
  std::sort(by_first.begin(), by_first.end(),
            [&](std::size_t i, std::size_t j) { return uniform[2 * i] < uniform[2 * j]; });
  std::sort(by_second.begin(), by_second.end(),
            [&](std::size_t i, std::size_t j) { return uniform[2 * i + 1] < uniform[2 * j + 1]; });
  std::vector<double> second = {0.0};
  for (std::size_t i = 0; i < rows; ++i) {
    rank[by_second[i]] = i;
    second.push_back(uniform[2 * by_second[i] + 1]);
  }
  second.push_back(1.0);

  // Between neighbouring coordinates the share is constant, so that it exceeds a b most in a cell's
  // lower left corner and falls short of it most towards the upper right one. Equal coordinates
  // leave cells without a width, whose share never holds and whose corners must not count.
  std::vector<char> is_below(rows, 0);
  double largest = 0.0;
  const auto count = static_cast<double>(rows);
  for (std::size_t i = 0; i <= rows; ++i) {
    const double left = i == 0 ? 0.0 : uniform[2 * by_first[i - 1]];
    const double right = i == rows ? 1.0 : uniform[2 * by_first[i]];
    if (i > 0) is_below[rank[by_first[i - 1]]] = 1;
    if (i > 0 && i < rows && left == right) continue;
    double below = 0.0;
    for (std::size_t j = 0; j <= rows; ++j) {
      if (j > 0) below += is_below[j - 1];
      if (j > 0 && j < rows && second[j] == second[j + 1]) continue;
      const double share = below / count;
      largest = std::max({largest, share - left * second[j], right * second[j + 1] - share});
    }
  }
  return largest;
}

double rosenblatt_distance(std::span<const double> samples, const PlaneLogDensity& log_density,
                           double half_width, std::int64_t points) {
  if (points < 2 || !(half_width > 0.0))
    fail<ConfigError>(
        "rosenblatt_distance: expected at least 2 points and a half width above 0, got {} and {}",
        points, half_width);
  if (samples.empty() || samples.size() % 2 != 0)
    fail<ShapeError>("rosenblatt_distance: expected rows of 2 values, got {} values",
                     samples.size());
  const GridDistribution distribution(log_density, half_width, points);
  return std::max(uniform_distance(distribution.transformed(samples, 0)),
                  uniform_distance(distribution.transformed(samples, 1)));
}

}  // namespace thalweg
