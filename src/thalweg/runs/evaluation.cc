#include "thalweg/runs/evaluation.h"

#include <algorithm>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/io/table.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/evaluation_parts.h"
#include "thalweg/sampling/density_evaluator.h"

namespace thalweg {

namespace {

constexpr const char* kNoHeldOut = "no rows";

}  // namespace

HeldOut held_out_points(const LoadedRun& run, const std::string& file,
                        const std::optional<PreparedData>& data) {
  HeldOut points;
  const auto seed = static_cast<std::uint64_t>(run.options.training.seed);
  if (!file.empty()) {
    ModelRows rows = rows_for_model(load_table(file), run.options.model);
    points = {file, rows.rows, std::move(rows.x), std::move(rows.context)};
  } else if (data) {
    const auto& rows = data->test.empty() ? data->validation : data->test;
    if (rows.empty()) return {kNoHeldOut, 0, {}, {}};
    points = {data->test.empty() ? "validation rows" : "test rows",
              static_cast<std::int64_t>(rows.size()), take_rows(data->x, data->features(), rows),
              take_rows(data->context, data->context_features(), rows)};
  } else {
    const auto target = run.target();
    if (!target->can_sample()) return {"samples of the model", 0, {}, {}};
    return {"fresh samples of " + target->name(),
            kTargetSamples,
            target_samples(*target, seed, Stream::kEvaluation, 0, kTargetSamples),
            {}};
  }
  // Another seed than in training, where noise of the same numbers meets other rows.
  dequantise(points.x, run.options.model.columns, seed + 1);
  return points;
}

std::vector<Metric> evaluate_run(const LoadedRun& run, const HeldOut& points,
                                 const std::optional<PreparedData>& data, ThreadPool& pool,
                                 const EvaluationOptions& options) {
  std::vector<Metric> metrics;
  const auto add = [&](const char* group, std::vector<Metric> part) {
    for (Metric& metric : part) {
      metric.group = group;
      metrics.push_back(std::move(metric));
    }
  };
  DensityEvaluator evaluator(*run.model, pool, Precision::kDouble, run.options.importance_samples);
  add("fit", fit_metrics(run, points, data, evaluator, pool));
  const std::shared_ptr<const Target> target = run.target();
  if (!target) return metrics;
  add("weights", weight_metrics(run, evaluator, pool));
  if (target->can_sample()) add("samples", sample_check_metrics(run, pool));
  if (run.model->flow().features() == 2)
    add("grid", grid_metrics(run, options.as_published, evaluator, pool));
  return metrics;
}

std::string warning_of(const std::vector<Metric>& metrics) {
  std::string text;
  for (const Metric& metric : metrics) {
    if (metric.name == "log_likelihood_zero_rows")
      text += fmt::format(
          "warning: the model has density 0, log density -inf, at {:.0f} of the rows, so that its "
          "mean log likelihood is -inf; the mean over the other rows stands beside it\n",
          metric.value);
    if (metric.name == "log_likelihood_undefined_rows")
      text += fmt::format(
          "warning: {:.0f} of the rows have no density (NaN or infinite) and are not in the mean; "
          "`thalweg doctor` says more\n",
          metric.value);
    if (metric.name == "missed_share" && metric.value > 0.05)
      text += fmt::format(
          "warning: the model has next to no density on about {:.0f} % of the target's mass: modes "
          "seem to be lost; try more training.annealing_steps, base.kind=resampled or mixture, or "
          "another seed\n",
          100.0 * metric.value);
    if (metric.name == "pareto_k" && !(metric.value < 0.7))
      text += fmt::format(
          "warning: Pareto k of the weights is {:.2f}: above 0.7 the log integral and the "
          "reweighted means are not reliable; train longer, or choose another flow or base\n",
          metric.value);
  }
  return text;
}

std::string metrics_title(const HeldOut& points) {
  if (points.rows > 0)
    return fmt::format("mean log likelihood in nats over {} {}, and more:", points.rows,
                       points.source);
  return points.source == kNoHeldOut
             ? "no rows were held out, so there is no log likelihood (`evaluate` takes rows with "
               "--data FILE); what there is:"
             : "an energy cannot be sampled, so there is no log likelihood; what there is:";
}

std::string metrics_text(const std::vector<Metric>& metrics) {
  std::string text, group = "fit";
  for (const Metric& metric : metrics) {
    // The title stands for the first group.
    if (metric.group != group)
      for (const auto& [name, heading] :
           {std::pair{"weights", "samples of the model, weighted to the target:"},
            std::pair{"samples", "samples of the model beside exact ones:"},
            std::pair{"grid", "on a grid:"}})
        if (metric.group == name) text += fmt::format("{}\n", heading);
    group = metric.group;
    text +=
        fmt::format("  {:<34} {:>12}{}\n", metric.label, number_text(metric.value, metric.decimals),
                    metric.error > 0.0 ? " +- " + number_text(metric.error, 5) : "");
  }
  return text;
}

}  // namespace thalweg
