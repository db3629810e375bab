#include "thalweg/training/reconstruction_search.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/training/trainer.h"

namespace thalweg {
namespace {

constexpr std::int64_t kRows = 512;
constexpr std::int64_t kLooks = 5;
constexpr double kFactor = 10.0, kLeast = 1e-2, kMost = 1e6;
constexpr double kRise = 0.5;     // nats that a loss may rise by between looks
constexpr double kSolved = 0.95;  // share of rows with z
constexpr double kAlike = 0.02;   // nats within which losses are the same

/// Samples of the training that the losses are taken on.
struct Looked {
  std::vector<double> x, context, weights;  // weights as of TrainingData
};

Looked looked_at(const Model& model, const TrainingData& data) {
  Looked result;
  const auto features = static_cast<std::size_t>(model.flow().features());
  if (data.rows.empty()) {
    result.x.resize(static_cast<std::size_t>(kRows) * features);
    data.generator(0, kRows, result.x.data());
    return result;
  }
  const std::size_t rows = std::min<std::size_t>(kRows, data.rows.size() / features);
  const auto given = static_cast<std::size_t>(model.flow().context_features());
  const auto x = data.rows.first(rows * features);
  const auto context = data.context.first(rows * given);
  result.x.assign(x.begin(), x.end());
  result.context.assign(context.begin(), context.end());
  if (!data.weights.empty())
    result.weights.assign(data.weights.begin(),
                          data.weights.begin() + static_cast<std::ptrdiff_t>(rows));
  return result;
}

/// None where `stopped` says so before its end.
std::optional<ReconstructionTrial> try_weight(double weight, Model& model, const TrainingData& data,
                                              TrainingOptions training, std::int64_t steps,
                                              ThreadPool& pool,
                                              const std::function<bool()>& stopped) {
  training.iterations = steps;
  training.reconstruction_weight = weight;
  training.reconstruction_start = 0.0;
  training.warm_up = std::min(training.warm_up, steps / kLooks);
  training.patience = 0;
  const Looked looked = looked_at(model, data);
  ReconstructionTrial trial{.weight = weight, .loss = INFINITY, .stable = true};
  double first = NAN, before = NAN;
  try {
    Trainer trainer(model, data, training, pool);
    DensityEvaluator evaluator(model, pool, Precision::kDouble);
    for (std::int64_t look = 0; look <= kLooks; ++look) {
      if (look > 0)
        for (std::int64_t step = 0; step < steps / kLooks; ++step) {
          if (stopped()) return std::nullopt;
          trainer.step();
        }
      trainer.update_model();
      const std::vector<double> values = evaluator.log_prob(looked.x, looked.context);
      double sum = 0.0, all = 0.0;
      for (std::size_t row = 0; row < values.size(); ++row) {
        const double counts = looked.weights.empty() ? 1.0 : looked.weights[row];
        if (counts > 0.0) sum += counts * values[row];
        all += counts;
      }
      trial.loss = -sum / all;
      trial.solved_share =
          1.0 - static_cast<double>(evaluator.unsolved()) / static_cast<double>(values.size());
      if (look == 0) first = before = trial.loss;
      const double fallen = std::max(0.0, first - before);
      trial.stable =
          trial.stable && std::isfinite(trial.loss) && trial.loss - before <= kRise + 0.5 * fallen;
      before = trial.loss;
    }
    trial.stable = trial.stable && trial.solved_share >= kSolved && trial.loss <= first &&
                   trainer.counters().bad_steps == 0;
  } catch (const NumericalError&) {
    trial.stable = false;
  }
  return trial;
}

}  // namespace

ReconstructionSearch search_reconstruction_weight(
    const std::function<std::unique_ptr<Model>()>& make, const TrainingData& data,
    const TrainingOptions& training, std::int64_t steps, ThreadPool& pool,
    const std::function<bool()>& interrupted, const std::function<bool()>& out_of_time) {
  ReconstructionSearch search;
  const auto asked = [](const std::function<bool()>& callback) { return callback && callback(); };
  const auto stopped = [&] { return asked(interrupted) || asked(out_of_time); };
  bool lowering = false, raising = false;
  for (double weight = std::clamp(training.reconstruction_weight, kLeast, kMost);
       weight >= 0.999 * kLeast && weight <= 1.001 * kMost;) {
    if (asked(interrupted)) return {};
    const std::unique_ptr<Model> model = make();
    const auto trial = try_weight(weight, *model, data, training, steps, pool, stopped);
    if (!trial) {
      if (asked(interrupted)) return {};
      break;
    }
    search.trials.push_back(*trial);
    const bool stable = search.trials.back().stable;
    // The other side of where stability begins is known.
    if ((stable && raising) || (!stable && lowering)) break;
    (stable ? lowering : raising) = true;
    weight *= stable ? 1.0 / kFactor : kFactor;
  }
  if (search.trials.empty()) search.weight = training.reconstruction_weight;
  double least = INFINITY;
  for (const ReconstructionTrial& trial : search.trials) {
    if (trial.stable) least = std::min(least, trial.loss);
    if (!std::isfinite(least)) search.weight = std::max(search.weight, trial.weight);
  }
  if (!std::isfinite(least)) return search;
  search.weight = 0.0;
  for (const ReconstructionTrial& trial : search.trials)
    if (trial.stable && trial.loss <= least + kAlike)
      search.weight = std::max(search.weight, trial.weight);
  return search;
}

}  // namespace thalweg
