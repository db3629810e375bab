#include <fmt/format.h>

#include <span>

#include "thalweg/report/canvas.h"
#include "thalweg/report/column_scale.h"
#include "thalweg/report/plot.h"
#include "thalweg/report/plot_frame.h"
#include "thalweg/report/plot_marks.h"
#include "thalweg/report/progress.h"

namespace thalweg {

void write_plot(const ScatterPlot& plot, const std::filesystem::path& stem) {
  constexpr std::size_t kMostPoints = 8000;
  std::size_t values = 0;
  for (const PointCloud& cloud : plot.panels) {
    require_equal(cloud.x.size(), cloud.y.size(), "scatter plot, cloud", cloud.title);
    values += cloud.x.size();
  }
  require(values > 0, "scatter plot", "at least one point");

  std::vector<PointCloud> clouds = plot.panels;
  for (PointCloud& cloud : clouds) {
    cloud.x = places_on(plot.x_scale, cloud.x, 0);
    cloud.y = places_on(plot.y_scale, cloud.y, 1);
  }
  std::vector<double> other_x;
  std::vector<double> other_y;
  for (const PointCloud& cloud : std::span(clouds).subspan(1)) {
    other_x.insert(other_x.end(), cloud.x.begin(), cloud.x.end());
    other_y.insert(other_y.end(), cloud.y.begin(), cloud.y.end());
  }
  const Interval x = interval_on(plot.x_scale, clouds[0].x, other_x);
  const Interval y = interval_on(plot.y_scale, clouds[0].y, other_y);

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
  std::vector<std::string> titles;
  for (const PointCloud& cloud : clouds) titles.push_back(cloud.title);
  const PanelRows rows(titles, x, y, {plot.title, plot.x_label, plot.y_label, omissions.note()},
                       0.0, plot.x_scale, plot.y_scale);
  Canvas canvas = rows.canvas();
  for (std::size_t i = 0; i < clouds.size(); ++i) {
    const std::string_view colour = clouds.size() == 1 ? kDataColour : series_colour(i);
    const auto elements = dots(canvas, picked[i], rows.panel().width * rows.panel().height, colour);
    if (elements.empty()) say_empty(canvas, rows.box(i));
    rows.draw(canvas, i, elements);
  }
  canvas.write(stem);
}

}  // namespace thalweg
