// The training curve.
#pragma once

#include <cstdint>
#include <vector>

namespace thalweg {

/// One row of the training curve. It covers `interval` steps up to `step`; long runs merge
/// neighbouring rows, so that there are never more than a few thousand.
struct HistoryRow {
  std::int64_t step = 0;
  double loss = 0.0;  ///< mean over the good steps in nats; NaN if there were none
  double learning_rate = 0.0;
  double gradient_norm = 0.0;   ///< largest, before clipping, of the good steps; 0 if none
  std::int64_t bad_steps = 0;   ///< steps that were skipped
  std::int64_t non_finite = 0;  ///< samples whose log density was not finite
  std::int64_t good_steps = 0;
};

struct ValidationRow {
  std::int64_t step = 0;
  double loss = 0.0;  ///< mean negative log likelihood in nats
};

struct History {
  std::int64_t interval = 1;  ///< steps a row
  std::vector<HistoryRow> rows;
  HistoryRow open;  ///< the row that is being filled
  std::vector<ValidationRow> validations;

  /// Adds one step.
  void add(std::int64_t step, bool good, double loss, double learning_rate, double gradient_norm,
           std::int64_t non_finite);
};

}  // namespace thalweg
