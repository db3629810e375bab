#include "thalweg/exploration/tails.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>
#include <vector>

#include "thalweg/core/log_gamma.h"
#include "thalweg/exploration/mixture.h"

namespace thalweg {
namespace {

constexpr int kDistances = 4;
constexpr std::size_t kMostNamed = 4;
constexpr std::int64_t kLines = 4;  // along a column, each way
constexpr std::int64_t kRays = 16;
constexpr double kLeastFall = 0.3;               // nats between the nearest and the farthest
constexpr double kLeastMass = -12.0;             // nats beside all
constexpr double kNear = 0x1p10, kFar = 0x1p20;  // deviations
constexpr double kNearBounded = 30.0, kFarBounded = 600.0;  // exp(-700) is about the least double
constexpr double kPoleFar = 0x1p-10, kPoleNear = 0x1p-34;   // deviations

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
    const bool bounded = bounded_[static_cast<std::size_t>(column)];
    return slow(some_samples(kLines), along(column, sign, kLines), {&column, 1},
                bounded ? kNearBounded : kNear, bounded ? kFarBounded : kFar, !bounded);
  }

  /// Whether rays in all unbounded columns do not fall.
  bool endless_rays() {
    return slow(some_samples(kRays), rays(unbounded_), unbounded_, kNear, kFar, true);
  }

  /// Where the energy is least near the sample of least energy, by a cloud of points that shrinks.
  Eigen::VectorXd deepest() {
    constexpr std::int64_t kMostSamples = 1000, kCloud = 64;
    constexpr int kRounds = 60;
    constexpr double kShrink = 0.65;  // to 2^-37 of the first size
    Points points = some_samples(std::min(kMostSamples, static_cast<std::int64_t>(y_.cols())));
    Eigen::VectorXd centre = points.col(0);
    double least = INFINITY;
    const auto take = [&] {
      const Eigen::VectorXd found = energy_(points).energy;
      for (Eigen::Index i = 0; i < found.size(); ++i)
        if (found[i] < least) {
          least = found[i];
          centre = points.col(i);
        }
    };
    take();
    double size = 0x1p-4;
    for (int round = 0; round < kRounds; ++round, size *= kShrink) {
      points = centre.replicate(1, kCloud);
      const Points normal = normal_points(std::ssize(straight_), kCloud, random_);
      for (std::size_t i = 0; i < straight_.size(); ++i)
        points.row(straight_[i]) +=
            size * deviation_[straight_[i]] * normal.row(static_cast<std::int64_t>(i));
      take();
    }
    return centre;
  }

  /// Where lines along a column beside `centre` rise towards a pole: a point, or no value, of each
  /// of straight().
  std::vector<std::optional<Eigen::VectorXd>> poles_along(const Eigen::VectorXd& centre) {
    constexpr double kBeside = 0x1p-6, kReach = 0x1p-4;  // deviations
    constexpr int kRounds = 60;
    // Of each column's lines, one after the other.
    const std::int64_t lines = kLines * std::ssize(straight_);
    Points starts = centre.replicate(1, lines);
    const Points normal = normal_points(y_.rows(), lines, random_);
    Eigen::VectorXd low(lines), high(lines);
    const auto column_of = [&](std::int64_t line) {
      return straight_[static_cast<std::size_t>(line / kLines)];
    };
    for (std::int64_t line = 0; line < lines; ++line) {
      const std::int64_t own = column_of(line);
      for (Eigen::Index i = 0; i < y_.rows(); ++i)
        if (i != own) starts(i, line) += kBeside * deviation_[i] * normal(i, line);
      low[line] = starts(own, line) - kReach * deviation_[own];
      high[line] = starts(own, line) + kReach * deviation_[own];
    }
    // The least energy along each line, between two points of which the worse is left.
    Points points = starts.replicate(1, 2);
    for (int round = 0; round < kRounds; ++round) {
      for (std::int64_t line = 0; line < lines; ++line) {
        const double third = (high[line] - low[line]) / 3.0;
        points(column_of(line), line) = low[line] + third;
        points(column_of(line), line + lines) = high[line] - third;
      }
      const Eigen::VectorXd found = energy_(points).energy;
      for (std::int64_t line = 0; line < lines; ++line) {
        const bool lower = found[line] < found[line + lines];
        (lower ? high : low)[line] = points(column_of(line), lower ? line + lines : line);
      }
    }
    std::vector<std::optional<Eigen::VectorXd>> poles;
    for (std::size_t i = 0; i < straight_.size(); ++i) {
      const auto first = static_cast<std::int64_t>(i) * kLines;
      Points own = starts.middleCols(first, kLines);
      own.row(straight_[i]) =
          0.5 * (low.segment(first, kLines) + high.segment(first, kLines)).transpose();
      const bool rises = std::ranges::any_of(std::array{1.0, -1.0}, [&](double sign) {
        return slow(own, along(straight_[i], sign, kLines), {&straight_[i], 1}, kPoleFar, kPoleNear,
                    true);
      });
      poles.push_back(rises ? std::optional<Eigen::VectorXd>(own.col(0)) : std::nullopt);
    }
    return poles;
  }

  /// Whether rays in all columns rise towards `centre`; not looked at beside circles, which bend
  /// them.
  bool pole_at(const Eigen::VectorXd& centre) {
    return straight_.size() > 1 && std::ssize(straight_) == y_.rows() &&
           slow(centre.replicate(1, kRays), rays(straight_), straight_, kPoleFar, kPoleNear, true);
  }

 private:
  Points some_samples(std::int64_t count) const {
    Points points(y_.rows(), count);
    for (std::int64_t i = 0; i < count; ++i) points.col(i) = y_.col((i * y_.cols()) / count);
    return points;
  }
  Points along(std::int64_t column, double sign, std::int64_t lines) const {
    const Points direction = sign * Points::Identity(y_.rows(), y_.rows()).col(column);
    return direction.replicate(1, lines);
  }
  Points rays(std::span<const std::int64_t> moved) {
    Points directions = Points::Zero(y_.rows(), kRays);
    const Points normal = normal_points(std::ssize(moved), kRays, random_);
    for (std::size_t i = 0; i < moved.size(); ++i)
      directions.row(moved[i]) = normal.row(static_cast<std::int64_t>(i));
    directions.colwise().normalize();
    return directions;
  }

  /// Whether density times volume, from each of `starts` in its direction within the columns that
  /// are moved, does not fall from distance `first` to `last`, on most lines. In deviations of the
  /// samples, or not `scaled` in units of y.
  bool slow(const Points& starts, const Points& directions, std::span<const std::int64_t> moved,
            double first, double last, bool scaled) {
    const std::int64_t lines = directions.cols();
    Points points(y_.rows(), lines * kDistances);
    Eigen::VectorXd log_volume(kDistances);
    // Of the sphere's surface, times the other columns' deviations: to have about a mass.
    const auto dimensions = static_cast<double>(moved.size());
    double log_unit = std::log(2.0) + dimensions / 2.0 * std::log(std::numbers::pi) -
                      log_gamma(dimensions / 2.0) + deviation_.array().log().sum();
    if (!scaled)
      for (const std::int64_t i : moved) log_unit -= std::log(deviation_[i]);
    for (int k = 0; k < kDistances; ++k) {
      const double distance =
          first * std::pow(last / first, static_cast<double>(k) / (kDistances - 1));
      log_volume[k] = dimensions * std::log(distance) + log_unit;
      for (std::int64_t line = 0; line < lines; ++line) {
        auto point = points.col(line * kDistances + k);
        point = starts.col(line);
        for (const std::int64_t i : moved)
          point[i] += distance * (scaled ? deviation_[i] : 1.0) * directions(i, line);
      }
    }
    const Eigen::VectorXd found = energy_(points).energy;
    std::int64_t count = 0;
    for (std::int64_t line = 0; line < lines; ++line) {
      const Eigen::VectorXd shells = log_volume - found.segment(line * kDistances, kDistances);
      const double end = shells[kDistances - 1];
      // A narrow mode rises too, but not to the end.
      if (shells.allFinite() && end > shells[0] - kLeastFall &&
          end > shells[kDistances - 2] - kLeastFall && end > log_integral_ + kLeastMass)
        ++count;
    }
    return 4 * count >= 3 * lines;
  }

  UnboundedEnergy& energy_;
  const Points& y_;
  double log_integral_;
  RandomSequence& random_;
  Eigen::VectorXd deviation_;
  std::vector<bool> bounded_;
  std::vector<std::int64_t> straight_, unbounded_;
};

std::string pole_text(Tails& tails, UnboundedEnergy& energy, std::span<const std::string> names) {
  const Eigen::VectorXd centre = tails.deepest();
  std::vector<std::string> places;
  const auto add = [&](std::int64_t column, const Eigen::VectorXd& y) {
    places.push_back(fmt::format("{} = {:.3g}", names[static_cast<std::size_t>(column)],
                                 energy.to_data(y)(column, 0)));
  };
  const std::vector<std::optional<Eigen::VectorXd>> poles = tails.poles_along(centre);
  for (std::size_t i = 0; i < poles.size(); ++i)
    if (poles[i]) add(tails.straight()[i], *poles[i]);
  if (places.empty() && tails.pole_at(centre))
    for (const std::int64_t column : tails.straight()) add(column, centre);
  if (places.empty()) return {};
  if (places.size() > kMostNamed) places.resize(kMostNamed);
  return fmt::format(
      "the integral of exp(-energy) seems to be infinite: near {} the density rises at least as "
      "fast "
      "as the volume shrinks, so that there is no such distribution, and what is said of it "
      "depends "
      "on how near the exploration came; give bounds that leave it out, or an energy that stays "
      "above "
      "some number",
      fmt::join(places, ", "));
}

}  // namespace

std::string infinite_integral(UnboundedEnergy& energy, const Points& y, double log_integral,
                              std::span<const ColumnOptions> columns,
                              std::span<const std::string> names, RandomSequence& random) {
  Tails tails(energy, y, log_integral, columns, random);
  std::vector<std::string> ways;
  for (const std::int64_t column : tails.straight())
    for (const double sign : {1.0, -1.0})
      if (tails.endless_along(column, sign))
        ways.push_back((sign > 0.0 ? "+" : "-") + names[static_cast<std::size_t>(column)]);
  if (ways.size() > kMostNamed) {
    ways.resize(kMostNamed);
    ways.emplace_back("and more");
  }
  if (ways.empty() && tails.unbounded().size() > 1 && tails.endless_rays())
    ways.emplace_back(tails.unbounded().size() < names.size()
                          ? "all columns without bounds together"
                          : "all columns together");
  if (ways.empty()) return pole_text(tails, energy, names);
  return fmt::format(
      "the integral of exp(-energy) seems to be infinite: far out towards {} the density falls no "
      "faster than the volume grows, so that there is no such distribution, and what is said of "
      "it has no meaning beyond the region that was explored; give bounds, or an energy that rises",
      fmt::join(ways, ", "));
}

}  // namespace thalweg
