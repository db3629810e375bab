// Why an exploration's result may be wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "thalweg/exploration/estimates.h"
#include "thalweg/exploration/exploration.h"
#include "thalweg/exploration/mixture.h"

namespace thalweg {

/// Below this effective share importance weights say nothing.
inline constexpr double kUselessShare = 0.003;

/// What the stages of an exploration came to.
struct Evidence {
  const std::vector<TemperedParticles>& islands;
  const Mixture& mixture;  ///< whose draws were weighed
  const IslandEstimate& tempered;
  const WeightedDraws& weights;
  const std::optional<BridgeEstimate>& bridge;
  const std::vector<double>& history;  ///< log integrals, a stage each
  double log_integral = 0.0, error = 0.0;
  bool by_tempering = false;  ///< whether the log integral is the islands'
  bool settled = false;
  std::int64_t populations = 0, died = 0;
  std::int64_t evaluations = 0, refused = 0;  ///< refused: energies that were no numbers
  std::string refusal;                        ///< what a user's function said of the first
};

/// Adds to `result` the doubts about its integral and the warnings about its samples.
void judge(const Evidence& evidence, const std::vector<std::int64_t>& mode_of_component,
           Exploration& result);

}  // namespace thalweg
