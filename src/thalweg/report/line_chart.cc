#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "thalweg/report/canvas.h"
#include "thalweg/report/plot.h"
#include "thalweg/report/plot_frame.h"

namespace thalweg {

namespace {

/// Keeps the shape of a long curve in few points: the least and the greatest value of each stretch.
LineSeries thin_curve(const LineSeries& series) {
  constexpr std::size_t kStretches = 1000;
  if (series.x.size() <= 4 * kStretches) return series;
  LineSeries thin;
  for (std::size_t stretch = 0; stretch < kStretches; ++stretch) {
    const std::size_t end = (stretch + 1) * series.x.size() / kStretches;
    std::size_t low = end;
    std::size_t high = end;
    for (std::size_t i = stretch * series.x.size() / kStretches; i < end; ++i) {
      if (!drawable(series.x[i]) || !drawable(series.y[i])) continue;
      if (low == end || series.y[i] < series.y[low]) low = i;
      if (high == end || series.y[i] > series.y[high]) high = i;
    }
    for (const std::size_t i : {std::min(low, high), std::max(low, high)}) {
      thin.x.push_back(i < end ? series.x[i] : NAN);
      thin.y.push_back(i < end ? series.y[i] : NAN);
    }
  }
  return thin;
}

/// Points of a curve without neighbours, which a line would not show.
LineSeries lone_points(const LineSeries& series) {
  const auto there = [&series](std::size_t i) {
    return i < series.x.size() && drawable(series.x[i]) && drawable(series.y[i]);
  };
  LineSeries lone;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (there(i) && !there(i + 1) && (i == 0 || !there(i - 1))) {
      lone.x.push_back(series.x[i]);
      lone.y.push_back(series.y[i]);
    }
  }
  return lone;
}

/// Bars of one standard error, as upright lines with gaps between.
LineSeries error_bars(const LineSeries& series) {
  LineSeries bars;
  for (std::size_t i = 0; i < series.errors.size(); ++i) {
    const double x = series.x[i], y = series.y[i], error = series.errors[i];
    if (!drawable(x) || !drawable(y) || !drawable(error)) continue;
    bars.x.insert(bars.x.end(), {x, x, NAN});
    bars.y.insert(bars.y.end(), {y - error, y + error, NAN});
  }
  return bars;
}

}  // namespace

void write_plot(const LineChart& plot, const std::filesystem::path& stem) {
  std::size_t values = 0;
  Omissions omissions;
  std::vector<double> all_x;
  std::vector<double> all_y;
  std::vector<LineSeries> curves = plot.series;
  for (LineSeries& curve : curves) {
    require_equal(curve.x.size(), curve.y.size(), "line chart, series", curve.name);
    if (!curve.errors.empty())
      require_equal(curve.errors.size(), curve.y.size(), "line chart, errors of series",
                    curve.name);
    values += curve.x.size();
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      if (plot.log_y && curve.y[i] < 1e-100) curve.y[i] = NAN;
      if (drawable(curve.x[i]) && drawable(curve.y[i])) {
        all_x.push_back(curve.x[i]);
        all_y.push_back(plot.log_y ? std::log10(curve.y[i]) : curve.y[i]);
      } else {
        ++omissions.undrawable;
      }
    }
  }
  require(values > 0, "line chart", "at least one series with a value");

  Axis x{.interval = robust_interval(all_x, 0.0)};
  Axis y{.interval = robust_interval(all_y, 0.02), .logarithmic = plot.log_y};
  for (const double value : all_y) omissions.outside += y.interval.contains(value) ? 0 : 1;
  set_tics_that_fit(x, 560.0, 8);
  if (plot.log_y) {
    y.interval = {std::pow(10.0, y.interval.low), std::pow(10.0, y.interval.high)};
  }
  y.tics = plot.log_y ? logarithmic_tics(y.interval, 7) : linear_tics(y.interval, 7);

  std::vector<LegendEntry> entries;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].name.empty()) continue;
    const std::string_view colour = series_colour(curves[i].colour.value_or(i));
    const LineStyle style = curves[i].style;
    entries.push_back({curves[i].name,
                       fmt::format("{}{}", style == LineStyle::kFaint ? "99" : "", colour),
                       style == LineStyle::kDashed ? LegendMark::kDashedLine : LegendMark::kLine});
  }

  auto [box, canvas] = SinglePanel({plot.title, plot.x_label, plot.y_label, omissions.note()},
                                   entries, y, 680.0, 330.0);
  if (all_y.empty()) say_empty(canvas, box);

  std::vector<std::string> elements;
  for (const bool faint : {true, false}) {  // the faint ones lie behind
    for (std::size_t i = 0; i < curves.size(); ++i) {
      const LineStyle style = curves[i].style;
      if ((style == LineStyle::kFaint) != faint ||
          std::none_of(curves[i].y.begin(), curves[i].y.end(), drawable))
        continue;
      const LineSeries curve = thin_curve(curves[i]);
      const std::string colour =
          fmt::format("{}{}", faint ? "99" : "", series_colour(curves[i].colour.value_or(i)));
      elements.push_back(fmt::format("{} with lines linewidth {} dashtype {} linecolor rgb '#{}'",
                                     canvas.points(curve.x, curve.y), faint ? 1.0 : 2.0,
                                     style == LineStyle::kDashed ? "(6,4)" : "solid", colour));
      const LineSeries bars = error_bars(curves[i]);
      if (!bars.x.empty())
        elements.push_back(fmt::format("{} with lines linewidth 1 linecolor rgb '#99{}'",
                                       canvas.points(bars.x, bars.y),
                                       series_colour(curves[i].colour.value_or(i))));
      const LineSeries lone = lone_points(curve);
      if (!lone.x.empty()) {
        elements.push_back(
            fmt::format("{} with points pointtype 7 pointsize 0.5 linecolor rgb '#{}'",
                        canvas.points(lone.x, lone.y), colour));
      }
    }
  }
  canvas.panel(box, x, y, elements);
  canvas.write(stem);
}

}  // namespace thalweg
