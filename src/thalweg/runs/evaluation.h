// How good a trained model is, in metrics.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/datasets/prepare_data.h"
#include "thalweg/metrics/grid_divergence.h"
#include "thalweg/metrics/importance.h"
#include "thalweg/metrics/metric.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// Points on which a model is judged, dequantised.
struct HeldOut {
  std::string source;     ///< in words
  std::int64_t rows = 0;  ///< 0 for a target that cannot be sampled
  std::vector<double> x, context;
};

/// The condition at which a conditional model is examined and drawn: the first class of a
/// class-conditional base, else the mean; empty without a condition.
std::vector<double> usual_context(const LoadedRun& run);

/// The points of a run's own data, prepared as in training; none if it was trained on a target.
/// Throws DataError if they have changed since or are gone.
std::optional<PreparedData> load_run_data(const LoadedRun& run);
std::string points_hash(const PreparedData& data);

/// A function of rows x features that gives one number a row.
using RowFunction = std::function<std::vector<double>(std::span<const double> rows)>;

/// Evaluates in double what `build` makes of a vector of `features`: 1 x 1 a sample. The parameters
/// must outlive it.
RowFunction row_function(const ParameterStore& parameters, std::int64_t features,
                         const std::function<Value(Value)>& build, ThreadPool& pool);

/// Evaluates log densities of a target on rows.
RowFunction target_log_density(std::shared_ptr<const Target> target, ThreadPool& pool);

/// `count` exact samples of a target, from number `first` on.
std::vector<double> target_samples(const Target& target, std::uint64_t seed, Stream stream,
                                   std::uint64_t first, std::int64_t count);

/// Held-out points: `file` if given, else the run's test rows, else fresh samples of its target.
HeldOut held_out_points(const LoadedRun& run, const std::string& file,
                        const std::optional<PreparedData>& data);

/// Samples of a model with their log densities by the model (see FlowSampler::next) and,
/// unnormalised, by a target.
struct WeightedSamples {
  std::vector<double> x, log_model, log_target;
  std::vector<double> log_weights() const;
};
WeightedSamples weighted_samples(const LoadedRun& run, const std::shared_ptr<const Target>& target,
                                 std::int64_t count, std::uint64_t seed, ThreadPool& pool);

/// Mean log likelihood of the model and of plain models fitted to the training rows; where the
/// target's density is known, divergences, the effective share of samples reweighted to it, the log
/// of its integral, means and variances of its columns, and the share of its mass that the model
/// misses; where it can be sampled, distances of samples from exact ones beside those of exact ones
/// from others.
std::vector<Metric> evaluate_run(const LoadedRun& run, const HeldOut& points,
                                 const std::optional<PreparedData>& data, ThreadPool& pool);

/// The error of a log integral by draws of a model: that of the weights, and of a base's Z.
double log_integral_error(const ImportanceEstimate& estimate, const Model& model);

/// A line about modes that seem to be lost; empty if there is nothing to say.
std::string warning_of(const std::vector<Metric>& metrics);

/// What the metrics are about, in words.
std::string metrics_title(const HeldOut& points);

/// The metrics as an aligned table.
std::string metrics_text(const std::vector<Metric>& metrics);

}  // namespace thalweg
