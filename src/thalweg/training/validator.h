// Validation of a training.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/training/batch_source.h"

namespace thalweg {

/// Mean negative log likelihood of fixed rows, by any parameters of one model. One caller at a
/// time.
class Validator {
 public:
  /// Of the data's validation rows, or of options.validation_rows of them, which it copies. Throws
  /// ShapeError for sizes that do not fit.
  Validator(const Model& model, const TrainingData& data, const TrainingOptions& options,
            ThreadPool& pool);

  bool has_rows() const { return evaluator_.has_value(); }
  /// In nats, with parameters in the layout of the model's store; there must be rows, by
  /// DensityEvaluator::certain_log_prob.
  double loss(std::span<const double> parameters);

 private:
  std::vector<double> rows_, context_, weights_;
  std::optional<DensityEvaluator> evaluator_;
};

}  // namespace thalweg
