#include "thalweg/metrics/marginal_divergence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/metrics/weighted_columns.h"

namespace thalweg {
namespace {

constexpr double kPi = std::numbers::pi, kAdded = 1e-10;

void need_values(std::span<const double> values, std::span<const double> reference) {
  if (values.empty() || reference.empty())
    fail<ShapeError>("marginals: expected values to compare, got {} and {}", values.size(),
                     reference.size());
}

/// The angle within half a turn of `centre`.
double near(double angle, double centre) {
  return centre + std::remainder(angle - centre, 2.0 * kPi);
}

/// Bins of [low, high]; what lies elsewhere is not counted.
std::vector<double> counts(std::span<const double> values, double low, double high,
                           std::size_t bins) {
  std::vector<double> result(bins, 0.0);
  for (const double value : values)
    if (value >= low && value <= high) {
      const double place = (value - low) / (high - low) * static_cast<double>(bins);
      result[std::min(static_cast<std::size_t>(place), bins - 1)] += 1.0;
    }
  return result;
}

/// Counts as a density over bins of this width, of what was counted.
std::vector<double> densities(std::vector<double> values, double width) {
  double total = 0.0;
  for (const double value : values) total += value;
  for (double& value : values) value = total > 0.0 ? value / (total * width) : 0.0;
  return values;
}

double published_sum(const std::vector<double>& p, const std::vector<double>& q) {
  double sum = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i)
    sum += p[i] * std::log((p[i] + kAdded) / (q[i] + kAdded));
  return sum;
}

}  // namespace

StandardisedPair standardised_pair(std::span<const double> values,
                                   std::span<const double> reference, bool angles) {
  if (reference.empty()) fail<ShapeError>("marginals: expected a reference, got no value");
  const auto count = static_cast<double>(reference.size());
  double mean = 0.0;
  if (angles) {
    mean = circular_mean(std::vector(reference.size(), 1.0), reference, -kPi, kPi).direction;
  } else {
    for (const double value : reference) mean += value / count;
  }
  const auto centred = [&](double value) { return (angles ? near(value, mean) : value) - mean; };
  double square = 0.0;
  for (const double value : reference) square += centred(value) * centred(value) / count;
  const double deviation = square > 0.0 ? std::sqrt(square) : 1.0;
  StandardisedPair pair;
  for (const double value : values) pair.values.push_back(centred(value) / deviation);
  for (const double value : reference) pair.reference.push_back(centred(value) / deviation);
  return pair;
}

MarginalDivergence marginal_divergence(const StandardisedPair& pair) {
  need_values(pair.values, pair.reference);
  constexpr std::size_t kBins = 200;
  constexpr double kHalf = 5.0, kWidth = 2.0 * kHalf / kBins;
  const auto own = static_cast<double>(pair.values.size());
  const auto all = static_cast<double>(pair.reference.size());
  const std::vector<double> q = counts(pair.values, -kHalf, kHalf, kBins);
  const std::vector<double> p = counts(pair.reference, -kHalf, kHalf, kBins);
  MarginalDivergence result;
  double occupied = 0.0;
  const auto add = [&](double of_reference, double of_values) {
    if (of_reference == 0.0) return;
    occupied += 1.0;
    result.nats +=
        of_reference / all * std::log(of_reference / all / (std::max(of_values, 0.5) / own));
  };
  for (std::size_t i = 0; i < kBins; ++i) add(p[i], q[i]);
  const auto below = [](const std::vector<double>& values) {
    return static_cast<double>(
        std::ranges::count_if(values, [](double value) { return value < -kHalf; }));
  };
  const auto beyond = [](const std::vector<double>& values) {
    return static_cast<double>(
        std::ranges::count_if(values, [](double value) { return !(value <= kHalf); }));
  };
  add(below(pair.reference), below(pair.values));
  add(beyond(pair.reference), beyond(pair.values));
  result.by_chance = 0.5 * (occupied - 1.0) * (1.0 / all + 1.0 / own);
  result.as_published = kWidth * published_sum(densities(p, kWidth), densities(q, kWidth));
  return result;
}

double torsion_divergence_as_published(std::span<const double> values,
                                       std::span<const double> reference) {
  need_values(values, reference);
  constexpr std::size_t kBins = 50;
  static constexpr std::array<double, 5> kKernel = {0.25, 0.5, 1.0, 0.5, 0.25};
  const auto smoothed = [](std::span<const double> angles) {
    std::vector<double> turned;
    for (const double angle : angles) turned.push_back(near(angle, 0.0));
    const std::vector<double> plain =
        densities(counts(turned, -kPi, kPi, kBins), 2.0 * kPi / static_cast<double>(kBins));
    std::vector<double> result(kBins, 0.0);
    for (std::size_t i = 0; i < kBins; ++i)
      for (std::size_t k = 0; k < kKernel.size(); ++k)
        result[i] += kKernel[k] * plain[(i + kBins + k - 2) % kBins];
    return result;
  };
  return published_sum(smoothed(reference), smoothed(values));
}

double plane_divergence_as_published(std::span<const double> phi, std::span<const double> psi,
                                     std::span<const double> phi_reference,
                                     std::span<const double> psi_reference) {
  need_values(phi, phi_reference);
  if (phi.size() != psi.size() || phi_reference.size() != psi_reference.size())
    fail<ShapeError>("marginals: expected as many psi as phi, got {} and {}, {} and {}", psi.size(),
                     phi.size(), psi_reference.size(), phi_reference.size());
  constexpr std::size_t kSide = 64, kBins = kSide * kSide;
  const std::size_t rows = std::min(phi.size(), phi_reference.size());
  const auto plane_counts = [rows](std::span<const double> x, std::span<const double> y) {
    const auto bin = [](double angle) {
      const double turn = std::isfinite(angle) ? near(angle, 0.0) : 0.0;
      const double place = (turn + kPi) / (2.0 * kPi) * static_cast<double>(kSide);
      return std::min(static_cast<std::size_t>(std::max(place, 0.0)), kSide - 1);
    };
    std::vector<double> result(kBins, 0.0);
    for (std::size_t i = 0; i < rows; ++i) result[bin(x[i]) * kSide + bin(y[i])] += 1.0;
    return result;
  };
  const std::vector<double> own = plane_counts(phi, psi);
  const std::vector<double> all = plane_counts(phi_reference, psi_reference);
  double sum = 0.0;
  for (std::size_t i = 0; i < kBins; ++i)
    sum +=
        all[i] / static_cast<double>(rows) * std::log(all[i] + kAdded) / std::log(own[i] + kAdded);
  return 1000.0 * sum / static_cast<double>(kBins);
}

}  // namespace thalweg
