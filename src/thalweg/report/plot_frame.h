// What every kind of plot has around its marks: margins, titles, axes' names, notes, panels in
// rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/report/canvas.h"
#include "thalweg/report/plot.h"

namespace thalweg {

inline constexpr double kMargin = 14.0;
inline constexpr double kNoteHeight = 18.0;
inline constexpr double kTicHeight = 22.0;    // labels under a horizontal axis
inline constexpr double kLabelHeight = 20.0;  // an axis' or panel's name
inline constexpr double kTicGap = 12.0;       // between the labels of a vertical axis and the axis

/// Throws ConfigError unless there is something to draw.
void require(bool filled, std::string_view plot, std::string_view what);
/// Throws ShapeError for unequal numbers.
void require_equal(std::size_t x, std::size_t y, std::string_view plot, std::string_view name);

/// What a picture leaves out, said in one line.
struct Omissions {
  std::int64_t undrawable = 0;
  std::int64_t outside = 0;
  std::string thinned = {};

  std::string note() const;
};

/// Height that a title takes; 0 for none.
double title_height(std::string_view title);
void draw_title(Canvas& canvas, std::string_view title, double left, double width);
/// A note in the lower right corner, whose right end is at `right`.
void draw_note(Canvas& canvas, const std::string& note, double right, double bottom, double width);
void draw_x_label(Canvas& canvas, const Box& box, std::string_view label);
void draw_y_label(Canvas& canvas, const Box& box, double x, std::string_view label);
/// Text in the middle of a panel that stays empty.
void say_empty(Canvas& canvas, const Box& box);

/// Gives the axis at most `most` tics whose labels, set side by side, fit on `length` units; else
/// the outermost ones.
void set_tics_that_fit(Axis& axis, double length, std::size_t most, const ColumnScale& scale = {});

/// The texts around one panel; empty ones take no room.
struct PanelTexts {
  std::string_view title, x_label, y_label;
  std::string note;
};

/// A canvas with one panel below its title and legend, all but the marks drawn.
struct SinglePanel {
  SinglePanel(const PanelTexts& texts, const std::vector<LegendEntry>& legend, const Axis& y,
              double canvas_width, double panel_height);

  Box box;
  Canvas canvas;
};

/// Equal panels in rows with shared axes.
class PanelRows {
 public:
  /// `titles` has an entry a panel; `right_margin` is free beside the rows.
  PanelRows(const std::vector<std::string>& titles, const Interval& x, const Interval& y,
            const PanelTexts& texts, double right_margin, const ColumnScale& x_scale = {},
            const ColumnScale& y_scale = {});

  /// A canvas of the right size with title and note drawn.
  Canvas canvas() const;
  Box box(std::size_t i) const;
  /// Draws one panel with its title and the labels that its place calls for.
  void draw(Canvas& canvas, std::size_t i, std::span<const std::string> elements,
            std::string_view settings = "", std::string_view background = "ffffff") const;

  std::size_t in_row() const { return in_row_; }
  const Box& panel() const { return panel_; }
  double width() const { return width_; }
  double height() const { return height_; }

 private:
  PanelTexts texts_;
  std::size_t in_row_;
  std::vector<std::vector<std::string>> titles_;  // lines of each panel's
  Axis x_axis_, y_axis_;
  Box panel_;
  double panel_title_ = 0.0, row_height_ = 0.0, width_ = 0.0, height_ = 0.0;
};

}  // namespace thalweg
