// Samples of a molecule's model as positions in files.
#pragma once

#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/runs/samplers.h"

namespace thalweg {

/// Where log weights of samples in `out` go: beside it, "samples.log_weight.npy".
std::string log_weight_path(const std::string& out);

/// Draws samples of a molecule into .npy (frames x atoms x 3, nm), .dcd, .nc or .pdb (as many
/// models), each with its atoms' mean position at 0, in single precision; log weights, if the
/// sampler gives them, into log_weight_path(). Files appear once all are there. Throws DataError
/// for other files, names of atoms that are not known (.pdb), and files that cannot be written.
SampleResult sample_positions(const LoadedRun& run, RunSampler& sampler, const std::string& out,
                              ThreadPool& pool, const SampleCallbacks& callbacks);

/// The same in memory and in double: positions, rows x 3 numbers an atom in nm, and the log
/// weights, if the sampler gives them; fewer rows if it was interrupted.
struct SampledPositions {
  std::vector<double> positions = {}, log_weights = {};
  SampleResult result = {};
};
SampledPositions sample_positions(const LoadedRun& run, const SampleRequest& request,
                                  ThreadPool& pool, const SampleCallbacks& callbacks = {});

}  // namespace thalweg
