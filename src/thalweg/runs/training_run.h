// One training from settings to a folder with everything in it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/training/reconstruction_search.h"

namespace thalweg {

/// How a run tells of its progress and asks whether to go on; both may be empty.
struct RunCallbacks {
  std::function<void(const TrainingProgress&)> progress = {};  ///< after every step
  /// In an exploration of the energy: a guess of the share done, and what is being done.
  std::function<void(double, const std::string&)> exploring = {};
  std::function<void(const Exploration&)> explored = {};  ///< once, before training
  /// In the fit of a stack: the share done, and which density is fitted.
  std::function<void(double, const std::string&)> fitting = {};
  /// Once, before training, where the weight of a free-form flow's reconstruction is found.
  std::function<void(const ReconstructionSearch&)> searched = {};
  /// True ends the training, with all saved; or, where it is over, its evaluation.
  std::function<bool()> interrupted = {};
};

/// What came of a training.
struct TrainingOutcome {
  StopReason reason = StopReason::kIterations;
  bool shortened = false;  ///< whether schedule and annealing were shortened to a time budget
  std::int64_t steps = 0;
  double seconds = 0.0;  ///< of training, over all calls
  /// Where the run is: RunPlan::out, or beside it after an interruption of one that was to
  /// replace another.
  std::string folder;
  Evaluation evaluation;  ///< with RunPlan::report, of a training that ended
  bool unjudged = false;  ///< whether the evaluation was interrupted; no page is written then
};

/// Trains and writes the run's folder. A run that is there is continued with `resume`, replaced
/// with `force` (by renaming, once the new one is complete: an interrupted one stays beside it, in
/// out.new, or out.new-2 and so on where a finished run is in the way), and refused else. Throws
/// ConfigError and DataError before anything is written, and NumericalError with the last
/// checkpoint kept.
TrainingOutcome run_training(const RunPlan& plan, ThreadPool& pool,
                             const RunCallbacks& callbacks = {});

}  // namespace thalweg
