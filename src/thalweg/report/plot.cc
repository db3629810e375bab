#include "thalweg/report/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/report/canvas.h"
#include "thalweg/report/progress.h"

namespace thalweg {
namespace {

constexpr double kMargin = 14.0;
constexpr double kTitleHeight = 30.0;
constexpr double kNoteHeight = 18.0;
constexpr double kTicHeight = 22.0;    // labels under a horizontal axis
constexpr double kLabelHeight = 20.0;  // an axis' or panel's name
constexpr double kTicGap = 12.0;       // between the labels of a vertical axis and the axis
constexpr double kGap = 16.0;          // between panels
constexpr std::string_view kDataColour = "0072b2";
constexpr std::string_view kModelColour = "d55e00";
constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

void require(bool filled, std::string_view plot, std::string_view what) {
  if (!filled) fail<ConfigError>("{}: there is nothing to draw; expected {}", plot, what);
}

void require_equal(std::size_t x, std::size_t y, std::string_view plot, std::string_view name) {
  if (x != y) fail<ShapeError>("{} '{}': {} values of x, but {} of y", plot, name, x, y);
}

/// What a picture leaves out, said in one line.
struct Omissions {
  std::int64_t undrawable = 0;
  std::int64_t outside = 0;
  std::string thinned;

  std::string note() const {
    std::string text = thinned;
    const auto add = [&text](std::int64_t count, std::string_view what) {
      if (count == 0) return;
      text += fmt::format("{}{} {} {}", text.empty() ? "" : "; ", format_count(count),
                          count == 1 ? "value" : "values", what);
    };
    add(undrawable, "not drawable");
    add(outside, "outside the frame");
    return text;
  }
};

double title_height(std::string_view title) { return title.empty() ? 0.0 : kTitleHeight; }

void draw_title(Canvas& canvas, std::string_view title, double left, double width) {
  if (title.empty()) return;
  canvas.text(left, kMargin + 8.0, fit_text(title, width, kTitleSize),
              {.size = kTitleSize, .bold = true, .colour = "222222"});
}

void draw_note(Canvas& canvas, const std::string& note, double right, double bottom, double width) {
  if (note.empty()) return;
  canvas.text(right, bottom - kMargin + 2.0, fit_text(note, width, kNoteSize),
              {.size = kNoteSize, .align = Align::kRight, .colour = "888888"});
}

void draw_x_label(Canvas& canvas, const Box& box, std::string_view label) {
  canvas.text(box.left + box.width / 2.0, box.bottom() + kTicHeight + 8.0,
              fit_text(label, box.width, kTextSize), {.align = Align::kCentre});
}

void draw_y_label(Canvas& canvas, const Box& box, double x, std::string_view label) {
  canvas.text(x, box.top + box.height / 2.0, fit_text(label, box.height, kTextSize),
              {.align = Align::kCentre, .upright = true});
}

/// Gives the axis at most `most` tics whose labels, set side by side, fit on `length` units; else
/// the outermost ones.
void set_tics_that_fit(Axis& axis, double length, std::size_t most) {
  const auto fit = [&axis, length](const std::vector<Tic>& tics) {
    const double extent = label_width(tics);
    for (std::size_t i = 1; i < tics.size(); ++i) {
      const double from = label_place(axis, tics[i - 1].value, length, extent);
      if (label_place(axis, tics[i].value, length, extent) - from < extent + 6.0) return false;
    }
    return true;
  };
  std::vector<Tic> tics = linear_tics(axis.interval, most);
  for (std::size_t count = most; !fit(tics) && count > 2; --count) {
    std::vector<Tic> fewer = linear_tics(axis.interval, count - 1);
    if (fewer.size() < 2) break;
    tics = std::move(fewer);
  }
  if (!fit(tics)) tics = {tics.front(), tics.back()};
  if (!fit(tics)) tics.resize(1);
  axis.tics = std::move(tics);
}

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
      thin.x.push_back(i < end ? series.x[i] : kNothing);
      thin.y.push_back(i < end ? series.y[i] : kNothing);
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

/// The points inside both intervals, at most `limit` of them, evenly picked.
struct PickedPoints {
  std::vector<double> x, y;
  std::int64_t undrawable = 0;
  std::int64_t outside = 0;
  bool thinned = false;
};

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

/// Many points are small and pale, few are larger and dark; empty without points.
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

/// Heights of bins of equal width.
struct Histogram {
  Interval interval;
  std::vector<double> density;
  std::int64_t undrawable = 0;
  std::int64_t outside = 0;
};

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

/// Number of bins after Freedman and Diaconis (1981) or the rule of Rice, 2 n^(1/3), whichever
/// gives more: the first is too coarse for several modes, the second for long tails. Within [12,
/// most].
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

/// The data filled, the model as a line.
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

double highest(const Histogram& bins) {
  return *std::max_element(bins.density.begin(), bins.density.end());
}

/// [0, a little above the values]; [0, 1] without positive ones.
Interval heights(double most) { return {0.0, most > 0.0 ? 1.08 * most : 1.0}; }

Interval joint_interval(std::span<const double> data, std::span<const double> model) {
  // The data set the frame; a model that runs away must not squash them.
  const Interval a = robust_interval({data.begin(), data.end()}, 0.005);
  const Interval b = robust_interval({model.begin(), model.end()}, 0.005);
  if (std::none_of(model.begin(), model.end(), drawable)) return a;
  if (std::none_of(data.begin(), data.end(), drawable)) return b;
  return {std::clamp(b.low, a.low - a.span(), a.low),
          std::clamp(b.high, a.high, a.high + a.span())};
}

/// Height over width of panels over these ranges.
double proportion(const Interval& x, const Interval& y) {
  const double ratio = y.span() / x.span();
  return ratio >= 0.5 && ratio <= 2.0 ? ratio : 1.0;
}

std::size_t panels_in_row(std::size_t panels) { return panels <= 4 ? panels : panels <= 6 ? 3 : 4; }

double panel_width(std::size_t in_row) {
  constexpr double kWidths[] = {430.0, 290.0, 190.0, 145.0};
  return kWidths[in_row - 1];
}

/// A title that is too long for one line is broken at the last space that fits.
std::vector<std::string> title_lines(const std::string& title, double width) {
  const std::string whole = fit_text(title, 1e6, kTextSize);
  const std::string first = fit_text(whole, width, kTextSize);
  if (first == whole) return {whole};
  const std::size_t space = whole.rfind(' ', first.size() - std::string_view("…").size());
  if (space == std::string::npos || space == 0) return {first};
  return {whole.substr(0, space), fit_text(whole.substr(space + 1), width, kTextSize)};
}

/// Equal panels in rows with shared axes.
struct PanelRows {
  template <typename Panels>
  PanelRows(const Panels& panels, const Interval& x, const Interval& y, std::string_view title,
            std::string_view x_label, std::string_view y_label, double right_margin, bool note)
      : in_row(panels_in_row(panels.size())),
        rows((panels.size() + in_row - 1) / in_row),
        x_axis{.interval = x, .overhang = kGap / 2.0 - 3.0},
        y_axis{.interval = y, .tics = linear_tics(y, in_row == 1 ? 7 : 5)} {
    panel.width = panel_width(in_row);
    set_tics_that_fit(x_axis, panel.width, in_row == 1 ? 7 : 5);
    panel.height = panel.width * proportion(x, y);
    panel.left =
        kMargin + (y_label.empty() ? 0.0 : kLabelHeight) + label_width(y_axis.tics) + kTicGap;
    for (const auto& each : panels) {
      titles.push_back(title_lines(each.title, panel.width));
      const auto lines = static_cast<double>(titles.back().size());
      if (!each.title.empty())
        panel_title = std::max(panel_title, kLabelHeight + 4.0 + (lines - 1.0) * kTitleLine);
    }
    panel.top = kMargin + title_height(title) + panel_title;
    row_height = panel.height + panel_title + kTicHeight + (x_label.empty() ? 0.0 : kLabelHeight);
    width = std::ceil(panel.left + static_cast<double>(in_row) * (panel.width + kGap) - kGap +
                      right_margin + kMargin);
    height = std::ceil(panel.top - panel_title + static_cast<double>(rows) * row_height +
                       static_cast<double>(rows - 1) * 8.0 + kMargin + (note ? kNoteHeight : 0.0));
  }

  Box box(std::size_t i) const {
    Box place = panel;
    const std::size_t row = i / in_row;
    place.left += static_cast<double>(i % in_row) * (panel.width + kGap);
    place.top += static_cast<double>(row) * (row_height + 8.0);
    return place;
  }

  /// Draws one panel with its title and the labels that its place calls for.
  void draw(Canvas& canvas, std::size_t i, std::string_view x_label, std::string_view y_label,
            std::span<const std::string> elements, std::string_view settings = "",
            std::string_view background = "ffffff") const {
    const Box place = box(i);
    Axis y = y_axis;
    y.show_labels = i % in_row == 0;
    double below = 12.0;
    for (std::size_t line = titles[i].size(); line-- > 0; below += kTitleLine)
      canvas.text(place.left + place.width / 2.0, place.top - below, titles[i][line],
                  {.align = Align::kCentre});
    if (!x_label.empty()) draw_x_label(canvas, place, x_label);
    if (!y_label.empty() && y.show_labels) draw_y_label(canvas, place, kMargin + 6.0, y_label);
    canvas.panel(place, x_axis, y, elements, settings, background);
  }

  static constexpr double kTitleLine = 16.0;

  std::size_t in_row, rows;
  std::vector<std::vector<std::string>> titles;  // lines of each panel's
  Axis x_axis, y_axis;
  Box panel;
  double panel_title = 0.0, row_height = 0.0, width = 0.0, height = 0.0;
};

/// Text in the middle of a panel that stays empty.
void say_empty(Canvas& canvas, const Box& box) {
  canvas.text(box.left + box.width / 2.0, box.top + box.height / 2.0,
              fit_text("no drawable values", box.width, kTextSize),
              {.align = Align::kCentre, .colour = "888888"});
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
    values += curve.x.size();
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      if (plot.log_y && curve.y[i] < 1e-100) curve.y[i] = kNothing;
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

  constexpr double kWidth = 680.0;
  Box box;
  box.left = kMargin + (plot.y_label.empty() ? 0.0 : kLabelHeight) + label_width(y.tics) + kTicGap;
  box.width = kWidth - box.left - kMargin - 12.0;
  box.top = kMargin + title_height(plot.title);
  const double legend_top = box.top;
  if (!entries.empty()) box.top += legend_height(entries, box.width) + 6.0;
  box.height = 330.0;
  const std::string note = omissions.note();
  const double height =
      std::ceil(box.bottom() + kTicHeight + (plot.x_label.empty() ? 0.0 : kLabelHeight) + kMargin +
                (note.empty() ? 0.0 : kNoteHeight));
  Canvas canvas(kWidth, height);
  draw_title(canvas, plot.title, box.left, box.width);
  canvas.legend(box.left, legend_top, box.width, entries);
  draw_x_label(canvas, box, plot.x_label);
  draw_y_label(canvas, box, kMargin + 6.0, plot.y_label);
  draw_note(canvas, note, box.right(), height, box.width);
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

void write_plot(const HeatMapPlot& plot, const std::filesystem::path& stem) {
  require(!plot.panels.empty(), "heat map", "at least one grid");
  const auto check_range = [](std::string_view name, const std::array<double, 2>& range) {
    if (!drawable(range[0]) || !drawable(range[1]) || !(range[0] < range[1])) {
      fail<ConfigError>("heat map: expected {}[0] < {}[1], got {} and {}", name, name, range[0],
                        range[1]);
    }
  };
  check_range("x_range", plot.x_range);
  check_range("y_range", plot.y_range);
  if (plot.colour_range) check_range("colour_range", *plot.colour_range);
  Omissions omissions;
  Interval colours{kNothing, kNothing};
  for (const Grid& grid : plot.panels) {
    if (grid.rows < 2 || grid.columns < 2) {
      fail<ConfigError>("heat map '{}': expected at least 2 x 2 cells, got {} x {}", grid.title,
                        grid.rows, grid.columns);
    }
    if (static_cast<std::int64_t>(grid.values.size()) != grid.rows * grid.columns) {
      fail<ShapeError>("heat map '{}': expected {} x {} values, got {}", grid.title, grid.rows,
                       grid.columns, grid.values.size());
    }
    for (const double value : grid.values) {
      if (!drawable(value)) {
        ++omissions.undrawable;
      } else {
        colours = {std::fmin(colours.low, value), std::fmax(colours.high, value)};
      }
    }
  }
  const bool any_drawable = std::isfinite(colours.low);
  if (plot.colour_range) {
    colours = {(*plot.colour_range)[0], (*plot.colour_range)[1]};
  } else if (!any_drawable) {
    colours = {0.0, 1.0};
  } else if (!(colours.span() > 1e-9 * std::abs(colours.high))) {
    colours = robust_interval({colours.low}, 0.0);
  }

  const Interval x{plot.x_range[0], plot.x_range[1]};
  const Interval y{plot.y_range[0], plot.y_range[1]};
  const std::vector<Tic> colour_tics = linear_tics(colours, 6);
  const double bar_space = 12.0 + 12.0 + 10.0 + label_width(colour_tics) +
                           (plot.colour_label.empty() ? 0.0 : kLabelHeight);
  const std::string note = omissions.note();
  const PanelRows rows(plot.panels, x, y, plot.title, plot.x_label, plot.y_label, bar_space,
                       !note.empty());
  Canvas canvas(rows.width, rows.height);
  const double inner = rows.width - kMargin - rows.panel.left;
  draw_title(canvas, plot.title, rows.panel.left, inner);
  draw_note(canvas, note, rows.width - kMargin, rows.height, inner);

  // Ten colours of viridis (van der Walt and Smith, 2015), even in lightness.
  std::string settings =
      "set palette defined (0 '#440154', 1 '#482878', 2 '#3e4989', 3 '#31688e', 4 '#26828e', "
      "5 '#1f9e89', 6 '#35b779', 7 '#6ece58', 8 '#b5de2b', 9 '#fde725') maxcolors 0\n";
  settings += fmt::format("set cbrange [{:.15g}:{:.15g}]\n", colours.low, colours.high);
  const Box last = rows.box(rows.in_row - 1);
  const Box bar{last.right() + 12.0, last.top, 12.0, last.height};
  const std::string show_bar = fmt::format(
      "set colorbox vertical user origin screen {:.6f},{:.6f} size screen {:.6f},{:.6f} border\n"
      "unset cbtics\n",
      bar.left / rows.width, 1.0 - bar.bottom() / rows.height, bar.width / rows.width,
      bar.height / rows.height);
  canvas.vertical_labels(bar.right() + 5.0, bar, {.interval = colours, .tics = colour_tics},
                         Align::kLeft);
  if (!plot.colour_label.empty()) {
    draw_y_label(canvas, bar, rows.width - kMargin - 4.0, plot.colour_label);
  }

  for (std::size_t i = 0; i < plot.panels.size(); ++i) {
    const Grid& grid = plot.panels[i];
    const double dx = x.span() / static_cast<double>(grid.columns);
    const double dy = y.span() / static_cast<double>(grid.rows);
    std::vector<std::string> elements;
    if (std::any_of(grid.values.begin(), grid.values.end(), drawable)) {
      elements.push_back(
          fmt::format("{} matrix using ({:.15g}+$1*{:.15g}):({:.15g}+$2*{:.15g}):3 with image",
                      canvas.grid(grid.rows, grid.columns, grid.values), x.low + dx / 2, dx,
                      y.low + dy / 2, dy));
    } else {
      say_empty(canvas, rows.box(i));
    }
    // The bar needs an image to belong to; it is drawn with each of the first row's last panels.
    const bool with_bar = i + 1 == std::min(rows.in_row, plot.panels.size());
    rows.draw(canvas, i, plot.x_label, plot.y_label, elements,
              settings + (with_bar ? show_bar : "unset colorbox\n"), "dcdcdc");
  }
  canvas.write(stem);
}

void write_plot(const ScatterPlot& plot, const std::filesystem::path& stem) {
  constexpr std::size_t kMostPoints = 8000;
  std::size_t values = 0;
  for (const PointCloud& cloud : plot.panels) {
    require_equal(cloud.x.size(), cloud.y.size(), "scatter plot, cloud", cloud.title);
    values += cloud.x.size();
  }
  require(values > 0, "scatter plot", "at least one point");

  std::span<const PointCloud> clouds = plot.panels;
  std::vector<double> other_x;
  std::vector<double> other_y;
  for (const PointCloud& cloud : clouds.subspan(1)) {
    other_x.insert(other_x.end(), cloud.x.begin(), cloud.x.end());
    other_y.insert(other_y.end(), cloud.y.begin(), cloud.y.end());
  }
  const Interval x = joint_interval(clouds[0].x, other_x);
  const Interval y = joint_interval(clouds[0].y, other_y);

  Omissions omissions;
  std::vector<PickedPoints> picked;
  for (const PointCloud& cloud : clouds) {
    picked.push_back(pick_points(cloud.x, cloud.y, x, y, kMostPoints));
    omissions.undrawable += picked.back().undrawable;
    omissions.outside += picked.back().outside;
    if (picked.back().thinned) {
      omissions.thinned =
          fmt::format("at most {} points of a panel drawn", format_count(kMostPoints));
    }
  }
  const std::string note = omissions.note();
  const PanelRows rows(clouds, x, y, plot.title, plot.x_label, plot.y_label, 0.0, !note.empty());
  Canvas canvas(rows.width, rows.height);
  const double inner = rows.width - kMargin - rows.panel.left;
  draw_title(canvas, plot.title, rows.panel.left, inner);
  draw_note(canvas, note, rows.width - kMargin, rows.height, inner);
  for (std::size_t i = 0; i < clouds.size(); ++i) {
    const std::string_view colour = clouds.size() == 1 ? kDataColour : series_colour(i);
    const auto elements = dots(canvas, picked[i], rows.panel.width * rows.panel.height, colour);
    if (elements.empty()) say_empty(canvas, rows.box(i));
    rows.draw(canvas, i, plot.x_label, plot.y_label, elements);
  }
  canvas.write(stem);
}

void write_plot(const PairPlot& plot, const std::filesystem::path& stem) {
  constexpr std::size_t kMostColumns = 6;
  constexpr std::size_t kMostPoints = 30000;  // in the whole picture
  const std::size_t all_columns = plot.columns.size();
  require(all_columns > 0 && !plot.data.empty() && !plot.model.empty(), "pair plot",
          "columns, data and model");
  for (const auto* values : {&plot.data, &plot.model}) {
    if (values->size() % all_columns != 0) {
      fail<ShapeError>("pair plot: expected rows of {} columns, got {} values of the {}",
                       all_columns, values->size(), values == &plot.data ? "data" : "model");
    }
  }
  const std::size_t shown = std::min(all_columns, kMostColumns);
  constexpr double kSizes[] = {300.0, 260.0, 195.0, 150.0, 122.0, 102.0};
  constexpr double kPairGap = 8.0;
  const double size = kSizes[shown - 1];
  const auto column_of = [all_columns](const std::vector<double>& values, std::size_t column) {
    std::vector<double> picked;
    for (std::size_t i = column; i < values.size(); i += all_columns) picked.push_back(values[i]);
    return picked;
  };
  std::vector<std::vector<double>> data;
  std::vector<std::vector<double>> model;
  std::vector<Axis> axes;
  Omissions omissions;
  double widest = 0.0;
  for (std::size_t column = 0; column < shown; ++column) {
    data.push_back(column_of(plot.data, column));
    model.push_back(column_of(plot.model, column));
    Axis axis{.interval = joint_interval(data.back(), model.back()),
              .overhang = kPairGap / 2.0 - 3.0};
    set_tics_that_fit(axis, size, shown <= 3 ? 5 : 3);
    if (column > 0) widest = std::max(widest, label_width(axis.tics));
    axes.push_back(axis);
  }
  if (shown < all_columns) {
    omissions.thinned = fmt::format("first {} of {} columns", shown, all_columns);
  }

  const std::size_t limit = std::max<std::size_t>(
      500,
      std::min<std::size_t>(4000, kMostPoints / std::max<std::size_t>(1, shown * (shown - 1))));
  const std::vector<LegendEntry> entries = {
      {plot.data_name, std::string(kDataColour), LegendMark::kSquare},
      {plot.model_name, std::string(kModelColour), LegendMark::kSquare}};
  const double left = kMargin + kLabelHeight + widest + kTicGap;
  const double inner = static_cast<double>(shown) * (size + kPairGap) - kPairGap;
  const double legend_top = kMargin + title_height(plot.title);
  const double top = legend_top + legend_height(entries, inner) + 6.0;
  const double width = std::ceil(left + inner + kMargin);
  const double height = std::ceil(top + inner + kTicHeight + kLabelHeight + kMargin + kNoteHeight);
  Canvas canvas(width, height);
  draw_title(canvas, plot.title, left, inner);
  canvas.legend(left, legend_top, inner, entries);

  for (std::size_t row = 0; row < shown; ++row) {
    for (std::size_t column = 0; column < shown; ++column) {
      const Box box{left + static_cast<double>(column) * (size + kPairGap),
                    top + static_cast<double>(row) * (size + kPairGap), size, size};
      Axis x = axes[column];
      Axis y = axes[row];
      x.show_labels = row + 1 == shown;
      y.show_labels = column == 0;
      if (x.show_labels) draw_x_label(canvas, box, plot.columns[column]);
      if (y.show_labels && shown > 1) draw_y_label(canvas, box, kMargin + 6.0, plot.columns[row]);
      std::vector<std::string> elements;
      if (row == column) {
        const std::size_t bins = bin_count(data[row], x.interval, 40);
        const Histogram ours = histogram(data[row], x.interval, bins);
        const Histogram theirs = histogram(model[row], x.interval, bins);
        omissions.undrawable += ours.undrawable + theirs.undrawable;
        omissions.outside += ours.outside + theirs.outside;
        y = {.interval = heights(std::max(highest(ours), highest(theirs)))};
        elements = histogram_elements(canvas, ours, theirs);
      } else {
        const bool below = row > column;
        const auto& points = below ? data : model;
        elements =
            dots(canvas, pick_points(points[column], points[row], x.interval, y.interval, limit),
                 size * size, below ? kDataColour : kModelColour);
      }
      canvas.panel(box, x, y, elements);
    }
  }
  draw_note(canvas, omissions.note(), left + inner, height, inner);
  canvas.write(stem);
}

void write_plot(const HistogramPlot& plot, const std::filesystem::path& stem) {
  require(!plot.data.empty() && !plot.model.empty(), "histogram", "data and model");
  require_equal(plot.density_x.size(), plot.density_y.size(), "histogram, density",
                plot.density_name);
  Axis x{.interval = joint_interval(plot.data, plot.model)};
  set_tics_that_fit(x, 500.0, 8);
  const std::size_t bins = bin_count(plot.data, x.interval, 80);
  const Histogram data = histogram(plot.data, x.interval, bins);
  const Histogram model = histogram(plot.model, x.interval, bins);
  Omissions omissions{.undrawable = data.undrawable + model.undrawable,
                      .outside = data.outside + model.outside,
                      .thinned = ""};
  double most = std::max(highest(data), highest(model));
  bool any_density = false;
  for (std::size_t i = 0; i < plot.density_x.size(); ++i) {
    if (!drawable(plot.density_x[i]) || !drawable(plot.density_y[i])) {
      ++omissions.undrawable;
    } else {
      any_density = true;
      // A spike of the density must not squash the histograms.
      if (x.interval.contains(plot.density_x[i])) {
        most = std::max(most, std::min(plot.density_y[i], 2.0 * highest(data)));
      }
    }
  }
  Axis y{.interval = heights(most)};
  y.tics = linear_tics(y.interval, 6);
  std::vector<LegendEntry> entries = {
      {plot.data_name, fmt::format("a0{}", kDataColour), LegendMark::kSquare},
      {plot.model_name, std::string(kModelColour), LegendMark::kLine}};
  if (any_density) entries.push_back({plot.density_name, "333333", LegendMark::kDashedLine});

  constexpr double kWidth = 620.0;
  Box box;
  box.left = kMargin + kLabelHeight + label_width(y.tics) + kTicGap;
  box.width = kWidth - box.left - kMargin - 12.0;
  const double legend_top = kMargin + title_height(plot.title);
  box.top = legend_top + legend_height(entries, box.width) + 6.0;
  box.height = 300.0;
  const std::string note = omissions.note();
  const double height = std::ceil(box.bottom() + kTicHeight + kLabelHeight + kMargin +
                                  (note.empty() ? 0.0 : kNoteHeight));
  Canvas canvas(kWidth, height);
  draw_title(canvas, plot.title, box.left, box.width);
  canvas.legend(box.left, legend_top, box.width, entries);
  draw_x_label(canvas, box, plot.x_label);
  draw_y_label(canvas, box, kMargin + 6.0, "density");
  draw_note(canvas, note, box.right(), height, box.width);
  std::vector<std::string> elements = histogram_elements(canvas, data, model);
  if (any_density) {
    elements.push_back(
        fmt::format("{} with lines linewidth 1.6 dashtype (6,4) linecolor rgb '#333333'",
                    canvas.points(plot.density_x, plot.density_y)));
  }
  canvas.panel(box, x, y, elements);
  canvas.write(stem);
}

}  // namespace thalweg
