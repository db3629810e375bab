// The integral of exp(-energy) of particles.
#pragma once

#include <cstdint>
#include <optional>

#include "thalweg/core/thread_pool.h"
#include "thalweg/sampling/particle_chains.h"
#include "thalweg/targets/particle_energy.h"

namespace thalweg {

struct FreeEnergyOptions {
  std::int64_t islands = 16;     ///< independent repeats, whose spread gives the error; at least 2
  std::int64_t replicas = 512;   ///< of each; at least 10
  std::int64_t sweeps = 2;       ///< of moves at each step, at least 1
  double effective_share = 0.9;  ///< of weights that one step leaves, in (0, 1)
  double start_scale = 1.0;      ///< deviation of the normal that it starts from, above 0
  std::uint64_t seed = 1;
};

struct FreeEnergyEstimate {
  /// Logarithm of the integral of exp(-U / T) over the (N - 1) n dimensional subspace of rows whose
  /// centre of mass is 0, in lengths of that subspace.
  double log_integral = 0.0;
  double error = 0.0;      ///< one standard error, of the islands' spread
  std::int64_t steps = 0;  ///< of the path from the normal to the target
};

/// Annealed importance sampling (Neal 2001) from a normal of particles with centre of mass 0 to the
/// target, along p_lambda proportional to p_0^(1 - lambda) exp(-lambda U / T), with moves of single
/// particles. The steps of lambda and of the moves are found by one island, such that weights of a
/// step have the effective share asked for, and fixed for all others; where weights have fallen to
/// an effective half, an island resamples its replicas (Del Moral, Doucet, Jasra 2006, section 3).
/// The mean over islands of the integral is consistent, and its standard error is from their
/// spread. The same seed gives the same bits for any number of threads. None if it was interrupted.
/// Throws ConfigError for options out of range, NumericalError where the path does not end.
std::optional<FreeEnergyEstimate> particle_free_energy(const ParticleEnergy& energy,
                                                       const FreeEnergyOptions& options,
                                                       ThreadPool& pool,
                                                       const ParticleCallbacks& callbacks = {});

}  // namespace thalweg
