#include "thalweg/metrics/weighted_columns.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "thalweg/core/error.h"

namespace thalweg {

namespace {

double checked_total(std::span<const double> weights, std::size_t values) {
  if (weights.size() != values)
    fail<ShapeError>("weighted columns: expected {} values, got {}", weights.size(), values);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (!(total > 0.0)) fail<ShapeError>("weighted columns: expected a weight above 0, got none");
  return total;
}

}  // namespace

std::vector<double> weighted_quantiles(std::span<const double> weights,
                                       std::span<const double> values,
                                       std::span<const double> probabilities) {
  const double total = checked_total(weights, values.size());
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (weights[i] > 0.0) order.push_back(i);
  std::ranges::sort(order, [&](std::size_t i, std::size_t j) { return values[i] < values[j]; });
  std::vector<double> middles;
  double reached = 0.0;
  for (const std::size_t i : order) {
    middles.push_back((reached + 0.5 * weights[i]) / total);
    reached += weights[i];
  }
  std::vector<double> result;
  for (const double probability : probabilities) {
    const auto above = std::ranges::lower_bound(middles, probability);
    const auto number = static_cast<std::size_t>(above - middles.begin());
    if (number == 0) {
      result.push_back(values[order.front()]);
    } else if (number == order.size()) {
      result.push_back(values[order.back()]);
    } else {
      const double low = values[order[number - 1]], high = values[order[number]];
      const double part =
          (probability - middles[number - 1]) / (middles[number] - middles[number - 1]);
      result.push_back(low + part * (high - low));
    }
  }
  return result;
}

std::vector<double> weighted_correlations(std::span<const double> weights,
                                          std::span<const double> x, std::int64_t features) {
  const auto width = static_cast<std::size_t>(features);
  if (features < 1 || x.size() % width != 0)
    fail<ShapeError>("weighted columns: expected rows of {} columns, got {} numbers", features,
                     x.size());
  const double total = checked_total(weights, x.size() / width);
  std::vector<double> mean(width, 0.0), products(width * width, 0.0);
  const auto for_each_row = [&](const auto& function) {
    for (std::size_t row = 0; row < weights.size(); ++row)
      if (weights[row] > 0.0) function(weights[row] / total, x.data() + row * width);
  };
  for_each_row([&](double weight, const double* row) {
    for (std::size_t i = 0; i < width; ++i) mean[i] += weight * row[i];
  });
  for_each_row([&](double weight, const double* row) {
    for (std::size_t i = 0; i < width; ++i)
      for (std::size_t j = 0; j <= i; ++j)
        products[i * width + j] += weight * (row[i] - mean[i]) * (row[j] - mean[j]);
  });
  std::vector<double> result(width * width);
  for (std::size_t i = 0; i < width; ++i)
    for (std::size_t j = 0; j <= i; ++j)
      result[i * width + j] = result[j * width + i] =
          products[i * width + j] /
          (std::sqrt(products[i * width + i]) * std::sqrt(products[j * width + j]));
  return result;
}

CircularMean circular_mean(std::span<const double> weights, std::span<const double> values,
                           double lower, double upper) {
  const double total = checked_total(weights, values.size());
  const double turn = 2.0 * std::numbers::pi / (upper - lower);
  double sine = 0.0, cosine = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!(weights[i] > 0.0)) continue;
    sine += weights[i] / total * std::sin((values[i] - lower) * turn);
    cosine += weights[i] / total * std::cos((values[i] - lower) * turn);
  }
  double angle = std::atan2(sine, cosine);
  if (angle < 0.0) angle += 2.0 * std::numbers::pi;
  return {lower + angle / turn, std::hypot(sine, cosine)};
}

}  // namespace thalweg
