#include "thalweg/training/validator.h"

#include "thalweg/datasets/column_coding.h"

namespace thalweg {

Validator::Validator(const Model& model, const TrainingData& data, const TrainingOptions& options,
                     ThreadPool& pool)
    : rows_(data.validation_rows.begin(), data.validation_rows.end()),
      context_(data.validation_context.begin(), data.validation_context.end()),
      weights_(data.validation_weights.begin(), data.validation_weights.end()) {
  if (checked_rows("validation data", model.flow(), rows_, context_) == 0) return;
  add_noise(model.options().columns, static_cast<std::uint64_t>(options.seed), Stream::kEvaluation,
            rows_);
  evaluator_.emplace(model, pool,
                     options.precision == "float" ? Precision::kFloat : Precision::kDouble);
}

double Validator::loss(std::span<const double> parameters) {
  evaluator_->use_parameters(parameters);
  double sum = 0.0, all = 0.0;
  const std::vector<double> values = evaluator_->log_prob(rows_, context_);
  for (std::size_t row = 0; row < values.size(); ++row) {
    const double weight = weights_.empty() ? 1.0 : weights_[row];
    if (weight > 0.0) sum += weight * values[row];
    all += weight;
  }
  return -sum / all;
}

}  // namespace thalweg
