#include "thalweg/training/validator.h"

namespace thalweg {

Validator::Validator(const Model& model, const TrainingData& data, const TrainingOptions& options,
                     ThreadPool& pool)
    : rows_(data.validation_rows.begin(), data.validation_rows.end()),
      context_(data.validation_context.begin(), data.validation_context.end()) {
  if (checked_rows("validation data", model.flow(), rows_, context_) == 0) return;
  dequantise_validation(model, options.seed, rows_);
  evaluator_.emplace(model, pool,
                     options.precision == "float" ? Precision::kFloat : Precision::kDouble);
}

double Validator::loss(std::span<const double> parameters) {
  evaluator_->use_parameters(parameters);
  double sum = 0.0;
  const std::vector<double> values = evaluator_->log_prob(rows_, context_);
  for (const double value : values) sum += value;
  return -sum / static_cast<double>(values.size());
}

}  // namespace thalweg
