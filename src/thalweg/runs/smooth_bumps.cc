// Mixtures of bumps on an interval and on a circle, in pictures and numbers.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/runs/computed_experiments.h"
#include "thalweg/transforms/bump_mixture.h"

namespace thalweg {
namespace {

constexpr std::int64_t kBumpCount = 3;
constexpr std::int64_t kPlaces = 4000;  // of the quadrature

BumpMixtureOptions options_of(const std::string& row, const std::string& column) {
  if ((row != "interval" && row != "circle") || (column != "exponential" && column != "monomial"))
    fail<ConfigError>(
        "smooth_bumps: expected rows interval and circle and columns exponential and monomial, got "
        "'{}' and '{}'",
        row, column);
  BumpMixtureOptions options{.components = kBumpCount, .circular = row == "circle"};
  options.ramp = ramp_by_name(column);
  if (options.ramp == Ramp::kMonomial) options.power = 2;
  return options;
}

/// The figure's map with everything that is asked of it, at places of [0, 1].
class FigureMap {
 public:
  /// `only`: the number of the bump that is shown alone, or -1 for all.
  FigureMap(const BumpMixtureOptions& options, ThreadPool& pool, std::int64_t only = -1) {
    const auto mixture = std::make_shared<const BumpMixture>(options);
    // Weights; locations at .2, .55 and 1; widths; floors of about .1; alpha.
    std::vector<double> raw{0.0, 0.3, -0.2, std::log(0.2), std::log(0.35), std::log(0.45),
                            1.0, 0.8, 0.2,  -4.2,          -4.2,           -4.2};
    if (options.ramp == Ramp::kExponential) raw.insert(raw.end(), {2.0, 2.5, 1.5});
    if (only >= 0)
      for (std::int64_t k = 0; k < kBumpCount; ++k)
        if (k != only) raw[static_cast<std::size_t>(k)] = -1e3;
    Graph graph(parameters_);
    const Value x = graph.input({1, 1});
    const std::vector<Value> made =
        mixture->parameters(graph.constant({mixture->raw_parameters(), 1}, raw));
    const Value image = (*mixture)(x, made);
    std::vector<Value> outputs{image, inverse(mixture, image, made)};
    for (Value last = image; outputs.size() < 6;)
      outputs.push_back(last = vjp({last}, {}, {x}).front());
    map_ = std::make_unique<RowMap>(graph, outputs, pool);
    location_ = {0.2, 0.55, 1.0};
    for (std::size_t k = 0; k < 3; ++k)
      half_width_.push_back(0.5 / std::exp(options.circular ? 0.5 + 0.5 * std::tanh(raw[6 + k])
                                                            : std::tanh(raw[6 + k])));
  }

  /// Map, inverse of it, and the map's first four derivatives.
  std::vector<std::vector<double>> at(const std::vector<double>& x) {
    return map_->run({.rows = std::ssize(x), .inputs = {x}});
  }

  /// Where bumps end.
  std::vector<double> ends() const {
    std::vector<double> places;
    for (std::size_t k = 0; k < location_.size(); ++k)
      for (const double side : {-1.0, 1.0}) places.push_back(location_[k] + side * half_width_[k]);
    return places;
  }

 private:
  ParameterStore parameters_;
  std::unique_ptr<RowMap> map_;
  std::vector<double> location_, half_width_;
};

std::vector<double> even_places(std::int64_t count) {
  std::vector<double> x;
  for (std::int64_t i = 0; i <= count; ++i)
    x.push_back(static_cast<double>(i) / static_cast<double>(count));
  return x;
}

double largest_size(const std::vector<double>& values) {
  double largest = 0.0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

}  // namespace

std::vector<Metric> bump_metrics(const std::string& row, const std::string& column,
                                 std::int64_t /*seed*/, ThreadPool& pool) {
  constexpr double kSide = 1e-6;
  const BumpMixtureOptions options = options_of(row, column);
  FigureMap map(options, pool);
  const std::vector<double> x = even_places(kPlaces);
  const auto values = map.at(x);
  double integral = 0.0, round_trip = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double end = i == 0 || i + 1 == x.size() ? 0.5 : 1.0;
    integral += end * values[2][i] / static_cast<double>(kPlaces);
    round_trip = std::max(round_trip, std::abs(values[1][i] - x[i]));
  }
  std::vector<double> sides;
  for (double place : map.ends()) {
    if (options.circular) place -= std::floor(place);
    if (place > kSide && place < 1.0 - kSide)
      sides.insert(sides.end(), {place - kSide, place + kSide});
  }
  if (options.circular) sides.insert(sides.end(), {1.0 - kSide, kSide});
  const auto beside = map.at(sides);
  std::vector<Metric> metrics{
      {"integral", "integral of the density", integral, 0.0, 10},
      {"least_density", "least density", *std::ranges::min_element(values[2])},
      {"largest_density", "largest density", *std::ranges::max_element(values[2])},
      {"round_trip", "largest error of the inverse", round_trip, 0.0, 18}};
  for (std::size_t order = 1; order <= 3; ++order) {
    double jump = 0.0;
    for (std::size_t i = 0; i < sides.size(); i += 2)
      jump = std::max(jump, std::abs(beside[2 + order][i + 1] - beside[2 + order][i]));
    metrics.push_back({fmt::format("jump_{}", order), fmt::format("jump of derivative {}", order),
                       jump / largest_size(values[2 + order]), 0.0, 6});
  }
  return metrics;
}

std::vector<DrawnPlot> draw_bumps(ThreadPool& pool) {
  std::vector<DrawnPlot> plots;
  const std::vector<double> x = even_places(400);
  for (const char* row : {"interval", "circle"}) {
    const BumpMixtureOptions options = options_of(row, "exponential");
    LineChart density{
        .title = fmt::format("Densities on the {}", row), .x_label = "x", .y_label = "density"};
    LineChart map{.title = fmt::format("Maps of the {}", row), .x_label = "x", .y_label = "f(x)"};
    for (std::int64_t only = 0; only <= kBumpCount; ++only) {
      const bool all = only == kBumpCount;
      FigureMap each(options, pool, all ? -1 : only);
      const auto values = each.at(x);
      const std::string name = all ? "mixture" : fmt::format("bump {}", only + 1);
      const LineStyle style = all ? LineStyle::kSolid : LineStyle::kDashed;
      density.series.push_back({.name = name, .x = x, .y = values[2], .style = style});
      map.series.push_back({.name = name, .x = x, .y = values[0], .style = style});
    }
    plots.push_back({fmt::format("density-{}", row), std::move(density)});
    plots.push_back({fmt::format("map-{}", row), std::move(map)});
  }
  return plots;
}

}  // namespace thalweg
