#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/report/canvas.h"
#include "thalweg/report/column_scale.h"
#include "thalweg/report/plot.h"
#include "thalweg/report/plot_frame.h"
#include "thalweg/report/plot_marks.h"

namespace thalweg {

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
  if (!plot.scales.empty() && plot.scales.size() != all_columns)
    fail<ShapeError>("pair plot: expected scales of {} columns, got {}", all_columns,
                     plot.scales.size());
  const std::size_t shown = std::min(all_columns, kMostColumns);
  const std::vector<ColumnScale> scales =
      plot.scales.empty() ? std::vector<ColumnScale>(all_columns) : plot.scales;
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
    data.push_back(places_on(scales[column], column_of(plot.data, column), column));
    model.push_back(places_on(scales[column], column_of(plot.model, column), column));
    Axis axis{.interval = interval_on(scales[column], data.back(), model.back()),
              .overhang = kPairGap / 2.0 - 3.0};
    set_tics_that_fit(axis, size, shown <= 3 ? 5 : 3, scales[column]);
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
        const std::size_t bins = bins_on(scales[row], data[row], x.interval, 40);
        const Histogram ours = histogram(data[row], x.interval, bins);
        const Histogram theirs = histogram(model[row], x.interval, bins);
        omissions.undrawable += ours.undrawable + theirs.undrawable;
        omissions.outside += ours.outside + theirs.outside;
        y = {.interval = heights(std::max(ours.highest(), theirs.highest()))};
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

}  // namespace thalweg
