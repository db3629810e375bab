#include "thalweg/metrics/plane_histogram.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

PlaneHistogram empty_histogram(double half_width, std::int64_t bins) {
  if (bins < 1 || !(half_width > 0.0))
    fail<ConfigError>(
        "plane_histogram: expected at least 1 bin and a half width above 0, got {} and {}", bins,
        half_width);
  return {half_width, bins, std::vector<double>(static_cast<std::size_t>(bins * bins), 0.0), 0.0};
}

}  // namespace

PlaneHistogram plane_histogram(std::span<const double> samples, double half_width,
                               std::int64_t bins) {
  PlaneHistogram result = empty_histogram(half_width, bins);
  if (samples.empty() || samples.size() % 2 != 0)
    fail<ShapeError>("plane_histogram: expected rows of 2 values, got {} values", samples.size());
  const auto count = static_cast<double>(bins);
  const double share = 2.0 / static_cast<double>(samples.size());
  for (std::size_t i = 0; i < samples.size(); i += 2) {
    const double column = (samples[i] / half_width + 1.0) * 0.5 * count;
    const double row = (samples[i + 1] / half_width + 1.0) * 0.5 * count;
    if (column >= 0.0 && column < count && row >= 0.0 && row < count)
      result.shares[static_cast<std::size_t>(static_cast<std::int64_t>(row) * bins +
                                             static_cast<std::int64_t>(column))] += share;
    else
      result.outside += share;
  }
  return result;
}

PlaneHistogram plane_histogram(const PlaneLogDensity& log_density, double log_normaliser,
                               double half_width, std::int64_t bins, std::int64_t points) {
  PlaneHistogram result = empty_histogram(half_width, bins);
  if (points < 1) fail<ConfigError>("plane_histogram: expected at least 1 point, got {}", points);
  const double step = 2.0 * half_width / static_cast<double>(bins * points);
  const auto place = [&](std::int64_t i) {
    return -half_width + step * (static_cast<double>(i) + 0.5);
  };
  double inside = 0.0;
  std::vector<double> rows;
  for (std::int64_t row = 0; row < bins; ++row) {
    rows.clear();
    for (std::int64_t i = row * points; i < (row + 1) * points; ++i)
      for (std::int64_t j = 0; j < bins * points; ++j)
        rows.insert(rows.end(), {place(j), place(i)});
    const std::vector<double> values = log_density(rows);
    for (std::int64_t k = 0; k < std::ssize(values); ++k) {
      const double mass =
          std::exp(values[static_cast<std::size_t>(k)] - log_normaliser) * step * step;
      result.shares[static_cast<std::size_t>(row * bins + k % (bins * points) / points)] += mass;
      inside += mass;
    }
  }
  result.outside = std::max(0.0, 1.0 - inside);
  return result;
}

double histogram_divergence(const PlaneHistogram& p, const PlaneHistogram& q) {
  if (p.bins != q.bins || p.half_width != q.half_width)
    fail<ShapeError>("histogram_divergence: expected equal bins, got {} within {} and {} within {}",
                     p.bins, p.half_width, q.bins, q.half_width);
  constexpr double kOffset = 1e-10;
  const auto term = [](double of_p, double of_q) {
    return of_p * std::log((of_p + kOffset) / (of_q + kOffset));
  };
  double sum = term(p.outside, q.outside);
  for (std::size_t i = 0; i < p.shares.size(); ++i) sum += term(p.shares[i], q.shares[i]);
  return sum;
}

}  // namespace thalweg
