// One system of particles that moves by Metropolis steps of single particles.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thalweg/targets/particle_energy.h"

namespace thalweg {

/// What a replica moves by: log density -(pairs P + spring / 2 S), P the energy of all pairs in kT
/// and S the sum of |x_i - mean|^2. The target itself is {1, energy.spring()}.
struct ParticleWeights {
  double pairs = 1.0, spring = 1.0;
};

/// Positions with their pair energies. A move costs time proportional to the number of particles.
/// Its random numbers are a function of the counters that it is given. Copies are independent; one
/// thread at a time. `energy` must outlive it.
class ParticleReplica {
 public:
  explicit ParticleReplica(const ParticleEnergy& energy);

  /// Takes a row of positions, particle by particle, and moves it to its centre of mass.
  void set(std::span<const double> row);
  /// Draws from the normal of particles with centre of mass 0 and deviation `scale`.
  void draw(double scale, std::uint64_t seed, std::uint64_t sample);
  /// Proposes for each particle in turn a step uniform in a cube of half side `step`, which is
  /// symmetric, and gives the number of those that were accepted. Leaves the density of the
  /// subspace of centred rows as it is: moves of all particles together do not count. Sweeps of one
  /// `sample` have different numbers `sweep`.
  std::int64_t sweep(const ParticleWeights& weights, double step, std::uint64_t seed,
                     std::uint64_t sample, std::uint32_t sweep);

  double pairs() const;   ///< P
  double square() const;  ///< S
  double log_density(const ParticleWeights& weights) const;
  void write(std::span<double> row) const;  ///< centred, particle by particle

 private:
  void centre();
  /// Of a particle at `place`, with all others; 0 with itself.
  void energies_at(const double* place, std::size_t particle, std::span<double> out) const;

  const ParticleEnergy* energy_;
  std::size_t particles_, dimensions_;
  std::vector<double> x_;      // dimensions x particles, centred after each sweep
  std::vector<double> pairs_;  // particles x particles
  std::vector<double> trial_;
};

/// Turns and mirrors a centred row at random, and shuffles its particles: symmetries of energies of
/// particles, so that rows from one chain differ in all that they do not decide.
void turn_and_shuffle(std::span<double> row, std::int64_t dimensions, std::uint64_t seed,
                      std::uint64_t sample);

}  // namespace thalweg
