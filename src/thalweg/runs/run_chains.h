// Markov chains of a run by the names of samplers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/runs/run_folder.h"
#include "thalweg/sampling/markov_chains.h"

namespace thalweg {

/// What chains of a run sample.
LatentDensity latent_density(const LoadedRun& run, ChainTarget target);

/// The kernels of a sampler by name, mixed with proposals from the base as the probability of the
/// local one leaves room.
std::vector<WeightedKernel> chain_kernels(const std::string& sampler, double local_probability,
                                          std::int64_t leapfrog_steps = 8);

}  // namespace thalweg
