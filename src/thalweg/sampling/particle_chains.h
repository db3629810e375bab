// Samples of particles by parallel tempering with moves of single particles.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/targets/particle_energy.h"

namespace thalweg {

struct ParticleChainOptions {
  std::int64_t chains = 240;    ///< each with replicas at all temperatures; at least 2
  std::int64_t levels = 4;      ///< temperatures, the target's and hotter ones; at least 1
  std::int64_t burn_in = 2000;  ///< sweeps of all particles before the first draw
  std::int64_t thinning = 100;  ///< sweeps from one draw to the next, at least 1
  std::int64_t draws = 500;     ///< that each chain keeps, at least 1
  double start_scale = 1.0;     ///< deviation of the normal that chains start from
  std::uint64_t seed = 1;
};

/// What one temperature's replicas did, all chains together, after burn-in.
struct TemperatureStatistics {
  double beta = 1.0;        ///< factor on the energy in kT
  double step_size = 0.0;   ///< half side of the cube of proposals
  double acceptance = 0.0;  ///< of moves
  double swap_rate = 0.0;   ///< of swaps with the next hotter one; 0 for the last
};

/// Draws of all chains: row draw x chains + chain.
struct ParticleDraws {
  std::int64_t chains = 0, draws = 0;
  std::vector<double> x = {};       ///< rows x features, centred, turned and shuffled at random
  std::vector<double> energy = {};  ///< in kT
  std::vector<double> virial = {};  ///< sum over i of x_i . dU/dx_i in kT; its mean is (N - 1) n
  std::vector<double> square = {};  ///< sum of |x_i|^2
  std::vector<TemperatureStatistics> levels = {};
};

struct ParticleCallbacks {
  std::function<void(double share)> progress = {};  ///< from 0 to 1; by the caller's thread
  std::function<bool()> interrupted = {};
};

/// Metropolis moves of single particles at each of the temperatures 1 / beta, and after each sweep
/// swaps between neighbours (Geyer 1991; Earl and Deem 2005, eq. 3). In a first part, with chains
/// of its own, step sizes are tuned to accept 40 % of the moves, and temperatures such that some 40
/// % of swaps between normal energies would be accepted, hotter by no more than a factor 2 each;
/// they are fixed from then on. All chains start anew from a normal. The same seed gives the same
/// bits for any number of threads. None if it was interrupted. Throws ConfigError for options out
/// of range.
std::optional<ParticleDraws> sample_particles(const ParticleEnergy& energy,
                                              const ParticleChainOptions& options, ThreadPool& pool,
                                              const ParticleCallbacks& callbacks = {});

}  // namespace thalweg
