#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/report/canvas.h"
#include "thalweg/report/plot.h"
#include "thalweg/report/plot_frame.h"

namespace thalweg {

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
  Interval colours{NAN, NAN};
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
        if (!plot.may_be_open) ++omissions.undrawable;
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
  std::vector<std::string> titles;
  for (const Grid& grid : plot.panels) titles.push_back(grid.title);
  const PanelRows rows(titles, x, y, {plot.title, plot.x_label, plot.y_label, omissions.note()},
                       bar_space);
  Canvas canvas = rows.canvas();

  // Ten colours of viridis (van der Walt and Smith, 2015), even in lightness.
  std::string settings =
      "set palette defined (0 '#440154', 1 '#482878', 2 '#3e4989', 3 '#31688e', 4 '#26828e', "
      "5 '#1f9e89', 6 '#35b779', 7 '#6ece58', 8 '#b5de2b', 9 '#fde725') maxcolors 0\n";
  settings += fmt::format("set cbrange [{:.15g}:{:.15g}]\n", colours.low, colours.high);
  const Box last = rows.box(rows.in_row() - 1);
  const Box bar{last.right() + 12.0, last.top, 12.0, last.height};
  const std::string show_bar = fmt::format(
      "set colorbox vertical user origin screen {:.6f},{:.6f} size screen {:.6f},{:.6f} border\n"
      "unset cbtics\n",
      bar.left / rows.width(), 1.0 - bar.bottom() / rows.height(), bar.width / rows.width(),
      bar.height / rows.height());
  canvas.vertical_labels(bar.right() + 5.0, bar, {.interval = colours, .tics = colour_tics},
                         Align::kLeft);
  if (!plot.colour_label.empty()) {
    draw_y_label(canvas, bar, rows.width() - kMargin - 4.0, plot.colour_label);
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
    const bool with_bar = i + 1 == std::min(rows.in_row(), plot.panels.size());
    rows.draw(canvas, i, elements, settings + (with_bar ? show_bar : "unset colorbox\n"), "dcdcdc");
  }
  canvas.write(stem);
}

}  // namespace thalweg
