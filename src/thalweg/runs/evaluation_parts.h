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
              const std::vector<double>& values, double common_error = 0.0,
              const RowRelations& rows = {});

/// What of HeldOut's relations concerns the rows of these numbers.
struct KeptRelations {
  std::vector<double> weights;
  std::vector<std::int64_t> blocks;

  RowRelations all() const { return {weights, blocks}; }
};
KeptRelations kept_relations(const HeldOut& points, std::span<const std::int64_t> kept);

/// Log likelihoods of points that were not learnt from by the model, by its target and by plain
/// models, and Z of the base. Adds to `warnings` if a plain model is ahead.
std::vector<Metric> fit_metrics(const LoadedRun& run, const HeldOut& points,
                                const std::optional<PreparedData>& data, std::uint64_t seed,
                                DensityEvaluator& evaluator, ThreadPool& pool,
                                std::vector<std::string>& warnings);

/// Of a flow with free-form layers: log likelihoods of some of the points by the three densities
/// that go by that name, and how far encoder and decoder are from inverting each other, by `rows`
/// of them; of others nothing. Adds to `warnings` where a density by reconstruction is not to be
/// believed.
std::vector<Metric> free_form_metrics(const LoadedRun& run, const HeldOut& points,
                                      std::int64_t rows, std::uint64_t seed, ThreadPool& pool,
                                      std::vector<std::string>& warnings);

/// `count` samples of a run's flow with what their weights say; none of the latter where a weight
/// is not finite.
struct WeightedFlow {
  WeightedSamples samples;
  std::optional<SmoothedWeights> weights;
};
WeightedFlow weighted_flow(const LoadedRun& run, const std::shared_ptr<const Target>& target,
                           std::int64_t count, std::uint64_t seed, ThreadPool& pool);

/// What weighted samples say of the target's integral and moments, and of what the model misses.
/// With an exploration its verdict has the integral and what is missed, and its samples stand for
/// the target where the flow's do not.
std::vector<Metric> weight_metrics(const LoadedRun& run, const WeightedFlow& flow,
                                   const std::optional<Exploration>& exploration,
                                   const std::optional<RunVerdict>& verdict,
                                   DensityEvaluator& evaluator, std::uint64_t seed,
                                   ThreadPool& pool);

/// What some samples of the model say beside as many exact ones, whose own metrics are the floor.
std::vector<Metric> sample_check_metrics(const LoadedRun& run, std::uint64_t seed,
                                         ThreadPool& pool);

/// Of a model in the plane on a grid: its divergence from the target and the integral of its
/// density. Adds to `warnings` where the density of points is a makeshift.
std::vector<Metric> grid_metrics(const LoadedRun& run, bool as_published, std::uint64_t seed,
                                 DensityEvaluator& evaluator, ThreadPool& pool,
                                 std::vector<std::string>& warnings);

}  // namespace thalweg
