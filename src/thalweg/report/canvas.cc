#include "thalweg/report/canvas.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <iterator>

#include "thalweg/core/quantiles.h"
#include "thalweg/report/gnuplot.h"
#include "thalweg/report/plain_text.h"

namespace thalweg {
namespace {

// Width of a letter over the size of the text; a little more than DejaVu Sans has on average.
constexpr double kLetter = 0.62;
constexpr std::string_view kTicColour = "555555";
constexpr double kLegendRow = 20.0;
constexpr double kLegendMark = 26.0;
constexpr double kLegendGap = 18.0;

double text_length(std::string_view text, int size) {
  return static_cast<double>(text_width(clean_text(text))) * kLetter * size;
}

std::string power_of_ten(int exponent) {
  if (exponent >= -3 && exponent <= 4) return fmt::format("{:g}", std::pow(10.0, exponent));
  constexpr std::array<std::string_view, 10> kDigits = {"⁰", "¹", "²", "³", "⁴",
                                                        "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string label = exponent < 0 ? "10⁻" : "10";
  for (const char digit : std::to_string(std::abs(exponent))) {
    label += kDigits[static_cast<std::size_t>(digit - '0')];
  }
  return label;
}

/// "2e+06" as "2e6", and a true minus sign.
std::string number_label(double value, double step) {
  const double size = std::max(std::abs(value), step);
  const int digits = static_cast<int>(std::ceil(std::log10(size / step) + 1e-9)) + 1;
  std::string label = fmt::format("{:.{}g}", value, std::clamp(digits, 1, 15));
  const bool plain = size >= 1e-4 && size < 1e6;
  if (plain) {
    const int decimals = std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
    label = fmt::format("{:.{}f}", value, decimals);
  }
  if (const auto at = label.find("e+"); at != std::string::npos) label.erase(at + 1, 1);
  if (const auto at = label.find("e0"); at != std::string::npos) label.erase(at + 1, 1);
  if (const auto at = label.find("e-0"); at != std::string::npos) label.erase(at + 2, 1);
  if (label.starts_with('-')) label.replace(0, 1, "−");
  return label;
}

/// The marks alone; gnuplot's terminals differ in where they put the labels.
std::string tic_marks(char name, const Axis& axis) {
  // An empty list would bring gnuplot's own tics.
  if (axis.tics.empty()) return fmt::format("unset {}tics\n", name);
  std::string list;
  for (const Tic& tic : axis.tics) {
    list += fmt::format("{}'' {:.15g}", list.empty() ? "" : ", ", tic.value);
  }
  return fmt::format("set {}tics nomirror out scale 0.5 ({})\n", name, list);
}

/// Where a value lies on an axis: 0 at its beginning, 1 at its end.
double place_on(const Axis& axis, double value) {
  const Interval& interval = axis.interval;
  if (axis.logarithmic) {
    return std::log(value / interval.low) / std::log(interval.high / interval.low);
  }
  return (value - interval.low) / interval.span();
}

/// Places of the entries in rows no wider than `width`; the last row is counted in `rows`.
std::vector<std::pair<double, int>> legend_places(std::span<const LegendEntry> entries,
                                                  double width, int& rows) {
  std::vector<std::pair<double, int>> places;
  double x = 0.0;
  rows = entries.empty() ? 0 : 1;
  for (const LegendEntry& entry : entries) {
    const double length =
        kLegendMark + std::min(text_length(entry.name, kTextSize), width - kLegendMark);
    if (x > 0.0 && x + length > width) {
      x = 0.0;
      ++rows;
    }
    places.emplace_back(x, rows - 1);
    x += length + kLegendGap;
  }
  return places;
}

}  // namespace

bool drawable(double value) { return std::abs(value) < 1e100; }

Interval robust_interval(std::vector<double> values, double tail) {
  std::erase_if(values, [](double value) { return !drawable(value); });
  if (values.empty()) return {-0.5, 0.5};
  std::ranges::sort(values);
  const Interval bulk{sorted_quantile(values, tail), sorted_quantile(values, 1.0 - tail)};
  Interval shown{values.front(), values.back()};
  if (bulk.span() > 0.0) {
    if (shown.low < bulk.low - 1.5 * bulk.span()) shown.low = bulk.low - 0.2 * bulk.span();
    if (shown.high > bulk.high + 1.5 * bulk.span()) shown.high = bulk.high + 0.2 * bulk.span();
  }
  const double size = std::max(std::abs(shown.low), std::abs(shown.high));
  const double least = size > 0.0 ? 1e-9 * size : 1e-9;
  const double margin =
      shown.span() > least ? 0.04 * shown.span() : (size > 0.0 ? 0.1 * size : 0.5);
  return {shown.low - margin, shown.high + margin};
}

std::vector<Tic> linear_tics(Interval interval, std::size_t count) {
  const double rough = interval.span() / static_cast<double>(count);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  std::vector<Tic> tics;
  const auto try_steps = [&](std::initializer_list<double> multiples) {
    for (const double multiple : multiples) {
      const double step = multiple * power;
      const double first = std::ceil(interval.low / step - 1e-9);
      const double last = std::floor(interval.high / step + 1e-9);
      if (last - first + 1.0 > static_cast<double>(count)) continue;
      tics.clear();
      for (double k = first; k <= last; k += 1.0) {
        const double value = k == 0.0 ? 0.0 : k * step;  // no negative zero
        tics.push_back({value, number_label(value, step)});
      }
      return;
    }
  };
  try_steps({1.0, 2.0, 5.0, 10.0, 20.0, 50.0});
  if (tics.size() < 2) try_steps({1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0});
  return tics;
}

std::vector<Tic> logarithmic_tics(Interval interval, std::size_t count) {
  const double low = std::log10(interval.low);
  const double high = std::log10(interval.high);
  const auto first = static_cast<int>(std::ceil(low - 1e-9));
  const auto last = static_cast<int>(std::floor(high + 1e-9));
  std::vector<Tic> tics;
  if (high - low >= 2.0) {
    const int every = 1 + (last - first) / static_cast<int>(count);
    for (int exponent = first; exponent <= last; ++exponent) {
      if (exponent % every == 0) {
        tics.push_back({std::pow(10.0, exponent), power_of_ten(exponent)});
      }
    }
    return tics;
  }
  for (int exponent = first - 1; exponent <= last; ++exponent) {
    for (const double multiple : {1.0, 2.0, 5.0}) {
      const double value = multiple * std::pow(10.0, exponent);
      if (interval.contains(value)) {
        tics.push_back({value, number_label(value, std::pow(10.0, exponent))});
      }
    }
  }
  return tics.size() >= 3 ? tics : linear_tics(interval, count);
}

double label_place(const Axis& axis, double value, double length, double extent) {
  // A label longer than its room is put in the middle.
  const double first = std::min(0.5 * extent - axis.overhang, 0.5 * length);
  return std::clamp(place_on(axis, value) * length, first, length - first);
}

double label_width(std::span<const Tic> tics) {
  double width = 0.0;
  for (const Tic& tic : tics) width = std::max(width, text_length(tic.label, kTextSize));
  return width;
}

std::string fit_text(std::string_view text, double width, int size) {
  return shorten(clean_text(text),
                 static_cast<std::size_t>(std::max(3.0, width / (kLetter * size))));
}

std::string_view series_colour(std::size_t index) {
  constexpr std::array<std::string_view, 7> kColours = {"0072b2", "d55e00", "009e73", "cc79a7",
                                                        "e69f00", "56b4e9", "555555"};
  return kColours[index % kColours.size()];
}

double legend_height(std::span<const LegendEntry> entries, double width) {
  int rows = 0;
  legend_places(entries, width, rows);
  return rows * kLegendRow;
}

void Canvas::text(double x, double y, std::string_view text, const TextStyle& style) {
  const std::string_view align = style.align == Align::kLeft     ? "left"
                                 : style.align == Align::kCentre ? "center"
                                                                 : "right";
  fmt::format_to(std::back_inserter(decorations_),
                 "set label {} at screen {:.6f},{:.6f} {} {} front font "
                 "sprintf('sans-serif{},%g',{}*text_unit) textcolor rgb '#{}'\n",
                 gnuplot_quoted(text), screen_x(x), screen_y(y), align,
                 style.upright ? "rotate by 90" : "norotate", style.bold ? ":Bold" : "", style.size,
                 style.colour);
}

void Canvas::vertical_labels(double x, const Box& box, const Axis& axis, Align align) {
  for (const Tic& tic : axis.tics) {
    text(x, box.bottom() - label_place(axis, tic.value, box.height, kTextSize), tic.label,
         {.align = align, .colour = kTicColour});
  }
}

void Canvas::legend(double left, double top, double width, std::span<const LegendEntry> entries) {
  int rows = 0;
  const auto places = legend_places(entries, width, rows);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const LegendEntry& entry = entries[i];
    const double x = left + places[i].first;
    const double y = top + (places[i].second + 0.5) * kLegendRow;
    if (entry.mark == LegendMark::kLine || entry.mark == LegendMark::kDashedLine) {
      fmt::format_to(std::back_inserter(decorations_),
                     "set arrow from screen {:.6f},{:.6f} to screen {:.6f},{:.6f} nohead front "
                     "linewidth 2 linecolor rgb '#{}' dashtype {}\n",
                     screen_x(x), screen_y(y), screen_x(x + kLegendMark - 6.0), screen_y(y),
                     entry.colour, entry.mark == LegendMark::kLine ? "solid" : "(6,4)");
    } else {
      fmt::format_to(std::back_inserter(decorations_),
                     "set label '' at screen {:.6f},{:.6f} front point pointtype {} pointsize 0.9 "
                     "linecolor rgb '#{}'\n",
                     screen_x(x + 12.0), screen_y(y), entry.mark == LegendMark::kDot ? 7 : 5,
                     entry.colour);
    }
    text(x + kLegendMark, y, fit_text(entry.name, width - kLegendMark, kTextSize), {});
  }
}

std::string Canvas::points(std::span<const double> x, std::span<const double> y) {
  std::string name = fmt::format("$block{}", blocks_++);
  data_ += name + " << EOD\n";
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (drawable(x[i]) && drawable(y[i])) {
      fmt::format_to(std::back_inserter(data_), "{:.9g} {:.9g}\n", x[i], y[i]);
    } else {
      data_ += "\n";
    }
  }
  data_ += "EOD\n";
  return name;
}

std::string Canvas::grid(std::int64_t rows, std::int64_t columns, std::span<const double> values) {
  std::string name = fmt::format("$block{}", blocks_++);
  data_ += name + " << EOD\n";
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const double value = values[static_cast<std::size_t>(row * columns + column)];
      if (drawable(value)) {
        fmt::format_to(std::back_inserter(data_), "{:.6g} ", value);
      } else {
        data_ += "NaN ";
      }
    }
    data_ += "\n";
  }
  data_ += "EOD\n";
  return name;
}

void Canvas::panel(const Box& box, const Axis& x, const Axis& y,
                   std::span<const std::string> elements, std::string_view settings,
                   std::string_view background) {
  last_panel_ = panels_.size();
  auto out = std::back_inserter(panels_);
  fmt::format_to(out,
                 "set lmargin at screen {:.6f}\nset rmargin at screen {:.6f}\n"
                 "set tmargin at screen {:.6f}\nset bmargin at screen {:.6f}\n",
                 screen_x(box.left), screen_x(box.right()), screen_y(box.top),
                 screen_y(box.bottom()));
  panels_ += y.logarithmic ? "set logscale y\n" : "unset logscale y\n";
  fmt::format_to(out, "set xrange [{:.15g}:{:.15g}]\nset yrange [{:.15g}:{:.15g}]\n",
                 x.interval.low, x.interval.high, y.interval.low, y.interval.high);
  panels_ += tic_marks('x', x) + tic_marks('y', y);
  if (x.show_labels) {
    for (const Tic& tic : x.tics) {
      const double length = text_length(tic.label, kTextSize);
      text(box.left + label_place(x, tic.value, box.width, length), box.bottom() + 14.0, tic.label,
           {.align = Align::kCentre, .colour = kTicColour});
    }
  }
  if (y.show_labels) vertical_labels(box.left - 8.0, box, y, Align::kRight);
  fmt::format_to(out,
                 "set object 1 rectangle from graph 0,0 to graph 1,1 behind fillcolor rgb '#{}' "
                 "fillstyle solid noborder\n",
                 background);
  panels_ += settings;
  panels_ += "plot ";
  for (const std::string& element : elements) panels_ += element + ", ";
  panels_ += "NaN notitle\nunset label\nunset arrow\nunset object\n";
}

void Canvas::write(const std::filesystem::path& stem) const {
  const std::string commands =
      "set multiplot\nunset key\nunset colorbox\nset border 31 linewidth 0.8 linecolor rgb "
      "'#a0a0a0'\n"
      "set grid xtics ytics back linetype 1 linecolor rgb '#e4e4e4' linewidth 0.7\n"
      "set clip two\n" +
      // With the last panel, since a panel's background covers what was drawn before it.
      panels_.substr(0, last_panel_) + decorations_ + panels_.substr(last_panel_) +
      "unset multiplot\n";
  run_gnuplot(data_, commands, static_cast<int>(std::lround(width_)),
              static_cast<int>(std::lround(height_)), kTextSize, stem);
}

}  // namespace thalweg
