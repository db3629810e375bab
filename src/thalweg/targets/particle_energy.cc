#include "thalweg/targets/particle_energy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr double kSoftening = 1e-6;  // added to squared distances
constexpr std::size_t kLanes = 8;    // points at once
using Lanes = std::array<double, kLanes>;

/// Energy of a pair and its derivative by the squared distance, from the softened square s.
struct LennardJones {
  static double energy(double s) {
    const double inverse = 1.0 / s, sixth = inverse * inverse * inverse;
    return 2.0 * sixth * (sixth - 2.0);
  }
  static double slope(double s) {
    const double inverse = 1.0 / s, sixth = inverse * inverse * inverse;
    return -12.0 * sixth * (sixth - 1.0) * inverse;
  }
};
struct DoubleWell {
  static constexpr double kDistance = 4.0, kSquare = -4.0, kFourth = 0.9;
  static double energy(double s) {
    const double off = std::sqrt(s) - kDistance, square = off * off;
    return square * (kSquare + kFourth * square);
  }
  static double slope(double s) {
    const double d = std::sqrt(s), off = d - kDistance;
    return off * (kSquare + 2.0 * kFourth * off * off) / d;
  }
};

/// Energies and slopes of eight points: x and gradient are features x lanes, x centred.
template <typename Pair>
void evaluate_lanes(const std::vector<Lanes>& x, std::size_t particles, std::size_t dimensions,
                    double factor, double spring, Lanes& energy, std::vector<Lanes>& gradient) {
  energy = {};
  for (std::size_t f = 0; f < x.size(); ++f)
    for (std::size_t l = 0; l < kLanes; ++l) {
      energy[l] += 0.5 * spring * x[f][l] * x[f][l];
      gradient[f][l] = spring * x[f][l];
    }
  Lanes square, slope;
  for (std::size_t i = 0; i + 1 < particles; ++i)
    for (std::size_t j = i + 1; j < particles; ++j) {
      const Lanes* a = &x[i * dimensions];
      const Lanes* b = &x[j * dimensions];
      square.fill(kSoftening);
      for (std::size_t d = 0; d < dimensions; ++d)
        for (std::size_t l = 0; l < kLanes; ++l) {
          const double off = a[d][l] - b[d][l];
          square[l] += off * off;
        }
      for (std::size_t l = 0; l < kLanes; ++l) {
        energy[l] += factor * Pair::energy(square[l]);
        slope[l] = 2.0 * factor * Pair::slope(square[l]);
      }
      for (std::size_t d = 0; d < dimensions; ++d)
        for (std::size_t l = 0; l < kLanes; ++l) {
          const double pull = slope[l] * (a[d][l] - b[d][l]);
          gradient[i * dimensions + d][l] += pull;
          gradient[j * dimensions + d][l] -= pull;
        }
    }
}

}  // namespace

ParticleEnergy::ParticleEnergy(const ParticleOptions& options)
    : options_(options),
      lennard_jones_(options.pair == "lennard_jones"),
      factor_(options.strength / options.temperature) {
  if (!lennard_jones_ && options.pair != "multi_double_well")
    fail<ConfigError>("pairs of particles: expected lennard_jones or multi_double_well, got '{}'",
                      options.pair);
  if (options.particles < 2 || options.particles > 10000)
    fail<ConfigError>("particles.count: expected 2 to 10000, got {}", options.particles);
  if (options.dimensions < 1 || options.dimensions > 100)
    fail<ConfigError>("particles.dimensions: expected 1 to 100, got {}", options.dimensions);
  if (!(options.temperature > 0.0) || !std::isfinite(options.temperature))
    fail<ConfigError>("particles.temperature: expected a number above 0, got {}",
                      options.temperature);
  if (!(options.strength >= 0.0 && options.spring >= 0.0) ||
      !std::isfinite(options.strength + options.spring))
    fail<ConfigError>("particles: expected a strength and a spring of at least 0, got {} and {}",
                      options.strength, options.spring);
}

void ParticleEnergy::evaluate(const double* points, std::int64_t count, std::int64_t features,
                              double* values, double* gradients) const {
  const auto width = static_cast<std::size_t>(features);
  const auto particles = static_cast<std::size_t>(options_.particles);
  const auto dimensions = static_cast<std::size_t>(options_.dimensions);
  std::vector<Lanes> x(width), gradient(width);
  Lanes energy;
  for (std::int64_t first = 0; first < count; first += static_cast<std::int64_t>(kLanes)) {
    const auto used =
        static_cast<std::size_t>(std::min(count - first, static_cast<std::int64_t>(kLanes)));
    // Unused lanes repeat the last point.
    for (std::size_t l = 0; l < kLanes; ++l) {
      const double* point =
          points + (static_cast<std::size_t>(first) + std::min(l, used - 1)) * width;
      for (std::size_t d = 0; d < dimensions; ++d) {
        double centre = 0.0;
        for (std::size_t i = 0; i < particles; ++i) centre += point[i * dimensions + d];
        centre /= static_cast<double>(particles);
        for (std::size_t i = 0; i < particles; ++i)
          x[i * dimensions + d][l] = point[i * dimensions + d] - centre;
      }
    }
    if (lennard_jones_)
      evaluate_lanes<LennardJones>(x, particles, dimensions, factor_, spring(), energy, gradient);
    else
      evaluate_lanes<DoubleWell>(x, particles, dimensions, factor_, spring(), energy, gradient);
    for (std::size_t l = 0; l < used; ++l) {
      const std::size_t row = static_cast<std::size_t>(first) + l;
      const bool finite = std::isfinite(energy[l]);
      values[row] = finite ? energy[l] : std::numeric_limits<double>::infinity();
      for (std::size_t f = 0; f < width; ++f)
        gradients[row * width + f] = finite ? gradient[f][l] : 0.0;
    }
  }
}

void ParticleEnergy::pair_energies(std::span<double> squared) const {
  if (lennard_jones_)
    for (double& value : squared) value = factor_ * LennardJones::energy(value + kSoftening);
  else
    for (double& value : squared) value = factor_ * DoubleWell::energy(value + kSoftening);
}

}  // namespace thalweg
