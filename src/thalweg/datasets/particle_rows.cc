#include "thalweg/datasets/particle_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/quantiles.h"

namespace thalweg {

std::vector<double> nearest_distances(std::span<const double> values, std::int64_t stride,
                                      std::int64_t features, std::int64_t dimensions) {
  const auto width = static_cast<std::size_t>(stride), n = static_cast<std::size_t>(dimensions);
  const std::size_t rows = values.size() / width,
                    particles = static_cast<std::size_t>(features) / n;
  std::vector<double> nearest(rows * particles, std::numeric_limits<double>::infinity());
  for (std::size_t row = 0; row < rows; ++row) {
    const double* x = &values[row * width];
    double* own = &nearest[row * particles];
    for (std::size_t i = 0; i + 1 < particles; ++i)
      for (std::size_t j = i + 1; j < particles; ++j) {
        double square = 0.0;
        for (std::size_t d = 0; d < n; ++d) {
          const double apart = x[i * n + d] - x[j * n + d];
          square += apart * apart;
        }
        own[i] = std::min(own[i], square);  // a distance that is NaN is none
        own[j] = std::min(own[j], square);
      }
  }
  for (double& distance : nearest) distance = std::sqrt(distance);
  return nearest;
}

void mark_absent(std::span<double> x, std::span<const double> species, std::int64_t dimensions,
                 std::size_t row) {
  constexpr double kMostSpecies = 1e6;
  std::size_t present = 0;
  for (std::size_t i = 0; i < species.size(); ++i) {
    if (!(species[i] >= 0.0 && species[i] <= kMostSpecies) || species[i] != std::floor(species[i]))
      fail<DataError>(
          "row {}: particle {} (from 0) has the species {}: expected a whole number, 0 "
          "where there is none",
          row + 1, i, species[i]);
    const auto own =
        x.subspan(i * static_cast<std::size_t>(dimensions), static_cast<std::size_t>(dimensions));
    const auto missing = [](double value) { return std::isnan(value); };
    if (species[i] > 0.0) {
      ++present;
      if (std::ranges::any_of(own, missing))
        fail<DataError>("row {}: particle {} (from 0) has a species and no position", row + 1, i);
      continue;
    }
    if (!std::ranges::all_of(own, [&](double value) { return missing(value) || value == 0.0; }))
      fail<DataError>(
          "row {}: particle {} (from 0) has species 0, which is none: expected positions of 0, got "
          "{}",
          row + 1, i, own[0]);
    std::ranges::fill(own, std::numeric_limits<double>::quiet_NaN());
  }
  if (present < 2)
    fail<DataError>("row {}: expected at least 2 particles, got {}", row + 1, present);
}

ParticleRowsSummary centre_particles(std::span<double> values, std::int64_t stride,
                                     std::int64_t features, std::int64_t dimensions, bool species) {
  if (dimensions < 1 || features % dimensions != 0 || features < 2 * dimensions)
    fail<DataError>(
        "data.particles: expected positions of at least 2 particles in {} dimensions, got {} "
        "columns; data.columns chooses among them",
        dimensions, features);
  const auto width = static_cast<std::size_t>(stride), n = static_cast<std::size_t>(dimensions);
  const std::size_t rows = values.size() / width,
                    particles = static_cast<std::size_t>(features) / n;
  ParticleRowsSummary summary{.particles = static_cast<std::int64_t>(particles)};
  for (std::size_t row = 0; row < rows; ++row) {
    double* x = &values[row * width];
    if (species)
      mark_absent({x, static_cast<std::size_t>(features)},
                  values.subspan((row + 1) * width - particles, particles), dimensions, row);
    double off = 0.0;
    for (std::size_t d = 0; d < n; ++d) {
      double centre = 0.0;
      std::size_t present = 0;
      for (std::size_t i = 0; i < particles; ++i)
        if (!species || !std::isnan(x[i * n + d])) {
          centre += x[i * n + d];
          ++present;
        }
      centre /= static_cast<double>(present);
      off += centre * centre;
      for (std::size_t i = 0; i < particles; ++i) x[i * n + d] -= centre;
    }
    summary.largest_centre = std::max(summary.largest_centre, std::sqrt(off));
  }
  const std::vector<double> nearest = nearest_distances(values, stride, features, dimensions);
  if (nearest.empty()) return summary;
  std::vector<double> known = nearest;
  if (species) std::erase_if(known, [](double distance) { return std::isinf(distance); });
  summary.usual_distance = median(known);
  constexpr double kCoinciding = 1e-6;
  const double far = kEvaporated * summary.usual_distance;
  const double near = kCoinciding * summary.usual_distance;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto own = std::span(nearest).subspan(row * particles, particles);
    if (const auto least = std::ranges::min_element(own); *least <= near)
      fail<DataError>(
          "row {}: particle {} (from 0) is where another one is: expected particles apart; leave "
          "the row out",
          row + 1, least - own.begin());
    const auto lost = [&](double distance) {
      return distance > far && !(species && std::isinf(distance));
    };
    if (std::ranges::any_of(own, lost)) ++summary.evaporated;
    if (!species) continue;
    double* x = &values[row * width];
    for (std::size_t i = 0; i < particles * n; ++i)
      if (std::isnan(x[i])) x[i] = 0.0;
  }
  return summary;
}

}  // namespace thalweg
