// What samples of a model, weighted to its target, say.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include "thalweg/core/random.h"
#include "thalweg/flows/unsolved.h"
#include "thalweg/metrics/importance.h"
#include "thalweg/runs/evaluation_parts.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/particle_metrics.h"
#include "thalweg/runs/plan.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

namespace {

/// Normal proposals three times as wide as the samples, with their log densities: what meets modes
/// that a model has lost.
struct WideProposal {
  std::vector<double> mean, deviation;

  WideProposal(const std::vector<double>& x, std::int64_t features, double half_width) {
    const auto rows = static_cast<double>(x.size()) / static_cast<double>(features);
    for (std::int64_t column = 0; column < features; ++column) {
      double sum = 0.0, squares = 0.0;
      for (auto i = static_cast<std::size_t>(column); i < x.size();
           i += static_cast<std::size_t>(features)) {
        sum += x[i];
        squares += x[i] * x[i];
      }
      mean.push_back(sum / rows);
      const double variance = squares / rows - mean.back() * mean.back();
      deviation.push_back(std::max(3.0 * std::sqrt(std::max(variance, 0.0)), half_width));
    }
  }

  std::vector<double> draw(std::int64_t count, std::uint64_t seed) const {
    std::vector<double> x;
    for (std::int64_t row = 0; row < count; ++row) {
      RandomSequence random(seed, Stream::kEvaluation, static_cast<std::uint64_t>(row));
      for (std::size_t i = 0; i < mean.size(); ++i)
        x.push_back(mean[i] + deviation[i] * random.normal());
    }
    return x;
  }

  double log_prob(const double* x) const {
    double result = 0.0;
    for (std::size_t i = 0; i < mean.size(); ++i) {
      const double z = (x[i] - mean[i]) / deviation[i];
      result -= 0.5 * z * z + std::log(deviation[i]) + 0.5 * std::log(2.0 * std::numbers::pi);
    }
    return result;
  }
};

std::vector<double> difference(std::vector<double> a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return a;
}

/// Share of the target's mass that the model misses: from exact samples where there are any, else
/// from samples of the model and of a wide proposal; none where too few of these count.
std::optional<Metric> missed_metric(const WeightedSamples& samples, const Target& target,
                                    const RowFunction& truth, DensityEvaluator& evaluator,
                                    std::uint64_t seed) {
  const std::int64_t features = target.features();
  std::vector<double> x, log_target, log_model, log_weights;
  double log_integral = 0.0;
  if (target.can_sample() && target.log_normaliser()) {
    x = target_samples(target, seed, Stream::kEvaluation, 0, kTargetSamples);
    log_target = truth(x);
    log_model = evaluator.certain_log_prob(x);
    log_weights.assign(log_target.size(), 0.0);
    log_integral = *target.log_normaliser();
  } else {
    const WideProposal wide(samples.x, features, target.half_width());
    x = wide.draw(static_cast<std::int64_t>(samples.log_model.size()), seed);
    log_target = truth(x);
    log_model = evaluator.certain_log_prob(x);
    x.insert(x.end(), samples.x.begin(), samples.x.end());
    log_target.insert(log_target.end(), samples.log_target.begin(), samples.log_target.end());
    log_model.insert(log_model.end(), samples.log_model.begin(), samples.log_model.end());
    for (std::size_t row = 0; row < log_model.size(); ++row) {
      const double other = wide.log_prob(x.data() + row * static_cast<std::size_t>(features));
      const double larger = std::max(other, log_model[row]);
      const double mixture = larger + std::log(0.5 * std::exp(other - larger) +
                                               0.5 * std::exp(log_model[row] - larger));
      log_weights.push_back(log_target[row] - mixture);
    }
    constexpr double kFewest = 200.0;  // effective samples
    const ImportanceEstimate estimate = importance_estimate(smoothed_weights(log_weights));
    if (estimate.effective_share * static_cast<double>(log_weights.size()) < kFewest)
      return std::nullopt;
    log_integral = estimate.log_integral;
  }
  return Metric{"missed_share", "share of the target that is missed",
                missed_share(log_weights, log_target, log_model, log_integral), 0.0, 4};
}

/// Mean and variance of the target's columns, of the first ones where there are many.
class Moments {
 public:
  explicit Moments(const ModelOptions& model) : model_(model), names_(column_names(model)) {}

  /// By weighted samples of the flow, `x`; `other`, if not empty, are equally weighted samples that
  /// stand in for them, with an error of at least half of the difference. `unconfirmed`: by an
  /// exploration that is, see Exploration::confirmed.
  std::vector<Metric> metrics(const std::vector<double>& x, const SmoothedWeights* weights,
                              const std::vector<double>& other, bool unconfirmed) const {
    std::vector<Metric> result;
    const SmoothedWeights equal{.log_weights = std::vector<double>(
                                    other.size() / static_cast<std::size_t>(model_.features), 0.0),
                                .pareto_k = -INFINITY,
                                .tail_error = 0.0,
                                .reliable = true};
    const std::string how = other.empty() ? ", reweighted" : ", by exploration";
    for (std::int64_t column = 0; column < std::min(kColumns, model_.features); ++column) {
      const auto number = static_cast<std::size_t>(column);
      if (!model_.columns.empty() && model_.columns[number].periodic) continue;
      Pair found;
      if (weights != nullptr) found = moments(x, number, *weights);
      if (!other.empty()) {
        Pair explored = moments(other, number, equal);
        if (weights != nullptr) {
          widen(explored.mean, found.mean);
          widen(explored.variance, found.variance);
        }
        found = explored;
      }
      if (unconfirmed) {
        // As much mass as the log integral may lack, at about two deviations.
        const double variance = std::max(found.variance.value, 0.0);
        found.mean.error = std::hypot(found.mean.error, kUnconfirmedError * std::sqrt(variance));
        found.variance.error = std::hypot(found.variance.error, 2.0 * kUnconfirmedError * variance);
      }
      const std::string& name = names_[number];
      result.push_back(
          {"mean_" + name, "mean of " + name + how, found.mean.value, found.mean.error});
      result.push_back({"variance_" + name, "variance of " + name + how, found.variance.value,
                        found.variance.error});
    }
    return result;
  }

 private:
  static constexpr std::int64_t kColumns = 8;

  struct Pair {
    WeightedMean mean, variance;
  };

  Pair moments(const std::vector<double>& x, std::size_t column,
               const SmoothedWeights& weights) const {
    std::vector<double> values;
    for (std::size_t i = column; i < x.size(); i += static_cast<std::size_t>(model_.features))
      values.push_back(x[i]);
    const WeightedMean mean = weighted_mean(weights, values);
    for (double& value : values) value = (value - mean.value) * (value - mean.value);
    return {mean, weighted_mean(weights, values)};
  }

  static void widen(WeightedMean& mean, const WeightedMean& other) {
    mean.error = std::max(mean.error, 0.5 * std::abs(mean.value - other.value));
  }

  const ModelOptions& model_;
  std::vector<std::string> names_;
};

}  // namespace

std::vector<double> WeightedSamples::log_weights() const {
  return difference(log_target, log_model);
}

WeightedSamples weighted_samples(const LoadedRun& run, const std::shared_ptr<const Target>& target,
                                 std::int64_t count, std::uint64_t seed, ThreadPool& pool) {
  WeightedSamples samples;
  FlowSampler sampler(*run.model, pool, seed, Precision::kDouble);
  samples.x = sampler.next(count, {}, &samples.log_model);
  samples.unsolved = sampler.statistics().unsolved;
  samples.log_target =
      counted_log_density(target_log_density(target, pool), samples.x, samples.undefined);
  return samples;
}

double log_integral_error(const ImportanceEstimate& estimate, const Model& model) {
  // An error of Z is one of every log density.
  return std::hypot(estimate.log_integral_error, normaliser_error(model, {}));
}

WeightedFlow weighted_flow(const LoadedRun& run, const std::shared_ptr<const Target>& target,
                           std::int64_t count, std::uint64_t seed, ThreadPool& pool) {
  WeightedFlow flow;
  flow.samples = weighted_samples(run, target, count, seed, pool);
  const std::vector<double> log_weights = flow.samples.log_weights();
  const bool finite = std::ranges::all_of(log_weights, [](double w) { return w < INFINITY; });
  if (finite && *std::ranges::max_element(log_weights) > -INFINITY)
    flow.weights = smoothed_weights(log_weights);
  return flow;
}

/// The error of the mean of log(q / p) plus the log of the mean of p / q over the same draws, to
/// first order: what both have in common, as an error of log q, cancels.
double error_with_integral(const WeightedFlow& flow, const ImportanceEstimate& estimate) {
  if (std::isnan(estimate.log_integral_error)) return estimate.log_integral_error;
  std::vector<double> parts = difference(flow.samples.log_model, flow.samples.log_target);
  for (std::size_t i = 0; i < parts.size(); ++i)
    parts[i] += std::exp(flow.weights->log_weights[i] - estimate.log_integral);
  return std::hypot(mean_with_error(parts).error, flow.weights->tail_error);
}

std::vector<Metric> weight_metrics(const LoadedRun& run, const WeightedFlow& flow,
                                   const std::optional<Exploration>& exploration,
                                   const std::optional<RunVerdict>& verdict,
                                   DensityEvaluator& evaluator, std::uint64_t seed,
                                   ThreadPool& pool) {
  const std::shared_ptr<const Target> target = run.target();
  std::vector<Metric> metrics;
  const Moments moments(run.options.model);
  const bool stands = !exploration || verdict->flow_stands;
  const std::vector<double> stand_in = stands ? std::vector<double>() : exploration->x;
  const auto add_moments = [&] {
    // Positions of particles have the moments that their symmetry says; of a molecule's columns
    // torsions and energies say more.
    if (particle_dimensions(run) > 0 || run.model->flow().coordinates() != nullptr) return;
    for (Metric& metric : moments.metrics(flow.samples.x, flow.weights ? &*flow.weights : nullptr,
                                          stand_in, exploration && !exploration->confirmed))
      metrics.push_back(std::move(metric));
  };
  if (flow.samples.undefined > 0)
    metrics.push_back({"undefined_energies", "samples whose energy is no number",
                       static_cast<double>(flow.samples.undefined), 0.0, 0});
  if (!flow.weights) {
    metrics.push_back({"effective_share", "effective share of samples", 0.0});
    if (exploration) add_moments();
    return metrics;
  }
  const ImportanceEstimate estimate = importance_estimate(*flow.weights);
  metrics.push_back({"effective_share", "effective share of samples", estimate.effective_share});
  metrics.push_back({"pareto_k", "Pareto k of the weights", flow.weights->pareto_k, 0.0, 3});
  metrics.push_back({exploration ? "flow_log_integral" : "log_integral",
                     exploration ? "log integral by these weights" : "log integral of exp(-energy)",
                     estimate.log_integral, log_integral_error(estimate, *run.model)});
  const bool stochastic = run.model->flow().stochastic();
  const MeanWithError difference_of_logs =
      mean_with_error(difference(flow.samples.log_model, flow.samples.log_target));
  Metric reverse{"reverse_kl_nats",
                 stochastic ? "KL(model || target) of paths, nats" : "KL(model || target), nats",
                 difference_of_logs.mean, difference_of_logs.error};
  if (const auto known = target->log_normaliser()) {
    reverse.value += *known;
    reverse.error =
        std::hypot(reverse.error, normaliser_error(*run.model, {}), target->log_normaliser_error());
  } else if (exploration && verdict->log_integral != estimate.log_integral) {
    reverse.value += verdict->log_integral;
    reverse.error =
        std::hypot(reverse.error, normaliser_error(*run.model, {}), verdict->log_integral_error);
  } else {
    reverse.value += estimate.log_integral;
    reverse.error = error_with_integral(flow, estimate);
  }
  metrics.push_back(reverse);
  add_moments();
  // A density that is an estimate says too little where it is small; an exploration says more than
  // a wide proposal.
  // Nor has a wide proposal a density on rows without a centre of mass.
  if (stochastic || exploration || is_mean_free(run.options.model)) return metrics;
  const auto& columns = run.options.model.columns;
  // A wide proposal leaves bounds, where the model has no density, and meets a circle many times.
  if (std::any_of(columns.begin(), columns.end(), [](const ColumnOptions& column) {
        return std::isfinite(column.lower) || std::isfinite(column.upper);
      }))
    return metrics;
  const RowFunction truth = target_log_density(target, pool);
  if (const auto missed = missed_metric(flow.samples, *target, truth, evaluator, seed))
    metrics.push_back(*missed);
  return metrics;
}

}  // namespace thalweg
