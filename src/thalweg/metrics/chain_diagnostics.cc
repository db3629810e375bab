#include "thalweg/metrics/chain_diagnostics.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/normal_quantile.h"
#include "thalweg/core/quantiles.h"

namespace thalweg {
namespace {

struct HalfChains {
  std::int64_t count = 0, length = 0;
  std::vector<double> values;

  /// Mean square of differences between draws `lag` apart: without the means of short chains, it
  /// has no bias.
  double variogram(std::int64_t lag) const {
    double sum = 0.0;
    for (std::int64_t chain = 0; chain < count; ++chain) {
      const double* x = values.data() + chain * length;
      for (std::int64_t i = lag; i < length; ++i) sum += (x[i] - x[i - lag]) * (x[i] - x[i - lag]);
    }
    return sum / static_cast<double>(count * (length - lag));
  }
};

HalfChains half_chains(std::span<const double> values, std::int64_t chains) {
  const std::int64_t draws = static_cast<std::int64_t>(values.size()) / chains;
  HalfChains halves;
  halves.count = 2 * chains;
  halves.length = draws / 2;
  for (std::int64_t chain = 0; chain < chains; ++chain)
    for (const std::int64_t start : {chain * draws, (chain + 1) * draws - halves.length}) {
      const auto first = values.begin() + start;
      halves.values.insert(halves.values.end(), first, first + halves.length);
    }
  return halves;
}

/// Mean and variance (divided by n - 1).
struct Moments {
  double mean = 0.0, variance = 0.0;
};

Moments moments(std::span<const double> values) {
  Moments result;
  const auto count = static_cast<double>(values.size());
  // Counted from the first value, so that a chain that stands still has a variance of 0 exactly.
  for (const double value : values) result.mean += (value - values[0]) / count;
  result.mean += values[0];
  for (const double value : values)
    result.variance += (value - result.mean) * (value - result.mean) / (count - 1.0);
  return result;
}

struct Variances {
  double within = 0.0, total = 0.0;
};

Variances variances(const HalfChains& halves) {
  const auto length = static_cast<double>(halves.length);
  std::vector<double> means;
  Variances result;
  for (std::int64_t chain = 0; chain < halves.count; ++chain) {
    const Moments half = moments(
        {halves.values.data() + chain * halves.length, static_cast<std::size_t>(halves.length)});
    means.push_back(half.mean);
    result.within += half.variance / static_cast<double>(halves.count);
  }
  result.total = result.within * (length - 1.0) / length + moments(means).variance;
  return result;
}

double r_hat(HalfChains halves) {
  const auto ratio = [&] {
    halves.values = normal_scores(halves.values);
    const Variances found = variances(halves);
    return std::sqrt(found.total / found.within);
  };
  const double middle = median(halves.values);
  std::vector<double> distances = halves.values;
  for (double& value : distances) value = std::abs(value - middle);
  const double of_values = ratio();
  halves.values = std::move(distances);
  const double of_distances = ratio();
  // Where all draws are one of two values their distances may be all alike, and say nothing.
  return of_distances > of_values ? of_distances : of_values;
}

}  // namespace

std::vector<double> normal_scores(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t i, std::size_t j) { return values[i] < values[j]; });
  std::vector<double> scores(values.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = 0.5 * static_cast<double>(begin + end + 1);
    const double score =
        normal_quantile((rank - 0.375) / (static_cast<double>(values.size()) + 0.25));
    for (std::size_t i = begin; i < end; ++i) scores[order[i]] = score;
  }
  return scores;
}

ChainDiagnostics chain_diagnostics(std::span<const double> values, std::int64_t chains) {
  if (chains < 1 || static_cast<std::int64_t>(values.size()) % chains != 0)
    fail<ShapeError>("chain_diagnostics: expected {} chains of one length, got {} values", chains,
                     values.size());
  if (static_cast<std::int64_t>(values.size()) / chains < 4) return {NAN, NAN};
  const HalfChains halves = half_chains(values, chains);
  const Variances found = variances(halves);
  if (!(found.within > 0.0)) return {NAN, NAN};

  const auto autocorrelation = [&](std::int64_t lag) {
    return 1.0 - 0.5 * halves.variogram(lag) / found.total;
  };
  double pairs = 0.0, last = INFINITY;
  for (std::int64_t lag = 0; lag + 1 < halves.length; lag += 2) {
    const double pair = (lag == 0 ? 1.0 : autocorrelation(lag)) + autocorrelation(lag + 1);
    if (!(pair > 0.0)) break;
    last = std::min(last, pair);
    pairs += last;
  }
  // Chains that alternate may be worth more than independent draws, within reason.
  const auto samples = static_cast<double>(halves.values.size());
  const double time = std::max(2.0 * pairs - 1.0, 1.0 / std::log10(std::max(samples, 10.0)));
  return {r_hat(halves), samples / time};
}

ChainDiagnostics worst_diagnostics(std::span<const double> draws, std::int64_t chains,
                                   std::int64_t features) {
  const std::int64_t size = chains * features;
  if (chains < 1 || features < 1 || static_cast<std::int64_t>(draws.size()) % size != 0)
    fail<ShapeError>("worst_diagnostics: expected draws of {} chains x {} features, got {} values",
                     chains, features, draws.size());
  ChainDiagnostics worst{0.0, INFINITY};
  std::vector<double> column;
  for (std::int64_t feature = 0; feature < features; ++feature) {
    column.clear();
    for (std::int64_t chain = 0; chain < chains; ++chain)
      for (std::int64_t i = chain * features + feature; i < std::ssize(draws); i += size)
        column.push_back(draws[static_cast<std::size_t>(i)]);
    const ChainDiagnostics found = chain_diagnostics(column, chains);
    // NaN is worst.
    if (!(found.r_hat <= worst.r_hat)) worst.r_hat = found.r_hat;
    if (!(found.effective_samples >= worst.effective_samples))
      worst.effective_samples = found.effective_samples;
    if (std::isnan(found.r_hat)) break;
  }
  return worst;
}

}  // namespace thalweg
