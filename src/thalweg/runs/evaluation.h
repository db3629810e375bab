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
#include "thalweg/runs/evaluation_cost.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/row_function.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/runs/target_summary.h"
#include "thalweg/runs/verdict.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// What an evaluation has besides.
struct EvaluationOptions {
  /// The divergence as Stimper et al. 2022 computed it, with its value for an exact model, of their
  /// targets: for tables beside theirs alone, since it is no divergence.
  bool as_published = false;
  std::optional<std::int64_t> seed = {};  ///< of what is drawn; else the run's
  /// Draws a point for the density of a flow with stochastic layers; 0: the run's.
  std::int64_t draws = 0;
  /// Held-out rows at most, evenly spaced; 0: those of `parts`.
  std::int64_t rows = 0;
  std::optional<EvaluationRows> parts = {};  ///< empty: evaluation_rows()
};

/// Points on which a model is judged, dequantised.
struct HeldOut {
  std::string source;     ///< in words
  std::int64_t rows = 0;  ///< 0 for a target that cannot be sampled, and for data without any
  /// x: coordinates of the middles of the values' intervals (see coordinate_of).
  std::vector<double> x, context;
  std::vector<double> weights;             ///< of the rows; empty: all count alike
  std::vector<double> log_intervals;       ///< one a row, to add to log densities; empty: none
  std::vector<double> values = {};         ///< those of x in the units of the data
  std::vector<double> forces = {};         ///< of the rows, if they came with the data; else empty
  std::vector<std::string> warnings = {};  ///< of rows of a file
  std::vector<std::int64_t> blocks = {};   ///< see RowRelations

  RowRelations relations() const { return {weights, blocks}; }
};

/// The density of a run as its evaluation takes it, in double: compiled once, whatever shares it.
/// The run and the pool must outlive it.
DensityEvaluator evaluation_density(const LoadedRun& run, ThreadPool& pool,
                                    const EvaluationOptions& options = {});

/// Points to judge on: `file` if given, else the run's test or validation rows, else fresh samples
/// of its target; no rows where there are none of these.
HeldOut held_out_points(const LoadedRun& run, const std::string& file,
                        const std::optional<PreparedData>& data, DensityEvaluator& density,
                        const EvaluationOptions& options = {});

/// Samples of a model with their log densities by the model (see FlowSampler::next) and,
/// unnormalised, by a target.
struct WeightedSamples {
  std::vector<double> x, log_model, log_target;
  std::int64_t undefined = 0;  ///< samples whose energy is no number; their density counts as 0
  std::int64_t unsolved = 0;   ///< samples that an integration missed by its own estimate
  std::vector<double> log_weights() const;
};
WeightedSamples weighted_samples(const LoadedRun& run, const std::shared_ptr<const Target>& target,
                                 std::int64_t count, std::uint64_t seed, ThreadPool& pool);

/// What is known of a trained model.
struct Evaluation {
  std::string title;  ///< what the metrics are about, in words
  std::vector<Metric> metrics;
  std::optional<TargetSummary> columns;  ///< of an energy that gives some draw a weight
  std::optional<RunVerdict> verdict;     ///< of an energy
  std::vector<std::string> warnings;     ///< a sentence each: those of the verdict and of metrics
  EvaluationRows rows;                   ///< that it took, and that its pictures are to take
};

/// Mean log likelihood of the model and of plain models fitted to the training rows; where the
/// target's density is known, divergences, the effective share of samples reweighted to it, the log
/// of its integral, means and variances of its columns, and the share of its mass that the model
/// misses; of an energy, the verdict of its exploration, and quantiles and correlations of its
/// columns; where it can be sampled, distances of samples from exact ones beside those of exact
/// ones from others. All of it is computed in double, whatever the run's precision. The error of a
/// mean log likelihood is that of the rows and that of a resampled base's Z.
Evaluation evaluate_run(const LoadedRun& run, const HeldOut& points,
                        const std::optional<PreparedData>& data, DensityEvaluator& density,
                        ThreadPool& pool, const EvaluationOptions& options = {});
/// The same on the run's own points.
Evaluation evaluate_run(const LoadedRun& run, const std::optional<PreparedData>& data,
                        ThreadPool& pool, const EvaluationOptions& options = {});

/// The verdict alone; none for a run of data, or of a target that can be sampled.
std::optional<RunVerdict> verdict_of(const LoadedRun& run, ThreadPool& pool,
                                     const EvaluationOptions& options = {});

/// The error of a log integral by draws of a model: that of the weights, and of a base's Z.
double log_integral_error(const ImportanceEstimate& estimate, const Model& model);

/// The metrics as an aligned table, with a heading for each group but the first.
std::string metrics_text(const std::vector<Metric>& metrics);

/// Title, metrics, columns and verdict for people.
std::string evaluation_text(const Evaluation& evaluation);

/// A line for each warning; empty if there is none.
std::string warnings_text(const Evaluation& evaluation);

}  // namespace thalweg
