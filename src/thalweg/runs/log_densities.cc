#include "thalweg/runs/log_densities.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/core/work_progress.h"
#include "thalweg/datasets/column_coding.h"
#include "thalweg/datasets/column_names.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/io/table_texts.h"
#include "thalweg/runs/molecule_data.h"
#include "thalweg/runs/plan.h"
#include "thalweg/sampling/density_evaluator.h"

namespace thalweg {

std::int64_t draws_of(const LoadedRun& run, std::int64_t asked) {
  if (asked > 0 && !run.model->flow().stochastic())
    fail<ConfigError>(
        "--importance-samples: is for flows with random layers, and this one's density is exact "
        "without; leave it out");
  return asked > 0 ? asked : run.options.importance_samples;
}

DensityEvaluator run_density(const LoadedRun& run, ThreadPool& pool,
                             const DensityOptions& options) {
  return {*run.model, pool, options.precision.value_or(run.precision()),
          draws_of(run, options.draws)};
}

LogDensities log_densities(const LoadedRun& run, const Table& points, ThreadPool& pool,
                           const DensityOptions& options) {
  DensityEvaluator evaluator = run_density(run, pool, options);
  return log_densities(run, points, evaluator, pool, options.weights);
}

LogDensities log_densities(const LoadedRun& run, const Table& points, DensityEvaluator& evaluator,
                           ThreadPool& pool, const std::string& weights) {
  ModelRows rows = rows_for_model(points, run.options.model);
  const std::vector<double> intervals = log_intervals(run.options.model.columns, rows.x);
  centre_in_intervals(run.options.model.columns, rows.x);
  const WorkPart part("log densities");
  LogDensities result;
  result.values = evaluator.log_prob(rows.x, rows.context);
  result.unsolved = evaluator.unsolved();
  for (std::size_t row = 0; row < intervals.size(); ++row) result.values[row] += intervals[row];
  if (const InternalCoordinates* coordinates = run.model->flow().coordinates()) {
    const std::vector<double> volumes = log_volumes(*coordinates, rows.x, pool);
    for (std::size_t row = 0; row < volumes.size(); ++row) result.values[row] -= volumes[row];
  }
  result.mean = mean_log_density(result.values, normaliser_error(*run.model, rows.context),
                                 weights_of(points, weights, "--weights"));
  for (const std::string& warning :
       {outside_of_training(run.options.model.context_columns, rows.context), rows.unkept})
    if (!warning.empty()) result.warnings.push_back(warning);
  return result;
}

std::vector<double> weights_of(const Table& table, const std::string& name, const char* key) {
  if (name.empty()) return {};
  const std::size_t column = column_number(table.names, name, key);
  if (table.content_of(column) != ColumnContent::kNumber)
    fail<DataError>("{}: column '{}' holds {}; expected numbers", key, name,
                    content_name(table.content_of(column)));
  std::vector<double> weights = take_column(table.values, table.names.size(), column);
  check_weights(name, weights);
  return weights;
}

std::string own_weights(const LoadedRun& run, const Table& table,
                        std::vector<std::string>& warnings) {
  const std::string& own = run.options.data.weights;
  if (own.empty() || std::ranges::find(table.names, own) != table.names.end()) return own;
  warnings.push_back(fmt::format(
      "the rows have no column '{}', by which the run weighs its rows, so they all count alike",
      own));
  return "";
}

MeanWithError mean_with_error(std::span<const double> values, std::span<const double> weights) {
  MeanWithError result;
  if (!weights.empty()) {
    double sum = 0.0, square = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      result.mean += weights[i] * values[i];
      sum += weights[i];
    }
    result.mean /= sum;
    for (std::size_t i = 0; i < values.size(); ++i)
      square += std::pow(weights[i] * (values[i] - result.mean), 2);
    if (values.size() > 1) result.error = std::sqrt(square) / sum;
    return result;
  }
  double square = 0.0;
  const auto count = static_cast<double>(values.size());
  for (const double value : values) result.mean += value / count;
  for (const double value : values) square += (value - result.mean) * (value - result.mean);
  if (values.size() > 1) result.error = std::sqrt(square / count / (count - 1.0));
  return result;
}

MeanLogDensity mean_log_density(std::span<const double> values, double common_error,
                                std::span<const double> weights) {
  MeanLogDensity result;
  std::vector<double> finite, of_finite;
  for (std::size_t row = 0; row < values.size(); ++row) {
    const double value = values[row];
    if (!weights.empty() && weights[row] == 0.0) continue;
    if (std::isfinite(value)) {
      finite.push_back(value);
      if (!weights.empty()) of_finite.push_back(weights[row]);
    } else {
      ++(value == -INFINITY ? result.zero : result.undefined);
    }
  }
  result.counted = std::ssize(finite);
  result.finite = mean_with_error(finite, of_finite);
  result.finite.error = std::hypot(result.finite.error, common_error);
  result.all = result.zero > 0 ? MeanWithError{-INFINITY, 0.0} : result.finite;
  return result;
}

double normaliser_error(const Model& model, std::span<const double> context) {
  const ResampledBase* base = model.resampled();
  if (base == nullptr) return 0.0;
  const auto values = model.parameters().values(base->normaliser());
  const auto errors = model.parameters().values(base->normaliser_error());
  const ClassTable& classes = model.classes();
  if (classes.empty()) return errors[0] / values[0];
  const auto width = static_cast<std::size_t>(model.options().context_features);
  std::vector<double> share(values.size());
  const auto rows = static_cast<double>(context.size() / width);
  for (std::size_t begin = 0; begin < context.size(); begin += width)
    if (const auto number = classes.find(context.subspan(begin, width)))
      share[static_cast<std::size_t>(*number)] += 1.0 / rows;
  double square = 0.0;
  for (std::size_t i = 0; i < share.size(); ++i)
    square += std::pow(share[i] * errors[i] / values[i], 2);
  return std::sqrt(square);
}

}  // namespace thalweg
