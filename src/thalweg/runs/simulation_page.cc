// The page of a simulation.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>
#include <string>

#include "thalweg/core/error.h"
#include "thalweg/io/npy.h"
#include "thalweg/metrics/particle_observables.h"
#include "thalweg/molecules/molecular_system.h"
#include "thalweg/report/html.h"
#include "thalweg/report/plot.h"
#include "thalweg/runs/ramachandran.h"
#include "thalweg/runs/simulation_summary.h"

namespace thalweg {
namespace {

namespace fs = std::filesystem;

/// Means over a temperature's replicas, frame by frame.
LineSeries means_over_time(const SimulationState& state, const SimulationSummary& summary,
                           std::int64_t level, std::int64_t which, double factor,
                           const std::string& name) {
  const SimulationRequest& request = state.request;
  const auto walkers = request.replicas * static_cast<std::int64_t>(request.temperatures.size());
  LineSeries series{.name = name};
  for (std::int64_t frame = 0; frame < state.frames; ++frame) {
    double sum = 0.0;
    for (std::int64_t replica = 0; replica < request.replicas; ++replica) {
      const std::int64_t walker = level * request.replicas + replica;
      sum += summary.energies[static_cast<std::size_t>((frame * walkers + walker) * 3 + which)];
    }
    series.x.push_back(
        units_of(request).time_step * request.time_step *
        static_cast<double>(request.equilibration + (frame + 1) * request.frame_every));
    series.y.push_back(factor * sum / static_cast<double>(request.replicas));
  }
  return series;
}

template <typename Plot>
void add_picture(HtmlReport& page, const fs::path& stem, const Plot& plot,
                 const std::string& caption = "") {
  write_plot(plot, stem);
  page.picture(stem.string() + ".png", caption);
}

/// Where the points of the first temperature were.
void add_points(HtmlReport& page, const fs::path& folder, const SimulationPaths& paths,
                const SimulationState& state, const std::vector<std::string>& columns) {
  const std::vector<double> rows = read_npy(paths.trajectory(state.request.format)).values;
  const auto half = static_cast<std::ptrdiff_t>(
      static_cast<std::size_t>(state.frames / 2 * state.request.replicas) * columns.size());
  if (const std::int64_t dimensions = state.directions.dimensions; state.directions.free > 0) {
    const auto width = static_cast<std::int64_t>(columns.size());
    page.section("Distances");
    add_picture(page, folder / "distances",
                HistogramPlot{
                    .title = "Distances of all pairs at the first temperature",
                    .x_label = "distance",
                    .data = pair_distances(std::span(rows).first(static_cast<std::size_t>(half)),
                                           width, dimensions),
                    .model = pair_distances(std::span(rows).subspan(static_cast<std::size_t>(half)),
                                            width, dimensions),
                    .data_name = "first half of the frames",
                    .model_name = "second half"},
                "Of particles that may move together, whose places mean nothing.");
    return;
  }
  page.section("Points");
  add_picture(page, folder / "points",
              PairPlot{.title = "Points at the first temperature",
                       .columns = columns,
                       .data = {rows.begin(), rows.begin() + half},
                       .model = {rows.begin() + half, rows.end()},
                       .data_name = "first half of the frames",
                       .model_name = "second half"},
              fmt::format("Below the diagonal the first half of the frames, above it the second, "
                          "which are alike if the simulation is long enough{}.",
                          columns.size() > 6 ? "; the first six columns" : ""));
}

void add_pictures(HtmlReport& page, const fs::path& folder, const SimulationState& state,
                  const SimulationSummary& summary) {
  const SimulationUnits units = units_of(state.request);
  const std::string time = units.time.empty() ? "time" : units.time;
  const std::string energy = units.energy.empty() ? "energy" : units.energy;
  const std::string kelvin = units.temperature.empty() ? "" : " " + units.temperature;
  LineChart energies{
      .title = "Potential energy, mean over replicas", .x_label = time, .y_label = energy};
  const auto levels = static_cast<std::int64_t>(state.request.temperatures.size());
  for (std::int64_t level = 0; level < levels; ++level)
    energies.series.push_back(means_over_time(
        state, summary, level, 0, 1.0,
        fmt::format("{:g}{}", state.request.temperatures[static_cast<std::size_t>(level)],
                    kelvin)));
  page.section("Energies");
  add_picture(page, folder / "energy", energies);
  if (!summary.drift.empty()) {
    LineSeries total = energies.series[0];
    const LineSeries kinetic = means_over_time(state, summary, 0, 1, 1.0, "");
    for (std::size_t i = 0; i < total.y.size(); ++i) total.y[i] += kinetic.y[i];
    total.name = "potential and kinetic";
    add_picture(page, folder / "total",
                LineChart{.title = "Sum of energies, mean over replicas",
                          .x_label = time,
                          .y_label = energy,
                          .series = {total}});
  }
  page.section("Temperatures");
  add_picture(
      page, folder / "temperature",
      LineChart{
          .title = "Temperatures, mean over replicas",
          .x_label = time,
          .y_label = kelvin.empty() ? "temperature" : units.temperature,
          .series = {means_over_time(state, summary, 0, 1,
                                     2.0 / (summary.freedoms * units.boltzmann), "kinetic"),
                     means_over_time(state, summary, 0, 2,
                                     1.0 / (summary.moved_freedoms * units.boltzmann), "virial")}});
  if (summary.backbone.empty()) return;
  HeatMapPlot angles = ramachandran_plot("Free energy of the backbone angles");
  for (const BackboneRows& each : summary.backbone)
    angles.panels.push_back(ramachandran_panel(each.residue, each));
  page.section("Ramachandran");
  add_picture(page, folder / "ramachandran", angles, "Grey: never seen.");
  const std::int64_t chains = state.request.replicas;
  for (const BackboneRows& each : summary.backbone) {
    LineChart chart = angle_profiles("Free energy along phi and psi of " + each.residue);
    chart.series = {angle_profile("phi", each.phi, chains), angle_profile("psi", each.psi, chains)};
    std::string file = each.residue;
    std::ranges::replace(file, ' ', '-');
    add_picture(page, folder / ("profile-" + file), chart,
                fmt::format("Bars are one standard error, by how {} differ.",
                            chains >= 4 ? "replicas" : "20 stretches of the simulation"));
  }
}

}  // namespace

void write_simulation_page(const SimulationPaths& paths, const SimulationState& state,
                           const SimulationSummary& summary,
                           const std::vector<std::string>& columns,
                           const std::vector<std::string>& warnings) {
  const SimulationRequest& request = state.request;
  const SimulationUnits units = units_of(request);
  HtmlReport page("Molecular dynamics", moved_by(request));
  for (const std::string& warning : warnings) page.paragraph("Warning: " + warning);
  page.section("Figures");
  TextTable table{
      .header = {with_unit("temperature", units.temperature), with_unit("potential", units.energy),
                 with_unit("kinetic", units.temperature), with_unit("virial", units.temperature),
                 "R-hat", "effective samples", "exchanged"}};
  const auto cell = [](double value, int decimals) {
    return std::isnan(value) ? std::string("-") : fmt::format("{:.{}f}", value, decimals);
  };
  const auto mean = [&](const SimulationMean& value) {
    return std::isnan(value.error) ? cell(value.value, 2)
                                   : fmt::format("{:.2f} ± {:.2f}", value.value, value.error);
  };
  for (const TemperatureSummary& own : summary.temperatures)
    table.rows.push_back({fmt::format("{:g}", own.temperature), mean(own.potential),
                          mean(own.kinetic), mean(own.virial), cell(own.r_hat, 4),
                          cell(own.effective_samples, 0), cell(own.exchanged, 3)});
  page.table(table);
  if (plotting_available() && state.frames > 1) {
    const fs::path folder = fs::path(paths.folder) / "plots";
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) fail<DataError>("{}: cannot make the folder: {}", folder.string(), error.message());
    add_pictures(page, folder, state, summary);
    if (request.system.empty()) add_points(page, folder, paths, state, columns);
  }
  page.write(fs::path(paths.folder) / "report.html");
}

}  // namespace thalweg
