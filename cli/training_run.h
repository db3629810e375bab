// One training from settings to a folder with everything in it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/evaluation.h"
#include "thalweg/core/thread_pool.h"
#include "thalweg/training/prepare_data.h"
#include "thalweg/training/run_folder.h"

namespace thalweg::cli {

/// What is to be trained and where it goes.
struct TrainingRequest {
  RunOptions options;                ///< complete, columns included
  std::optional<PreparedData> data;  ///< none for a target
  std::string out;
  bool resume = false, force = false, quiet = false;
  bool report = true;       ///< evaluate, write the page and say the figures
  std::string resume_hint;  ///< how to go on after an interruption
};

/// Trains, writes the run's folder, and says on standard output what came of it (unless quiet). A
/// run that is there is continued with `resume`, replaced with `force` (by renaming, once the new
/// one is complete: an interrupted one stays beside it, in out.new), and refused else. Throws
/// ExitCode after an interruption, with all saved.
void run_training(TrainingRequest request, ThreadPool& pool);

}  // namespace thalweg::cli
