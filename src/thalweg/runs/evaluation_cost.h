// What an evaluation takes, by a measurement, and how it is made to fit into a time.
#pragma once

#include <cstdint>
#include <string>

#include "thalweg/core/thread_pool.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/sampling/density_evaluator.h"

namespace thalweg {

/// How many rows the parts of an evaluation and its pictures take.
struct EvaluationRows {
  std::int64_t held_out = 0;  ///< of which the log likelihood is a mean
  std::int64_t checked = 0;   ///< of a free-form flow, by three densities
  std::int64_t drawn = 0;     ///< samples that are weighted to a target, or set beside a molecule's
  std::int64_t pictured = 0;  ///< samples in pictures

  bool operator==(const EvaluationRows&) const = default;
};

/// As many as are wanted without a limit: of `available` held-out rows those that are affordable
/// (see DensityEvaluator::affordable_rows()).
EvaluationRows evaluation_rows(const LoadedRun& run, std::int64_t available,
                               DensityEvaluator& density);

/// Seconds that densities of one model take. Values, once made.
class EvaluationCost {
 public:
  /// Compiles `density` and runs it on one batch for all threads; two where that was quick.
  EvaluationCost(const LoadedRun& run, DensityEvaluator& density, ThreadPool& pool);
  /// Of what was measured elsewhere: seconds of compiling one density, of a row's log density by
  /// all threads, and of a sample without one.
  EvaluationCost(const Model& model, double compiling, double row, double sample);

  /// Of an evaluation and its pictures, programs that they compile included, but neither `density`
  /// itself nor what goes without densities.
  double seconds(const EvaluationRows& rows) const;
  /// Of a validation of so many rows, at most, its program included.
  double validation_seconds(std::int64_t rows) const;
  /// As many of `rows` as take `limit` seconds, all in the same proportion; but some of each: a
  /// mean of fewer says nothing.
  EvaluationRows within(double limit, const EvaluationRows& rows) const;

 private:
  double compiling_ = 0.0, row_ = 0.0, sample_ = 0.0;
  double check_factor_ = 0.0, draw_factor_ = 0.0, programs_ = 0.0;
};

/// What was left out, in a sentence; empty if nothing.
std::string shortened_text(const EvaluationRows& taken, const EvaluationRows& wanted);

}  // namespace thalweg
