// What samples of a model, weighted to its target, say.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include "thalweg/core/random.h"
#include "thalweg/metrics/importance.h"
#include "thalweg/runs/evaluation_parts.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/plan.h"
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
    log_model = evaluator.log_prob(x);
    log_weights.assign(log_target.size(), 0.0);
    log_integral = *target.log_normaliser();
  } else {
    const WideProposal wide(samples.x, features, target.half_width());
    x = wide.draw(static_cast<std::int64_t>(samples.log_model.size()), seed);
    log_target = truth(x);
    log_model = evaluator.log_prob(x);
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
    const ImportanceEstimate estimate = importance_estimate(log_weights);
    if (estimate.effective_share * static_cast<double>(log_weights.size()) < kFewest)
      return std::nullopt;
    log_integral = estimate.log_integral;
  }
  return Metric{"missed_share", "share of the target that is missed",
                missed_share(log_weights, log_target, log_model, log_integral), 0.0, 4};
}

/// Mean and variance of the target's columns, from weighted samples of the model; of the first
/// columns where there are many.
std::vector<Metric> moment_metrics(const WeightedSamples& samples, const ModelOptions& model) {
  constexpr std::int64_t kColumns = 8;
  const std::vector<std::string> names = column_names(model);
  const std::vector<double> log_weights = samples.log_weights();
  std::vector<Metric> metrics;
  for (std::int64_t column = 0; column < std::min(kColumns, model.features); ++column) {
    const auto number = static_cast<std::size_t>(column);
    if (!model.columns.empty() && model.columns[number].periodic) continue;
    std::vector<double> values;
    for (std::size_t i = number; i < samples.x.size();
         i += static_cast<std::size_t>(model.features))
      values.push_back(samples.x[i]);
    const WeightedMean mean = weighted_mean(log_weights, values);
    for (double& value : values) value = (value - mean.value) * (value - mean.value);
    const WeightedMean variance = weighted_mean(log_weights, values);
    const std::string& name = names[number];
    metrics.push_back({"mean_" + name, "mean of " + name + ", reweighted", mean.value, mean.error});
    metrics.push_back({"variance_" + name, "variance of " + name + ", reweighted", variance.value,
                       variance.error});
  }
  return metrics;
}

}  // namespace

std::vector<double> WeightedSamples::log_weights() const {
  return difference(log_target, log_model);
}

WeightedSamples weighted_samples(const LoadedRun& run, const std::shared_ptr<const Target>& target,
                                 std::int64_t count, std::uint64_t seed, ThreadPool& pool) {
  WeightedSamples samples;
  samples.x =
      FlowSampler(*run.model, pool, seed, Precision::kDouble).next(count, {}, &samples.log_model);
  samples.log_target = target_log_density(target, pool)(samples.x);
  return samples;
}

double log_integral_error(const ImportanceEstimate& estimate, const Model& model) {
  // An error of Z is one of every log density.
  return std::hypot(estimate.log_integral_error, normaliser_error(model, {}));
}

std::vector<Metric> weight_metrics(const LoadedRun& run, DensityEvaluator& evaluator,
                                   ThreadPool& pool) {
  const std::shared_ptr<const Target> target = run.target();
  const auto seed = static_cast<std::uint64_t>(run.options.training.seed);
  const WeightedSamples samples = weighted_samples(run, target, kTargetSamples, seed, pool);
  std::vector<Metric> metrics;
  const std::vector<double> log_weights = samples.log_weights();
  if (!std::all_of(log_weights.begin(), log_weights.end(),
                   [](double value) { return value < INFINITY; })) {
    metrics.push_back({"effective_share", "effective share of samples", 0.0});
    return metrics;
  }
  const ImportanceEstimate estimate = importance_estimate(log_weights);
  metrics.push_back({"effective_share", "effective share of samples", estimate.effective_share});
  metrics.push_back({"pareto_k", "Pareto k of the weights", pareto_shape(log_weights), 0.0, 3});
  metrics.push_back({"log_integral", "log integral of exp(-energy)", estimate.log_integral,
                     log_integral_error(estimate, *run.model)});
  const bool stochastic = run.model->flow().stochastic();
  const MeanWithError difference_of_logs =
      mean_with_error(difference(samples.log_model, samples.log_target));
  Metric reverse{"reverse_kl_nats",
                 stochastic ? "KL(model || target) of paths, nats" : "KL(model || target), nats",
                 difference_of_logs.mean, difference_of_logs.error};
  reverse.value += target->log_normaliser().value_or(estimate.log_integral);
  metrics.push_back(reverse);
  const auto& columns = run.options.model.columns;
  for (Metric& metric : moment_metrics(samples, run.options.model))
    metrics.push_back(std::move(metric));
  // A density that is an estimate says too little where it is small.
  if (stochastic) return metrics;
  // A wide proposal leaves bounds, where the model has no density, and meets a circle many times.
  if (std::any_of(columns.begin(), columns.end(), [](const ColumnOptions& column) {
        return std::isfinite(column.lower) || std::isfinite(column.upper);
      }))
    return metrics;
  const RowFunction truth = target_log_density(target, pool);
  if (const auto missed = missed_metric(samples, *target, truth, evaluator, seed))
    metrics.push_back(*missed);
  return metrics;
}

}  // namespace thalweg
