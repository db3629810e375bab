#include "thalweg/metrics/importance.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

double checked_maximum(std::span<const double> log_weights) {
  if (log_weights.empty()) fail<ShapeError>("importance weights: expected at least one, got none");
  double largest = -std::numeric_limits<double>::infinity();
  for (const double value : log_weights) {
    if (std::isnan(value) || value == std::numeric_limits<double>::infinity())
      fail<NumericalError>("importance weights: expected finite log weights or -inf, got {}",
                           value);
    largest = std::max(largest, value);
  }
  if (std::isinf(largest)) fail<NumericalError>("importance weights: all of them are 0");
  return largest;
}

}  // namespace

ImportanceEstimate importance_estimate(std::span<const double> log_weights) {
  const double largest = checked_maximum(log_weights);
  double sum = 0.0, squares = 0.0;
  for (const double value : log_weights) {
    const double weight = std::exp(value - largest);
    sum += weight;
    squares += weight * weight;
  }
  const auto count = static_cast<double>(log_weights.size());
  ImportanceEstimate result;
  result.effective_share = sum * sum / (count * squares);
  result.log_integral = largest + std::log(sum / count);
  result.log_integral_error =
      std::sqrt(std::max(0.0, 1.0 / result.effective_share - 1.0) / std::max(1.0, count - 1.0));
  return result;
}

WeightedMean weighted_mean(std::span<const double> log_weights, std::span<const double> values) {
  if (values.size() != log_weights.size())
    fail<ShapeError>("weighted mean: expected {} values, got {}", log_weights.size(),
                     values.size());
  const double largest = checked_maximum(log_weights);
  double weights = 0.0, sum = 0.0, squares = 0.0;
  const auto for_each = [&](const auto& function) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double weight = std::exp(log_weights[i] - largest);
      if (weight > 0.0) function(weight, values[i]);
    }
  };
  for_each([&](double weight, double value) {
    weights += weight;
    sum += weight * value;
  });
  const double mean = sum / weights;
  for_each([&](double weight, double value) {
    squares += weight * weight * (value - mean) * (value - mean);
  });
  return {mean, std::sqrt(squares) / weights};
}

double missed_share(std::span<const double> log_weights, std::span<const double> log_target,
                    std::span<const double> log_model, double log_integral) {
  if (log_target.size() != log_weights.size() || log_model.size() != log_weights.size())
    fail<ShapeError>("missed share: expected {} densities each, got {} and {}", log_weights.size(),
                     log_target.size(), log_model.size());
  const double largest = checked_maximum(log_weights);
  double sum = 0.0, missed = 0.0;
  for (std::size_t i = 0; i < log_weights.size(); ++i) {
    const double weight = std::exp(log_weights[i] - largest);
    sum += weight;
    if (log_model[i] < log_target[i] - log_integral - std::log(20.0)) missed += weight;
  }
  return missed / sum;
}

}  // namespace thalweg
