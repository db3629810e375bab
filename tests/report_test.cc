// Reports: files that are what they say, whatever numbers and texts come in.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/report/canvas.h"
#include "thalweg/report/column_scale.h"
#include "thalweg/report/html.h"
#include "thalweg/report/plain_text.h"
#include "thalweg/report/plot.h"
#include "thalweg/report/progress.h"
#include "thalweg/report/text_table.h"

namespace thalweg {
namespace {

namespace fs = std::filesystem;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// A big-endian number of four bytes.
std::uint32_t number_at(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    value = (value << 8U) | static_cast<unsigned char>(bytes.at(i));
  }
  return value;
}

/// Tags of an XML text that are opened and closed in turn, or what is wrong with them.
std::string xml_error(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at + 1)) {
    const std::size_t end = xml.find('>', at);
    if (end == std::string::npos) return "no end of the tag at " + std::to_string(at);
    const std::string tag = xml.substr(at + 1, end - at - 1);
    if (tag.empty() || tag.find('<') != std::string::npos) return "stray < before " + tag;
    if (tag[0] == '?' || tag[0] == '!') continue;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return "unexpected </" + tag.substr(1);
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find_first_of(" \n\t")));
    }
  }
  return open.empty() ? "" : "never closed: " + open.back();
}

class ReportTest : public testing::Test {
 protected:
  ReportTest() {
    std::string name = (fs::temp_directory_path() / "thalweg-report-test-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) folder_ = name;
  }
  ~ReportTest() override { fs::remove_all(folder_); }

  /// Draws and checks both files; returns the SVG.
  template <typename Plot>
  std::string draw(const Plot& plot) {
    const fs::path stem = folder_ / "plot.v1";
    write_plot(plot, stem);
    const std::string png = read_file(stem.string() + ".png");
    const std::string svg = read_file(stem.string() + ".svg");
    EXPECT_TRUE(png.starts_with("\x89PNG\r\n\x1a\n"));
    EXPECT_NE(png.find("IEND"), std::string::npos);
    const std::uint32_t width = number_at(png, 16);
    const std::uint32_t height = number_at(png, 20);
    EXPECT_GE(width, 700U);
    EXPECT_LE(width, 1700U);
    EXPECT_TRUE(contains(svg, "width=\"" + std::to_string(width / 2) + "\" height=\"" +
                                  std::to_string(height / 2) + "\""));
    EXPECT_EQ(xml_error(svg), "");
    EXPECT_FALSE(contains(svg, "nan"));
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 2)
        << "something besides the two pictures was left behind";
    return svg;
  }

  fs::path folder_;
};

LineChart loss_chart() {
  LineChart chart{.title = "Loss", .x_label = "iteration", .y_label = "nats"};
  LineSeries training{.name = "training"};
  LineSeries validation{.name = "validation", .style = LineStyle::kDashed};
  for (int i = 0; i < 100; ++i) {
    training.x.push_back(i);
    training.y.push_back(std::exp(-0.05 * i));
    validation.x.push_back(i);
    validation.y.push_back(0.1 + std::exp(-0.05 * i));
  }
  chart.series = {training, validation};
  return chart;
}

Grid ramp(std::int64_t rows, std::int64_t columns) {
  Grid grid{.title = "ramp", .rows = rows, .columns = columns};
  for (std::int64_t i = 0; i < rows * columns; ++i) grid.values.push_back(static_cast<double>(i));
  return grid;
}

PointCloud circle(const std::string& title, int points) {
  PointCloud cloud{.title = title};
  for (int i = 0; i < points; ++i) {
    cloud.x.push_back(std::cos(0.1 * i));
    cloud.y.push_back(std::sin(0.1 * i));
  }
  return cloud;
}

TEST_F(ReportTest, LineChartNamesItsCurves) {
  ASSERT_TRUE(plotting_available());
  const std::string svg = draw(loss_chart());
  for (const char* text : {">Loss<", ">iteration<", ">nats<", ">training<", ">validation<"}) {
    EXPECT_TRUE(contains(svg, text)) << text;
  }
  EXPECT_TRUE(contains(svg, "font-weight=\"bold\""));
}

TEST_F(ReportTest, LogarithmicAxisLeavesOutWhatIsNotPositive) {
  LineChart chart = loss_chart();
  chart.log_y = true;
  chart.series[0].y[3] = 0.0;
  chart.series[0].y[4] = -1.0;
  EXPECT_TRUE(contains(draw(chart), "2 values not drawable"));
}

TEST_F(ReportTest, TextsAreDrawnAsTheyAre) {
  const fs::path trap = folder_.string() + "-trap";
  LineChart chart = loss_chart();
  chart.title = "a_b {^c} <b> & `touch " + trap.string() + "`";
  chart.series[0].name = "it's '.system('touch " + trap.string() + "').'\nquit";
  chart.x_label = "caf\xe9 \x1b[31m";  // Latin-1 and an escape sequence
  chart.y_label = "x₁\\";
  const std::string svg = draw(chart);
  EXPECT_TRUE(contains(svg, "a_b {^c} &lt;b> &amp; `touch"));
  EXPECT_TRUE(contains(svg, "it's '.system('touch"));
  EXPECT_TRUE(contains(svg, "caf\uFFFD  [31m"));
  EXPECT_TRUE(contains(svg, "x₁\\"));
  EXPECT_FALSE(fs::exists(trap));
}

TEST_F(ReportTest, HeatMapsShareTheirColours) {
  HeatMapPlot plot{.title = "Densities",
                   .x_label = "x",
                   .y_label = "y",
                   .colour_label = "density",
                   .x_range = {-3.0, 3.0},
                   .y_range = {-3.0, 3.0},
                   .panels = {ramp(20, 30), ramp(2, 2), ramp(5, 4)}};
  const std::string svg = draw(plot);
  EXPECT_TRUE(contains(svg, ">500<") && contains(svg, ">density<"));  // the first ends at 599
  EXPECT_FALSE(contains(svg, "outside"));
  plot.colour_range = std::array<double, 2>{0.0, 1.0};
  EXPECT_TRUE(contains(draw(plot), ">1.0<"));
}

TEST_F(ReportTest, LongPanelTitlesTakeTwoLines) {
  HeatMapPlot plot{.panels = {ramp(2, 2), ramp(2, 2), ramp(2, 2), ramp(2, 2)}};
  plot.panels[1].title = "real NVP, resampled, annealed";
  plot.panels[2].title = std::string(100, 'x');
  const std::string svg = draw(plot);
  EXPECT_TRUE(contains(svg, ">real NVP,<") && contains(svg, ">resampled, annealed<"));
  EXPECT_TRUE(contains(svg, "xxx…"));
}

TEST_F(ReportTest, HeatMapPutsEachValueInItsPlace) {
  draw(HeatMapPlot{.panels = {{.rows = 2, .columns = 2, .values = {0.0, 3.0, 6.0, 9.0}}}});
  // gnuplot reads every tenth pixel of the picture back, with y upwards.
  const std::string table = (folder_ / "pixels").string();
  const std::string command = "gnuplot -d -e \"set table '" + table + "'; plot '" +
                              (folder_ / "plot.v1.png").string() +
                              "' binary filetype=png every 10:10 with rgbimage\"";
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::vector<std::array<double, 5>> pixels;  // x, y, red, green, blue
  std::ifstream lines(table);
  double width = 0.0;
  double height = 0.0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream numbers(line);
    std::array<double, 5> pixel{};
    if (!(numbers >> pixel[0] >> pixel[1] >> pixel[2] >> pixel[3] >> pixel[4])) continue;
    width = std::max(width, pixel[0]);
    height = std::max(height, pixel[1]);
    pixels.push_back(pixel);
  }
  const auto expect_colour = [&](double x, double y, const std::array<double, 3>& colour) {
    const auto distance = [&](const auto& pixel) {
      return std::hypot(pixel[0] - x * width, pixel[1] - y * height);
    };
    const auto nearest =
        std::min_element(pixels.begin(), pixels.end(),
                         [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
    ASSERT_NE(nearest, pixels.end());
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR((*nearest)[2 + i], colour[i], 3.0);
  };
  // Colours 0, 3, 6 and 9 of viridis: row 0 below, column 0 at the left.
  expect_colour(0.30, 0.30, {68, 1, 84});
  expect_colour(0.65, 0.30, {49, 104, 142});
  expect_colour(0.30, 0.75, {53, 183, 121});
  expect_colour(0.65, 0.75, {253, 231, 37});
}

TEST_F(ReportTest, ScatterPlotsSideBySide) {
  ScatterPlot plot{.title = "Circle",
                   .x_label = "x",
                   .y_label = "y",
                   .panels = {circle("data", 500), circle("samples", 9000)}};
  const std::string svg = draw(plot);
  EXPECT_TRUE(contains(svg, ">data<") && contains(svg, ">samples<"));
  EXPECT_TRUE(contains(svg, "at most 8000 points of a panel drawn"));
  EXPECT_FALSE(contains(svg, "outside the frame"));
}

TEST_F(ReportTest, OutliersDoNotSquashThePicture) {
  ScatterPlot plot{.panels = {circle("data", 500), circle("samples", 500)}};
  plot.panels[1].x[7] = 1e6;
  plot.panels[1].y[8] = -1e200;
  const std::string svg = draw(plot);
  EXPECT_TRUE(contains(svg, "1 value not drawable; 1 value outside the frame"));
  EXPECT_TRUE(contains(svg, ">−1.0<"));
}

TEST_F(ReportTest, PairPlotShowsSixColumns) {
  PairPlot plot{.title = "Pairs"};
  for (int column = 0; column < 8; ++column) {
    plot.columns.push_back("c" + std::to_string(column));
  }
  for (int i = 0; i < 8 * 200; ++i) {
    plot.data.push_back(std::sin(1.7 * i));
    plot.model.push_back(std::cos(2.9 * i));
  }
  const std::string svg = draw(plot);
  EXPECT_TRUE(contains(svg, "first 6 of 8 columns"));
  EXPECT_TRUE(contains(svg, ">c5<"));
  EXPECT_FALSE(contains(svg, ">c6<"));
  plot.columns = {"alone"};
  draw(plot);
}

TEST_F(ReportTest, AxesOfTextsAndOfDecades) {
  PairPlot plot{.title = "Pairs", .columns = {"who", "price"}};
  plot.scales = {{.texts = {"ann", "bob & co"}}, {.logarithmic = true}};
  for (int i = 0; i < 300; ++i)
    for (auto* values : {&plot.data, &plot.model}) {
      values->push_back(i % 2);
      values->push_back(std::exp(2.0 * std::sin(1.7 * i)) * (i % 3 == 0 ? 100.0 : 1.0));
    }
  plot.model.back() = -1.0;
  const std::string svg = draw(plot);
  EXPECT_TRUE(contains(svg, ">ann<") && contains(svg, ">bob &amp; co<"));
  EXPECT_TRUE(contains(svg, ">100<") && contains(svg, ">1<"));
  EXPECT_TRUE(contains(svg, "1 value not drawable"));
  draw(ScatterPlot{.x_scale = {.texts = {"ann", "bob"}},
                   .y_scale = {.logarithmic = true},
                   .panels = {{.x = {0.0, 1.0}, .y = {1.0, 1000.0}}}});
  plot.scales.resize(1);
  EXPECT_THROW(draw(plot), ShapeError);
}

TEST(ColumnScale, PutsValuesInTheirPlaces) {
  const std::vector<double> places =
      places_on({.logarithmic = true}, std::vector{0.01, 1.0, 1000.0, 0.0, -1.0});
  EXPECT_NEAR(places[0], -2.0, 1e-12);
  EXPECT_NEAR(places[1], 0.0, 1e-12);
  EXPECT_NEAR(places[2], 3.0, 1e-12);
  EXPECT_TRUE(std::isnan(places[3]) && std::isnan(places[4]));
  const std::vector<Tic> decades = tics_on({.logarithmic = true}, {-2.3, 3.2}, 6);
  ASSERT_EQ(decades.size(), 6u);
  EXPECT_EQ(decades[2].label, "1");
  EXPECT_NEAR(decades[2].value, 0.0, 1e-12);
  // Texts spread around their number, and stay apart; each has a bin.
  const ColumnScale texts{.texts = {"a", "b", "c"}};
  const std::vector<double> numbers(500, 2.0), spread = places_on(texts, numbers);
  const auto [least, greatest] = std::ranges::minmax(spread);
  EXPECT_GT(least, 1.6);
  EXPECT_LT(greatest, 2.4);
  EXPECT_GT(greatest - least, 0.5);
  const Interval all = interval_on(texts, spread, spread);
  EXPECT_EQ(all.low, -0.5);
  EXPECT_EQ(all.high, 2.5);
  EXPECT_EQ(bins_on(texts, spread, all, 40), 3u);
  EXPECT_EQ(tics_on(texts, all, 8)[1].label, "b");
}

TEST_F(ReportTest, HistogramWithDensity) {
  HistogramPlot plot{.title = "One column", .x_label = "x"};
  for (int i = 0; i < 1000; ++i) {
    plot.data.push_back(std::sin(1.7 * i));
    plot.model.push_back(std::cos(2.9 * i));
  }
  plot.density_x = {-1.0, 0.0, 1.0};
  plot.density_y = {0.5, 0.5, 0.5};
  plot.density_name = "exact";
  EXPECT_TRUE(contains(draw(plot), ">exact<"));
}

// Two samples of which one lies decades beyond the other: both are to be seen.
TEST_F(ReportTest, HistogramWithATailShowsBothSamples) {
  HistogramPlot plot{.title = "Energies", .x_label = "energy"};
  for (int i = 0; i < 1000; ++i) {
    plot.data.push_back(-43.0 + 6.0 * std::sin(1.7 * i));
    plot.model.push_back(std::pow(10.0, 5.0 + 3.0 * std::cos(2.9 * i)));
  }
  const std::string outside = " values outside the frame";
  EXPECT_TRUE(contains(draw(plot), outside));
  plot.x_scale = {.tail_unit = 1.0, .tail_begin = -37.0};
  const std::string svg = draw(plot);
  EXPECT_FALSE(contains(svg, outside)) << svg;
  EXPECT_TRUE(contains(svg, "density along the axis"));
  // Marks of both parts.
  EXPECT_TRUE(contains(svg, "40") && contains(svg, "10")) << svg;
}

// Places grow with values, and are the values before the tail.
TEST(ColumnScale, AKnownRangeIsShownWhateverTheValues) {
  const ColumnScale scale{.range = {{-180.0, 180.0}}};
  const std::vector<double> few = {-1.0, 1.0}, others = {900.0};
  EXPECT_EQ(interval_on(scale, few, others).low, -180.0);
  EXPECT_EQ(interval_on(scale, few, others).high, 180.0);
}

TEST(ColumnScale, ATailIsContinuous) {
  const ColumnScale scale{.tail_unit = 2.0, .tail_begin = 10.0};
  const std::vector<double> values = {-5.0, 9.0, 10.0, 10.0 + 1e-6, 12.0, 1e3, 1e9};
  const std::vector<double> places = places_on(scale, values);
  EXPECT_EQ(places[0], -5.0);
  EXPECT_EQ(places[2], 10.0);
  EXPECT_NEAR(places[3], 10.0 + 1e-6, 1e-11);
  EXPECT_NEAR(places[4], 10.0 + 2.0 * std::log(2.0), 1e-12);
  EXPECT_TRUE(std::ranges::is_sorted(places));
  // Far out a decade takes unit log 10.
  EXPECT_NEAR(places[6] - places[5], 6.0 * 2.0 * std::log(10.0), 0.02);
}

TEST_F(ReportTest, NothingDrawableStillGivesAPicture) {
  const std::vector<double> bad = {kNan, kInfinity, -kInfinity, 1e300};
  for (const bool log_y : {false, true}) {
    LineChart chart{.series = {{.name = "loss", .x = {1, 2, 3, 4}, .y = bad}}, .log_y = log_y};
    const std::string svg = draw(chart);
    EXPECT_TRUE(contains(svg, "no drawable values") && contains(svg, "4 values not drawable"));
  }
  HeatMapPlot map{.panels = {{.rows = 2, .columns = 2, .values = bad}}};
  EXPECT_TRUE(contains(draw(map), "no drawable values"));
  map.panels.push_back({.rows = 2, .columns = 2, .values = {1.0, kNan, 1.0, -kInfinity}});
  EXPECT_TRUE(contains(draw(map), "6 values not drawable"));
  EXPECT_TRUE(contains(draw(ScatterPlot{.panels = {{.x = bad, .y = bad}}}), "no drawable values"));
  draw(PairPlot{.columns = {"a", "b"}, .data = bad, .model = bad});
  draw(PairPlot{.columns = {"a", "b"}, .data = bad, .model = {1.0, 2.0, 1.0, 2.0}});
  draw(HistogramPlot{.data = bad, .model = bad, .density_x = bad, .density_y = bad});
}

TEST_F(ReportTest, ExtremeButDrawableNumbers) {
  for (const double size : {1e99, 1e-99, 1e-300, 0.0, 123456789.0}) {
    for (const double change : {0.0, 1e-15, 1e-7, 1.0}) {
      LineChart chart{.series = {{.x = {0.0, size, size * (1.0 + change)},
                                  .y = {size, size, size * (1 + change)}}}};
      draw(chart);
      chart.log_y = true;
      draw(chart);
    }
  }
  draw(HistogramPlot{.data = {5.0, 5.0, 5.0}, .model = {1e99}});
  draw(ScatterPlot{.panels = {{.x = {1e99, -1e99}, .y = {1e-99, 2e-99}}}});
}

TEST_F(ReportTest, EmptyOrUnequalInputIsRefused) {
  const fs::path stem = folder_ / "none";
  EXPECT_THROW(write_plot(LineChart{}, stem), ConfigError);
  EXPECT_THROW(write_plot(LineChart{.series = {{.name = "empty"}}}, stem), ConfigError);
  EXPECT_THROW(write_plot(LineChart{.series = {{.x = {1.0}}}}, stem), ShapeError);
  EXPECT_THROW(write_plot(HeatMapPlot{}, stem), ConfigError);
  EXPECT_THROW(write_plot(HeatMapPlot{.panels = {ramp(1, 5)}}, stem), ConfigError);
  EXPECT_THROW(write_plot(HeatMapPlot{.x_range = {1.0, 1.0}, .panels = {ramp(2, 2)}}, stem),
               ConfigError);
  EXPECT_THROW(
      write_plot(HeatMapPlot{.panels = {{.rows = 2, .columns = 2, .values = {1.0}}}}, stem),
      ShapeError);
  EXPECT_THROW(write_plot(ScatterPlot{}, stem), ConfigError);
  EXPECT_THROW(write_plot(ScatterPlot{.panels = {{.title = "empty"}}}, stem), ConfigError);
  EXPECT_THROW(write_plot(ScatterPlot{.panels = {{.x = {1.0}}}}, stem), ShapeError);
  EXPECT_THROW(write_plot(PairPlot{}, stem), ConfigError);
  EXPECT_THROW(
      write_plot(PairPlot{.columns = {"a", "b"}, .data = {1, 2, 3}, .model = {1, 2}}, stem),
      ShapeError);
  EXPECT_THROW(write_plot(HistogramPlot{.data = {1.0}}, stem), ConfigError);
  EXPECT_TRUE(fs::is_empty(folder_));
}

/// Sets a variable of the environment until the end of the scope.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    ::setenv(name, value.c_str(), 1);
  }
  ~ScopedVariable() { ::setenv(name_, old_.c_str(), 1); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::string old_;
};

TEST_F(ReportTest, MissingGnuplotIsSaidClearly) {
  const ScopedVariable path("PATH", "");
  EXPECT_FALSE(plotting_available());
  try {
    write_plot(loss_chart(), folder_ / "plot");
    FAIL() << "expected a DataError";
  } catch (const DataError& error) {
    EXPECT_TRUE(contains(error.what(), "no program gnuplot")) << error.what();
    EXPECT_TRUE(contains(error.what(), "package gnuplot-nox")) << error.what();
  }
}

TEST_F(ReportTest, FailingGnuplotIsQuotedAndLeavesEarlierFilesAlone) {
  std::ofstream(folder_ / "gnuplot") << "#!/bin/sh\necho 'unknown terminal' >&2\nexit 1\n";
  fs::permissions(folder_ / "gnuplot", fs::perms::owner_all);
  std::ofstream(folder_ / "plot.png") << "earlier";
  const ScopedVariable path("PATH", folder_.string());
  ASSERT_TRUE(plotting_available());
  try {
    write_plot(loss_chart(), folder_ / "plot");
    FAIL() << "expected a DataError";
  } catch (const DataError& error) {
    EXPECT_TRUE(contains(error.what(), "unknown terminal")) << error.what();
    EXPECT_TRUE(contains(error.what(), "package gnuplot-nox")) << error.what();
  }
  EXPECT_EQ(read_file(folder_ / "plot.png"), "earlier");
}

TEST_F(ReportTest, UnwritableFolderIsSaidClearly) {
  EXPECT_THROW(write_plot(loss_chart(), folder_ / "missing" / "plot"), DataError);
}

std::string labels(const std::vector<Tic>& tics) {
  std::string text;
  for (const Tic& tic : tics) text += (text.empty() ? "" : " ") + tic.label;
  return text;
}

TEST(Tics, AreRound) {
  EXPECT_EQ(labels(linear_tics({-3.0, 3.0}, 7)), "−3 −2 −1 0 1 2 3");
  EXPECT_EQ(labels(linear_tics({-3.0, 3.0}, 4)), "−2 0 2");
  EXPECT_EQ(labels(linear_tics({0.0, 0.31}, 4)), "0.0 0.1 0.2 0.3");
  EXPECT_EQ(labels(linear_tics({0.0, 20000.0}, 5)), "0 5000 10000 15000 20000");
  EXPECT_EQ(labels(linear_tics({0.0, 3e6}, 4)), "0 1e6 2e6 3e6");
  EXPECT_EQ(labels(linear_tics({1000.1, 1000.4}, 5)), "1000.1 1000.2 1000.3 1000.4");
  EXPECT_EQ(labels(logarithmic_tics({1e-5, 1e5}, 6)), "10⁻⁴ 0.01 1 100 10000");
  EXPECT_EQ(labels(logarithmic_tics({0.4, 6.0}, 6)), "0.5 1 2 5");
}

TEST(Tics, LabelsKeepOutOfNeighbouringPanels) {
  const Axis axis{.interval = {0.0, 10.0}, .overhang = 2.0};
  EXPECT_EQ(label_place(axis, 5.0, 100.0, 30.0), 50.0);
  EXPECT_EQ(label_place(axis, 0.0, 100.0, 30.0), 13.0);   // from -2 to 28
  EXPECT_EQ(label_place(axis, 10.0, 100.0, 30.0), 87.0);  // from 72 to 102
  EXPECT_EQ(label_place(axis, 0.0, 100.0, 300.0), 50.0);
}

TEST(RobustInterval, HoldsTheBulk) {
  const Interval plain = robust_interval({0.0, 10.0, kNan}, 0.005);
  EXPECT_NEAR(plain.low, -0.4, 1e-12);
  EXPECT_NEAR(plain.high, 10.4, 1e-12);
  std::vector<double> values;
  for (int i = 0; i <= 1000; ++i) values.push_back(i / 1000.0);
  values.push_back(1e9);
  EXPECT_LT(robust_interval(values, 0.005).high, 1.5);
}

TEST(PlainText, CleansWhatTerminalsAndXmlCannotTake) {
  EXPECT_EQ(clean_text("a\tb\nc\x7f"), "a b c ");
  EXPECT_EQ(clean_text("é€😀"), "é€😀");
  EXPECT_EQ(clean_text("\xc3"), "\uFFFD");
  EXPECT_EQ(clean_text("\xc0\xaf"), "\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(clean_text("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");  // surrogate
  EXPECT_EQ(clean_text("\xf4\x90\x80\x80x"), "\uFFFD\uFFFD\uFFFD\uFFFDx");
  EXPECT_EQ(clean_text("\xc2\x9b"), " ");  // a control character of Latin-1
  EXPECT_EQ(text_width("é€😀"), 3U);
  EXPECT_EQ(shorten("hämmer", 6), "hämmer");
  EXPECT_EQ(shorten("hämmern", 6), "hämme…");
  EXPECT_EQ(shorten("abc", 0), "");
}

TextTable results() {
  return {.caption = "Divergences",
          .header = {"base", "KL", "steps", "note"},
          .rows = {{"Gaussian", "0.076 ± 0.002", "20 000", "-"},
                   {"résampled", "0.026 ± 0.001", "512", "50 % | *ok*"},
                   {"none", "nan", "–", ""}},
          .best = {BestValue::kNone, BestValue::kLowest, BestValue::kHighest, BestValue::kNone}};
}

TEST(TextTableTest, PlainColumnsAreAligned) {
  EXPECT_EQ(plain_table(results()),
            "Divergences\n"
            "base                  KL    steps   note\n"
            "---------  --------------  -------  -----------\n"
            "Gaussian   0.076 ± 0.002   20 000*  -\n"
            "résampled  0.026 ± 0.001*     512   50 % | *ok*\n"
            "none                 nan        –\n");
}

TEST(TextTableTest, MarkdownEscapesMarkup) {
  EXPECT_EQ(markdown_table(results()),
            "Divergences\n\n"
            "| base | KL | steps | note |\n"
            "| --- | ---: | ---: | --- |\n"
            "| Gaussian | 0.076 ± 0.002 | **20 000** | - |\n"
            "| résampled | **0.026 ± 0.001** | 512 | 50 % \\| \\*ok\\* |\n"
            "| none | nan | – |  |\n");
}

TEST(TextTableTest, MarksEveryEqualBestAndNeverWhatIsNotFinite) {
  const TextTable table{.header = {"x"},
                        .rows = {{"-inf"}, {"−2"}, {"-2.0"}, {"1e3"}, {"7%"}, {"+3"}},
                        .best = {BestValue::kLowest}};
  const TableLayout layout = table_layout(table);
  EXPECT_TRUE(layout.right[0]);
  const std::vector<std::vector<bool>> expected = {{false}, {true},  {true},
                                                   {false}, {false}, {false}};
  EXPECT_EQ(layout.bold, expected);
}

TEST(TextTableTest, NumbersAreToldFromText) {
  for (const char* text : {"1.2.3", "12 s", "model 1", "1 2 3 x", "0.1 ± x"}) {
    EXPECT_FALSE(table_layout({.header = {"x"}, .rows = {{text}}}).right[0]) << text;
  }
  EXPECT_FALSE(table_layout({.header = {"x"}, .rows = {{"-"}, {""}}}).right[0]);
  for (const char* text : {"12", "-0.5", "1e-300", "1 000 000", "3 ± 0.1", "3±0.1", "12 %"}) {
    EXPECT_TRUE(table_layout({.header = {"x"}, .rows = {{text}}}).right[0]) << text;
  }
}

TEST(TextTableTest, RaggedTablesAreRefused) {
  EXPECT_THROW(plain_table({.header = {"a", "b"}, .rows = {{"1"}}}), ShapeError);
  EXPECT_THROW(markdown_table({}), ConfigError);
  EXPECT_THROW(
      plain_table({.header = {"a"}, .rows = {}, .best = {BestValue::kNone, BestValue::kNone}}),
      ShapeError);
}

TEST_F(ReportTest, HtmlStandsAloneAndEscapes) {
  write_plot(loss_chart(), folder_ / "loss");
  HtmlReport report("Run <script>alert('1')</script>", "a & b");
  report.section("<script src=\"http://example.org/x.js\"></script>");
  report.paragraph("text </p><script>alert(2)</script>\xff");
  report.table(results());
  TextTable hostile = results();
  hostile.caption = hostile.header[0] = hostile.rows[0][0] = "<script>";
  report.table(hostile);
  report.picture(folder_ / "loss.png", "\"><script>");
  report.section("Second");
  report.picture(folder_ / "loss.svg");
  const fs::path path = folder_ / "report.html";
  report.write(path);

  const std::string page = read_file(path);
  EXPECT_EQ(page, report.html());
  EXPECT_FALSE(contains(page, "<script"));
  EXPECT_TRUE(contains(page, "<h1>Run &lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;</h1>"));
  EXPECT_TRUE(contains(page, "alert(2)&lt;/script&gt;\uFFFD</p>"));
  EXPECT_TRUE(contains(page, "<td class=\"n\"><strong>0.026 ± 0.001</strong></td>"));
  EXPECT_TRUE(contains(page, "<td>50 % | *ok*</td>"));
  EXPECT_TRUE(contains(page, "src=\"data:image/png;base64,iVBORw0KGgo"));
  EXPECT_TRUE(contains(page, "src=\"data:image/svg+xml;base64,PD94bWwg"));  // "<?xml "
  EXPECT_TRUE(contains(page, "width=\"680\""));
  EXPECT_TRUE(contains(page, "prefers-color-scheme: dark"));
  EXPECT_TRUE(contains(page, "@media print"));
  // Nothing that a browser would fetch: every src is a data URI, and there are no other ways.
  for (const char* way : {"href=", "url(", "@import", "<link", "<iframe", "srcset"}) {
    EXPECT_FALSE(contains(page, way)) << way;
  }
  EXPECT_EQ(page.find("src=\"", page.find("<body>")), page.find("src=\"data:"));
  EXPECT_FALSE(contains(replaced(page, "src=\"data:", ""), "src=\""));
  // <meta>, <img> and the doctype have no end tags.
  const std::string body = page.substr(page.find("<body>"));
  std::string closed = replaced(body.substr(0, body.find("</html>")), "<img ", "<!");
  EXPECT_EQ(xml_error(closed), "");
}

TEST_F(ReportTest, HtmlRefusesWhatIsNoPicture) {
  HtmlReport report("Run");
  EXPECT_THROW(report.picture(folder_ / "missing.png"), DataError);
  EXPECT_THROW(report.picture(folder_), DataError);
  std::ofstream(folder_ / "text.png") << "no picture";
  EXPECT_THROW(report.picture(folder_ / "text.png"), DataError);
  EXPECT_THROW(report.table({}), ConfigError);
  EXPECT_THROW(report.write(folder_ / "missing" / "report.html"), DataError);
}

TEST_F(ReportTest, PicturesAreEncodedWhole) {
  // Lengths of all three remainders by 3; the expected codes are from RFC 4648's alphabet.
  for (const auto& [bytes, code] :
       {std::pair{"<svg", "PHN2Zw=="}, {"<svg>", "PHN2Zz4="}, {"<svg/>", "PHN2Zy8+"}}) {
    std::ofstream(folder_ / "tiny.svg") << bytes;
    HtmlReport report("Run");
    report.picture(folder_ / "tiny.svg");
    EXPECT_TRUE(contains(report.html(), std::string("base64,") + code + "\"")) << bytes;
  }
}

TEST(Progress, Durations) {
  EXPECT_EQ(format_duration(0.0), "0 ms");
  EXPECT_EQ(format_duration(0.35), "350 ms");
  EXPECT_EQ(format_duration(0.9996), "1.0 s");
  EXPECT_EQ(format_duration(1.25), "1.2 s");
  EXPECT_EQ(format_duration(9.96), "10 s");
  EXPECT_EQ(format_duration(59.6), "1 min 00 s");
  EXPECT_EQ(format_duration(185.0), "3 min 05 s");
  EXPECT_EQ(format_duration(7800.0), "2 h 10 min");
  EXPECT_EQ(format_duration(273600.0), "3 d 04 h");
  for (const double bad : {-1.0, kNan, kInfinity}) EXPECT_EQ(format_duration(bad), "?");
}

TEST(Progress, Counts) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(1024), "1024");
  EXPECT_EQ(format_count(-9999), "-9999");
  EXPECT_EQ(format_count(20000), "20 000");
  EXPECT_EQ(format_count(-1000000), "-1 000 000");
  EXPECT_EQ(format_count(std::numeric_limits<std::int64_t>::min()), "-9 223 372 036 854 775 808");
}

TEST(Progress, CellsShowTheirErrors) {
  EXPECT_EQ(cell_text(0.25, 0.0), "0.2500");
  EXPECT_EQ(cell_text(-1.5, 0.125), "-1.5000 ± 0.1250");
  EXPECT_EQ(cell_text(0.000446, 0.0), "0.000446");
  EXPECT_EQ(cell_text(0.50895, 0.000052), "0.508950 ± 0.000052");
  EXPECT_EQ(cell_text(1e-30, 0.0), "0.000000000");
  EXPECT_EQ(cell_text(0.0, 0.0), "0.0000");
  EXPECT_EQ(cell_text(3.883e17, 0.0), "3.883e+17");
  EXPECT_EQ(cell_text(INFINITY, 0.0), "inf");
}

TEST(Progress, LinesFit) {
  EXPECT_EQ(progress_line(0.5, "loss 1.2", 40, false), " 50% [####    ] loss 1.2");
  EXPECT_EQ(progress_line(0.55, "loss 1.2", 40, true), " 55% █████▌     loss 1.2");
  EXPECT_EQ(progress_line(1.0, "", 40, true), "100% ██████████");
  EXPECT_EQ(progress_line(0.999, "", 40, false), " 99% [####### ]");
  EXPECT_EQ(progress_line(kNan, "x", 10, true), "  0% x");
  EXPECT_EQ(progress_line(7.0, "a\nb", 10, true), "100% a b");
  for (std::size_t width = 0; width < 90; ++width) {
    for (const bool unicode : {false, true}) {
      const std::string line =
          progress_line(0.73, "a text that does not fit everywhere, é", width, unicode);
      EXPECT_LE(text_width(line), width);
      EXPECT_LE(text_width(fitted_text("evaluating: samples\nbeside é", width, unicode)), width);
      EXPECT_TRUE(unicode || !contains(line, "…"));
    }
  }
}

TEST(Progress, EnvironmentTellsTheAlphabet) {
  const ScopedVariable all("LC_ALL", "");
  const ScopedVariable type("LC_CTYPE", "");
  const ScopedVariable lang("LANG", "C");
  EXPECT_FALSE(environment_is_utf8());
  const ScopedVariable type_utf8("LC_CTYPE", "en_GB.UTF-8");
  EXPECT_TRUE(environment_is_utf8());
  const ScopedVariable all_c("LC_ALL", "C");
  EXPECT_FALSE(environment_is_utf8());
  const ScopedVariable all_utf8("LC_ALL", "C.utf8");
  EXPECT_TRUE(environment_is_utf8());
}

}  // namespace
}  // namespace thalweg
