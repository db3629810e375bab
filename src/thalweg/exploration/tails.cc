#include "thalweg/exploration/tails.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "thalweg/core/log_gamma.h"
#include "thalweg/exploration/mixture.h"

namespace thalweg {
namespace {

constexpr int kDistances = 4;
constexpr std::int64_t kLines = 4;  // along a column, each way
constexpr std::int64_t kRays = 16;
constexpr double kLeastFall = 0.3;               // nats between the nearest and the farthest
constexpr double kLeastMass = -12.0;             // nats beside all
constexpr double kNear = 0x1p10, kFar = 0x1p20;  // deviations
constexpr double kNearBounded = 30.0, kFarBounded = 600.0;  // exp(-700) is about the least double

class Tails {
 public:
  Tails(UnboundedEnergy& energy, const Points& y, double log_integral,
        std::span<const ColumnOptions> columns, RandomSequence& random)
      : energy_(energy), y_(y), log_integral_(log_integral), random_(random) {
    const Eigen::VectorXd mean = y.rowwise().mean();
    deviation_ = ((y.colwise() - mean).rowwise().squaredNorm() / static_cast<double>(y.cols()))
                     .cwiseSqrt()
                     .cwiseMax(1e-300);
    for (std::int64_t i = 0; i < y.rows(); ++i) {
      const auto column = static_cast<std::size_t>(i);
      bounded_.push_back(!columns.empty() && (std::isfinite(columns[column].lower) ||
                                              std::isfinite(columns[column].upper)));
      if (energy.circular()[column]) continue;
      straight_.push_back(i);
      if (!bounded_.back()) unbounded_.push_back(i);
    }
  }

  /// Columns that are not on circles, and of these the ones without bounds.
  const std::vector<std::int64_t>& straight() const { return straight_; }
  const std::vector<std::int64_t>& unbounded() const { return unbounded_; }

  /// Whether lines along a column, one way, do not fall.
  bool endless_along(std::int64_t column, double sign) {
    const Points direction = sign * Points::Identity(y_.rows(), y_.rows()).col(column);
    return endless(direction.replicate(1, kLines), {&column, 1});
  }

  /// Whether rays in all unbounded columns do not fall.
  bool endless_rays() {
    Points directions = Points::Zero(y_.rows(), kRays);
    const Points normal = normal_points(std::ssize(unbounded_), kRays, random_);
    for (std::size_t i = 0; i < unbounded_.size(); ++i)
      directions.row(unbounded_[i]) = normal.row(static_cast<std::int64_t>(i));
    directions.colwise().normalize();
    return endless(directions, unbounded_);
  }

 private:
  /// From samples in these directions, within the columns that are moved.
  bool endless(const Points& directions, std::span<const std::int64_t> moved) {
    const bool bounded = std::ranges::any_of(
        moved, [&](std::int64_t i) { return bool(bounded_[static_cast<std::size_t>(i)]); });
    const double near = bounded ? kNearBounded : kNear, far = bounded ? kFarBounded : kFar;
    const std::int64_t lines = directions.cols();
    Points points(y_.rows(), lines * kDistances);
    Eigen::VectorXd log_volume(kDistances);
    // Of the sphere's surface, times the other columns' deviations: to have about a mass.
    const auto dimensions = static_cast<double>(moved.size());
    double log_unit = std::log(2.0) + dimensions / 2.0 * std::log(std::numbers::pi) -
                      log_gamma(dimensions / 2.0) + deviation_.array().log().sum();
    if (bounded)
      for (const std::int64_t i : moved) log_unit -= std::log(deviation_[i]);
    for (int k = 0; k < kDistances; ++k) {
      const double distance =
          near * std::pow(far / near, static_cast<double>(k) / (kDistances - 1));
      log_volume[k] = dimensions * std::log(distance) + log_unit;
      for (std::int64_t line = 0; line < lines; ++line) {
        const auto start = y_.col((line * y_.cols()) / lines);
        auto point = points.col(line * kDistances + k);
        point = start;
        for (const std::int64_t i : moved)
          point[i] += distance * (bounded ? 1.0 : deviation_[i]) * directions(i, line);
      }
    }
    const Eigen::VectorXd found = energy_(points).energy;
    std::int64_t slow = 0;
    for (std::int64_t line = 0; line < lines; ++line) {
      const Eigen::VectorXd shells = log_volume - found.segment(line * kDistances, kDistances);
      const double last = shells[kDistances - 1];
      slow +=
          shells.allFinite() && last > shells[0] - kLeastFall && last > log_integral_ + kLeastMass
              ? 1
              : 0;
    }
    return 4 * slow >= 3 * lines;
  }

  UnboundedEnergy& energy_;
  const Points& y_;
  double log_integral_;
  RandomSequence& random_;
  Eigen::VectorXd deviation_;
  std::vector<bool> bounded_;
  std::vector<std::int64_t> straight_, unbounded_;
};

}  // namespace

std::string endless_tail(UnboundedEnergy& energy, const Points& y, double log_integral,
                         std::span<const ColumnOptions> columns, std::span<const std::string> names,
                         RandomSequence& random) {
  Tails tails(energy, y, log_integral, columns, random);
  std::vector<std::string> ways;
  for (const std::int64_t column : tails.straight())
    for (const double sign : {1.0, -1.0})
      if (tails.endless_along(column, sign))
        ways.push_back((sign > 0.0 ? "+" : "-") + names[static_cast<std::size_t>(column)]);
  constexpr std::size_t kMostNamed = 4;
  if (ways.size() > kMostNamed) {
    ways.resize(kMostNamed);
    ways.emplace_back("and more");
  }
  if (ways.empty() && tails.unbounded().size() > 1 && tails.endless_rays())
    ways.emplace_back(tails.unbounded().size() < names.size()
                          ? "all columns without bounds together"
                          : "all columns together");
  if (ways.empty()) return {};
  return fmt::format(
      "the integral of exp(-energy) seems to be infinite: far out towards {} the density falls no "
      "faster than the volume grows, so that there is no such distribution, and what is said of "
      "it has no meaning beyond the region that was explored; give bounds, or an energy that rises",
      fmt::join(ways, ", "));
}

}  // namespace thalweg
