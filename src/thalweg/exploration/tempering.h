// Sequential Monte Carlo by tempering: particles are led from a wide density to the target's, and
// what their weights make up on the way is the target's integral.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "thalweg/exploration/mixture.h"
#include "thalweg/exploration/reference_density.h"
#include "thalweg/exploration/unbounded_energy.h"

namespace thalweg {

/// How much time is left.
enum class Haste : std::uint8_t { kNone, kHurry, kStop };

struct TemperingOptions {
  std::int64_t particles = 1000;       ///< even
  double effective_share = 0.7;        ///< of weights that a step of the temperature leaves
  std::int64_t components = 8;         ///< of the mixtures that moves use, at most
  std::int64_t sweeps = 5;             ///< of moves at a temperature, at most
  std::int64_t final_sweeps = 4;       ///< of moves at the target itself
  std::int64_t evaluations = 1000000;  ///< beyond which one sweep a temperature has to do
  const Mixture* mixture = nullptr;    ///< to start the moves' mixtures from
};

/// What one population came to.
struct TemperedParticles {
  double log_integral = 0.0;  ///< its exponential is unbiased
  Points y;                   ///< equally weighted
  Eigen::VectorXd energy;
  Points gradient;
  Points pool;               ///< particles after each of the final sweeps, side by side
  Mixture mixture;           ///< the last that moves used
  double correlation = 1.0;  ///< largest of a column with its values before the last sweeps
  bool capped = false;       ///< its evaluations or its time were used up on the way
};

/// Tempers particles from `reference` to the energy's density: p_beta is proportional to
/// q^(1 - beta) exp(-beta u). Between temperatures, chosen so that the effective share of the
/// weights is as wished, particles are resampled and moved by Hamiltonian trajectories in the
/// metric of a mixture, differences of other particles, independent draws from the mixture, and
/// exchanges of coordinates. Each half of the particles is moved by the mixture fitted to the other
/// half, since proposals fitted to the particles that they move bias the integral upwards. None
/// where no particle ever has a finite energy, and where `haste` says kStop.
std::optional<TemperedParticles> temper(UnboundedEnergy& energy, const ReferenceDensity& reference,
                                        const TemperingOptions& options, RandomSequence& random,
                                        const std::function<Haste()>& haste);

/// Points that are about the target's, an even number, after `sweeps` of the same moves at the
/// target itself, with one mixture for all: equal ones part, and their distribution comes nearer.
Points refreshed(UnboundedEnergy& energy, const Points& y, const Mixture& mixture,
                 std::int64_t sweeps, RandomSequence& random);

}  // namespace thalweg
