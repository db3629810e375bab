// Where an energy has its mass: found by tempering from a broad start, before anything is learnt.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/datasets/column.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// What an exploration may cost, and how finely it looks.
struct ExplorationOptions {
  std::int64_t particles = 1000;  ///< of each island; at least 100, and never below 10 a feature
  std::int64_t islands = 4;  ///< independent populations, whose spread gives errors; at least 2
  std::int64_t evaluations = 5000000;  ///< of energy and gradient, about; at least 10000
  double seconds = 0.0;                ///< stops refining after so long; 0: no limit
  std::int64_t samples = 20000;        ///< wanted of the target; at least 100
};

/// A region of much density, apart from the others by a barrier of more than 3 kT.
struct ExploredMode {
  double mass = 0.0, mass_error = 0.0;  ///< share of the target's integral
  std::vector<double> mean, deviation;  ///< of each column, in the target's units
};

/// What was found. All of it is silent about modes that no particle came near: one much narrower
/// than the region around it can be lost.
struct Exploration {
  std::int64_t features = 0;
  /// Equally weighted samples of the target, rows x features row-major, in its units; rows may
  /// repeat.
  std::vector<double> x;
  std::vector<double> log_target;  ///< unnormalised log density of each row
  /// Of each row, which normal of the mixture that was fitted to them it is nearest to.
  std::vector<std::int64_t> component;
  double log_integral = 0.0;        ///< log of the integral of exp(-energy)
  double log_integral_error = 0.0;  ///< one standard error
  /// Whether a mixture fitted to the first particles was right by its own weights. Where it was
  /// not, thin parts of the density fill up from below, and the error is at least 0.05.
  bool confirmed = false;
  std::string method;            ///< what the integral rests on, in words
  double effective_share = 0.0;  ///< of importance weights of the fitted mixture
  /// Share of that mixture's draws that have an infinite energy: more than a few tell of walls.
  double infinite_share = 0.0;
  double pareto_k = 0.0;            ///< of these weights
  std::vector<ExploredMode> modes;  ///< the heaviest first; at least one
  /// Why the log integral may be wrong, a sentence each, until a flow's weights confirm it.
  std::vector<std::string> doubts;
  /// Where the density falls too slowly to have an integral, a sentence that is the first of the
  /// warnings; empty: nothing tells of it. No error of what was found is valid then.
  std::string endless;
  std::vector<std::string> warnings;  ///< why not to trust it, a sentence each; empty if sound
  std::int64_t evaluations = 0;       ///< of the energy that were made
  double seconds = 0.0;
};

/// Whether a row of an exploration's samples is for judging alone: every tenth block of 32.
inline bool is_held_out(std::size_t row) { return row / 32 % 10 == 9; }

/// The least error of a log integral whose exploration is not `confirmed`.
inline constexpr double kUnconfirmedError = 0.05;

/// How an exploration tells of its progress and asks whether to go on; both may be empty. They are
/// called by the caller's thread.
struct ExplorationCallbacks {
  /// Share done, from 0 to 1, a guess, and what is being done, in words.
  std::function<void(double share, const std::string& phase)> progress = {};
  std::function<bool()> interrupted = {};
};

/// Explores `target` within the bounds and circles of `columns` (one for each feature, or none).
/// Equal seeds give equal results, whatever the number of threads. None if it was interrupted.
/// Throws NumericalError where the energy is finite nowhere, ConfigError for options out of range.
std::optional<Exploration> explore(const std::shared_ptr<const Target>& target,
                                   std::span<const ColumnOptions> columns,
                                   const ExplorationOptions& options, std::uint64_t seed,
                                   ThreadPool& pool, const ExplorationCallbacks& callbacks = {});

}  // namespace thalweg
