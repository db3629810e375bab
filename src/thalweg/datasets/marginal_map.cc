#include "thalweg/datasets/marginal_map.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "thalweg/core/normal_quantile.h"
#include "thalweg/datasets/column_bounds.h"

namespace thalweg {

namespace {

constexpr std::size_t kLeastRows = 100;
constexpr std::size_t kMostLevels = 32, kMostStraightLevels = 96;
constexpr std::size_t kRowsALevel = 25;
constexpr std::size_t kRowsForAll = 1000;
constexpr double kSpike = 0.03, kLargeSpike = 0.25;  // shares of the rows
constexpr double kRowsBeyond = 10.0;
constexpr double kFarthestScore = 8.0;  // to which the outermost pieces go on

/// Straight pieces follow a distribution function less well than curved ones.
std::size_t most_levels(const ColumnOptions& column) {
  return column.has_intervals() ? kMostStraightLevels : kMostLevels;
}

void fit_category(ColumnOptions& column, const std::vector<double>& coordinates) {
  const std::size_t count = column.values.size();
  // Half a row more, or what keeps cells apart in float.
  const double more = std::max(0.5, 2e-6 * static_cast<double>(coordinates.size()));
  std::vector<double> share(count, more);
  for (const double coordinate : coordinates) {
    const double number = std::floor(coordinate * column.scale + column.mean);
    share[static_cast<std::size_t>(std::clamp(number, 0.0, static_cast<double>(count - 1)))] += 1.0;
  }
  double sum = 0.0;
  const double all = static_cast<double>(coordinates.size()) + more * static_cast<double>(count);
  for (std::size_t k = 0; k <= count; ++k) {
    column.knots.push_back((static_cast<double>(k) - column.mean) / column.scale);
    column.scores.push_back(k == count ? 1.0 : 2.0 * sum / all - 1.0);
    if (k < count) sum += share[k];
  }
  column.smooth = false;
}

/// Cells of equal shares around the circle.
void fit_circle(ColumnOptions& column, std::vector<double> coordinates) {
  std::sort(coordinates.begin(), coordinates.end());
  constexpr std::size_t kCells = 32;
  const std::size_t cells = std::min(kCells, std::max<std::size_t>(2, coordinates.size() / 10));
  const auto count = static_cast<double>(coordinates.size());
  column.knots = {-std::numbers::pi};
  for (std::size_t cell = 1; cell < cells; ++cell) {
    const double place = count * static_cast<double>(cell) / static_cast<double>(cells);
    const double knot = coordinates[static_cast<std::size_t>(place)];
    if (knot > column.knots.back() + 1e-9 && knot < std::numbers::pi - 1e-9)
      column.knots.push_back(knot);
  }
  column.knots.push_back(std::numbers::pi);
  for (const double knot : column.knots) {
    const auto below =
        std::lower_bound(coordinates.begin(), coordinates.end(), knot) - coordinates.begin();
    column.scores.push_back(2.0 * (static_cast<double>(below) + 0.5) / (count + 1.0) - 1.0);
  }
  column.scores.front() = -1.0;
  column.scores.back() = 1.0;
  column.smooth = false;
}

/// How far values are from normal in the shape of their tails.
struct Shape {
  double skewness = 0.0, excess = 0.0;  ///< of an exponential: 2 and 6
};

Shape shape_of(const std::vector<double>& standardised) {
  Shape shape;
  const auto count = static_cast<double>(standardised.size());
  for (const double value : standardised) {
    const double square = value * value;
    shape.skewness += square * value / count;
    shape.excess += square * square / count;
  }
  shape.excess -= 3.0;
  return shape;
}

/// The inverse of `unbounded`.
double bounded(double value, const ColumnOptions& column) {
  const bool low = std::isfinite(column.lower), high = std::isfinite(column.upper);
  if (low && high) return column.lower + (column.upper - column.lower) / (1.0 + std::exp(-value));
  if (low) return column.lower + std::exp(value);
  if (high) return column.upper - std::exp(-value);
  return value;
}

/// The lower end of the interval of an evenly spaced value that holds a standardised coordinate.
double interval_start(const ColumnOptions& column, double coordinate) {
  const double value = bounded(coordinate * column.scale + column.mean, column);
  return column.origin + column.step * std::floor((value - column.origin) / column.step);
}

double standardised(double coordinate, const ColumnOptions& column) {
  return column.standardised(unbounded(coordinate, column));
}

/// Both ends of the intervals that alone hold more than `most` rows, and places between them.
std::vector<double> ends_of_spikes(const ColumnOptions& column, const std::vector<double>& sorted,
                                   double most) {
  std::vector<double> ends;
  const auto add = [&](double low, double length) {
    const double from = standardised(low, column), to = standardised(low + length, column);
    const auto begin = std::lower_bound(sorted.begin(), sorted.end(), from);
    const auto end = std::lower_bound(begin, sorted.end(), to);
    const double share = static_cast<double>(end - begin) / most;
    if (share < 1.0) return;
    if (!std::isfinite(from) || !std::isfinite(to)) {  // It begins or ends on a bound.
      ends.push_back(std::isfinite(from) ? from : to);
      return;
    }
    // Within a wide spike the noise is uniform, and its scores are to be normal. An odd number of
    // parts has no knot in the middle, where densities are taken.
    const double parts = 2.0 * std::floor(0.5 * std::ceil(share)) + 1.0;
    for (double part = 0.0; part <= parts; ++part)
      ends.push_back(from + (to - from) * part / parts);
  };
  double last = NAN;
  for (const double coordinate : sorted) {
    if (!column.integer) break;
    const double low = interval_start(column, coordinate);
    if (low != last) add(low, column.step);
    last = low;
  }
  for (std::size_t i = 0; i < column.atoms.size(); ++i)
    add(column.atoms[i] + static_cast<double>(i) * column.gap, column.gap);
  return ends;
}

/// Whether a column, by its sorted coordinates, is better learnt through a map: few rows make a
/// poor one, and a flow of many layers bends what is merely skewed by itself, without knots to
/// remember.
bool wants_map(const ColumnOptions& column, const std::vector<double>& sorted, bool for_heads) {
  if (sorted.size() < kLeastRows) return false;
  const Shape shape = shape_of(sorted);
  if (std::abs(shape.skewness) > (for_heads ? 1.0 : 3.0) || shape.excess > (for_heads ? 2.0 : 15.0))
    return true;
  const bool many = sorted.size() >= kRowsForAll;
  if (many && for_heads) return column.has_intervals();
  const double share = many ? kSpike : kLargeSpike;
  return !ends_of_spikes(column, sorted, share * static_cast<double>(sorted.size())).empty();
}

/// The outermost score that has enough rows beyond.
double farthest_level(std::size_t rows) {
  return -normal_quantile(std::min(0.4, kRowsBeyond / static_cast<double>(rows)));
}

/// Knots and their scores, in any order, of `sorted` coordinates.
std::vector<std::pair<double, double>> points_of(const ColumnOptions& column,
                                                 const std::vector<double>& sorted) {
  const auto count = static_cast<double>(sorted.size());
  std::vector<std::pair<double, double>> points;
  // At a place between values, or at the nearest end of an evenly spaced value's interval.
  const auto add_border = [&](double knot) {
    const auto below =
        static_cast<double>(std::lower_bound(sorted.begin(), sorted.end(), knot) - sorted.begin());
    if (std::isfinite(knot))
      points.emplace_back(knot, normal_quantile(std::clamp(below, 0.25, count - 0.25) / count));
  };
  const double farthest = farthest_level(sorted.size());
  const std::size_t levels =
      std::clamp<std::size_t>(sorted.size() / kRowsALevel, 3, most_levels(column));
  std::vector<double> places = {0.0, count - 1.0};
  for (std::size_t i = 0; i < levels; ++i) {
    const double score =
        farthest * (2.0 * static_cast<double>(i) / static_cast<double>(levels - 1) - 1.0);
    places.push_back(count * 0.5 * std::erfc(-score / std::numbers::sqrt2) - 0.5);
  }
  for (const double place : places) {
    const auto below = static_cast<std::size_t>(std::clamp(std::floor(place), 0.0, count - 2.0));
    const double rest = place - static_cast<double>(below);
    const double knot = sorted[below] + rest * (sorted[below + 1] - sorted[below]);
    if (!column.integer) {
      points.emplace_back(knot, normal_quantile((place + 0.5) / count));
      continue;
    }
    add_border(standardised(interval_start(column, knot), column));
  }
  for (const double end :
       ends_of_spikes(column, sorted, count / static_cast<double>(most_levels(column))))
    add_border(end);
  return points;
}

}  // namespace

bool wants_logarithm(const ColumnOptions& column, std::vector<double> values) {
  if (values.size() >= kRowsForAll || !column.knots.empty() || column.is_category() ||
      column.periodic || column.missing || !column.atoms.empty() || std::isfinite(column.lower) ||
      std::isfinite(column.upper) || !(column.lowest >= 0.0))
    return false;
  const auto rows = static_cast<double>(values.size());
  std::ranges::sort(values);
  for (auto first = values.begin(); first != values.end();) {
    const auto last = std::upper_bound(first, values.end(), *first);
    if (static_cast<double>(last - first) >= kLargeSpike * rows) return false;
    first = last;
  }
  // In the middle of its interval a spaced value is never 0.
  const double more = column.integer ? 0.5 * column.step : 0.0;
  double mean = 0.0, log_mean = 0.0, square = 0.0, log_square = 0.0;
  for (double& value : values) {
    value += more;
    if (!(value > 0.0)) return false;
    mean += value / rows;
    log_mean += std::log(value) / rows;
  }
  for (const double value : values) {
    square += std::pow(value - mean, 2) / rows;
    log_square += std::pow(std::log(value) - log_mean, 2) / rows;
  }
  if (!(log_square > 0.0) || !std::isfinite(square)) return false;
  // Of normals with these moments: the entropies, and the log-determinant of the logarithm.
  const double gain = 0.5 * std::log(square / log_square) - log_mean;
  return gain > std::max(0.1, 8.0 / rows);
}

void fit_marginal_map(ColumnOptions& column, std::vector<double> coordinates, bool for_heads) {
  column.knots.clear();
  column.scores.clear();
  if (column.is_category()) {
    fit_category(column, coordinates);
    return;
  }
  if (column.periodic) {
    fit_circle(column, coordinates);
    return;
  }
  std::sort(coordinates.begin(), coordinates.end());
  if (!wants_map(column, coordinates, for_heads)) return;
  column.smooth = !column.has_intervals();
  std::vector<std::pair<double, double>> points = points_of(column, coordinates);
  std::sort(points.begin(), points.end());
  // Knots that nearly coincide would make slopes of nothing but noise.
  const double least = 1e-9 * (coordinates.back() - coordinates.front());
  for (const auto& [knot, score] : points) {
    if (!column.knots.empty() &&
        (knot - column.knots.back() <= least || score - column.scores.back() <= 1e-6))
      continue;
    column.knots.push_back(knot);
    column.scores.push_back(score);
  }
  // Between the outermost levels and the extremes there are too few rows to bend by.
  const double farthest = farthest_level(coordinates.size());
  for (std::size_t i = column.knots.size() - 1; i-- > 1;)
    if (std::abs(column.scores[i]) > farthest + 1e-9) {
      column.knots.erase(column.knots.begin() + static_cast<std::ptrdiff_t>(i));
      column.scores.erase(column.scores.begin() + static_cast<std::ptrdiff_t>(i));
    }
  const std::size_t last = column.knots.size() - 1;
  if (last < 2) {
    column.knots.clear();
    column.scores.clear();
    return;
  }
  // Knots a score: those of the outermost piece, or of the outer part of the map if that is wider.
  const auto slope = [&](std::size_t from, std::size_t to) {
    return (column.knots[to] - column.knots[from]) / (column.scores[to] - column.scores[from]);
  };
  std::size_t low = 1, high = last - 1;
  while (low + 1 < last && column.scores[low] < -0.5 * farthest) ++low;
  while (high > 1 && column.scores[high] > 0.5 * farthest) --high;
  const double before = column.knots.front() - std::max(slope(0, 1), slope(0, low)) *
                                                   (column.scores.front() + kFarthestScore);
  const double after = column.knots[last] + std::max(slope(last - 1, last), slope(high, last)) *
                                                (kFarthestScore - column.scores[last]);
  column.knots.insert(column.knots.begin(), before);
  column.scores.insert(column.scores.begin(), -kFarthestScore);
  column.knots.push_back(after);
  column.scores.push_back(kFarthestScore);
}

}  // namespace thalweg
