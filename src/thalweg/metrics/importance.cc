#include "thalweg/metrics/importance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

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

/// Zhang and Stephens 2009: shape of a generalised Pareto distribution on [0, inf) whose sorted
/// samples are `x`, all positive. The posterior mean of theta = -shape / scale over a grid of
/// profile likelihoods stands for the maximum.
double generalised_pareto_shape(std::span<const double> x) {
  const auto count = static_cast<double>(x.size());
  const auto minus_shape = [&](double theta) {
    double sum = 0.0;
    for (const double value : x) sum += std::log1p(-theta * value);
    return -sum / count;
  };
  const double quartile = x[static_cast<std::size_t>(std::lround(count / 4.0)) - 1];
  const auto points = 30 + static_cast<std::size_t>(std::sqrt(count));
  std::vector<double> theta(points), log_likelihood(points);
  for (std::size_t j = 0; j < points; ++j) {
    const double spread = std::sqrt(static_cast<double>(points) / (static_cast<double>(j) + 0.5));
    theta[j] = 1.0 / x.back() + (1.0 - spread) / (3.0 * quartile);
    const double k = minus_shape(theta[j]);
    log_likelihood[j] = count * (std::log(theta[j] / k) + k - 1.0);
  }
  const double best = *std::max_element(log_likelihood.begin(), log_likelihood.end());
  double sum = 0.0, mean = 0.0;
  for (std::size_t j = 0; j < points; ++j) {
    const double weight = std::exp(log_likelihood[j] - best);
    sum += weight;
    mean += weight * theta[j];
  }
  return -minus_shape(mean / sum);
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

double pareto_shape(std::span<const double> log_weights) {
  constexpr std::size_t kFewest = 5;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double largest = checked_maximum(log_weights);
  const auto count = static_cast<double>(log_weights.size());
  const auto tail = static_cast<std::size_t>(std::min(0.2 * count, 3.0 * std::sqrt(count)));
  if (tail < kFewest)
    fail<ShapeError>("Pareto shape: expected at least 25 weights, got {}", log_weights.size());
  std::vector<double> sorted(log_weights.begin(), log_weights.end());
  const auto rest = sorted.end() - static_cast<std::ptrdiff_t>(tail);
  std::nth_element(sorted.begin(), rest - 1, sorted.end());
  std::sort(rest, sorted.end());
  const double threshold = std::exp(*(rest - 1) - largest);
  std::vector<double> excess;
  for (auto value = rest; value != sorted.end(); ++value) {
    const double more = std::exp(*value - largest) - threshold;
    // Smaller ones would overflow as reciprocals.
    if (more > 1e-290) excess.push_back(more);
  }
  if (excess.empty()) return -kInfinity;
  if (excess.size() < kFewest) return kInfinity;
  const auto fitted = static_cast<double>(excess.size());
  return (fitted * generalised_pareto_shape(excess) + 10.0 * 0.5) / (fitted + 10.0);
}

std::vector<std::int64_t> resampled_rows(std::span<const double> log_weights, double offset,
                                         std::int64_t count) {
  if (!(offset > 0.0 && offset < 1.0))
    fail<ConfigError>("resampled_rows: expected an offset in (0, 1), got {}", offset);
  if (count < 0) fail<ConfigError>("resampled_rows: expected a count of at least 0, got {}", count);
  const double largest = checked_maximum(log_weights);
  double total = 0.0;
  for (const double value : log_weights) total += std::exp(value - largest);
  const std::size_t wanted = count == 0 ? log_weights.size() : static_cast<std::size_t>(count);
  std::vector<std::int64_t> rows;
  double reached = 0.0;
  for (std::size_t row = 0; row < log_weights.size(); ++row) {
    reached += std::exp(log_weights[row] - largest);
    while (static_cast<double>(rows.size()) + offset <
               reached / total * static_cast<double>(wanted) &&
           rows.size() < wanted)
      rows.push_back(static_cast<std::int64_t>(row));
  }
  // The last sums may be short of 1 by rounding.
  while (rows.size() < wanted) rows.push_back(rows.back());
  return rows;
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
