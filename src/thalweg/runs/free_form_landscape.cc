// The gradients of the free-form losses of two linear maps.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "thalweg/bases/normal.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/flows/free_form_flow.h"
#include "thalweg/objectives/free_form.h"
#include "thalweg/runs/computed_experiments.h"

namespace thalweg {
namespace {

constexpr double kDeviation = 1.5, kWeight = 1.0;
constexpr double kReach = 2.5;  // of a and b in pictures and searches

using Point = std::array<double, 2>;

/// y = c x with one parameter c.
class Slope : public Network {
 public:
  Slope(ParameterStore& parameters, const std::string& name)
      : Network(name, 1, 1, 0), slope_(parameters.add(name, 1, 1, 1.0)) {}

 protected:
  Value build(Value x, Value) const override { return x.graph->parameter(slope_) * x; }

 private:
  ParameterId slope_;
};

/// The gradient by a and b of one of the losses. Two rows at plus and minus one deviation have the
/// second moment of the data, by which alone the losses depend on it.
class Landscape {
 public:
  Landscape(bool true_jacobian, ThreadPool& pool) {
    auto encoder = std::make_unique<Slope>(parameters_, "a");
    auto decoder = std::make_unique<Slope>(parameters_, "b");
    const auto layer = std::make_shared<FreeForm>("layer", std::move(encoder), std::move(decoder),
                                                  FreeFormOptions{.global_skip = false});
    const Flow flow(std::make_shared<Normal>(parameters_, "base", 1), {layer});
    Graph graph(parameters_, Phase::kTraining);
    std::vector<Value> gradients;
    if (true_jacobian) {
      const Value x = graph.input({1, 1});
      const Mapped latent = inverse_by(FreeFormDensity::kEncoder, flow, x);
      const Value loss = kWeight * inversion_errors(flow, x).reconstruction -
                         flow.log_base(latent.value) - latent.log_det;
      gradients = gradient(batch_mean(loss), {graph.parameter({0}), graph.parameter({1})});
    } else {
      gradients =
          training_step(graph, flow, FreeFormLoss({.reconstruction_weight = kWeight})).gradients;
    }
    map_ = std::make_unique<RowMap>(graph, gradients, pool);
  }

  Point gradient_at(const Point& place) {
    for (std::int32_t i = 0; i < 2; ++i)
      parameters_.values({i})[0] = place[static_cast<std::size_t>(i)];
    static const std::vector<double> rows = {kDeviation, -kDeviation};
    const auto result = map_->run({.rows = 2, .inputs = {rows}});
    return {result[0][0], result[1][0]};
  }

  /// The derivative of the gradient by differences: rows by component, columns by parameter.
  std::array<Point, 2> slope_at(const Point& place) {
    constexpr double kStep = 1e-5;
    std::array<Point, 2> result{};
    for (std::size_t i = 0; i < 2; ++i) {
      Point above = place, below = place;
      above[i] += kStep;
      below[i] -= kStep;
      const Point up = gradient_at(above), down = gradient_at(below);
      for (std::size_t k = 0; k < 2; ++k) result[k][i] = (up[k] - down[k]) / (2.0 * kStep);
    }
    return result;
  }

 private:
  ParameterStore parameters_;
  std::unique_ptr<RowMap> map_;
};

double length(const Point& v) { return std::hypot(v[0], v[1]); }

struct CriticalPoint {
  Point place;
  double gradient = 0.0;
  bool minimum = false;  ///< where descent ends; else a saddle
};

/// Newton from all over the square.
std::vector<CriticalPoint> critical_points(Landscape& landscape) {
  constexpr int kStarts = 14, kSteps = 40;
  std::vector<CriticalPoint> found;
  for (int i = 0; i <= kStarts; ++i)
    for (int j = 0; j <= kStarts; ++j) {
      // Off the axes, where the true Jacobian has its pole.
      Point place = {kReach * (2.0 * i / kStarts - 1.0) + 0.013,
                     kReach * (2.0 * j / kStarts - 1.0) + 0.017};
      for (int step = 0; step < kSteps; ++step) {
        const Point g = landscape.gradient_at(place);
        const auto h = landscape.slope_at(place);
        const double determinant = h[0][0] * h[1][1] - h[0][1] * h[1][0];
        const Point move = {(h[1][1] * g[0] - h[0][1] * g[1]) / determinant,
                            (h[0][0] * g[1] - h[1][0] * g[0]) / determinant};
        // Far steps are shortened, so that a start finds what is near it.
        const double scale = std::min(1.0, 0.5 / length(move));
        place = {place[0] - scale * move[0], place[1] - scale * move[1]};
      }
      const double rest = length(landscape.gradient_at(place));
      if (!(rest < 1e-8) || std::max(std::abs(place[0]), std::abs(place[1])) > 2.0 * kReach)
        continue;
      if (std::ranges::any_of(found, [&](const CriticalPoint& known) {
            return length({known.place[0] - place[0], known.place[1] - place[1]}) < 1e-4;
          }))
        continue;
      const auto h = landscape.slope_at(place);
      const double determinant = h[0][0] * h[1][1] - h[0][1] * h[1][0];
      found.push_back({place, rest, determinant > 0.0 && h[0][0] + h[1][1] > 0.0});
    }
  return found;
}

bool has_true_jacobian(const std::string& row) {
  if (row != "g" && row != "inverse")
    fail<ConfigError>("free_form_landscape: expected rows g and inverse, got '{}'", row);
  return row == "inverse";
}

Grid gradient_panel(const std::string& title, bool true_jacobian, ThreadPool& pool) {
  constexpr std::int64_t kCells = 121;
  Landscape landscape(true_jacobian, pool);
  Grid grid{title, kCells, kCells, {}};
  const auto place = [](std::int64_t cell) {
    return kReach * (2.0 * (static_cast<double>(cell) + 0.5) / static_cast<double>(kCells) - 1.0);
  };
  for (std::int64_t row = 0; row < kCells; ++row)
    for (std::int64_t column = 0; column < kCells; ++column)
      grid.values.push_back(std::log10(length(landscape.gradient_at({place(column), place(row)}))));
  return grid;
}

/// Paths of descent from a ring of starts, each a line.
LineChart descents(const std::string& title, bool true_jacobian, ThreadPool& pool) {
  Landscape landscape(true_jacobian, pool);
  LineChart chart{.title = title, .x_label = "a", .y_label = "b"};
  for (int start = 0; start < 24; ++start) {
    const double angle = 2.0 * M_PI * (start + 0.5) / 24.0;
    Point place = {2.2 * std::cos(angle), 2.2 * std::sin(angle)};
    LineSeries line{.style = LineStyle::kFaint, .colour = 0};
    for (int step = 0; step < 400; ++step) {
      line.x.push_back(place[0]);
      line.y.push_back(place[1]);
      const Point g = landscape.gradient_at(place);
      const double rate = std::min(0.02, 0.03 / std::max(length(g), 1e-12));
      place = {place[0] - rate * g[0], place[1] - rate * g[1]};
    }
    chart.series.push_back(std::move(line));
  }
  return chart;
}

}  // namespace

std::vector<Metric> landscape_metrics(const std::string& row, const std::string& /*column*/,
                                      std::int64_t /*seed*/, ThreadPool& pool) {
  Landscape landscape(has_true_jacobian(row), pool);
  std::optional<CriticalPoint> minimum, saddle;
  double minima = 0.0, saddles = 0.0, largest = 0.0;
  for (const CriticalPoint& point : critical_points(landscape)) {
    (point.minimum ? minima : saddles) += 1.0;
    largest = std::max(largest, point.gradient);
    if (!point.minimum)
      saddle = point;
    else if (point.place[0] > 0.0)
      minimum = point;
  }
  const auto place = [](const std::optional<CriticalPoint>& point, std::size_t i) {
    return point ? point->place[i] : NAN;
  };
  return {{"minima", "minima", minima, 0.0, 0},
          {"minimum_a", "a of the one with a > 0", place(minimum, 0)},
          {"minimum_b", "its b", place(minimum, 1)},
          {"saddles", "saddles", saddles, 0.0, 0},
          {"saddle_a", "a of a saddle", place(saddle, 0)},
          {"saddle_b", "its b", place(saddle, 1)},
          {"largest_gradient", "largest gradient there", largest, 0.0, 12}};
}

std::vector<DrawnPlot> draw_landscape(ThreadPool& pool) {
  HeatMapPlot plot;
  plot.title = "log10 of the gradient's length";
  plot.x_label = "a";
  plot.y_label = "b";
  plot.x_range = plot.y_range = {-kReach, kReach};
  plot.colour_range = {{-1.5, 1.5}};
  plot.panels = {gradient_panel("true Jacobian", true, pool),
                 gradient_panel("decoder's Jacobian", false, pool)};
  return {{"gradients", std::move(plot)},
          {"descent-inverse", descents("Descent with the true Jacobian", true, pool)},
          {"descent-g", descents("Descent with the decoder's Jacobian", false, pool)}};
}

}  // namespace thalweg
