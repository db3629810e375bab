#include "thalweg/runs/force_pictures.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/quantiles.h"
#include "thalweg/runs/row_function.h"

namespace thalweg {
namespace {

constexpr std::int64_t kSamples = 2000;

std::vector<double> lengths(const std::vector<double>& forces) {
  std::vector<double> result;
  for (std::size_t i = 0; i + 1 < forces.size(); i += 2)
    result.push_back(std::hypot(forces[i], forces[i + 1]));
  return result;
}

/// The value that a share of the finite ones is below; 0 without any.
double finite_quantile(std::vector<double> values, double share) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  std::ranges::sort(values);
  return values.empty() ? 0.0 : sorted_quantile(values, share);
}

/// Exact samples in the plane, or none.
std::vector<double> plane_samples(const NamedRun& named) {
  const std::shared_ptr<const Target> target = named.run->target();
  if (!target || target->features() != 2 || !target->can_sample()) return {};
  return target_samples(*target, 1, Stream::kEvaluation, 0, kSamples);
}

}  // namespace

HeatMapPlot force_maps(const std::vector<NamedRun>& runs, double half_width, ThreadPool& pool) {
  HeatMapPlot plot = square_plot("Forces", "x0", "x1", half_width);
  plot.colour_label = "kT per unit";
  for (const NamedRun& each : runs) {
    const LoadedRun& run = *each.run;
    if (!forces_of(run, std::vector<double>(2, 0.0), pool)) continue;
    const auto panel = [&](const std::string& title, bool of_target) {
      add_function(plot, title, [&](std::span<const double> x) {
        const RunForces forces = *forces_of(run, x, pool);
        return lengths(of_target ? forces.target : forces.model);
      });
    };
    if (plot.panels.empty()) {
      panel("target", true);
      // Far from its samples the forces of a target may be as large as they like.
      std::vector<double> places = plane_samples(each);
      const std::vector<double> sizes = places.empty()
                                            ? plot.panels.front().values
                                            : lengths(forces_of(run, places, pool)->target);
      plot.colour_range = {{0.0, 1.2 * finite_quantile(sizes, 0.99)}};
    }
    panel(each.name, false);
  }
  return plot;
}

void add_force_cloud(ScatterPlot& plot, std::string title, RunForces forces) {
  if (plot.panels.empty()) {
    std::vector<double> sizes;
    for (const double value : forces.target) sizes.push_back(std::abs(value));
    if (const double frame = 1.05 * finite_quantile(sizes, 1.0); frame > 0.0) {
      plot.x_scale.range = {{-frame, frame}};
      plot.y_scale.range = {{-2.0 * frame, 2.0 * frame}};
    }
  }
  plot.panels.push_back({std::move(title), std::move(forces.target), std::move(forces.model)});
}

ScatterPlot force_clouds(const std::vector<NamedRun>& runs, ThreadPool& pool) {
  ScatterPlot plot{
      .title = "Forces", .x_label = "target, kT per unit", .y_label = "flow, kT per unit"};
  for (const NamedRun& each : runs) {
    const std::vector<double> x = plane_samples(each);
    if (x.empty()) continue;
    std::optional<RunForces> forces = forces_of(*each.run, x, pool);
    if (!forces) continue;
    add_force_cloud(plot, each.name, std::move(*forces));
  }
  return plot;
}

}  // namespace thalweg
