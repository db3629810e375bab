#include "thalweg/exploration/gradient_check.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/finite.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/exploration/unbounded_energy.h"

namespace thalweg {
namespace {

constexpr double kSteps[] = {1e-2, 1e-4, 1e-6, 1e-8};  // in scales of a column
constexpr std::int64_t kNodes = 4;                     // -h, -h/2, h/2 and h beside a point
constexpr double kJitter = 0.05;     // in scales, so that no two points are the same
constexpr double kTolerance = 1e-2;  // of a slope
constexpr double kSafety = 10.0;     // times the estimated error of a difference
constexpr std::int64_t kLeastPoints = 3;

/// A slope by differences and how far it may be off.
struct Difference {
  double slope = 0.0, error = std::numeric_limits<double>::infinity();
};

/// From energies at x - h, x - h/2, x, x + h/2 and x + h, whose differences in x are `lengths`.
Difference difference_of(const double* u, double middle, double h) {
  Difference result;
  const double low = u[0], near_low = u[1], near_high = u[2], high = u[3];
  const double whole = (high - low) / (2.0 * h), half = (near_high - near_low) / h;
  const double second = high - 2.0 * middle + low;
  const double near_second = near_high - 2.0 * middle + near_low;
  const double largest = std::max({std::abs(low), std::abs(middle), std::abs(high)});
  // A parabola has second = 4 near_second; a kink, a jump or noise has not.
  const double error = std::abs(whole - half) + std::abs(second - 4.0 * near_second) / h +
                       8.0 * std::numeric_limits<double>::epsilon() * largest / h;
  if (!std::isfinite(error)) return result;
  return {(4.0 * half - whole) / 3.0, error};
}

const ParameterStore& no_parameters() {
  static const ParameterStore none;
  return none;
}

class GradientCheck {
 public:
  GradientCheck(const std::shared_ptr<const Target>& target, std::span<const double> scales,
                std::span<const ColumnOptions> columns, ThreadPool& pool)
      : target_(*target), features_(target->features()), scales_(scales), columns_(columns) {
    Graph graph(no_parameters());
    const Value x = graph.input({features_, 1});
    const Value energy = -target->log_density(x);
    const Value slopes = broadcast(vjp({energy}, {}, {x})[0], {features_, 1});
    both_ = std::make_unique<RowMap>(graph, std::vector<Value>{energy, slopes}, pool);
    energy_ = std::make_unique<RowMap>(graph, std::vector<Value>{energy}, pool);
  }

  void run(std::span<const double> points) {
    choose(points);
    if (rows_ == 0) return;
    auto results = both_->run({.rows = rows_, .inputs = {points_}});
    middle_ = std::move(results[0]);
    slopes_ = std::move(results[1]);
    for (std::int64_t column = 0; column < features_; ++column) judge(column);
  }

 private:
  /// Points in equal distances of the rows given, each moved a little.
  void choose(std::span<const double> given) {
    const auto width = static_cast<std::size_t>(features_);
    const auto count = static_cast<std::int64_t>(given.size() / width);
    const std::int64_t wanted = std::min(count, std::clamp<std::int64_t>(2000 / features_, 6, 24));
    for (std::int64_t i = 0; i < wanted; ++i) {
      const std::span<const double> row =
          given.subspan(static_cast<std::size_t>(i * count / wanted) * width, width);
      RandomSequence random(1, Stream::kEvaluation, static_cast<std::uint64_t>(i));
      for (std::size_t f = 0; f < width; ++f) {
        const double moved = row[f] + kJitter * scales_[f] * random.normal();
        points_.push_back(inside(f, moved) ? moved : row[f]);
      }
    }
    rows_ = wanted;
  }

  bool inside(std::size_t column, double x) const {
    if (columns_.empty() || columns_[column].periodic) return true;
    return x > columns_[column].lower && x < columns_[column].upper;
  }

  void judge(std::int64_t column) {
    const auto width = static_cast<std::size_t>(features_);
    const auto c = static_cast<std::size_t>(column);
    // Beside each point, for each step, the nodes that are within bounds.
    std::vector<double> nodes;
    std::vector<double> steps;
    for (std::int64_t row = 0; row < rows_; ++row) {
      RandomSequence random(2, Stream::kEvaluation, static_cast<std::uint64_t>(row));
      for (const double step : kSteps) {
        const double relative = step * (0.6 + 0.4 * random.uniform());
        const double* point = points_.data() + static_cast<std::size_t>(row) * width;
        // A step that x, x - h/2 and so on hold without rounding, as far as there is one.
        const double coarse = point[c] + relative * scales_[c];
        const double h = std::max(
            coarse - point[c], 8.0 * std::numeric_limits<double>::epsilon() * std::abs(point[c]));
        const bool fits = inside(c, point[c] - h) && inside(c, point[c] + h);
        steps.push_back(fits ? h : 0.0);
        for (const double offset : {-1.0, -0.5, 0.5, 1.0}) {
          nodes.insert(nodes.end(), point, point + width);
          if (fits) nodes[nodes.size() - width + c] += offset * h;
        }
      }
    }
    const std::vector<double> energies =
        (*energy_)({.rows = static_cast<std::int64_t>(nodes.size() / width), .inputs = {nodes}});

    std::int64_t judged = 0, wrong = 0, worst = -1;
    double worst_slope = 0.0, worst_share = 0.0;
    for (std::int64_t row = 0; row < rows_; ++row) {
      const auto r = static_cast<std::size_t>(row);
      const double given = slopes_[r * width + c];
      if (!std::isfinite(middle_[r])) continue;
      // Steps that meet a period of the energy may agree on a wrong slope: one step that bears the
      // given slope out is enough.
      Difference best;
      bool found = false, borne_out = false;
      double share = 0.0;
      for (std::size_t s = 0; s < std::size(kSteps); ++s) {
        const std::size_t at = r * std::size(kSteps) + s;
        if (steps[at] == 0.0) continue;
        const Difference by = difference_of(energies.data() + at * kNodes, middle_[r], steps[at]);
        // A slope of a millionth of a kT over the column's width moves nothing.
        const double size = std::max({std::abs(given), std::abs(by.slope), 1e-6 / scales_[c]});
        if (!(kSafety * by.error < 0.1 * size)) continue;
        const double off = std::abs(given - by.slope);
        found = true;
        borne_out = borne_out || off <= kSafety * by.error + kTolerance * size;
        if (!(by.error < best.error)) continue;
        best = by;
        share = off / size;
      }
      if (!found) continue;
      ++judged;
      if (borne_out) continue;
      ++wrong;
      if (share <= worst_share) continue;
      worst = row;
      worst_slope = best.slope;
      worst_share = share;
    }
    if (wrong < kLeastPoints || 2 * wrong <= judged) return;
    const std::span<const double> point(points_.data() + static_cast<std::size_t>(worst) * width,
                                        width);
    fail<DataError>(
        "{}: the slope in '{}' (number {} of the gradient) is not that of the energy: at ({}) it "
        "is {:.6g}, and differences of the energy give {:.6g}; it is wrong at {} of {} points: "
        "correct the gradient",
        target_.name(), names_of(target_)[c], column, point_text(target_, point),
        slopes_[static_cast<std::size_t>(worst) * width + c], worst_slope, wrong, judged);
  }

  const Target& target_;
  std::int64_t features_;
  std::span<const double> scales_;
  std::span<const ColumnOptions> columns_;
  std::unique_ptr<RowMap> both_, energy_;
  std::int64_t rows_ = 0;
  std::vector<double> points_, middle_, slopes_;
};

}  // namespace

std::string point_text(const Target& target, std::span<const double> point) {
  const std::vector<std::string> names = names_of(target);
  std::vector<std::string> parts;
  for (std::size_t f = 0; f < std::min<std::size_t>(point.size(), 12); ++f)
    parts.push_back(fmt::format("{} = {:.6g}", names[f], point[f]));
  return fmt::format("{}{}", fmt::join(parts, ", "), point.size() > parts.size() ? ", ..." : "");
}

std::string undefined_energy_text(const Target& target, std::span<const double> point) {
  const std::string part = target.undefined_part(point);
  return fmt::format("{}: NaN at ({}){}", target.name(), point_text(target, point),
                     part.empty() ? "" : ", by " + part);
}

std::string find_undefined_energy(const std::shared_ptr<const Target>& target,
                                  std::span<const double> points, ThreadPool& pool) {
  const auto width = static_cast<std::size_t>(target->features());
  if (points.size() % width != 0)
    fail<ShapeError>("find_undefined_energy: expected rows of {} numbers, got {} numbers", width,
                     points.size());
  Graph graph(no_parameters());
  const Value x = graph.input({target->features(), 1});
  RowMap map(graph, {target->log_density(x)}, pool);
  const std::vector<double> values =
      map({.rows = static_cast<std::int64_t>(points.size() / width), .inputs = {points}});
  for (std::size_t row = 0; row < values.size(); ++row) {
    const std::span<const double> point = points.subspan(row * width, width);
    if (std::isnan(values[row]) && all_finite(point)) return undefined_energy_text(*target, point);
  }
  return "";
}

void check_gradients(const std::shared_ptr<const Target>& target, std::span<const double> points,
                     std::span<const double> scales, std::span<const ColumnOptions> columns,
                     ThreadPool& pool) {
  const auto features = static_cast<std::size_t>(target->features());
  if (points.size() % features != 0 || scales.size() != features ||
      (!columns.empty() && columns.size() != features))
    fail<ShapeError>(
        "check_gradients: expected rows of {0} numbers, {0} scales and {0} columns or none, got "
        "{1} numbers, {2} scales and {3} columns",
        features, points.size(), scales.size(), columns.size());
  for (const double scale : scales)
    if (!(scale > 0.0 && std::isfinite(scale)))
      fail<ConfigError>("check_gradients: expected scales that are positive, got {}", scale);
  GradientCheck(target, scales, columns, pool).run(points);
}

}  // namespace thalweg
