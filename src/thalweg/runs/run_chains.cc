#include "thalweg/runs/run_chains.h"

#include "thalweg/core/error.h"

namespace thalweg {

LatentDensity latent_density(const LoadedRun& run, ChainTarget target) {
  return {*run.model, target, target == ChainTarget::kEnergy ? run.target() : nullptr};
}

std::vector<WeightedKernel> chain_kernels(const std::string& sampler, double local_probability,
                                          std::int64_t leapfrog_steps) {
  if (!(local_probability >= 0.0 && local_probability <= 1.0))
    fail<ConfigError>("local_probability: expected a number from 0 to 1, got {}",
                      local_probability);
  const double local = sampler == "independence" ? 0.0 : local_probability;
  std::vector<WeightedKernel> kernels;
  if (local > 0.0) kernels.push_back({make_chain_kernel(sampler, leapfrog_steps), local});
  if (local < 1.0) kernels.push_back({make_chain_kernel("independence"), 1.0 - local});
  return kernels;
}

}  // namespace thalweg
