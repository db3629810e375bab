#include "thalweg/runs/evaluation.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/systematic_rows.h"
#include "thalweg/core/work_progress.h"
#include "thalweg/datasets/column_coding.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/datasets/matrix.h"
#include "thalweg/flows/unsolved.h"
#include "thalweg/io/table.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/evaluation_parts.h"
#include "thalweg/runs/force_metrics.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/molecule_data.h"
#include "thalweg/runs/molecule_metrics.h"
#include "thalweg/runs/particle_metrics.h"
#include "thalweg/runs/stack_fit.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

namespace {

constexpr const char* kNoHeldOut = "no rows";

std::uint64_t seed_of(const LoadedRun& run, const EvaluationOptions& options) {
  return static_cast<std::uint64_t>(options.seed.value_or(run.options.training.seed));
}

/// An energy is what can be weighted by but not sampled: what its flow has lost, no sample tells.
bool wants_verdict(const Target* target) { return target != nullptr && !target->can_sample(); }

RunVerdict verdict_of_flow(const LoadedRun& run, const WeightedFlow& flow,
                           const std::optional<Exploration>& exploration,
                           DensityEvaluator& evaluator) {
  if (!exploration) return unexplored_verdict();
  std::vector<double> log_model;
  if (!run.model->flow().stochastic()) log_model = evaluator.certain_log_prob(exploration->x);
  return compare_with_exploration({.x = flow.samples.x,
                                   .weights = flow.weights,
                                   .normaliser_error = normaliser_error(*run.model, {}),
                                   .log_model = log_model},
                                  *exploration, run.options.model);
}

/// The columns under an energy, by what stands for it.
std::optional<TargetSummary> columns_of(const LoadedRun& run, const WeightedFlow& flow,
                                        const std::optional<Exploration>& exploration,
                                        const RunVerdict& verdict) {
  const ModelOptions& model = run.options.model;
  if (exploration && !verdict.flow_stands)
    return summarise_target("samples of the exploration", exploration->x,
                            std::vector<double>(exploration->log_target.size(), 1.0), model);
  if (!flow.weights) return std::nullopt;
  std::vector<double> weights;
  const double largest = *std::ranges::max_element(flow.weights->log_weights);
  for (const double value : flow.weights->log_weights) weights.push_back(std::exp(value - largest));
  return summarise_target("weighted draws of the flow", flow.samples.x, weights, model);
}

std::string title_of(const LoadedRun& run, const HeldOut& points) {
  if (points.rows > 0) {
    const std::set<std::int64_t> blocks(points.blocks.begin(), points.blocks.end());
    return fmt::format(
        "mean log likelihood in nats over {} {}{}, and more:", points.rows, points.source,
        blocks.empty() ? ""
        : blocks.size() == 1
            ? " (they follow each other, in one block: errors are too small)"
            : fmt::format(" (they follow each other: errors are of {} blocks)", blocks.size()));
  }
  if (points.source == kNoHeldOut)
    return "no rows were held out, so there is no log likelihood (`evaluate` takes rows with "
           "--data FILE); what there is:";
  return fmt::format("learnt from an energy, of {} column{}:", run.options.model.features,
                     run.options.model.features == 1 ? "" : "s");
}

/// Sentences about what the metrics show.
std::vector<std::string> metric_warnings(const std::vector<Metric>& metrics, std::size_t draws,
                                         bool explored, bool endless) {
  std::vector<std::string> warnings, shaky;
  double pareto_k = 0.0;
  for (const Metric& metric : metrics) {
    if (metric.name == "log_likelihood_zero_rows")
      warnings.push_back(fmt::format(
          "the model has density 0, log density -inf, at {:.0f} of the rows, so that its mean log "
          "likelihood is -inf; the mean over the other rows stands beside it",
          metric.value));
    if (metric.name == "undefined_energies")
      warnings.push_back(fmt::format(
          "the energy of {:.0f} of {} draws is no number, which counts as a density of 0: --bounds "
          "can leave them out",
          metric.value, draws));
    if (metric.name == "log_likelihood_undefined_rows")
      warnings.push_back(fmt::format(
          "{:.0f} of the rows have no density (NaN or infinite) and are not in the mean; `thalweg "
          "doctor` says more",
          metric.value));
    if (metric.name == "missed_share" && metric.value > 0.05 && !explored)
      warnings.push_back(fmt::format(
          "the model has next to no density on about {:.0f} % of the target's mass: modes seem to "
          "be lost; try more training.annealing_steps, base.kind=resampled or mixture, or another "
          "seed",
          100.0 * metric.value));
    // What is said of an infinite integral says it of all its errors.
    if (endless) continue;
    if (metric.name == "pareto_k") pareto_k = metric.value;
    if (metric.name == "log_integral" && std::isnan(metric.error))
      warnings.push_back(fmt::format(
          "the weights have a tail too heavy for the log integral and the reweighted means "
          "(Pareto k {:.2f}): no error of theirs is valid; train longer, or choose another flow or "
          "base",
          pareto_k));
    else if (std::isnan(metric.error) &&
             (metric.name.starts_with("mean_") || metric.name.starts_with("variance_")))
      shaky.push_back(metric.label.substr(0, metric.label.find(',')));
  }
  if (!shaky.empty() && warnings.empty())
    warnings.push_back(fmt::format(
        "no error is valid of the {}: few draws decide it, as of a target so heavy in its tails "
        "that it has none",
        fmt::join(shaky, ", the ")));
  return warnings;
}

/// Keeps `most` rows, and says so.
void keep_rows(HeldOut& points, std::int64_t most) {
  const std::int64_t all = points.rows;
  if (all <= most) return;
  const std::vector<std::int64_t> kept = evenly_spaced_rows(all, most);
  points.blocks = kept_relations(points, kept).blocks;
  for (std::vector<double>* values : {&points.x, &points.context, &points.weights, &points.forces})
    *values = take_rows(*values, std::ssize(*values) / all, kept);
  points.rows = most;
  points.source = fmt::format("of {} {}", all, points.source);
}

/// The same number of rows without weights, each as often as its weight says.
HeldOut equally_weighted(const HeldOut& points) {
  if (points.weights.empty()) return points;
  const std::vector<std::int64_t> rows = systematic_rows(points.weights, 0.5, points.rows);
  HeldOut equal;
  equal.source = points.source;
  equal.rows = points.rows;
  for (const auto part : {&HeldOut::x, &HeldOut::context})
    equal.*part = take_rows(points.*part, std::ssize(points.*part) / points.rows, rows);
  return equal;
}

}  // namespace

DensityEvaluator evaluation_density(const LoadedRun& run, ThreadPool& pool,
                                    const EvaluationOptions& options) {
  return {*run.model, pool, Precision::kDouble, draws_of(run, options.draws)};
}

HeldOut held_out_points(const LoadedRun& run, const std::string& file,
                        const std::optional<PreparedData>& data, DensityEvaluator& density,
                        const EvaluationOptions& options) {
  HeldOut points;
  const std::uint64_t seed = seed_of(run, options);
  if (!file.empty()) {
    const Table table = run.read_table(file);
    ModelRows rows = rows_for_model(table, run.options.model);
    points = {file, rows.rows, std::move(rows.x), std::move(rows.context), {}, {}};
    points.weights = weights_of(table, own_weights(run, table, points.warnings));
    if (!rows.unkept.empty()) points.warnings.push_back(std::move(rows.unkept));
    points.blocks = blocks_in_order(points.x, run.model->flow().features());
  } else if (data) {
    const auto& rows = data->test.empty() ? data->validation : data->test;
    if (rows.empty()) return {kNoHeldOut, 0, {}, {}, {}, {}};
    points = {data->test.empty() ? "validation rows" : "test rows",
              static_cast<std::int64_t>(rows.size()),
              take_rows(data->x, data->features(), rows),
              take_rows(data->context, data->context_features(), rows),
              {},
              {}};
    if (!data->weights.empty()) points.weights = take_rows(data->weights, 1, rows);
    if (rows.front() >= data->free_rows)  // Rows of a file of their own are in its order.
      points.blocks = blocks_in_order(points.x, data->features());
    else if (data->block_rows > 1)
      for (const std::int64_t row : rows) points.blocks.push_back(data->block_number(row));
    if (!data->forces.empty())
      points.forces = take_rows(data->forces, std::ssize(data->forces) / data->rows, rows);
  } else {
    const auto target = run.target();
    if (!target->can_sample()) return {"samples of the model", 0, {}, {}, {}, {}};
    return {"fresh samples of " + target->name(),
            kTargetSamples,
            target_samples(*target, seed, Stream::kEvaluation, 0, kTargetSamples),
            {},
            {},
            {}};
  }
  const std::int64_t most = options.rows > 0 ? options.rows
                            : options.parts  ? options.parts->held_out
                                             : density.affordable_rows();
  keep_rows(points, most);
  points.values = points.x;
  points.log_intervals = log_intervals(run.options.model.columns, points.x);
  // Densities of a molecule are those of its positions.
  if (const InternalCoordinates* coordinates = run.model->flow().coordinates()) {
    ThreadPool pool(1);
    const std::vector<double> volumes = log_volumes(*coordinates, points.x, pool);
    points.log_intervals.resize(volumes.size(), 0.0);
    for (std::size_t row = 0; row < volumes.size(); ++row)
      points.log_intervals[row] -= volumes[row];
  }
  centre_in_intervals(run.options.model.columns, points.x);
  return points;
}

Evaluation evaluate_run(const LoadedRun& run, const HeldOut& points,
                        const std::optional<PreparedData>& data, DensityEvaluator& density,
                        ThreadPool& pool, const EvaluationOptions& options) {
  Evaluation result;
  result.title = title_of(run, points);
  WorkPart part("evaluating: log likelihoods");
  result.rows = options.parts.value_or(evaluation_rows(run, points.rows, density));
  const auto add = [&](const char* group, std::vector<Metric> metrics) {
    for (Metric& metric : metrics) {
      metric.group = group;
      result.metrics.push_back(std::move(metric));
    }
  };
  const std::uint64_t seed = seed_of(run, options);
  add("fit", fit_metrics(run, points, data, seed, density, pool, result.warnings));
  if (has_continuous(run.model->flow()) && points.rows > 0 && density.unsolved() > 0)
    result.warnings.push_back(unsolved_text(
        run.model->flow(), fmt::format("{} of {} rows", density.unsolved(), points.rows)));
  part.rename("evaluating: inversion");
  add("free_form",
      free_form_metrics(run, points, result.rows.checked, seed, pool, result.warnings));
  add("stack", stack_metrics(*run.model));
  part.rename("evaluating: forces");
  if (!points.forces.empty()) add("forces", force_metrics(run, points, {}, pool));
  part.rename("evaluating: the molecule");
  if (run.model->flow().coordinates() != nullptr) {
    const auto likelihood = std::ranges::find(result.metrics, "log_likelihood", &Metric::name);
    if (likelihood != result.metrics.end())
      add("molecule",
          {{"log_likelihood_in_frame",
            fmt::format("mean log likelihood in the frame of {}",
                        run.model->flow().coordinates()->anchors() ? "the anchors" : "3 atoms"),
            likelihood->value + frame_gain(run, points.x, pool), likelihood->error}});
    add("molecule",
        molecule_metrics(run, points, result.rows.drawn, options.as_published, seed, pool));
  }
  const std::shared_ptr<const Target> target = run.target();
  bool endless = false;  // whether the integral of the energy seems infinite
  std::size_t draws = 0;
  if (target) {
    part.rename("evaluating: weighted draws");
    const WeightedFlow flow = weighted_flow(run, target, result.rows.drawn, seed, pool);
    draws = flow.samples.log_model.size();
    if (flow.samples.unsolved > 0)
      result.warnings.push_back(unsolved_samples_text(
          fmt::format("{} of {} draws", flow.samples.unsolved, flow.samples.log_model.size())));
    std::optional<Exploration> exploration;
    // Held-out rows of particles, and of molecules, tell what a flow has lost.
    if (wants_verdict(target.get()) && run.options.data.particles == 0 &&
        run.model->flow().coordinates() == nullptr) {
      exploration = run.exploration();
      endless = exploration && !exploration->endless.empty();
      result.verdict = verdict_of_flow(run, flow, exploration, density);
      result.columns = columns_of(run, flow, exploration, *result.verdict);
    }
    add("weights", weight_metrics(run, flow, exploration, result.verdict, density, seed, pool));
    if (particle_dimensions(run) > 0)
      add("particles", particle_metrics(run, flow.samples.x, equally_weighted(points).x));
    if (result.verdict) add("exploration", result.verdict->metrics);
    part.rename("evaluating: forces");
    if (points.forces.empty()) add("forces", force_metrics(run, points, flow.samples.x, pool));
    part.rename("evaluating: samples beside exact ones");
    if (target->can_sample()) add("samples", sample_check_metrics(run, seed, pool));
    part.rename("evaluating: the density on a grid");
    // Rows without a centre of mass are on a line of the plane.
    if (run.model->flow().features() == 2 && !is_mean_free(run.options.model))
      add("grid", grid_metrics(run, options.as_published, seed, density, pool, result.warnings));
  }
  if (!target && particle_dimensions(run) > 0) {
    part.rename("evaluating: draws");
    const HeldOut equal = equally_weighted(points);
    FlowSampler sampler(*run.model, pool, seed, run.precision());
    const std::vector<double> drawn = sampler.next(equal.rows, equal.context);
    if (const std::int64_t missed = sampler.statistics().unsolved; missed > 0)
      result.warnings.push_back(
          unsolved_samples_text(fmt::format("{} of {} draws", missed, equal.rows)));
    add("particles", particle_metrics(run, drawn, equal.x, equal.context));
  }
  if (run.manifest.returns > 0)
    result.warnings.push_back(fmt::format(
        "the training came {} time{} to where no batch was finite any more, and went on from its "
        "best step with half the learning rate: a smaller training.learning_rate may do better",
        run.manifest.returns, run.manifest.returns == 1 ? "" : "s"));
  if (std::string outside = outside_of_training(run.options.model.context_columns, points.context);
      !outside.empty())
    result.warnings.push_back(std::move(outside));
  result.warnings.insert(result.warnings.end(), points.warnings.begin(), points.warnings.end());
  if (result.verdict) {
    const auto& disagreements = result.verdict->disagreements;
    result.warnings.insert(result.warnings.end(), disagreements.begin(), disagreements.end());
    const auto& cautions = result.verdict->cautions;
    result.warnings.insert(result.warnings.end(), cautions.begin(), cautions.end());
  }
  if (endless)
    for (Metric& metric : result.metrics)
      if ((metric.group == "weights" || metric.group == "exploration") && metric.error > 0.0)
        metric.error = std::nan("");
  for (std::string& warning :
       metric_warnings(result.metrics, draws, result.verdict && result.verdict->explored, endless))
    result.warnings.push_back(std::move(warning));
  return result;
}

Evaluation evaluate_run(const LoadedRun& run, const std::optional<PreparedData>& data,
                        ThreadPool& pool, const EvaluationOptions& options) {
  DensityEvaluator density = evaluation_density(run, pool, options);
  const HeldOut points = held_out_points(run, "", data, density, options);
  return evaluate_run(run, points, data, density, pool, options);
}

std::optional<RunVerdict> verdict_of(const LoadedRun& run, ThreadPool& pool,
                                     const EvaluationOptions& options) {
  const std::shared_ptr<const Target> target = run.target();
  // Held-out rows of particles, and of molecules, tell what a flow has lost.
  if (!wants_verdict(target.get()) || run.options.data.particles > 0 ||
      run.model->flow().coordinates() != nullptr)
    return std::nullopt;
  const std::optional<Exploration> exploration = run.exploration();
  if (!exploration) return unexplored_verdict();
  const WorkPart part("evaluating: weighted draws");
  DensityEvaluator density = evaluation_density(run, pool, options);
  const std::int64_t draws = evaluation_rows(run, 0, density).drawn;
  return verdict_of_flow(run, weighted_flow(run, target, draws, seed_of(run, options), pool),
                         exploration, density);
}

std::string metrics_text(const std::vector<Metric>& metrics) {
  std::string text, group = "fit";
  for (const Metric& metric : metrics) {
    // The title stands for the first group.
    if (metric.group != group)
      for (const auto& [name, heading] :
           {std::pair{"free_form",
                      "a free-form flow: mean log likelihoods by three densities, and inversion:"},
            std::pair{"stack",
                      "a stack of densities: weights, and log likelihoods of rows that they did "
                      "not see:"},
            std::pair{"weights", "samples of the model, weighted to the target:"},
            std::pair{"exploration", "beside an independent exploration of the energy:"},
            std::pair{"forces", "forces, slopes of the log density, beside those that are to be:"},
            std::pair{"samples", "samples of the model beside exact ones:"},
            std::pair{"molecule", "a molecule, samples beside the data:"},
            std::pair{"particles", "particles of its samples beside those of held-out rows:"},
            std::pair{"grid", "on a grid:"}})
        if (metric.group == name) text += fmt::format("{}\n", heading);
    group = metric.group;
    text +=
        fmt::format("  {:<34} {:>12}{}\n", metric.label, number_text(metric.value, metric.decimals),
                    std::isnan(metric.error) ? " not reliable"
                    : metric.error > 0.0     ? " +- " + number_text(metric.error, 5)
                                             : "");
  }
  return text;
}

std::string evaluation_text(const Evaluation& evaluation) {
  std::string text = evaluation.title + "\n" + metrics_text(evaluation.metrics);
  if (evaluation.columns)
    for (const TextTable& table : summary_tables(*evaluation.columns)) text += plain_table(table);
  if (evaluation.verdict) text += fmt::format("{}; {}\n", evaluation.verdict->text(), kUnseenModes);
  return text;
}

std::string warnings_text(const Evaluation& evaluation) {
  std::string text;
  for (const std::string& warning : evaluation.warnings)
    text += fmt::format("warning: {}\n", warning);
  return text;
}

}  // namespace thalweg
