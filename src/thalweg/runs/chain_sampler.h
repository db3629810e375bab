// Samples of a run by Markov chains in its latent space, which can be saved and go on.
#pragma once

#include <memory>

#include "thalweg/runs/samplers.h"

namespace thalweg {

/// A sampler by chains with the kernels of request.sampler; see make_chain_kernel. With chains_out
/// all draws are saved there, at intervals and in the end, and beside it what is needed to go on,
/// to the same bits as if the chains had never stopped. Throws ConfigError for a density that the
/// sampler or the run does not have and for files that are in the way, DataError for chains on disk
/// that are others.
std::unique_ptr<RunSampler> make_chain_sampler(const LoadedRun& run, const SampleRequest& request,
                                               ThreadPool& pool);

}  // namespace thalweg
