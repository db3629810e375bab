#include "thalweg/runs/stack_fit.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <numeric>
#include <stdexcept>

#include "thalweg/core/error.h"
#include "thalweg/datasets/column_coding.h"
#include "thalweg/flows/column_transforms.h"
#include "thalweg/flows/stack_members.h"
#include "thalweg/metrics/stacking.h"
#include "thalweg/runs/stack_candidates.h"
#include "thalweg/sampling/column_map.h"

namespace thalweg {
namespace {

constexpr std::int64_t kFolds = 10;

using Tensors = std::map<std::string, std::vector<double>, std::less<>>;

/// Rows between the columns' maps and the base, of which several copies may be of one row of data.
struct StackRows {
  std::vector<double> x;
  std::vector<std::int64_t> fold;  ///< of each
  double log_det = 0.0;            ///< mean log-determinant of the columns' maps
};

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// The model's columns alone, without a stack yet.
Model columns_model(const ModelOptions& model, std::uint64_t seed) {
  ModelOptions options;
  options.features = model.features;
  options.columns = model.columns;
  options.flow.kind = "none";
  options.flow.blocks = 1;
  return Model(options, seed);
}

/// Which fold each of these rows is in; rows of one block are in one.
std::vector<std::int64_t> folds_of_blocks(const std::vector<std::int64_t>& numbers,
                                          const PreparedData& data, std::uint64_t seed) {
  std::map<std::int64_t, std::size_t> places;
  std::vector<std::size_t> place;
  for (const std::int64_t number : numbers)
    place.push_back(places.try_emplace(data.block_number(number), places.size()).first->second);
  if (std::ssize(places) < kFolds)
    fail<ConfigError>(
        "data.block_rows: expected at least {} blocks to train a stack on, got {}: lower it, or "
        "name another base.kind",
        kFolds, places.size());
  const std::vector<std::int64_t> folds = random_folds(std::ssize(places), kFolds, seed);
  std::vector<std::int64_t> result;
  for (const std::size_t each : place) result.push_back(folds[each]);
  return result;
}

StackRows stack_rows(const PreparedData& data, const Model& columns, std::uint64_t seed,
                     ThreadPool& pool) {
  std::vector<std::int64_t> numbers = data.train;
  numbers.insert(numbers.end(), data.validation.begin(), data.validation.end());
  const auto rows = static_cast<std::int64_t>(numbers.size());
  const bool spaced =
      std::any_of(data.columns.begin(), data.columns.end(),
                  [](const ColumnOptions& column) { return column.has_intervals(); });
  // Noise of many draws for few rows; of long tables a few do.
  const std::int64_t copies = spaced ? std::clamp<std::int64_t>(2000 / rows, 2, 10) : 1;
  const std::vector<double> once = take_rows(data.x, data.features(), numbers);
  std::vector<double> x;
  for (std::int64_t copy = 0; copy < copies; ++copy) x.insert(x.end(), once.begin(), once.end());
  add_noise(data.columns, seed, Stream::kDequantisation, x);
  StackRows result;
  std::vector<double> log_det;
  ColumnMap map(columns, pool);
  result.x = map.to_layers(x, &log_det);
  const std::vector<std::int64_t> folds = folds_of_blocks(numbers, data, seed);
  for (std::int64_t copy = 0; copy < copies; ++copy)
    result.fold.insert(result.fold.end(), folds.begin(), folds.end());
  if (!log_det.empty()) result.log_det = mean_of(log_det);
  return result;
}

FoldRows fold_rows(const StackRows& rows, std::int64_t features, std::int64_t fold) {
  FoldRows result;
  for (std::size_t row = 0; row < rows.fold.size(); ++row) {
    auto& part = rows.fold[row] == fold ? result.left_out : result.fitted;
    const auto begin = rows.x.begin() + static_cast<std::ptrdiff_t>(row) * features;
    part.insert(part.end(), begin, begin + features);
  }
  return result;
}

/// All fits of all candidates; a candidate without log densities dropped out.
struct CandidateResult {
  std::vector<CandidateFit> fits;     ///< one a fold
  std::vector<double> log_densities;  ///< of all rows, by the fits that did not see them
};

void keep(Tensors& tensors, const ParameterStore& store) {
  for (const ParameterInfo& info : store.infos()) {
    const auto values = store.values(store.find(info.name));
    tensors[info.name] = {values.begin(), values.end()};
  }
}

/// The mean of several mixtures of normals.
FittedGaussianMixture mean_mixture(const std::vector<CandidateFit>& fits) {
  FittedGaussianMixture result;
  for (const CandidateFit& fit : fits) {
    const auto& part = std::get<FittedGaussianMixture>(fit.density);
    result.features = part.features;
    for (const double weight : part.weights)
      result.weights.push_back(weight / static_cast<double>(fits.size()));
    result.means.insert(result.means.end(), part.means.begin(), part.means.end());
    result.factors.insert(result.factors.end(), part.factors.begin(), part.factors.end());
  }
  return result;
}

/// Adds the member that a candidate becomes: its name, kind and size, and its tensors.
void add_member(BaseOptions& base, Tensors& tensors, const StackCandidate& candidate,
                const std::vector<CandidateFit>& fits) {
  const std::string name = member_name(base.members.size());
  base.members.push_back(candidate.name);
  base.member_kinds.emplace_back(candidate.kind);
  ParameterStore store;
  if (std::holds_alternative<FittedGaussianMixture>(fits.front().density)) {
    const FittedGaussianMixture mixture = mean_mixture(fits);
    base.member_sizes.push_back(mixture.components());
    const FullGaussianMixture made(store, name, mixture.features, mixture.components());
    made.set(store, mixture.weights, mixture.means, mixture.factors);
  } else if (const auto* kernel = std::get_if<FittedKernelDensity>(&fits.front().density)) {
    const auto count = static_cast<std::int64_t>(kernel->points.size()) / kernel->features;
    base.member_sizes.push_back(count);
    const KernelDensity made(store, name, kernel->features, count);
    KernelDensity::set(store, name, kernel->points, kernel->upper, kernel->bandwidth);
  } else {
    base.member_sizes.push_back(std::ssize(fits));
    tensors[name + ".logits"] = std::vector<double>(fits.size(), 0.0);
    for (std::size_t fold = 0; fold < fits.size(); ++fold)
      for (const auto& [tensor, values] : std::get<FittedFlow>(fits[fold].density).tensors)
        tensors[fmt::format("{}.{}.{}", name, fold, tensor)] = values;
  }
  keep(tensors, store);
}

/// Fits of every candidate on every fold; none if interrupted.
std::vector<CandidateResult> fit_all(const std::vector<StackCandidate>& candidates,
                                     const std::vector<FoldRows>& folds, const StackRows& rows,
                                     std::uint64_t seed, ThreadPool& pool,
                                     const StackCallbacks& callbacks) {
  std::vector<CandidateResult> results(candidates.size());
  for (CandidateResult& result : results) result.fits.resize(kFolds);
  const auto tasks = static_cast<std::int64_t>(candidates.size()) * kFolds;
  std::atomic<std::int64_t> done = 0;
  std::atomic<bool> stopped = false;
  pool.parallel(tasks, [&](std::int64_t task, int thread) {
    const auto number = static_cast<std::size_t>(task / kFolds);
    const auto fold = static_cast<std::size_t>(task % kFolds);
    if (callbacks.interrupted && callbacks.interrupted()) stopped = true;
    if (stopped) return;
    // Only the caller's thread tells of progress.
    if (thread == 0 && callbacks.progress)
      callbacks.progress(static_cast<double>(done) / static_cast<double>(tasks),
                         candidates[number].name);
    try {
      results[number].fits[fold] =
          candidates[number].fit(folds[fold], seed + static_cast<std::uint64_t>(fold));
    } catch (const NumericalError&) {
      // It drops out: see below.
    } catch (const DataError&) {
    }
    ++done;
  });
  if (stopped) return {};
  for (CandidateResult& result : results) {
    const bool fitted = std::none_of(result.fits.begin(), result.fits.end(),
                                     [](const auto& fit) { return fit.log_densities.empty(); });
    if (!fitted) continue;
    std::vector<std::size_t> next(kFolds, 0);
    for (const std::int64_t fold : rows.fold) {
      const auto index = static_cast<std::size_t>(fold);
      result.log_densities.push_back(result.fits[index].log_densities[next[index]++]);
    }
  }
  return results;
}

}  // namespace

bool suits_stack(const PreparedData& data) {
  const bool periodic = std::any_of(data.columns.begin(), data.columns.end(),
                                    [](const ColumnOptions& column) { return column.periodic; });
  return data.context_features() == 0 && !periodic && data.weights.empty() &&
         static_cast<std::int64_t>(data.train.size() + data.validation.size()) <= kMostStackedRows;
}

void choose_stack(RunOptions& options) {
  options.model.flow.kind = "none";
  options.model.flow.blocks = 1;
  options.model.flow.act_norm = false;
  options.model.flow.heads = false;
  options.model.base = {.kind = "stack", .flow_blocks = 3};
  options.training.iterations = 0;
  options.training.precision = "double";
}

void check_stack(const ModelOptions& model, const PreparedData* data) {
  if (data == nullptr)
    fail<ConfigError>("base.kind: 'stack' is fitted to points; give them with --data");
  if (!data->weights.empty())
    fail<ConfigError>("base.kind: 'stack' takes no weights of rows yet; use resampled or normal");
  if (model.context_features > 0)
    fail<ConfigError>("base.kind: 'stack' takes no condition yet; use resampled or normal");
  if (model.flow.heads) fail<ConfigError>("flow.heads: expected false over base.kind = \"stack\"");
  if (model.flow.kind != "none" || !model.stochastic.kinds.empty() || model.flow.index_features > 0)
    fail<ConfigError>(
        "flow.kind: expected none and no random moves over base.kind = \"stack\", got {}",
        model.flow.kind);
}

std::unique_ptr<Model> fit_stack(ModelOptions& model, const PreparedData& data, std::uint64_t seed,
                                 double seconds, ThreadPool& pool,
                                 const StackCallbacks& callbacks) {
  const Model columns = columns_model(model, seed);
  const StackRows rows = stack_rows(data, columns, seed, pool);
  const std::int64_t features = model.features;
  std::vector<FoldRows> folds;
  for (std::int64_t fold = 0; fold < kFolds; ++fold)
    folds.push_back(fold_rows(rows, features, fold));
  const auto unique_rows = static_cast<std::int64_t>(data.train.size() + data.validation.size());
  const double flow_seconds =
      seconds > 0.0 ? seconds * pool.threads() / (2.0 * static_cast<double>(kFolds) * 1.5) : 0.0;
  const std::vector<StackCandidate> candidates =
      stack_candidates(unique_rows * (kFolds - 1) / kFolds, features, model.base,
                       column_heads(model.columns, features), flow_seconds, callbacks.interrupted);
  std::vector<CandidateResult> results = fit_all(candidates, folds, rows, seed, pool, callbacks);
  if (results.empty()) return nullptr;

  std::vector<double> log_densities;
  std::vector<std::size_t> fitted;
  for (std::size_t number = 0; number < results.size(); ++number) {
    const auto& values = results[number].log_densities;
    if (values.empty()) continue;
    fitted.push_back(number);
    log_densities.insert(log_densities.end(), values.begin(), values.end());
  }
  if (fitted.empty())
    fail<NumericalError>(
        "stack: no density could be fitted to the rows; columns may depend on each other: drop "
        "one, or train a flow with --set base.kind=resampled");
  const std::vector<double> weights =
      stacking_weights(log_densities, static_cast<std::int64_t>(fitted.size()));

  BaseOptions& base = model.base;
  base.members.clear();
  base.member_kinds.clear();
  base.member_sizes.clear();
  Tensors tensors;
  auto& logits = tensors["base.stack.logits"];
  auto& likelihoods = tensors["base.stack.log_likelihoods"];
  for (std::size_t i = 0; i < fitted.size(); ++i) {
    if (weights[i] == 0.0) continue;
    const StackCandidate& candidate = candidates[fitted[i]];
    CandidateResult& result = results[fitted[i]];
    logits.push_back(std::log(weights[i]));
    likelihoods.push_back(mean_of(result.log_densities) + rows.log_det);
    // One copy of each row does: what is refitted has a width of its own.
    const auto once = rows.x.begin() + static_cast<std::ptrdiff_t>(unique_rows * features);
    if (candidate.refitted)
      result.fits = {candidate.fit({.fitted = {rows.x.begin(), once}, .left_out = {}}, seed)};
    add_member(base, tensors, candidate, result.fits);
  }
  keep(tensors, columns.parameters());
  return Model::load(model, [&](const ParameterInfo& info) {
    const auto found = tensors.find(info.name);
    if (found == tensors.end()) throw std::logic_error("stack: no values of " + info.name);
    return found->second;
  });
}

std::vector<Metric> stack_metrics(const Model& model) {
  const auto* stack = dynamic_cast<const Stack*>(&model.flow().base());
  if (stack == nullptr) return {};
  const ParameterStore& store = model.parameters();
  const std::vector<double> weights = stack->weights(store);
  const auto likelihoods = store.values(store.find("base.stack.log_likelihoods"));
  const std::vector<std::string>& names = model.options().base.members;
  std::vector<std::size_t> order(names.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return weights[a] > weights[b]; });
  std::vector<Metric> metrics;
  for (std::size_t place = 0; place < order.size(); ++place) {
    const std::size_t number = order[place];
    metrics.push_back(
        {fmt::format("stack_weight_{}", place + 1), names[number], weights[number], 0.0, 3});
    metrics.push_back({fmt::format("stack_log_likelihood_{}", place + 1), "  its log likelihood",
                       likelihoods[number]});
  }
  return metrics;
}

}  // namespace thalweg
