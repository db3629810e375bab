#include "thalweg/report/plot_marks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace thalweg {

Interval joint_interval(std::span<const double> data, std::span<const double> model) {
  const Interval a = robust_interval({data.begin(), data.end()}, 0.005);
  const Interval b = robust_interval({model.begin(), model.end()}, 0.005);
  if (std::none_of(model.begin(), model.end(), drawable)) return a;
  if (std::none_of(data.begin(), data.end(), drawable)) return b;
  return {std::clamp(b.low, a.low - a.span(), a.low),
          std::clamp(b.high, a.high, a.high + a.span())};
}

PickedPoints pick_points(std::span<const double> x, std::span<const double> y,
                         const Interval& x_interval, const Interval& y_interval,
                         std::size_t limit) {
  PickedPoints inside;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!drawable(x[i]) || !drawable(y[i])) {
      ++inside.undrawable;
    } else if (!x_interval.contains(x[i]) || !y_interval.contains(y[i])) {
      ++inside.outside;
    } else {
      inside.x.push_back(x[i]);
      inside.y.push_back(y[i]);
    }
  }
  const std::size_t count = inside.x.size();
  if (count <= limit) return inside;
  for (std::size_t i = 0; i < limit; ++i) {
    inside.x[i] = inside.x[i * count / limit];
    inside.y[i] = inside.y[i * count / limit];
  }
  inside.x.resize(limit);
  inside.y.resize(limit);
  inside.thinned = true;
  return inside;
}

std::vector<std::string> dots(Canvas& canvas, const PickedPoints& points, double area,
                              std::string_view colour) {
  if (points.x.empty()) return {};
  const double room = std::sqrt(area / static_cast<double>(points.x.size()));
  const double size = std::clamp(0.075 * room, 0.17, 0.5);
  const double opacity = std::clamp(0.11 * room, 0.3, 0.8);
  return {fmt::format("{} with points pointtype 7 pointsize {:.3f} linecolor rgb '#{:02x}{}'",
                      canvas.points(points.x, points.y), size,
                      static_cast<int>(255.0 * (1.0 - opacity)), colour)};
}

Histogram histogram(std::span<const double> values, const Interval& interval, std::size_t bins) {
  Histogram result{.interval = interval, .density = std::vector<double>(bins, 0.0)};
  const double width = interval.span() / static_cast<double>(bins);
  for (const double value : values) {
    if (!drawable(value)) {
      ++result.undrawable;
    } else if (!interval.contains(value)) {
      ++result.outside;
    } else {
      const auto bin = static_cast<std::size_t>((value - interval.low) / width);
      result.density[std::min(bin, bins - 1)] += 1.0;
    }
  }
  const double drawn = static_cast<double>(values.size()) - static_cast<double>(result.undrawable);
  for (double& value : result.density) value /= std::max(drawn, 1.0) * width;
  return result;
}

double Histogram::highest() const { return *std::max_element(density.begin(), density.end()); }

std::size_t bin_count(std::vector<double> values, const Interval& interval, std::size_t most) {
  std::erase_if(values, [](double value) { return !drawable(value); });
  if (values.size() < 2) return 12;
  std::sort(values.begin(), values.end());
  const double spread = values[values.size() * 3 / 4] - values[values.size() / 4];
  const double root = std::cbrt(static_cast<double>(values.size()));
  const double by_spread = spread > 0.0 ? interval.span() * root / (2.0 * spread) : 0.0;
  return static_cast<std::size_t>(
      std::clamp(std::max(by_spread, 2.0 * root), 12.0, static_cast<double>(most)));
}

std::vector<std::string> histogram_elements(Canvas& canvas, const Histogram& data,
                                            const Histogram& model) {
  const auto outline = [&canvas](const Histogram& bins) {
    const auto count = static_cast<double>(bins.density.size());
    std::vector<double> x = {bins.interval.low};
    std::vector<double> y = {0.0};
    for (std::size_t bin = 0; bin < bins.density.size(); ++bin) {
      for (const std::size_t edge : {bin, bin + 1}) {
        x.push_back(bins.interval.low + bins.interval.span() * static_cast<double>(edge) / count);
        y.push_back(bins.density[bin]);
      }
    }
    x.push_back(bins.interval.high);
    y.push_back(0.0);
    return canvas.points(x, y);
  };
  return {
      fmt::format("{} with filledcurves closed fillstyle solid 1 noborder "
                  "fillcolor rgb '#a0{}'",
                  outline(data), kDataColour),
      fmt::format("{} with lines linewidth 1.6 linecolor rgb '#{}'", outline(model), kModelColour)};
}

Interval heights(double most) { return {0.0, most > 0.0 ? 1.08 * most : 1.0}; }

}  // namespace thalweg
