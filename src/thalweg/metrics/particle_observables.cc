#include "thalweg/metrics/particle_observables.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"

namespace thalweg {

std::vector<double> pair_distances(std::span<const double> x, std::int64_t features,
                                   std::int64_t dimensions) {
  if (dimensions < 1 || features < 1 || features % dimensions != 0 ||
      x.size() % static_cast<std::size_t>(features) != 0)
    fail<ShapeError>("distances: expected rows of whole particles in {} dimensions, got {} columns",
                     dimensions, features);
  const auto width = static_cast<std::size_t>(features), n = static_cast<std::size_t>(dimensions);
  const std::size_t particles = width / n;
  constexpr std::size_t kMostPairs = 3000000;
  const std::size_t pairs = particles * (particles - 1) / 2;
  const std::size_t rows = std::min(
      x.size() / width, std::max<std::size_t>(1, kMostPairs / std::max<std::size_t>(pairs, 1)));
  std::vector<double> result;
  result.reserve(rows * pairs);
  for (std::size_t row = 0; row < rows * width; row += width)
    for (std::size_t i = 0; i + 1 < particles; ++i)
      for (std::size_t j = i + 1; j < particles; ++j) {
        double square = 0.0;
        for (std::size_t d = 0; d < n; ++d) {
          const double apart = x[row + i * n + d] - x[row + j * n + d];
          square += apart * apart;
        }
        result.push_back(std::sqrt(square));
      }
  return result;
}

RadialDistribution radial_distribution(std::span<const double> distances, std::int64_t dimensions,
                                       double furthest, std::int64_t shells) {
  if (distances.empty() || dimensions < 1 || shells < 1 || !(furthest > 0.0))
    fail<ShapeError>(
        "radial_distribution: expected distances, and dimensions, shells and a radius above 0, got "
        "{}, {}, {} and {}",
        distances.size(), dimensions, shells, furthest);
  const double width = furthest / static_cast<double>(shells);
  RadialDistribution result;
  result.density.resize(static_cast<std::size_t>(shells), 0.0);
  for (const double distance : distances)
    if (distance < furthest)
      ++result.density[static_cast<std::size_t>(
          std::min<double>(distance / width, static_cast<double>(shells - 1)))];
  const auto n = static_cast<double>(dimensions);
  const double ball = std::pow(std::numbers::pi, 0.5 * n) / std::tgamma(0.5 * n + 1.0);
  for (std::size_t shell = 0; shell < result.density.size(); ++shell) {
    const double inner = width * static_cast<double>(shell);
    result.radius.push_back(inner + 0.5 * width);
    result.density[shell] /= static_cast<double>(distances.size()) * ball *
                             (std::pow(inner + width, n) - std::pow(inner, n));
  }
  return result;
}

double histogram_distance(std::span<const double> values, std::span<const double> reference) {
  if (values.empty() || reference.empty())
    fail<ShapeError>("histogram_distance: expected values, got {} and {}", values.size(),
                     reference.size());
  constexpr std::size_t kBins = 100;
  std::vector<double> sorted;
  std::ranges::copy_if(reference, std::back_inserter(sorted),
                       [](double value) { return !std::isnan(value); });
  std::ranges::sort(sorted);
  std::vector<double> edges;
  for (std::size_t k = 1; k < kBins && !sorted.empty(); ++k)
    edges.push_back(sorted[k * sorted.size() / kBins]);
  const auto shares = [&](std::span<const double> sample) {
    std::vector<double> share(kBins, 0.0);
    for (const double value : sample)
      if (!std::isnan(value))
        share[static_cast<std::size_t>(std::ranges::upper_bound(edges, value) - edges.begin())] +=
            1.0 / static_cast<double>(sample.size());
    return share;
  };
  const std::vector<double> a = shares(values), b = shares(reference);
  // What is no number is in no bin.
  double missing = 1.0, total = 0.0;
  for (std::size_t k = 0; k < kBins; ++k) {
    total += std::abs(a[k] - b[k]);
    missing -= a[k];
  }
  return 0.5 * (total + std::max(missing, 0.0));
}

}  // namespace thalweg
