#include "thalweg/report/plot_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/report/column_scale.h"
#include "thalweg/report/progress.h"

namespace thalweg {

namespace {

constexpr double kTitleHeight = 30.0;
constexpr double kGap = 16.0;    // between panels
constexpr double kRowGap = 8.0;  // between rows of panels
constexpr double kTitleLine = 16.0;

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

/// Room that an axis' name takes; none without one.
double label_room(std::string_view label) { return label.empty() ? 0.0 : kLabelHeight; }

Box single_box(const PanelTexts& texts, const std::vector<LegendEntry>& legend, const Axis& y,
               double canvas_width, double panel_height) {
  Box box;
  box.left = kMargin + label_room(texts.y_label) + label_width(y.tics) + kTicGap;
  box.width = canvas_width - box.left - kMargin - 12.0;
  box.top = kMargin + title_height(texts.title);
  if (!legend.empty()) box.top += legend_height(legend, box.width) + 6.0;
  box.height = panel_height;
  return box;
}

double single_height(const PanelTexts& texts, const Box& box) {
  return std::ceil(box.bottom() + kTicHeight + label_room(texts.x_label) + kMargin +
                   (texts.note.empty() ? 0.0 : kNoteHeight));
}

}  // namespace

void require(bool filled, std::string_view plot, std::string_view what) {
  if (!filled) fail<ConfigError>("{}: there is nothing to draw; expected {}", plot, what);
}

void require_equal(std::size_t x, std::size_t y, std::string_view plot, std::string_view name) {
  if (x != y) fail<ShapeError>("{} '{}': {} values of x, but {} of y", plot, name, x, y);
}

std::string Omissions::note() const {
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

void say_empty(Canvas& canvas, const Box& box) {
  canvas.text(box.left + box.width / 2.0, box.top + box.height / 2.0,
              fit_text("no drawable values", box.width, kTextSize),
              {.align = Align::kCentre, .colour = "888888"});
}

void set_tics_that_fit(Axis& axis, double length, std::size_t most, const ColumnScale& scale) {
  const auto fit = [&axis, length](const std::vector<Tic>& tics) {
    const double extent = label_width(tics);
    for (std::size_t i = 1; i < tics.size(); ++i) {
      const double from = label_place(axis, tics[i - 1].value, length, extent);
      if (label_place(axis, tics[i].value, length, extent) - from < extent + 6.0) return false;
    }
    return true;
  };
  most = std::max(most, scale.texts.size());  // All texts, if there is room.
  std::vector<Tic> tics = tics_on(scale, axis.interval, most);
  for (std::size_t count = most; !fit(tics) && count > 2; --count) {
    std::vector<Tic> fewer = tics_on(scale, axis.interval, count - 1);
    if (fewer.size() < 2) break;
    tics = std::move(fewer);
  }
  if (!fit(tics)) tics = {tics.front(), tics.back()};
  if (!fit(tics)) tics.resize(1);
  axis.tics = std::move(tics);
}

SinglePanel::SinglePanel(const PanelTexts& texts, const std::vector<LegendEntry>& legend,
                         const Axis& y, double canvas_width, double panel_height)
    : box(single_box(texts, legend, y, canvas_width, panel_height)),
      canvas(canvas_width, single_height(texts, box)) {
  draw_title(canvas, texts.title, box.left, box.width);
  canvas.legend(box.left, kMargin + title_height(texts.title), box.width, legend);
  draw_x_label(canvas, box, texts.x_label);
  draw_y_label(canvas, box, kMargin + 6.0, texts.y_label);
  draw_note(canvas, texts.note, box.right(), single_height(texts, box), box.width);
}

PanelRows::PanelRows(const std::vector<std::string>& titles, const Interval& x, const Interval& y,
                     const PanelTexts& texts, double right_margin, const ColumnScale& x_scale,
                     const ColumnScale& y_scale)
    : texts_(texts),
      in_row_(panels_in_row(titles.size())),
      x_axis_{.interval = x, .overhang = kGap / 2.0 - 3.0},
      y_axis_{.interval = y, .tics = tics_on(y_scale, y, in_row_ == 1 ? 7 : 5)} {
  panel_.width = panel_width(in_row_);
  set_tics_that_fit(x_axis_, panel_.width, in_row_ == 1 ? 7 : 5, x_scale);
  panel_.height = panel_.width * proportion(x, y);
  panel_.left = kMargin + label_room(texts.y_label) + label_width(y_axis_.tics) + kTicGap;
  for (const std::string& title : titles) {
    titles_.push_back(title_lines(title, panel_.width));
    const auto lines = static_cast<double>(titles_.back().size());
    if (!title.empty())
      panel_title_ = std::max(panel_title_, kLabelHeight + 4.0 + (lines - 1.0) * kTitleLine);
  }
  panel_.top = kMargin + title_height(texts.title) + panel_title_;
  row_height_ = panel_.height + panel_title_ + kTicHeight + label_room(texts.x_label);
  const std::size_t rows = (titles.size() + in_row_ - 1) / in_row_;
  width_ = std::ceil(panel_.left + static_cast<double>(in_row_) * (panel_.width + kGap) - kGap +
                     right_margin + kMargin);
  height_ = std::ceil(panel_.top - panel_title_ + static_cast<double>(rows) * row_height_ +
                      static_cast<double>(rows - 1) * kRowGap + kMargin +
                      (texts.note.empty() ? 0.0 : kNoteHeight));
}

Canvas PanelRows::canvas() const {
  Canvas canvas(width_, height_);
  const double inner = width_ - kMargin - panel_.left;
  draw_title(canvas, texts_.title, panel_.left, inner);
  draw_note(canvas, texts_.note, width_ - kMargin, height_, inner);
  return canvas;
}

Box PanelRows::box(std::size_t i) const {
  Box place = panel_;
  const std::size_t row = i / in_row_;
  place.left += static_cast<double>(i % in_row_) * (panel_.width + kGap);
  place.top += static_cast<double>(row) * (row_height_ + kRowGap);
  return place;
}

void PanelRows::draw(Canvas& canvas, std::size_t i, std::span<const std::string> elements,
                     std::string_view settings, std::string_view background) const {
  const Box place = box(i);
  Axis y = y_axis_;
  y.show_labels = i % in_row_ == 0;
  double below = 12.0;
  for (std::size_t line = titles_[i].size(); line-- > 0; below += kTitleLine)
    canvas.text(place.left + place.width / 2.0, place.top - below, titles_[i][line],
                {.align = Align::kCentre});
  if (!texts_.x_label.empty()) draw_x_label(canvas, place, texts_.x_label);
  if (!texts_.y_label.empty() && y.show_labels)
    draw_y_label(canvas, place, kMargin + 6.0, texts_.y_label);
  canvas.panel(place, x_axis_, y, elements, settings, background);
}

}  // namespace thalweg
