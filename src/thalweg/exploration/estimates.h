// What populations of particles and weighted draws say of an integral, and whether they agree.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <span>
#include <vector>

#include "thalweg/exploration/mixture.h"
#include "thalweg/exploration/reference_density.h"
#include "thalweg/exploration/tempering.h"
#include "thalweg/exploration/unbounded_energy.h"

namespace thalweg {

/// The mean of several unbiased estimates of an integral.
struct IslandEstimate {
  double log_integral = 0.0;
  double error = 0.0;      ///< by the spread of the logarithms; a fifth more, as they are few
  double deviation = 0.0;  ///< of the logarithms
};
IslandEstimate combined(std::span<const double> log_integrals);

/// Draws with log weights, of a proposal or of particles.
struct WeightedDraws {
  Points y;
  Eigen::VectorXd log_weights;
  double log_integral = 0.0, error = 0.0;
  double share = 0.0;  ///< effective
  double shape = 0.0;  ///< Pareto k
  /// Of particles, how many each population has, in order; empty where all are independent.
  std::vector<std::int64_t> islands = {};
  /// Whether log_integral and error can be taken as they are.
  bool clean() const { return share > 0.1 && shape < 0.5; }
};

/// `count` draws of `proposal`, weighted to the energy's density.
WeightedDraws weighted_draws(UnboundedEnergy& energy, const ReferenceDensity& proposal,
                             std::int64_t count, RandomSequence& random);

/// `draws` with as many more as make `wanted` effective ones; at most ten times as many.
WeightedDraws enough_draws(UnboundedEnergy& energy, const ReferenceDensity& proposal,
                           const WeightedDraws& draws, std::int64_t wanted, RandomSequence& random);

/// All particles of the last sweeps, weighted by the integrals of their islands.
WeightedDraws pooled(const std::vector<TemperedParticles>& islands);

struct BridgeEstimate {
  double log_integral = 0.0, error = 0.0;
};
/// Bridge sampling (Meng and Wong 1996) between particles and draws of `reference`; the error is
/// that of the islands taken one by one.
BridgeEstimate bridged(const std::vector<TemperedParticles>& islands,
                       const ReferenceDensity& reference, const WeightedDraws& draws);

/// Largest difference of E[sigma du/dx] from 0 and E[(x - mean) du/dx] from 1 of any column that is
/// beyond four of its errors; 0 if there is none. Mass that is missing at an edge shows so.
double stein_discrepancy(const std::vector<TemperedParticles>& islands);

/// Whether any mode's share of the particles differs between islands by more than chance.
bool shares_differ(const std::vector<TemperedParticles>& islands, const Mixture& mixture,
                   const std::vector<std::int64_t>& mode_of_component);

}  // namespace thalweg
