// Energies of particles: sums over pairs and a harmonic pull to the centre of mass, with forces.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "thalweg/engine/primitives.h"

namespace thalweg {

/// What particles feel of each other, and how many there are.
struct ParticleOptions {
  /// "lennard_jones": 2 (d^-12 - 2 d^-6) a pair, -2 at its least, at d = 1; "multi_double_well":
  /// -4 (d - 4)^2 + 0.9 (d - 4)^4.
  std::string pair = "lennard_jones";
  std::int64_t particles = 13;  ///< at least 2
  std::int64_t dimensions = 3;  ///< of space, from 1 to 100
  double temperature = 1.0;     ///< in units of the energy; above 0
  double strength = 1.0;        ///< factor on the energies of pairs
  double spring = 1.0;          ///< of a pull of each particle to the centre of mass; 0: none
};

/// Energy in kT of N particles in n dimensions,
///
///     U(x) / T,  U = strength sum_{i<j} u(d_ij) + spring / 2 sum_i |x_i - mean|^2,
///
/// d_ij^2 = |x_i - x_j|^2 + 1e-6, so that it is finite for particles at one place (some 1e36 of
/// Lennard-Jones) and smooth there. With the defaults LJ13, and with 55 particles LJ55, as the
/// samples of Klein, Kraemer, Noe 2023 have it: their mean of sum_i x_i . dU/dx_i is 3 (N - 1) with
/// these factors alone. DW4 has 4 particles in 2 dimensions and no spring; the sum over ordered
/// pairs over 2 T in its source is that over i < j over T.
///
/// Invariant under translations, rotations, reflections and permutations to rounding, as x is moved
/// to its centre of mass first. An energy too large for double is +inf with slopes of 0, never NaN.
/// Eight points at once. Thread safe.
class ParticleEnergy : public OutsideFunction {
 public:
  /// Throws ConfigError for options out of range, and an unknown pair.
  explicit ParticleEnergy(const ParticleOptions& options);

  void evaluate(const double* points, std::int64_t count, std::int64_t features, double* values,
                double* gradients) const override;

  /// For moves of single particles: overwrites `squared`, squared distances without the 1e-6, by
  /// the energies of such pairs in kT.
  void pair_energies(std::span<double> squared) const;
  /// The pull's in kT: it is spring() |x - mean|^2 / 2.
  double spring() const { return options_.spring / options_.temperature; }
  std::int64_t features() const { return options_.particles * options_.dimensions; }
  const ParticleOptions& options() const { return options_; }

 private:
  ParticleOptions options_;
  bool lennard_jones_;
  double factor_;  // of pairs, in kT
};

}  // namespace thalweg
