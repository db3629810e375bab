#include "thalweg/runs/force_metrics.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/datasets/matrix.h"
#include "thalweg/objectives/force_matching.h"
#include "thalweg/runs/evaluation_parts.h"
#include "thalweg/runs/particle_metrics.h"

namespace thalweg {
namespace {

constexpr std::int64_t kMostRows = 2000;

/// Whether the slopes of the model's log densities are those of a graph.
bool has_forces(const LoadedRun& run) {
  const Flow& flow = run.model->flow();
  return particle_dimensions(run) == 0 && flow.exact_slopes();
}

RowMap slope_map(const LoadedRun& run, ThreadPool& pool) {
  if (!has_forces(run))
    fail<ConfigError>(
        "this model has no exact slopes of its log density: those of random moves, free-form "
        "layers and series of determinants are estimates, and those of particles are on a "
        "subspace");
  const Model& model = *run.model;
  const Flow& flow = model.flow();
  Graph graph(model.parameters());
  const Value input = graph.input({flow.features(), 1});
  const Value given =
      flow.context_features() > 0 ? graph.input({flow.context_features(), 1}) : Value{};
  return {graph, {flow_forces(flow, input, model.layers(), given)}, pool};
}

double squared(std::span<const double> row) {
  double total = 0.0;
  for (const double value : row) total += value * value;
  return total;
}

}  // namespace

DensitySlopes::DensitySlopes(const LoadedRun& run, ThreadPool& pool)
    : model_(*run.model), columns_(model_, pool), map_(slope_map(run, pool)) {}

std::vector<double> DensitySlopes::operator()(std::span<const double> x,
                                              std::span<const double> context) {
  std::vector<double> log_det;
  const std::vector<double> y = columns_.to_layers(x, &log_det);
  const std::vector<double> standard = standardised_context(model_, context);
  const std::int64_t features = model_.flow().features(), width = model_.flow().force_features();
  std::vector<double> slopes = map_({.rows = std::ssize(x) / features, .inputs = {y, standard}});
  for (std::size_t row = 0; row < log_det.size(); ++row)
    if (log_det[row] == -INFINITY)
      std::fill_n(slopes.begin() + static_cast<std::int64_t>(row) * width, width, NAN);
  return slopes;
}

std::optional<std::vector<double>> model_forces(const LoadedRun& run, std::span<const double> x,
                                                std::span<const double> context, ThreadPool& pool) {
  if (!has_forces(run)) return std::nullopt;
  return DensitySlopes(run, pool)(x, context);
}

std::optional<RunForces> forces_of(const LoadedRun& run, std::span<const double> x,
                                   ThreadPool& pool) {
  const std::shared_ptr<const Target> target = run.target();
  const Model& model = *run.model;
  const Flow& flow = model.flow();
  if (!target || target->features() != flow.features() || flow.context_features() > 0)
    return std::nullopt;
  std::optional<std::vector<double>> own = model_forces(run, x, {}, pool);
  if (!own) return std::nullopt;
  Graph graph(model.parameters());
  const Value input = graph.input({flow.features(), 1});
  RowMap map(graph, {target_forces(flow, *target, input, model.layers())}, pool);
  const std::vector<double> y = ColumnMap(model, pool).to_layers(x);
  return RunForces{std::move(*own), map({.rows = std::ssize(x) / flow.features(), .inputs = {y}})};
}

std::vector<Metric> force_metrics(const LoadedRun& run, const HeldOut& points,
                                  std::span<const double> samples, ThreadPool& pool) {
  const auto features = static_cast<std::size_t>(run.model->flow().features());
  const bool held_out = points.rows > 0;
  const std::span<const double> all = held_out ? std::span<const double>(points.x) : samples;
  const auto rows = static_cast<std::int64_t>(all.size() / features);
  const std::vector<std::int64_t> kept = evenly_spaced_rows(rows, kMostRows);
  const std::vector<double> x = take_rows(all, static_cast<std::int64_t>(features), kept);
  if (x.empty()) return {};
  std::optional<RunForces> forces;
  if (points.forces.empty()) {
    forces = forces_of(run, x, pool);
  } else if (auto own = model_forces(
                 run, x, take_rows(points.context, run.model->flow().context_features(), kept),
                 pool)) {
    forces = RunForces{std::move(*own),
                       take_rows(points.forces, run.model->flow().force_features(), kept)};
  }
  if (!forces) return {};
  std::vector<double> errors, sizes;
  const auto width = static_cast<std::size_t>(run.model->flow().force_features());
  // Of a molecule a mean over its positions, as it is published.
  const bool molecule = run.model->flow().coordinates() != nullptr;
  const double share = molecule ? 1.0 / static_cast<double>(width) : 1.0;
  for (std::size_t row = 0; row * features < x.size(); ++row) {
    const std::span<const double> target(forces->target.data() + row * width, width);
    std::vector<double> off(target.begin(), target.end());
    for (std::size_t i = 0; i < width; ++i) off[i] -= forces->model[row * width + i];
    errors.push_back(share * squared(off));
    sizes.push_back(share * squared(target));
  }
  const KeptRelations relations = held_out ? kept_relations(points, kept) : KeptRelations();
  std::vector<Metric> metrics;
  const char* unit = molecule ? ", (kT/nm)^2 a position" : ", columns summed";
  add_mean(metrics, "force_error", fmt::format("mean squared error{}", unit), errors, 0.0,
           relations.all());
  add_mean(metrics, "force_size", "mean square of what they are to be", sizes, 0.0,
           relations.all());
  return metrics;
}

}  // namespace thalweg
