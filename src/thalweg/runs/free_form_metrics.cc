// What the densities of a free-form flow are worth.
#include <algorithm>
#include <cmath>
#include <span>

#include "thalweg/datasets/matrix.h"
#include "thalweg/flows/free_form_flow.h"
#include "thalweg/flows/unsolved.h"
#include "thalweg/metrics/free_form_check.h"
#include "thalweg/runs/evaluation_parts.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {
namespace {

constexpr double kSmallDifference = 0.01;  // nats

/// A sentence where a density by reconstruction is off.
std::string difference_text(const char* way, const std::vector<double>& values,
                            const std::vector<double>& exact, const RowRelations& rows) {
  std::vector<double> above;
  for (std::size_t row = 0; row < values.size(); ++row) above.push_back(values[row] - exact[row]);
  const MeanWithError mean = mean_log_density(above, 0.0, rows).finite;
  if (std::abs(mean.mean) < std::max(kSmallDifference, 2.0 * mean.error)) return "";
  return fmt::format(
      "the log likelihood by the {} is {:.3f} +- {:.3f} nats {} the exact one, since encoder and "
      "decoder do not invert each other: do not believe it; a larger "
      "training.reconstruction_weight "
      "or a longer training brings them together",
      way, std::abs(mean.mean), mean.error, mean.mean > 0.0 ? "above" : "below");
}

}  // namespace

std::vector<Metric> free_form_metrics(const LoadedRun& run, const HeldOut& points,
                                      std::int64_t rows, std::uint64_t seed, ThreadPool& pool,
                                      std::vector<std::string>& warnings) {
  std::vector<Metric> metrics;
  const Model& model = *run.model;
  if (!has_free_form(model.flow())) return metrics;
  const std::vector<std::int64_t> kept = evenly_spaced_rows(points.rows, rows);
  const auto taken = [&](std::span<const double> values) {
    return points.rows > 0 ? take_rows(values, std::ssize(values) / points.rows, kept)
                           : std::vector<double>();
  };
  // Where no points are held out, the model's own samples say whether it inverts itself.
  std::vector<double> x = taken(points.x);
  const std::vector<double> context = taken(points.context);
  if (points.rows == 0) {
    if (model.flow().context_features() > 0) return metrics;
    x = FlowSampler(model, pool, seed, Precision::kDouble).next(rows);
  }
  const FreeFormCheck check = check_free_form(model, x, context, seed, pool);
  const std::vector<double> log_intervals = taken(points.log_intervals);
  const KeptRelations relations =
      kept_relations(points, points.rows > 0 ? std::span(kept) : std::span<const std::int64_t>());
  const auto add_density = [&](const char* name, const char* label, std::vector<double> values) {
    for (std::size_t row = 0; row < log_intervals.size(); ++row) values[row] += log_intervals[row];
    add_mean(metrics, name, label, values, normaliser_error(model, context), relations.all());
  };
  add_density("log_likelihood_exact", "decoder's Jacobian where g(z) = x, exact", check.exact);
  add_density("log_likelihood_decoder", "decoder's at f(x), as published", check.decoder);
  add_density("log_likelihood_encoder", "encoder's at x", check.encoder);
  const auto add = [&](const char* name, const char* label, double value) {
    metrics.push_back({name, label, value});
  };
  add("solved_share", "share of rows with z found",
      1.0 - static_cast<double>(check.unsolved()) / static_cast<double>(check.exact.size()));
  add("reconstruction_error", "|g(f(x)) - x|, root mean square", check.reconstruction);
  add("latent_error", "|f(g(z)) - z|, median", check.latent);
  add("jacobian_error", "|J_g J_f - I|, root mean square", check.jacobian);
  if (check.unsolved() > 0)
    warnings.push_back(unsolved_text(
        model.flow(), fmt::format("{} of {} rows", check.unsolved(), check.exact.size())));
  for (const auto& [way, values] : {std::pair{"decoder's Jacobian at f(x)", &check.decoder},
                                    std::pair{"encoder's Jacobian", &check.encoder}})
    if (std::string text = difference_text(way, *values, check.exact, relations.all());
        !text.empty())
      warnings.push_back(std::move(text));
  return metrics;
}

}  // namespace thalweg
