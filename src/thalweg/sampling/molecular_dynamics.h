// Molecular dynamics of many replicas at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/molecules/molecular_system.h"
#include "thalweg/molecules/potential.h"

namespace thalweg {

enum class Ensemble : std::uint8_t { kCanonical, kMicrocanonical };

/// Times in ps, temperatures in K, where energies are in kJ/mol, lengths in nm and masses in g/mol;
/// with a Boltzmann constant of 1 in whatever units belong together.
struct DynamicsOptions {
  /// Rising; with more than one, replicas of neighbours change places.
  std::vector<double> temperatures = {300.0};
  std::int64_t replicas = 1;  ///< at each temperature
  double time_step = 0.001;
  double friction = 1.0;  ///< 1/ps, at least 0
  Ensemble ensemble = Ensemble::kCanonical;
  std::int64_t equilibration = 0;     ///< first steps, canonical in any case
  std::int64_t exchange_every = 200;  ///< steps from one try to change places to the next
  std::uint64_t seed = 1;
  double boltzmann = kBoltzmann;  ///< energy a unit of temperature
};

/// Tries of neighbouring temperatures to change places.
struct ExchangeCounts {
  std::int64_t tries = 0, accepted = 0;
};

/// Walkers, replicas x temperatures of them, the first temperature's first. In the canonical
/// ensemble by Langevin dynamics, splitting BAOAB (Leimkuhler and Matthews 2013, eq. 12), whose
/// configurations of a harmonic oscillator have the exact variance for any stable time step; in the
/// microcanonical one by velocity Verlet, whose error of the energy is of second order. Walkers of
/// neighbouring temperatures change places with probability
/// min(1, exp((1/kT_a - 1/kT_b) (U_a - U_b))), even and odd pairs in turns, their velocities
/// scaled (Sugita and Okamoto 1999), which leaves the law at each temperature as it is.
///
/// Random numbers are functions of seed, step and walker: the same bits for any number of threads,
/// and however the steps are divided into calls. One caller at a time.
class MolecularDynamics {
 public:
  /// `potential` of positions; `masses`, one a coordinate. Both
  /// `potential` and `pool` must outlive it. Throws ConfigError for options out of range (at most
  /// 64 temperatures and 2^20 walkers) and masses that are not above 0, ShapeError for another
  /// number of masses.
  MolecularDynamics(const Potential& potential, std::vector<double> masses,
                    const DynamicsOptions& options, ThreadPool& pool);

  /// Starts at `rows`, walkers x coordinates, with velocities drawn at each one's temperature.
  void start(std::span<const double> rows);
  /// Goes on from what rows() of positions and velocities were after `step` steps.
  void restore(std::int64_t step, std::span<const double> positions,
               std::span<const double> velocities, std::vector<ExchangeCounts> exchanges);
  /// Makes steps. Energies may leave the finite: see losses().
  void advance(std::int64_t steps);
  /// Moves each walker's centre of mass, so many coordinates a particle, to the origin.
  void centre(std::int64_t dimensions = 3);

  const DynamicsOptions& options() const { return options_; }
  std::int64_t step() const { return step_; }
  std::int64_t walkers() const { return walkers_; }
  std::int64_t coordinates() const { return coordinates_; }
  /// walkers x coordinates.
  std::vector<double> positions() const { return rows_of(x_); }
  std::vector<double> velocities() const { return rows_of(v_); }
  /// Of each walker, kJ/mol.
  const std::vector<double>& energies() const { return energies_; }
  /// Of each walker whose energy was not finite after a step, or at the start, the first such
  /// energy: a walker may come back from behind a wall.
  struct Loss {
    std::int64_t step = -1;  ///< -1: it never was
    double energy = 0.0;
  };
  /// One a walker; kept from start() or restore() on.
  const std::vector<Loss>& losses() const { return losses_; }
  /// In the canonical ensemble, with friction, those of the velocities in the middle of the last
  /// step, whose temperature is exact for a harmonic oscillator and any stable time step; else
  /// those of the velocities after it, of which the sum of energies is kept, and whose temperature
  /// under Langevin dynamics is too low by (omega dt / 2)^2 of itself.
  std::vector<double> kinetic_energies() const;
  /// Sum of x dU/dx, kJ/mol; its mean in the canonical ensemble is kT times the number of
  /// coordinates, less those on which the energy does not depend.
  std::vector<double> virials() const;
  /// Of each temperature with the next.
  const std::vector<ExchangeCounts>& exchanges() const { return exchanges_; }
  double temperature(std::int64_t walker) const {
    return options_.temperatures[static_cast<std::size_t>(walker / options_.replicas)];
  }

 private:
  /// A tile's numbers are together: coordinate c of its walker i of n is [c n + i].
  struct Tile {
    std::int64_t first, count;
  };
  Tile tile(std::int64_t index) const;
  std::int64_t tiles() const { return (walkers_ + block_ - 1) / block_; }
  /// Where a walker's coordinate is.
  std::size_t place(std::int64_t walker, std::int64_t coordinate) const;
  std::vector<double> rows_of(const std::vector<double>& tiled) const;
  void set_rows(std::span<const double> rows, std::vector<double>& tiled) const;
  void evaluate_all();
  void note_losses(std::int64_t first, std::int64_t count, std::int64_t step);
  void step_tile(const Tile& tile, std::int64_t first_step, std::int64_t steps);
  void exchange();
  void swap_walkers(std::int64_t a, std::int64_t b);

  const Potential& potential_;
  ThreadPool& pool_;
  DynamicsOptions options_;
  std::int64_t coordinates_, walkers_, block_, step_ = 0;
  std::vector<double> masses_;
  std::vector<double> half_kick_;  // of each coordinate, time_step / 2 / mass
  std::vector<double> noise_;      // of each coordinate, sqrt((1 - decay^2) / mass)
  std::vector<double> heat_;       // of each walker, sqrt(kT)
  double decay_;
  std::vector<double> x_, v_, forces_, energies_;
  std::vector<Loss> losses_;
  std::vector<ExchangeCounts> exchanges_;
};

}  // namespace thalweg
