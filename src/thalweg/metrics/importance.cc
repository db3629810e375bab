#include "thalweg/metrics/importance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/systematic_rows.h"

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

struct GeneralisedPareto {
  double shape = 0.0, scale = 0.0;

  /// Of a probability below 1.
  double quantile(double probability) const {
    const double exponent = -std::log1p(-probability);
    return std::abs(shape) < 1e-9 ? scale * exponent : scale * std::expm1(shape * exponent) / shape;
  }
};

/// Zhang and Stephens 2009: a generalised Pareto distribution on [0, inf) fitted to its sorted
/// samples `x`, all positive. The posterior mean of theta = -shape / scale over a grid of
/// profile likelihoods stands for the maximum.
GeneralisedPareto fit_generalised_pareto(std::span<const double> x) {
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
  const double shape = -minus_shape(mean / sum);
  return {shape, -shape / (mean / sum)};
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kFewestWeights = 25;

/// The largest weights and what was fitted to them, in units of the largest one.
struct Tail {
  std::vector<std::size_t> rows;  // of those that exceed the threshold, in the order of their size
  double threshold = 0.0;
  std::vector<double> excess;  // of each of the rows
  GeneralisedPareto fit;       // shape -inf where nothing exceeds, +inf where too little does

  bool fitted() const { return std::isfinite(fit.shape); }

  /// What a draw beyond all others may weigh more than the threshold: the scale of the sum's
  /// fluctuations where weights have no variance.
  double largest_excess() const {
    if (excess.empty()) return 0.0;
    if (!fitted()) return excess.back();
    return fit.quantile(1.0 - 1.0 / static_cast<double>(excess.size()));
  }
};

Tail fit_tail(std::span<const double> log_weights, double largest) {
  constexpr std::size_t kFewest = 5;
  const auto count = static_cast<double>(log_weights.size());
  const auto size = static_cast<std::size_t>(std::min(0.2 * count, 3.0 * std::sqrt(count)));
  std::vector<std::size_t> order(log_weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto lighter = [&](std::size_t i, std::size_t j) {
    return log_weights[i] != log_weights[j] ? log_weights[i] < log_weights[j] : i < j;
  };
  const auto rest = order.end() - static_cast<std::ptrdiff_t>(size);
  std::nth_element(order.begin(), rest - 1, order.end(), lighter);
  std::sort(rest, order.end(), lighter);
  Tail tail;
  tail.threshold = std::exp(log_weights[*(rest - 1)] - largest);
  for (auto row = rest; row != order.end(); ++row) {
    const double more = std::exp(log_weights[*row] - largest) - tail.threshold;
    // Smaller ones would overflow as reciprocals.
    if (!(more > 1e-290)) continue;
    tail.rows.push_back(*row);
    tail.excess.push_back(more);
  }
  // Logs of so many orders of magnitude leave a few draws, whose spread tells nothing of the rest.
  if (tail.threshold == 0.0 && log_weights[*(rest - 1)] > -kInfinity) {
    tail.fit.shape = kInfinity;
    return tail;
  }
  if (tail.excess.size() < kFewest) {
    tail.fit.shape = tail.excess.empty() ? -kInfinity : kInfinity;
    return tail;
  }
  tail.fit = fit_generalised_pareto(tail.excess);
  const auto fitted = static_cast<double>(tail.excess.size());
  tail.fit.shape = (fitted * tail.fit.shape + 10.0 * 0.5) / (fitted + 10.0);
  return tail;
}

double sum_of_weights(std::span<const double> log_weights, double largest) {
  double sum = 0.0;
  for (const double value : log_weights) sum += std::exp(value - largest);
  return sum;
}

/// What fluctuates more than a variance tells, as a share of the sum: a largest draw by the fit,
/// and what a fit that ends there lacks on average, which is up to k / (1 - k) times as much.
/// Measured on weights with known means, that keeps errors honest for 0.5 < k < 0.65.
double tail_error(const Tail& tail, double sum) {
  if (!(tail.fit.shape > 0.5)) return 0.0;
  return tail.largest_excess() / sum / std::max(1.0 - tail.fit.shape, 0.05);
}

/// Whether a tail is light, or so small beside the sum of all weights that it does not matter: by
/// the fit, and by the largest weight that was drawn, since a fit to weights of many orders of
/// magnitude may end far below it.
bool tail_is_harmless(const Tail& tail, double sum, double count) {
  constexpr double kShare = 0.01;
  if (tail.fit.shape <= largest_reliable_shape(count)) return true;
  const double drawn = tail.excess.empty() ? 0.0 : tail.excess.back();
  return tail_error(tail, sum) <= kShare && drawn <= kShare * sum;
}

/// A mean of values with these weights; rows without weight do not count.
WeightedMean first_order_mean(std::span<const double> log_weights, std::span<const double> values,
                              double largest) {
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

}  // namespace

double largest_reliable_shape(double count) { return std::min(1.0 - 1.0 / std::log10(count), 0.7); }

SmoothedWeights smoothed_weights(std::span<const double> log_weights) {
  const double largest = checked_maximum(log_weights);
  SmoothedWeights result;
  result.log_weights.assign(log_weights.begin(), log_weights.end());
  if (log_weights.size() < kFewestWeights) return result;
  const Tail tail = fit_tail(log_weights, largest);
  result.pareto_k = tail.fit.shape;
  const auto count = static_cast<double>(tail.rows.size());
  if (tail.fitted())
    for (std::size_t i = 0; i < tail.rows.size(); ++i) {
      const double weight =
          tail.threshold + tail.fit.quantile((static_cast<double>(i) + 0.5) / count);
      result.log_weights[tail.rows[i]] = largest + std::log(std::min(weight, 1.0));
    }
  const double sum = sum_of_weights(result.log_weights, largest);
  result.tail_error = tail_error(tail, sum);
  result.reliable = tail_is_harmless(tail, sum, static_cast<double>(log_weights.size()));
  return result;
}

ImportanceEstimate importance_estimate(const SmoothedWeights& weights) {
  const double largest = checked_maximum(weights.log_weights);
  double sum = 0.0, squares = 0.0;
  for (const double value : weights.log_weights) {
    const double weight = std::exp(value - largest);
    sum += weight;
    squares += weight * weight;
  }
  const auto count = static_cast<double>(weights.log_weights.size());
  ImportanceEstimate result;
  result.effective_share = sum * sum / (count * squares);
  result.log_integral = largest + std::log(sum / count);
  const double first_order =
      std::sqrt(std::max(0.0, 1.0 / result.effective_share - 1.0) / std::max(1.0, count - 1.0));
  result.log_integral_error =
      weights.reliable ? std::hypot(first_order, weights.tail_error) : std::nan("");
  return result;
}

WeightedMean weighted_mean(const SmoothedWeights& weights, std::span<const double> values) {
  const std::span<const double> log_weights = weights.log_weights;
  if (values.size() != log_weights.size())
    fail<ShapeError>("weighted mean: expected {} values, got {}", log_weights.size(),
                     values.size());
  const double largest = checked_maximum(log_weights);
  WeightedMean result = first_order_mean(log_weights, values, largest);
  if (!weights.reliable) return {result.value, std::nan("")};
  // What decides is the tail of what is summed: of a heavy target that of the values.
  std::vector<double> distances;
  distances.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double distance = std::abs(values[i] - result.value);
    distances.push_back(distance > 0.0 && log_weights[i] > -kInfinity
                            ? log_weights[i] + std::log(distance)
                            : -kInfinity);
  }
  const double farthest = *std::ranges::max_element(distances);
  if (farthest == -kInfinity) return result;
  const Tail tail = fit_tail(distances, farthest);
  const double sum = sum_of_weights(distances, farthest);
  if (!tail_is_harmless(tail, sum, static_cast<double>(values.size())))
    return {result.value, std::nan("")};
  const double mean_distance =
      sum / sum_of_weights(log_weights, largest) * std::exp(farthest - largest);
  result.error = std::hypot(result.error, tail_error(tail, sum) * mean_distance);
  return result;
}

double pareto_shape(std::span<const double> log_weights) {
  const double largest = checked_maximum(log_weights);
  if (log_weights.size() < kFewestWeights)
    fail<ShapeError>("Pareto shape: expected at least {} weights, got {}", kFewestWeights,
                     log_weights.size());
  return fit_tail(log_weights, largest).fit.shape;
}

std::vector<std::int64_t> resampled_rows(std::span<const double> log_weights, double offset,
                                         std::int64_t count) {
  if (!(offset > 0.0 && offset < 1.0))
    fail<ConfigError>("resampled_rows: expected an offset in (0, 1), got {}", offset);
  if (count < 0) fail<ConfigError>("resampled_rows: expected a count of at least 0, got {}", count);
  const double largest = checked_maximum(log_weights);
  std::vector<double> weights;
  weights.reserve(log_weights.size());
  for (const double value : log_weights) weights.push_back(std::exp(value - largest));
  return systematic_rows(weights, offset, count == 0 ? std::ssize(log_weights) : count);
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
