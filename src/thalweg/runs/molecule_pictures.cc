#include "thalweg/runs/molecule_pictures.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "thalweg/runs/energy_picture.h"
#include "thalweg/runs/force_pictures.h"
#include "thalweg/runs/molecule_data.h"
#include "thalweg/runs/molecule_metrics.h"
#include "thalweg/runs/ramachandran.h"

namespace thalweg {
namespace {

constexpr double kDegrees = 180.0 / std::numbers::pi;

}  // namespace

std::vector<RunPicture> draw_molecule_pictures(const LoadedRun& run, const std::string& name,
                                               std::span<const double> points,
                                               std::span<const double> samples,
                                               const std::filesystem::path& folder,
                                               ThreadPool& pool) {
  std::vector<RunPicture> pictures;
  const std::string of = name.empty() ? "" : " of " + name;
  const auto add = [&](const auto& plot, const std::string& file, std::string caption) {
    const std::filesystem::path stem = folder / (file + (name.empty() ? "" : "-" + name));
    write_plot(plot, stem);
    pictures.push_back({plot.title, std::move(caption), stem.string() + ".png"});
  };
  const InternalCoordinates& coordinates = *run.model->flow().coordinates();
  const std::vector<BackboneRows> theirs =
      backbone_rows(run, position_rows(coordinates, points, pool));
  const std::vector<BackboneRows> own =
      backbone_rows(run, position_rows(coordinates, samples, pool));
  for (std::size_t i = 0; i < own.size() && !points.empty(); ++i) {
    HeatMapPlot plot = ramachandran_plot(fmt::format("Ramachandran of {}{}", own[i].residue, of));
    plot.panels.push_back(ramachandran_panel("data", theirs[i]));
    plot.panels.push_back(ramachandran_panel("samples", own[i]));
    add(plot, fmt::format("ramachandran-{}", i),
        "Free energy of the backbone angles, from counts in bins of 6 degrees. Grey: never seen.");
    for (const auto& [angle, values] :
         {std::pair{"phi", &BackboneRows::phi}, {"psi", &BackboneRows::psi}}) {
      LineChart chart =
          angle_profiles(fmt::format("Free energy along {} of {}{}", angle, own[i].residue, of));
      chart.series.push_back(angle_profile("data", theirs[i].*values));
      chart.series.push_back(angle_profile("samples", own[i].*values));
      add(chart, fmt::format("{}-{}", angle, i),
          "Bars are one standard error, as if rows of the data were independent.");
    }
  }
  struct Marginal {
    double variation;
    TorsionRows points, samples;
  };
  std::vector<Marginal> marginals;
  std::vector<TorsionRows> of_points = torsion_rows(run, points);
  std::vector<TorsionRows> of_samples = torsion_rows(run, samples);
  for (std::size_t i = 0; i < of_samples.size() && !points.empty(); ++i) {
    marginals.push_back(
        {circle_distance(of_samples[i].values, of_points[i].values, kTorsionBins).variation,
         std::move(of_points[i]), std::move(of_samples[i])});
  }
  std::ranges::sort(marginals, std::greater<>(), &Marginal::variation);
  for (std::size_t i = 0; i < std::min<std::size_t>(6, marginals.size()); ++i) {
    Marginal& each = marginals[i];
    for (std::vector<double>* values : {&each.points.values, &each.samples.values})
      for (double& value : *values) value *= kDegrees;
    add(HistogramPlot{.title = each.samples.name + of,
                      .x_label = "degrees",
                      .x_scale = {.range = {{-180.0, 180.0}}},
                      .data = std::move(each.points.values),
                      .model = std::move(each.samples.values)},
        fmt::format("torsion-{}", i),
        fmt::format(
            "One of the six torsions that differ most from the data: total variation {:.3f} "
            "over {} bins.",
            each.variation, kTorsionBins));
  }
  const std::vector<double> energies = molecule_energies(run, samples, pool);
  const std::vector<double> known = molecule_energies(run, points, pool);
  if (!energies.empty() && !known.empty()) {
    const EnergyPicture picture = energy_picture("Energies" + of, "the data", known, energies);
    add(picture.plot, "energies", picture.caption);
  }
  constexpr std::size_t kForceRows = 100;
  const std::size_t width = static_cast<std::size_t>(coordinates.features());
  const std::span<const double> some = points.first(std::min(points.size(), kForceRows * width));
  if (auto forces = some.empty() ? std::nullopt : forces_of(run, some, pool)) {
    ScatterPlot plot{
        .title = "Forces" + of, .x_label = "force field, kT/nm", .y_label = "flow, kT/nm"};
    add_force_cloud(plot, name.empty() ? "flow" : name, std::move(*forces));
    add(plot, "forces", "Forces on the atoms at points of the data, one dot a component.");
  }
  return pictures;
}

}  // namespace thalweg
