// Pictures of training runs, densities and samples, drawn by gnuplot from plain numbers.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "thalweg/report/gnuplot.h"

namespace thalweg {

enum class LineStyle { kSolid, kDashed, kFaint };

/// A curve; it is broken where a value cannot be drawn.
struct LineSeries {
  std::string name = {};
  std::vector<double> x = {};
  std::vector<double> y = {};       // as many as x
  std::vector<double> errors = {};  // standard errors of y, drawn as bars; as many, or none
  LineStyle style = LineStyle::kSolid;
  /// Index of a colour, repeating after 7; without it the place among the series.
  std::optional<std::size_t> colour = std::nullopt;
};

/// Curves over a common axis, such as losses over iterations. On a logarithmic axis values
/// below 1e-100 cannot be drawn.
struct LineChart {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  std::vector<LineSeries> series = {};
  bool log_y = false;
};

/// Values on a grid, row-major; row 0 is at the lower edge, column 0 at the left one.
struct Grid {
  std::string title = {};
  std::int64_t rows = 0;     // >= 2
  std::int64_t columns = 0;  // >= 2
  std::vector<double> values = {};
};

/// Grids side by side (four in a row) over the same ranges and with the same colours, such as a
/// target and the densities of models. A grid's cells fill the ranges from edge to edge. The panels
/// have true proportions where the ranges' spans differ by at most a factor 2, else are square.
/// Values that cannot be drawn are grey; those outside `colour_range` get the colour of its end.
struct HeatMapPlot {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  std::string colour_label = {};
  std::array<double, 2> x_range{0.0, 1.0};
  std::array<double, 2> y_range{0.0, 1.0};
  /// Without it from the least to the greatest value of all panels.
  std::optional<std::array<double, 2>> colour_range = std::nullopt;
  std::vector<Grid> panels = {};
  bool may_be_open = false;  ///< values that are no numbers are meant to be, and not counted
};

/// What the axis of a column of values shows.
struct ColumnScale {
  std::vector<std::string> texts = {};  ///< what 0, 1, ... stand for; empty: numbers
  bool logarithmic = false;             ///< of numbers; those that are not positive have no place
  /// Of numbers, if above 0: the axis is linear up to `tail_begin`, and beyond it ever more
  /// logarithmic, with a value at tail_begin + tail_unit log(1 + (value - tail_begin) / tail_unit).
  double tail_unit = 0.0;
  double tail_begin = 0.0;
  /// Of numbers on a linear axis: what is shown, where that is known, as of an angle; else the bulk
  /// of the values.
  std::optional<std::array<double, 2>> range = std::nullopt;
};

/// Points in the plane.
struct PointCloud {
  std::string title = {};
  std::vector<double> x = {};
  std::vector<double> y = {};  // as many as x
};

/// Clouds side by side (four in a row) on equal axes, such as data and samples. At most 8 000
/// points of a panel are drawn, evenly picked. Proportions as in HeatMapPlot.
struct ScatterPlot {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  ColumnScale x_scale = {}, y_scale = {};
  std::vector<PointCloud> panels = {};
};

/// All pairs of the first six columns of data and model: histograms on the diagonal, data below,
/// model above it.
struct PairPlot {
  std::string title = {};
  std::vector<std::string> columns = {};
  std::vector<ColumnScale> scales = {};  // one a column, or none
  std::vector<double> data = {};         // rows x columns, row-major
  std::vector<double> model = {};        // rows x columns, row-major
  std::string data_name = "data";
  std::string model_name = "model";
};

/// Histograms of two samples, normalised to integral 1 over all drawable values, and if given a
/// density as a line. On a logarithmic axis the density is that of the logarithm to base 10, a
/// decade; on one with a tail that of the place on it.
struct HistogramPlot {
  std::string title = {};
  std::string x_label = {};
  ColumnScale x_scale = {};
  std::vector<double> data = {};
  std::vector<double> model = {};
  std::string data_name = "data";
  std::string model_name = "model";
  std::vector<double> density_x = {};
  std::vector<double> density_y = {};  // as many as density_x
  std::string density_name = "density";
};

/// Each draws `<stem>.png` and `<stem>.svg` into a folder that exists, each file whole or not at
/// all. A value can be drawn if it is finite and below 1e100 in size; what cannot be drawn is left
/// out and counted in a note under the picture, and so are values far outside the bulk. Throws
/// ConfigError if there is nothing to draw or a range is empty, ShapeError if lengths do not fit
/// together, DataError if gnuplot is missing or fails or a file cannot be written. Safe to call
/// from several threads.
void write_plot(const LineChart& plot, const std::filesystem::path& stem);
void write_plot(const HeatMapPlot& plot, const std::filesystem::path& stem);
void write_plot(const ScatterPlot& plot, const std::filesystem::path& stem);
void write_plot(const PairPlot& plot, const std::filesystem::path& stem);
void write_plot(const HistogramPlot& plot, const std::filesystem::path& stem);

}  // namespace thalweg
