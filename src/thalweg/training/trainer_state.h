// All that decides how a training goes on.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "thalweg/training/history.h"

namespace thalweg {

/// Counters of a training run.
struct TrainerCounters {
  std::int64_t step = 0;             ///< steps made, skipped ones included
  std::int64_t optimizer_steps = 0;  ///< since the last return; skipped ones not included
  std::int64_t bad_steps = 0, bad_in_a_row = 0;
  std::int64_t returns = 0;     ///< to the best step, after too many bad ones in a row
  std::int64_t non_finite = 0;  ///< samples whose log density was not finite
  std::int64_t best_step = 0;   ///< step of the best validation; 0 if there is none
  std::int64_t validations_since_best = 0;
  double smoothed_loss = std::numeric_limits<double>::quiet_NaN();
  double best_validation_loss = std::numeric_limits<double>::infinity();
};

/// All that decides how training goes on. Arrays have the layout of the model's ParameterStore;
/// double holds float values exactly.
struct TrainerState {
  TrainerCounters counters;
  std::vector<double> parameters, first_moment, second_moment;
  std::vector<double> average;  ///< empty without a weight average
  std::vector<double> best;     ///< empty before the first finite validation
  History history;

  /// The parameters to hand over: the best of validation if there are any, else the average if
  /// there is one, else the last.
  const std::vector<double>& result() const;
};

}  // namespace thalweg
