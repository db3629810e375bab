// A picture put together from panels, texts and legends at fixed places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace thalweg {

/// Text sizes in canvas units.
inline constexpr int kTextSize = 12;
inline constexpr int kTitleSize = 14;
inline constexpr int kNoteSize = 10;

/// A mark on an axis.
struct Tic {
  double value = 0.0;
  std::string label;
};

/// An interval shown on an axis.
struct Interval {
  double low = 0.0;
  double high = 1.0;
  double span() const { return high - low; }
  bool contains(double value) const { return value >= low && value <= high; }
};

/// An axis of a panel; a logarithmic one has a positive interval.
struct Axis {
  Interval interval = {};
  std::vector<Tic> tics = {};
  bool logarithmic = false;
  bool show_labels = true;
  /// How far labels may stick out beyond the ends, in canvas units; others are moved inwards.
  double overhang = 100.0;
};

/// A rectangle in canvas units; `top` counts from the upper edge.
struct Box {
  double left = 0.0;
  double top = 0.0;
  double width = 0.0;
  double height = 0.0;
  double right() const { return left + width; }
  double bottom() const { return top + height; }
};

/// Finite and within 1e100 of zero, beyond which gnuplot's arithmetic overflows.
bool drawable(double value);

/// An interval with a margin around the drawable values. Values far beyond the quantiles `tail` and
/// 1 - `tail` are left outside, lest a single one squash the picture; [-0.5, 0.5] without values.
Interval robust_interval(std::vector<double> values, double tail);

/// Round numbers in the interval, at most `count` >= 2 of them.
std::vector<Tic> linear_tics(Interval interval, std::size_t count);
/// Powers of ten, or their multiples by 1, 2, 5 over a short interval; linear over a very short
/// one.
std::vector<Tic> logarithmic_tics(Interval interval, std::size_t count);

/// Where the label of a tic at `value`, `extent` units long, has its middle on an axis of `length`
/// units that begins at 0.
double label_place(const Axis& axis, double value, double length, double extent);
/// Width in canvas units that the widest label takes.
double label_width(std::span<const Tic> tics);
/// The text shortened to `width` canvas units.
std::string fit_text(std::string_view text, double width, int size);

/// Colours that colour-blind people tell apart (Okabe and Ito, 2008), as "RRGGBB"; they repeat.
std::string_view series_colour(std::size_t index);

enum class LegendMark { kLine, kDashedLine, kDot, kSquare };

/// One entry of a legend; the colour is "RRGGBB" or, with transparency, "AARRGGBB".
struct LegendEntry {
  std::string name;
  std::string colour;
  LegendMark mark = LegendMark::kLine;
};

/// Height of the legend when it is `width` wide.
double legend_height(std::span<const LegendEntry> entries, double width);

enum class Align { kLeft, kCentre, kRight };

/// How a text is set.
struct TextStyle {
  int size = kTextSize;
  Align align = Align::kLeft;
  bool bold = false;
  bool upright = false;  // read from below, as the label of a vertical axis
  std::string_view colour = "333333";
};

/// Collects drawings, then writes the picture. Units are half pixels of the PNG.
class Canvas {
 public:
  Canvas(double width, double height) : width_(width), height_(height) {}

  /// A text whose vertical middle is at `y`.
  void text(double x, double y, std::string_view text, const TextStyle& style);
  /// The labels of a vertical axis' tics at `x`, as high as they are in the box.
  void vertical_labels(double x, const Box& box, const Axis& axis, Align align);
  void legend(double left, double top, double width, std::span<const LegendEntry> entries);

  /// Stores points to be drawn and returns their name for panel(). A break starts a new line.
  std::string points(std::span<const double> x, std::span<const double> y);
  /// Stores a grid as points() does; what is not drawable is left open.
  std::string grid(std::int64_t rows, std::int64_t columns, std::span<const double> values);

  /// A panel with axes. `elements` are gnuplot's, in drawing order; an empty list draws the axes
  /// alone. `background` is "RRGGBB".
  void panel(const Box& box, const Axis& x, const Axis& y, std::span<const std::string> elements,
             std::string_view settings = "", std::string_view background = "ffffff");

  /// Writes `<stem>.png` and `<stem>.svg`; throws as run_gnuplot.
  void write(const std::filesystem::path& stem) const;

 private:
  double screen_x(double x) const { return x / width_; }
  double screen_y(double y) const { return 1.0 - y / height_; }

  double width_, height_;
  std::string data_;
  std::string decorations_;
  std::string panels_;
  std::size_t last_panel_ = 0;  // where it begins in panels_
  int blocks_ = 0;
};

}  // namespace thalweg
