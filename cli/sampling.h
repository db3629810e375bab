// What the samplers of `thalweg sample` share.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/runs/run_chains.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/sampling/markov_chains.h"

namespace thalweg::cli {

struct SampleArguments {
  std::string run, out, condition, precision = "float", sampler = "naive";
  std::int64_t count = 0, seed = 1;
  // Of the samplers that are Markov chains.
  std::int64_t chains = 0;  ///< 0: 1000, or as many as there are to go on with
  std::int64_t burn_in = 500, thinning = 10, leapfrog_steps = 8;
  double step_size = 0.0, local_probability = 0.5;
  std::string density;     ///< model or target; empty: as suits the run
  std::string chains_out;  ///< .npy file of the chains; empty: none
  bool resume = false;
  double save_interval = 60.0;     ///< seconds between savings of chains_out
  std::string weights = "column";  ///< importance: column or resample
  int threads = 0;
  bool quiet = false;

  bool exact() const { return precision == "double"; }
};

/// Names of a model's columns.
std::vector<std::string> column_names(const ModelOptions& model);

/// `count` rows of a condition from number `first` on, the given rows being used in turn.
std::vector<double> rows_in_turn(std::span<const double> condition, std::int64_t width,
                                 std::int64_t first, std::int64_t count);

/// Draws by Markov chains, writes the samples and says what they are samples of.
void sample_by_chains(const SampleArguments& arguments, const LoadedRun& run,
                      std::span<const double> condition, ThreadPool& pool);

/// Draws from the flow and weights the samples by the run's target.
void sample_by_importance(const SampleArguments& arguments, const LoadedRun& run,
                          std::span<const double> condition, ThreadPool& pool);

}  // namespace thalweg::cli
