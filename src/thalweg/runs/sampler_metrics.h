// Samplers of one run side by side, judged by samples against those of its target.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/runs/evaluation.h"

namespace thalweg {

/// How samplers are run and judged.
struct SamplerRequest {
  std::int64_t samples = 5000;  ///< of each sampler, and of the target to compare with
  std::int64_t chains = 1000, burn_in = 500, thinning = 10;
  double local_probability = 0.5;  ///< of a step by the local kernel
  double step_size = 0.0;          ///< 0: found during burn-in
  double mass = 0.975;             ///< of the target in the region that counts as its modes
};

/// Samples, and how the chains went: empty for a sampler without chains.
struct SamplerResult {
  std::vector<double> x;
  std::vector<Metric> metrics;
};

/// By name as `thalweg sample` has them: naive, sails, sails_published, mala, hmc, independence.
/// Throws ConfigError for others.
SamplerResult run_sampler(const LoadedRun& run, const std::string& sampler,
                          const SamplerRequest& request, std::uint64_t seed, ThreadPool& pool);

/// Mean log density of samples under a target that can be sampled, KL and KS from exact samples of
/// it, and the shares off its modes:
/// outside of the smallest regions that hold `mass` and 0.999 of it.
std::vector<Metric> sample_metrics(std::span<const double> x,
                                   const std::shared_ptr<const Target>& target,
                                   const SamplerRequest& request, std::uint64_t seed,
                                   ThreadPool& pool);

/// Exact samples for sample_metrics to judge; others than it compares with.
std::vector<double> true_samples(const Target& target, const SamplerRequest& request,
                                 std::uint64_t seed);

}  // namespace thalweg
