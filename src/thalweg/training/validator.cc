#include "thalweg/training/validator.h"

#include "thalweg/datasets/column_coding.h"
#include "thalweg/datasets/matrix.h"

namespace thalweg {

Validator::Validator(const Model& model, const TrainingData& data, const TrainingOptions& options,
                     ThreadPool& pool) {
  const std::int64_t count =
      checked_rows("validation data", model.flow(), data.validation_rows, data.validation_context);
  if (count == 0) return;
  const std::vector<std::int64_t> kept = evenly_spaced_rows(count, options.validation_rows);
  const auto taken = [&](std::span<const double> values) {
    return take_rows(values, std::ssize(values) / count, kept);
  };
  rows_ = taken(data.validation_rows);
  context_ = taken(data.validation_context);
  weights_ = taken(data.validation_weights);
  add_noise(model.options().columns, static_cast<std::uint64_t>(options.seed), Stream::kEvaluation,
            rows_);
  evaluator_.emplace(model, pool,
                     options.precision == "float" ? Precision::kFloat : Precision::kDouble);
}

double Validator::loss(std::span<const double> parameters) {
  evaluator_->use_parameters(parameters);
  double sum = 0.0, all = 0.0;
  const std::vector<double> values = evaluator_->certain_log_prob(rows_, context_);
  for (std::size_t row = 0; row < values.size(); ++row) {
    const double weight = weights_.empty() ? 1.0 : weights_[row];
    if (weight > 0.0) sum += weight * values[row];
    all += weight;
  }
  return -sum / all;
}

}  // namespace thalweg
