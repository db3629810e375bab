// Log likelihoods of held-out points.
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "thalweg/datasets/column_coding.h"
#include "thalweg/metrics/gaussian_mixture_fit.h"
#include "thalweg/runs/evaluation_parts.h"
#include "thalweg/runs/log_densities.h"

namespace thalweg {

namespace {

/// Columns of the context before those of x.
std::vector<double> joined(const std::vector<double>& context, std::int64_t context_features,
                           std::vector<double> x, std::int64_t features) {
  if (context_features == 0) return x;
  std::vector<double> result;
  for (std::size_t row = 0; row < x.size() / static_cast<std::size_t>(features); ++row) {
    const auto given = context.begin() + static_cast<std::ptrdiff_t>(row) * context_features;
    const auto point = x.begin() + static_cast<std::ptrdiff_t>(row) * features;
    result.insert(result.end(), given, given + context_features);
    result.insert(result.end(), point, point + features);
  }
  return result;
}

/// Log densities of values from those of their coordinates.
std::vector<double> of_values(std::vector<double> of_coordinates, const HeldOut& points) {
  for (std::size_t row = 0; row < points.log_intervals.size(); ++row)
    of_coordinates[row] += points.log_intervals[row];
  return of_coordinates;
}

/// Log densities of held-out values by a fitted mixture. Its density is no constant within the
/// interval of a value, and largest in the middle, so it is a mean over places there.
std::vector<double> log_densities_of(const FittedGaussianMixture& fit, const PreparedData& data,
                                     const HeldOut& points, std::uint64_t seed) {
  const std::int64_t features = data.features(), given = data.context_features();
  const bool intervals = std::ranges::any_of(
      data.columns, [](const ColumnOptions& column) { return column.has_intervals(); });
  constexpr std::int64_t kRowsInAll = 200000;
  const std::int64_t places =
      intervals ? std::clamp<std::int64_t>(kRowsInAll / points.rows, 8, 32) : 1;
  std::vector<double> sums(static_cast<std::size_t>(points.rows), -INFINITY);
  for (std::int64_t place = 0; place < places; ++place) {
    std::vector<double> x = points.values;
    add_noise(data.columns, seed + static_cast<std::uint64_t>(place), Stream::kEvaluation, x);
    const std::vector<double> found =
        fit.log_prob(joined(points.context, given, std::move(x), features));
    for (std::size_t row = 0; row < sums.size(); ++row) {
      const double most = std::max(sums[row], found[row]);
      if (most > -INFINITY)
        sums[row] = most + std::log(std::exp(sums[row] - most) + std::exp(found[row] - most));
    }
  }
  for (double& sum : sums) sum -= std::log(static_cast<double>(places));
  return of_values(std::move(sums), points);
}

/// A sentence if another model's log likelihoods are above the flow's beyond doubt.
std::string behind_text(const std::string& other, const std::vector<double>& own,
                        const std::vector<double>& others, const RowRelations& rows) {
  std::vector<double> ahead;
  for (std::size_t row = 0; row < own.size(); ++row) ahead.push_back(others[row] - own[row]);
  const MeanLogDensity mean = mean_log_density(ahead, 0.0, rows);
  if (mean.undefined + mean.zero > 0 || !(mean.all.mean > 2.0 * mean.all.error)) return "";
  return fmt::format(
      "a {} describes held-out rows better than this model, by {:.3f} +- {:.3f} nats: train on "
      "more "
      "rows or longer, with a smaller flow or another one",
      other, mean.all.mean, mean.all.error);
}

/// Plain models fitted to the training rows, and whether one of them is ahead of the flow's `own`.
std::vector<Metric> baselines(const PreparedData& data, const HeldOut& points, std::uint64_t seed,
                              const std::vector<double>& own, std::vector<std::string>& warnings) {
  const std::int64_t features = data.features(), given = data.context_features();
  // As many as a fit takes, the first of an order by chance.
  std::vector<std::int64_t> rows = data.training_rows(seed);
  rows.resize(
      std::min(rows.size(), static_cast<std::size_t>(GaussianMixtureFitOptions{}.maximum_rows)));
  std::vector<double> train = take_rows(data.x, features, rows);
  add_noise(data.columns, seed, Stream::kDequantisation, train);
  const std::vector<double> joint_train =
      joined(take_rows(data.context, given, rows), given, std::move(train), features);
  std::vector<Metric> metrics;
  for (const std::int64_t components : {1, 10}) {
    GaussianMixtureFitOptions options;
    options.components = components;
    // Of wide and long tables, few iterations take a minute and come near enough.
    const double sweep = static_cast<double>(std::min<std::int64_t>(
                             options.maximum_rows, static_cast<std::int64_t>(data.train.size()))) *
                         static_cast<double>((features + given) * (features + given));
    options.iterations = static_cast<std::int64_t>(std::clamp(8e9 / sweep, 20.0, 200.0));
    const FittedGaussianMixture fit =
        fit_gaussian_mixture(joint_train, features + given, options, seed);
    std::vector<double> values = log_densities_of(fit, data, points, seed);
    if (given > 0) {
      const std::vector<double> marginal = fit.leading(given).log_prob(points.context);
      for (std::size_t row = 0; row < values.size(); ++row) values[row] -= marginal[row];
    }
    const std::string label = components == 1 ? "fitted Gaussian" : "mixture of 10 Gaussians";
    add_mean(metrics, components == 1 ? "gaussian" : "mixture", label, values, 0.0,
             points.relations());
    if (const std::string text = behind_text(label, own, values, points.relations()); !text.empty())
      warnings.push_back(text);
  }
  return metrics;
}

/// Z of a resampled base, of each class where there are classes.
void add_normalisers(std::vector<Metric>& metrics, const Model& model) {
  const ResampledBase* base = model.resampled();
  if (base == nullptr) return;
  const auto values = model.parameters().values(base->normaliser());
  const auto errors = model.parameters().values(base->normaliser_error());
  const auto count = static_cast<double>(values.size());
  double mean = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    mean += values[i] / count;
    squares += errors[i] * errors[i];
  }
  metrics.push_back({"normaliser", "Z of the resampled base", mean, std::sqrt(squares) / count});
  const ClassTable& classes = base->classes();
  for (std::int64_t number = 0; number < classes.count(); ++number) {
    const auto index = static_cast<std::size_t>(number);
    metrics.push_back({fmt::format("normaliser_{}", number + 1),
                       fmt::format("  of class {}", fmt::join(classes.context(number), ", ")),
                       values[index], errors[index]});
  }
}

}  // namespace

void add_mean(std::vector<Metric>& metrics, const std::string& name, const std::string& label,
              const std::vector<double>& values, double common_error, const RowRelations& rows) {
  const MeanLogDensity mean = mean_log_density(values, common_error, rows);
  const auto add = [&](const std::string& key, const std::string& text, const MeanWithError& of) {
    metrics.push_back({key, text, of.mean, of.error});
  };
  const auto add_count = [&](const char* what, const char* text, std::int64_t count) {
    metrics.push_back({name + what, text, static_cast<double>(count), 0.0, 0});
  };
  if (mean.zero > 0) {
    metrics.push_back({name, label, mean.all.mean});
    add_count("_zero_rows", "  rows of density 0", mean.zero);
    add(name + "_others", "  mean over the other rows", mean.finite);
  } else {
    add(name, label, mean.all);
  }
  if (mean.undefined > 0) add_count("_undefined_rows", "  rows without a density", mean.undefined);
}

KeptRelations kept_relations(const HeldOut& points, std::span<const std::int64_t> kept) {
  KeptRelations result;
  for (const std::int64_t row : kept) {
    const auto index = static_cast<std::size_t>(row);
    if (!points.weights.empty()) result.weights.push_back(points.weights[index]);
    if (!points.blocks.empty()) result.blocks.push_back(points.blocks[index]);
  }
  return result;
}

std::vector<Metric> fit_metrics(const LoadedRun& run, const HeldOut& points,
                                const std::optional<PreparedData>& data, std::uint64_t seed,
                                DensityEvaluator& evaluator, ThreadPool& pool,
                                std::vector<std::string>& warnings) {
  std::vector<Metric> metrics;
  if (points.rows > 0) {
    const bool estimated = run.model->flow().stochastic();
    const double of_normaliser = normaliser_error(*run.model, points.context);
    const std::vector<double> own = of_values(evaluator.log_prob(points.x, points.context), points);
    add_mean(metrics, "log_likelihood",
             estimated ? fmt::format("this model, estimate of {} draws", evaluator.draws())
                       : "this model",
             own, of_normaliser, points.relations());
    if (estimated && evaluator.draws() > 1)
      add_mean(metrics, "log_likelihood_bound", "  its lower bound, of 1 draw",
               of_values(DensityEvaluator(*run.model, pool, Precision::kDouble)
                             .log_prob(points.x, points.context),
                         points),
               of_normaliser, points.relations());
    const std::shared_ptr<const Target> target = run.target();
    // Of particles it is the least NLL that a density can have, <U> + log Z, with the sign changed.
    if (target && target->log_normaliser() &&
        (run.model->flow().features() == 2 || run.options.data.particles > 0)) {
      std::vector<double> log_target = target_log_density(target, pool)(points.x);
      for (double& value : log_target) value -= *target->log_normaliser();
      add_mean(metrics, "target_log_likelihood", "the target itself", log_target,
               target->log_normaliser_error(), points.relations());
      // Of each row's difference, whose error is far below those of the means.
      if (run.options.data.particles > 0) {
        for (std::size_t row = 0; row < own.size(); ++row) log_target[row] -= own[row];
        add_mean(metrics, "forward_kl_nats", "  KL(target || model)", log_target,
                 std::hypot(target->log_normaliser_error(), of_normaliser), points.relations());
      }
    }
    // Fitted covariances of rows without a centre of mass are singular.
    if (data && !is_mean_free(run.options.model))
      for (Metric& metric : baselines(*data, points, seed, own, warnings))
        metrics.push_back(std::move(metric));
  }
  add_normalisers(metrics, *run.model);
  return metrics;
}

}  // namespace thalweg
