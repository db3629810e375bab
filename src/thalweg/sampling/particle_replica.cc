#include "thalweg/sampling/particle_replica.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "thalweg/core/random.h"

namespace thalweg {
namespace {

constexpr auto kStream = static_cast<std::uint32_t>(Stream::kChains);

}  // namespace

ParticleReplica::ParticleReplica(const ParticleEnergy& energy)
    : energy_(&energy),
      particles_(static_cast<std::size_t>(energy.options().particles)),
      dimensions_(static_cast<std::size_t>(energy.options().dimensions)),
      x_(particles_ * dimensions_),
      pairs_(particles_ * particles_),
      trial_(particles_) {}

void ParticleReplica::centre() {
  for (std::size_t d = 0; d < dimensions_; ++d) {
    const std::span<double> own(&x_[d * particles_], particles_);
    const double mean =
        std::accumulate(own.begin(), own.end(), 0.0) / static_cast<double>(particles_);
    for (double& value : own) value -= mean;
  }
}

void ParticleReplica::energies_at(const double* place, std::size_t particle,
                                  std::span<double> out) const {
  std::ranges::fill(out, 0.0);
  for (std::size_t d = 0; d < dimensions_; ++d) {
    const double* own = &x_[d * particles_];
    for (std::size_t j = 0; j < particles_; ++j) {
      const double apart = place[d] - own[j];
      out[j] += apart * apart;
    }
  }
  energy_->pair_energies(out);
  out[particle] = 0.0;
}

void ParticleReplica::set(std::span<const double> row) {
  for (std::size_t i = 0; i < particles_; ++i)
    for (std::size_t d = 0; d < dimensions_; ++d) x_[d * particles_ + i] = row[i * dimensions_ + d];
  centre();
  std::vector<double> place(dimensions_);
  for (std::size_t i = 0; i < particles_; ++i) {
    for (std::size_t d = 0; d < dimensions_; ++d) place[d] = x_[d * particles_ + i];
    energies_at(place.data(), i, {&pairs_[i * particles_], particles_});
  }
}

void ParticleReplica::draw(double scale, std::uint64_t seed, std::uint64_t sample) {
  RandomSequence random(seed, Stream::kChains, sample);
  std::vector<double> row(x_.size());
  for (double& value : row) value = scale * random.normal();
  set(row);
}

std::int64_t ParticleReplica::sweep(const ParticleWeights& weights, double step, std::uint64_t seed,
                                    std::uint64_t sample, std::uint32_t sweep) {
  constexpr double kUnit = 0x1.0p-32;
  constexpr std::size_t kMost = 100;  // dimensions
  std::array<double, kMost> move, place, mean{};
  const auto count = static_cast<double>(particles_);
  // Each proposal has a block of counters to itself.
  const auto blocks = static_cast<std::uint32_t>((dimensions_ + 2) / 3);
  std::uint32_t index = sweep * static_cast<std::uint32_t>(particles_) * blocks;
  std::int64_t accepted = 0;
  for (std::size_t i = 0; i < particles_; ++i) {
    double along = 0.0, length = 0.0, uniform = 0.0;
    for (std::size_t d = 0; d < dimensions_; d += 3) {
      const auto words = random_words(seed, kStream, sample, index++);
      uniform = (static_cast<double>(words[3]) + 0.5) * kUnit;
      for (std::size_t k = d; k < std::min(d + 3, dimensions_); ++k) {
        move[k] = step * (2.0 * (static_cast<double>(words[k - d]) + 0.5) * kUnit - 1.0);
        const double own = x_[k * particles_ + i];
        place[k] = own + move[k];
        along += (own - mean[k]) * move[k];
        length += move[k] * move[k];
      }
    }
    energies_at(place.data(), i, trial_);
    double* row = &pairs_[i * particles_];
    double change = 0.0;
    for (std::size_t j = 0; j < particles_; ++j) change += trial_[j] - row[j];
    const double square = 2.0 * along + length * (1.0 - 1.0 / count);
    const double log_ratio = -(weights.pairs * change + 0.5 * weights.spring * square);
    // NaN is refused.
    if (!(log_ratio >= 0.0 || std::log(uniform) < log_ratio)) continue;
    ++accepted;
    for (std::size_t d = 0; d < dimensions_; ++d) {
      x_[d * particles_ + i] = place[d];
      mean[d] += move[d] / count;
    }
    for (std::size_t j = 0; j < particles_; ++j) row[j] = pairs_[j * particles_ + i] = trial_[j];
  }
  centre();
  return accepted;
}

double ParticleReplica::pairs() const {
  double total = 0.0;
  for (std::size_t i = 0; i < particles_; ++i)
    for (std::size_t j = i + 1; j < particles_; ++j) total += pairs_[i * particles_ + j];
  return total;
}

double ParticleReplica::square() const {
  double total = 0.0;
  for (const double value : x_) total += value * value;
  return total;
}

double ParticleReplica::log_density(const ParticleWeights& weights) const {
  return -(weights.pairs * pairs() + 0.5 * weights.spring * square());
}

void ParticleReplica::write(std::span<double> row) const {
  for (std::size_t i = 0; i < particles_; ++i)
    for (std::size_t d = 0; d < dimensions_; ++d) row[i * dimensions_ + d] = x_[d * particles_ + i];
}

void turn_and_shuffle(std::span<double> row, std::int64_t dimensions, std::uint64_t seed,
                      std::uint64_t sample) {
  const auto n = static_cast<std::size_t>(dimensions);
  const std::size_t particles = row.size() / n;
  RandomSequence random(seed, Stream::kChains, sample);
  // Rows of normals, orthonormalised, are uniform among all turns and mirrors.
  std::vector<double> axes(n * n);
  for (std::size_t a = 0; a < n; ++a) {
    double* own = &axes[a * n];
    for (std::size_t d = 0; d < n; ++d) own[d] = random.normal();
    for (int twice = 0; twice < 2; ++twice)
      for (std::size_t b = 0; b < a; ++b) {
        const double along = std::inner_product(own, own + n, &axes[b * n], 0.0);
        for (std::size_t d = 0; d < n; ++d) own[d] -= along * axes[b * n + d];
      }
    const double length = std::sqrt(std::inner_product(own, own + n, own, 0.0));
    for (std::size_t d = 0; d < n; ++d) own[d] /= length;
  }
  const std::vector<double> old(row.begin(), row.end());
  std::vector<std::size_t> order(particles);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = particles; i-- > 1;)
    std::swap(order[i], order[static_cast<std::size_t>(random.below(i + 1))]);
  for (std::size_t i = 0; i < particles; ++i)
    for (std::size_t a = 0; a < n; ++a)
      row[i * n + a] = std::inner_product(&axes[a * n], &axes[a * n] + n, &old[order[i] * n], 0.0);
}

}  // namespace thalweg
