#include "thalweg/runs/run_maps.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "thalweg/engine/program.h"
#include "thalweg/runs/run_chains.h"
#include "thalweg/sampling/column_map.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

namespace {

constexpr std::int64_t kSamples = 20000;
constexpr std::int64_t kCells = 240;  // along each side of a map
constexpr double kColourReach = 1.3;  // of colours, in units of the target's largest density
constexpr double kLatentReach = 4.0;

HeatMapPlot latent_plot(std::string title) {
  return square_plot(std::move(title), "z0", "z1", kLatentReach);
}

/// Adds a panel with what `build` makes of the latent plane's points.
Grid& add_latent(HeatMapPlot& plot, std::string title, const LoadedRun& run,
                 const std::function<Value(Value)>& build, ThreadPool& pool) {
  return add_function(plot, std::move(title),
                      row_function(run.model->parameters(), 2, build, pool));
}

/// The usual context of a base, shared; empty if it takes none.
Value base_context(const LoadedRun& run, Graph& graph) {
  const std::int64_t features = run.model->flow().base().context_features();
  return features == 0
             ? Value{}
             : graph.constant({features, 1}, standardised_context(*run.model, run.usual_context()));
}

/// The largest value that is a number; -inf without one.
double largest_number(const std::vector<double>& values) {
  double largest = -INFINITY;
  for (const double value : values)
    if (value < INFINITY) largest = std::max(largest, value);
  return largest;
}

}  // namespace

Grid& add_function(HeatMapPlot& plot, std::string title, const RowFunction& function) {
  const auto place = [](const std::array<double, 2>& range, std::int64_t cell) {
    return range[0] + (range[1] - range[0]) * (static_cast<double>(cell) + 0.5) / kCells;
  };
  std::vector<double> points;
  for (std::int64_t row = 0; row < kCells; ++row)
    for (std::int64_t column = 0; column < kCells; ++column) {
      points.push_back(place(plot.x_range, column));
      points.push_back(place(plot.y_range, row));
    }
  return plot.panels.emplace_back(Grid{std::move(title), kCells, kCells, function(points)});
}

RowFunction model_density(const LoadedRun& run, ThreadPool& pool) {
  auto evaluator = std::make_shared<DensityEvaluator>(*run.model, pool, Precision::kDouble,
                                                      run.options.importance_samples);
  return [evaluator, row = run.usual_context(),
          features = run.model->flow().features()](std::span<const double> x) {
    std::vector<double> context;
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(x.size()) / features; ++i)
      context.insert(context.end(), row.begin(), row.end());
    std::vector<double> values = evaluator->log_prob(x, context);
    for (double& value : values) value = std::exp(value);
    return values;
  };
}

PointCloud plane_cloud(std::string title, std::span<const double> rows, std::size_t most) {
  PointCloud cloud;
  cloud.title = std::move(title);
  for (std::size_t i = 0; i < std::min(rows.size() / 2, most); ++i) {
    cloud.x.push_back(rows[2 * i]);
    cloud.y.push_back(rows[2 * i + 1]);
  }
  return cloud;
}

HeatMapPlot square_plot(std::string title, std::string x_label, std::string y_label,
                        double half_width) {
  HeatMapPlot plot;
  plot.title = std::move(title);
  plot.x_label = std::move(x_label);
  plot.y_label = std::move(y_label);
  plot.x_range = plot.y_range = {-half_width, half_width};
  return plot;
}

void add_target_density(HeatMapPlot& plot, std::string title,
                        const std::shared_ptr<const Target>& target, ThreadPool& pool) {
  Grid& grid = add_function(plot, std::move(title), target_log_density(target, pool));
  const double largest = largest_number(grid.values);
  const double cell =
      (plot.x_range[1] - plot.x_range[0]) * (plot.y_range[1] - plot.y_range[0]) / (kCells * kCells);
  double sum = 0.0;
  for (const double value : grid.values)
    if (value < INFINITY) sum += cell * std::exp(value - largest);
  const double log_integral = target->log_normaliser().value_or(largest + std::log(sum));
  for (double& value : grid.values) value = std::exp(value - log_integral);
  // A spike of one model must not leave the rest in the dark.
  if (std::isfinite(largest))
    plot.colour_range = {{0.0, kColourReach * std::exp(largest - log_integral)}};
}

void add_model_densities(HeatMapPlot& plot, const std::vector<NamedRun>& runs, ThreadPool& pool) {
  for (const NamedRun& each : runs) add_function(plot, each.name, model_density(*each.run, pool));
}

double target_half_width(const LoadedRun& run) { return run.target()->half_width(); }

HeatMapPlot density_maps(const std::vector<NamedRun>& runs, double half_width, ThreadPool& pool) {
  const std::shared_ptr<const Target> target = runs.front().run->target();
  HeatMapPlot plot = square_plot("Densities", "x0", "x1", half_width);
  std::string title = target->name();
  std::replace(title.begin(), title.end(), '_', ' ');
  add_target_density(plot, std::move(title), target, pool);
  add_model_densities(plot, runs, pool);
  return plot;
}

ScatterPlot sample_maps(const std::vector<NamedRun>& runs, ThreadPool& pool) {
  const std::shared_ptr<const Target> target = runs.front().run->target();
  ScatterPlot plot{.title = "Samples", .x_label = "x0", .y_label = "x1"};
  plot.panels.push_back(
      plane_cloud("true samples", target_samples(*target, 1, Stream::kEvaluation, 0, kSamples)));
  for (const NamedRun& each : runs)
    plot.panels.push_back(plane_cloud(
        each.name, FlowSampler(*each.run->model, pool, 1, each.run->precision()).next(kSamples)));
  return plot;
}

HeatMapPlot base_maps(const std::vector<NamedRun>& runs, ThreadPool& pool) {
  HeatMapPlot plot = latent_plot("Base density");
  for (const auto& [name, run] : runs)
    add_latent(
        plot, name, *run,
        [&run = *run](Value z) {
          return exp(run.model->flow().base().log_prob(z, base_context(run, *z.graph)));
        },
        pool);
  return plot;
}

HeatMapPlot acceptance_maps(const std::vector<NamedRun>& runs, ThreadPool& pool) {
  HeatMapPlot plot = latent_plot("Learned acceptance");
  plot.colour_range = {{0.0, 1.0}};
  for (const auto& [name, run] : runs)
    if (const ResampledBase* base = run->model->resampled())
      add_latent(
          plot, name, *run,
          [&run = *run, base](Value z) { return base->acceptance(z, base_context(run, *z.graph)); },
          pool);
  return plot;
}

HeatMapPlot latent_maps(const LoadedRun& run, ThreadPool& pool) {
  constexpr double kDepth = 10.0;
  HeatMapPlot plot = latent_plot("Latent space");
  plot.colour_range = {{-kDepth, 0.0}};
  for (const auto& [title, target] : {std::pair{"log p_Z", ChainTarget::kEnergy},
                                      {"log q_Z/|J_f|", ChainTarget::kSharpened},
                                      {"log q_Z", ChainTarget::kModel}}) {
    const LatentDensity density = latent_density(run, target);
    Grid& grid = add_latent(
        plot, title, run, [&](Value z) { return density.at(z, {}, {}).log_density; }, pool);
    const double top = largest_number(grid.values);
    for (double& value : grid.values) value = value - top >= -kDepth ? value - top : -kDepth;
  }
  return plot;
}

ScatterPlot stage_maps(const NamedRun& named, ThreadPool& pool) {
  constexpr std::int64_t kDraws = 4000;
  const LoadedRun& run = *named.run;
  const Flow& flow = run.model->flow();
  const auto& transforms = flow.transforms();
  Graph graph(run.model->parameters());
  Value value = flow.base().draw(graph, 0);
  std::vector<Value> stages{value};
  std::vector<std::string> titles{"base"};
  const std::string block_prefix = "flow.";
  // The number of the stage that a transform of blocks belongs to; maps of columns end the last.
  const auto stage_of = [&](const Transform& transform) -> std::int64_t {
    if (!transform.name().starts_with(block_prefix)) return -1;
    return std::stoll(transform.name().substr(block_prefix.size())) /
           run.options.model.stochastic.every;
  };
  for (std::size_t i = 0; i < transforms.size(); ++i) {
    value = transforms[i]->forward(value).value;
    const bool moves = transforms[i]->stochastic();
    const Transform* next = i + 1 < transforms.size() ? transforms[i + 1].get() : nullptr;
    if (!moves && next != nullptr && !next->stochastic() &&
        (stage_of(*next) == -1 || stage_of(*next) == stage_of(*transforms[i])))
      continue;
    stages.push_back(value);
    titles.push_back(moves ? "random moves" : "couplings");
  }
  Executor<double> executor(std::make_shared<Program<double>>(graph, stages), pool);
  std::vector<std::vector<double>> rows(stages.size(), std::vector<double>(2 * kDraws));
  std::vector<double*> outputs;
  for (std::vector<double>& stage : rows) outputs.push_back(stage.data());
  executor.run({.parameters = run.model->parameters().flat().data(),
                .counts = {&kDraws, 1},
                .outputs = outputs});
  ScatterPlot plot{.title = named.name, .x_label = "x0", .y_label = "x1"};
  for (std::size_t i = 0; i < rows.size(); ++i)
    plot.panels.push_back(plane_cloud(titles[i], rows[i]));
  return plot;
}

}  // namespace thalweg
