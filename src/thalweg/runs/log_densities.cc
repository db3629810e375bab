#include "thalweg/runs/log_densities.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "thalweg/core/error.h"
#include "thalweg/core/work_progress.h"
#include "thalweg/datasets/column_coding.h"
#include "thalweg/datasets/column_names.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/datasets/row_split.h"
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
  return log_densities(run, points, evaluator, pool, options);
}

LogDensities log_densities(const LoadedRun& run, const Table& points, DensityEvaluator& evaluator,
                           ThreadPool& pool, const DensityOptions& options) {
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
  const std::vector<double> counts = weights_of(points, options.weights, "--weights");
  const std::vector<std::int64_t> blocks =
      options.in_order ? blocks_in_order(rows.x, run.model->flow().features())
                       : std::vector<std::int64_t>();
  result.mean =
      mean_log_density(result.values, normaliser_error(*run.model, rows.context), {counts, blocks});
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

MeanWithError mean_with_error(std::span<const double> values, const RowRelations& rows) {
  MeanWithError result;
  const auto weight = [&](std::size_t i) { return rows.weights.empty() ? 1.0 : rows.weights[i]; };
  double sum = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += weight(i);
  for (std::size_t i = 0; i < values.size(); ++i) result.mean += weight(i) / sum * values[i];
  // The sum over groups of the squared sums in them, as groups were drawn apart.
  const auto error_of = [&](const auto& groups) {
    double square = 0.0;
    for (const double in_group : groups) square += in_group * in_group;
    const auto count = static_cast<double>(groups.size());
    return count < 2.0 ? 0.0 : std::sqrt(square * count / (count - 1.0)) / sum;
  };
  std::vector<double> off;
  for (std::size_t i = 0; i < values.size(); ++i)
    off.push_back(weight(i) * (values[i] - result.mean));
  result.error = error_of(off);
  if (rows.blocks.empty()) return result;
  std::map<std::int64_t, double> in_block;
  for (std::size_t i = 0; i < off.size(); ++i) in_block[rows.blocks[i]] += off[i];
  std::vector<double> sums;
  for (const auto& [block, each] : in_block) sums.push_back(each);
  result.error = std::max(result.error, error_of(sums));
  return result;
}

std::vector<std::int64_t> blocks_in_order(std::span<const double> x, std::int64_t columns) {
  const RowOrder order = find_row_order(x, columns);
  std::vector<std::int64_t> blocks;
  if (order.lag == 0) return blocks;
  const std::int64_t rows = std::ssize(x) / columns;
  for (std::int64_t row = 0; row < rows; ++row)
    blocks.push_back(block_of(row, order.block_rows, rows));
  return blocks;
}

MeanLogDensity mean_log_density(std::span<const double> values, double common_error,
                                const RowRelations& rows) {
  MeanLogDensity result;
  std::vector<double> finite, weights;
  std::vector<std::int64_t> blocks;
  for (std::size_t row = 0; row < values.size(); ++row) {
    const double value = values[row];
    if (!rows.weights.empty() && rows.weights[row] == 0.0) continue;
    if (std::isfinite(value)) {
      finite.push_back(value);
      if (!rows.weights.empty()) weights.push_back(rows.weights[row]);
      if (!rows.blocks.empty()) blocks.push_back(rows.blocks[row]);
    } else {
      ++(value == -INFINITY ? result.zero : result.undefined);
    }
  }
  result.counted = std::ssize(finite);
  result.blocks = std::ssize(std::set<std::int64_t>(blocks.begin(), blocks.end()));
  result.finite = mean_with_error(finite, {weights, blocks});
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
