#include <fmt/format.h>

#include <algorithm>
#include <numbers>

#include "thalweg/report/canvas.h"
#include "thalweg/report/column_scale.h"
#include "thalweg/report/plot.h"
#include "thalweg/report/plot_frame.h"
#include "thalweg/report/plot_marks.h"

namespace thalweg {

void write_plot(const HistogramPlot& plot, const std::filesystem::path& stem) {
  require(!plot.data.empty() && !plot.model.empty(), "histogram", "data and model");
  require_equal(plot.density_x.size(), plot.density_y.size(), "histogram, density",
                plot.density_name);
  const std::vector<double> places = places_on(plot.x_scale, plot.data);
  const std::vector<double> of_model = places_on(plot.x_scale, plot.model);
  Axis x{.interval = interval_on(plot.x_scale, places, of_model)};
  set_tics_that_fit(x, 500.0, 8, plot.x_scale);
  const std::size_t bins = bins_on(plot.x_scale, places, x.interval, 80);
  const Histogram data = histogram(places, x.interval, bins);
  const Histogram model = histogram(of_model, x.interval, bins);
  const std::vector<double> density_x = places_on(plot.x_scale, plot.density_x);
  std::vector<double> density_y = plot.density_y;
  for (std::size_t i = 0; i < density_y.size() && plot.x_scale.logarithmic; ++i)
    density_y[i] *= plot.density_x[i] * std::numbers::ln10;
  Omissions omissions{.undrawable = data.undrawable + model.undrawable,
                      .outside = data.outside + model.outside,
                      .thinned = ""};
  double most = std::max(data.highest(), model.highest());
  bool any_density = false;
  for (std::size_t i = 0; i < density_x.size(); ++i) {
    if (!drawable(density_x[i]) || !drawable(density_y[i])) {
      ++omissions.undrawable;
    } else {
      any_density = true;
      // A spike of the density must not squash the histograms.
      if (x.interval.contains(density_x[i])) {
        most = std::max(most, std::min(density_y[i], 2.0 * data.highest()));
      }
    }
  }
  Axis y{.interval = heights(most)};
  y.tics = linear_tics(y.interval, 6);
  std::vector<LegendEntry> entries = {
      {plot.data_name, fmt::format("a0{}", kDataColour), LegendMark::kSquare},
      {plot.model_name, std::string(kModelColour), LegendMark::kLine}};
  if (any_density) entries.push_back({plot.density_name, "333333", LegendMark::kDashedLine});

  auto [box, canvas] = SinglePanel({plot.title, plot.x_label,
                                    plot.x_scale.logarithmic       ? "density a decade"
                                    : plot.x_scale.tail_unit > 0.0 ? "density along the axis"
                                                                   : "density",
                                    omissions.note()},
                                   entries, y, 620.0, 300.0);
  std::vector<std::string> elements = histogram_elements(canvas, data, model);
  if (any_density) {
    elements.push_back(
        fmt::format("{} with lines linewidth 1.6 dashtype (6,4) linecolor rgb '#333333'",
                    canvas.points(density_x, density_y)));
  }
  canvas.panel(box, x, y, elements);
  canvas.write(stem);
}

}  // namespace thalweg
