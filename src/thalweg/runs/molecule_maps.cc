#include "thalweg/runs/molecule_maps.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/datasets/matrix.h"
#include "thalweg/runs/force_pictures.h"
#include "thalweg/runs/molecule_data.h"
#include "thalweg/runs/molecule_metrics.h"
#include "thalweg/runs/ramachandran.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {
namespace {

constexpr std::int64_t kRows = 10000;
constexpr double kPi = std::numbers::pi;

/// The density of those of the values that are in [low, high], over 60 bins.
LineSeries density(std::string name, std::span<const double> values, double low, double high,
                   LineStyle style) {
  constexpr std::size_t kBins = 60;
  const double width = (high - low) / static_cast<double>(kBins);
  std::vector<double> counts(kBins, 0.0);
  for (const double value : values)
    if (value >= low && value <= high)
      counts[std::min(static_cast<std::size_t>((value - low) / width), kBins - 1)] += 1.0;
  LineSeries series{.name = std::move(name), .style = style};
  for (std::size_t i = 0; i < kBins; ++i) {
    series.x.push_back(low + width * (static_cast<double>(i) + 0.5));
    series.y.push_back(counts[i] / (static_cast<double>(values.size()) * width));
  }
  return series;
}

/// -log p of the positions, moved so that the least is that of `energies`.
std::vector<double> flow_energies(const LoadedRun& run, std::span<const double> rows,
                                  std::span<const double> energies, ThreadPool& pool) {
  DensityEvaluator evaluator(*run.model, pool, Precision::kDouble, run.options.importance_samples);
  std::vector<double> result = log_volumes(*run.model->flow().coordinates(), rows, pool);
  const std::vector<double> log_prob = evaluator.log_prob(rows);
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] -= log_prob[i];
    if (std::isfinite(result[i])) least = std::min(least, result[i]);
  }
  const double offset = std::ranges::min(energies) - least;
  for (double& value : result) value += offset;
  return result;
}

}  // namespace

std::vector<MoleculeRows> molecule_rows(const std::vector<NamedRun>& runs, ThreadPool& pool) {
  std::vector<MoleculeRows> result;
  for (const auto& [name, run] : runs) {
    if (run->model->flow().coordinates() == nullptr) continue;
    const std::optional<PreparedData> data = run->data();
    if (!data) continue;
    MoleculeRows& own = result.emplace_back(MoleculeRows{.name = name, .run = run});
    const std::vector<std::int64_t>& held_out = data->test.empty() ? data->validation : data->test;
    std::vector<std::int64_t> kept;
    for (const std::int64_t place : evenly_spaced_rows(std::ssize(held_out), kRows))
      kept.push_back(held_out[static_cast<std::size_t>(place)]);
    own.points = take_rows(data->x, data->features(), kept);
    own.samples = FlowSampler(*run->model, pool, 1, Precision::kDouble)
                      .next(std::max<std::int64_t>(std::ssize(kept), 1000));
  }
  return result;
}

HeatMapPlot ramachandran_maps(const std::vector<MoleculeRows>& runs, ThreadPool& pool) {
  HeatMapPlot plot = ramachandran_plot("Ramachandran");
  for (const MoleculeRows& each : runs) {
    const InternalCoordinates& coordinates = *each.run->model->flow().coordinates();
    const auto add = [&](const std::string& title, std::span<const double> rows) {
      const std::vector<BackboneRows> angles =
          backbone_rows(*each.run, position_rows(coordinates, rows, pool));
      if (!angles.empty()) plot.panels.push_back(ramachandran_panel(title, angles.front()));
    };
    if (plot.panels.empty() && !each.points.empty()) add("data", each.points);
    add(each.name, each.samples);
  }
  return plot;
}

LineChart torsion_chart(const std::vector<MoleculeRows>& runs, const std::string& torsion) {
  LineChart chart = angle_profiles(torsion);
  for (const MoleculeRows& each : runs) {
    const auto add = [&](const std::string& name, std::span<const double> rows) {
      std::vector<std::string> known;
      for (const TorsionRows& own : torsion_rows(*each.run, rows)) {
        if (own.name == torsion) chart.series.push_back(angle_profile(name, own.values));
        if (own.name == torsion) return;
        known.push_back(own.name);
      }
      fail<ConfigError>("pictures: unknown torsion '{}'{}", torsion, name_hint(torsion, known));
    };
    if (chart.series.empty() && !each.points.empty()) add("data", each.points);
    add(each.name, each.samples);
  }
  return chart;
}

ScatterPlot molecule_force_clouds(const std::vector<MoleculeRows>& runs, ThreadPool& pool) {
  ScatterPlot plot{.title = "Forces", .x_label = "force field, kT/nm", .y_label = "flow, kT/nm"};
  for (const MoleculeRows& each : runs) {
    const auto most = 100 * static_cast<std::size_t>(each.run->model->flow().features());
    const auto add = [&](const std::string& title, std::span<const double> rows) {
      if (rows.empty()) return;
      if (auto forces = forces_of(*each.run, rows.first(std::min(rows.size(), most)), pool))
        add_force_cloud(plot, title, std::move(*forces));
    };
    add(each.name + ", at data", each.points);
    add(each.name + ", at samples", each.samples);
  }
  return plot;
}

LineChart molecule_energy_chart(const MoleculeRows& rows, ThreadPool& pool) {
  LineChart chart{.title = rows.name, .x_label = "energy, kT", .y_label = "density"};
  const std::vector<double> known = molecule_energies(*rows.run, rows.points, pool);
  if (known.empty()) return chart;
  const std::vector<double> drawn = molecule_energies(*rows.run, rows.samples, pool);
  const double low = std::ranges::min(known), high = std::ranges::max(known);
  const double most = high + 0.5 * (high - low);
  const auto add = [&](const std::string& name, std::span<const double> values, LineStyle style) {
    chart.series.push_back(density(name, values, low, most, style));
  };
  add("force field, data", known, LineStyle::kSolid);
  add("flow, data", flow_energies(*rows.run, rows.points, known, pool), LineStyle::kDashed);
  add("force field, samples", drawn, LineStyle::kSolid);
  add("flow, samples", flow_energies(*rows.run, rows.samples, drawn, pool), LineStyle::kDashed);
  return chart;
}

}  // namespace thalweg
