// How good a trained model is, in metrics.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/datasets/prepare_data.h"
#include "thalweg/metrics/importance.h"
#include "thalweg/metrics/metric.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/row_function.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// Points on which a model is judged, dequantised.
struct HeldOut {
  std::string source;     ///< in words
  std::int64_t rows = 0;  ///< 0 for a target that cannot be sampled, and for data without any
  std::vector<double> x, context;
};

/// Held-out points: `file` if given, else the run's test or validation rows, else fresh samples of
/// its target; no rows where there are none of these.
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

/// What an evaluation has besides.
struct EvaluationOptions {
  /// The divergence as Stimper et al. 2022 computed it, with its value for an exact model, of their
  /// targets: for tables beside theirs alone, since it is no divergence.
  bool as_published = false;
};

/// Mean log likelihood of the model and of plain models fitted to the training rows; where the
/// target's density is known, divergences, the effective share of samples reweighted to it, the log
/// of its integral, means and variances of its columns, and the share of its mass that the model
/// misses; where it can be sampled, distances of samples from exact ones beside those of exact ones
/// from others. All of it is computed in double, whatever the run's precision. The error of a mean
/// log likelihood is that of the rows and that of a resampled base's Z.
std::vector<Metric> evaluate_run(const LoadedRun& run, const HeldOut& points,
                                 const std::optional<PreparedData>& data, ThreadPool& pool,
                                 const EvaluationOptions& options = {});

/// The error of a log integral by draws of a model: that of the weights, and of a base's Z.
double log_integral_error(const ImportanceEstimate& estimate, const Model& model);

/// Lines about densities of 0 and modes that seem to be lost; empty if there is nothing to say.
std::string warning_of(const std::vector<Metric>& metrics);

/// What the metrics are about, in words.
std::string metrics_title(const HeldOut& points);

/// The metrics as an aligned table, with a heading for each group but the first.
std::string metrics_text(const std::vector<Metric>& metrics);

}  // namespace thalweg
