// The parts that an evaluation is put together from, each a group of metrics.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "thalweg/runs/evaluation.h"
#include "thalweg/sampling/density_evaluator.h"

namespace thalweg {

inline constexpr std::int64_t kTargetSamples = 20000;  // of an evaluation

/// Adds a mean over rows with its error, counting what is not finite: rows where `values` are -inf
/// make the mean -inf, and the mean over the others follows; rows without a value are left out.
void add_mean(std::vector<Metric>& metrics, const std::string& name, const std::string& label,
              const std::vector<double>& values, double common_error = 0.0);

/// Log likelihoods of held-out points by the model, by its target and by plain models, and Z of the
/// base.
std::vector<Metric> fit_metrics(const LoadedRun& run, const HeldOut& points,
                                const std::optional<PreparedData>& data,
                                DensityEvaluator& evaluator, ThreadPool& pool);

/// What weighted samples say of the target's integral and moments, and of what the model misses.
std::vector<Metric> weight_metrics(const LoadedRun& run, DensityEvaluator& evaluator,
                                   ThreadPool& pool);

/// What some samples of the model say beside as many exact ones, whose own metrics are the floor.
std::vector<Metric> sample_check_metrics(const LoadedRun& run, ThreadPool& pool);

/// Of a model in the plane on a grid: its divergence from the target and the integral of its
/// density.
std::vector<Metric> grid_metrics(const LoadedRun& run, bool as_published,
                                 DensityEvaluator& evaluator, ThreadPool& pool);

}  // namespace thalweg
