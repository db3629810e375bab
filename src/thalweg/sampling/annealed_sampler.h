// Annealed importance sampling from a flow's draws to a target.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/flows/model.h"
#include "thalweg/targets/target.h"

namespace thalweg {

struct AnnealingOptions {
  /// Densities from the flow's, which is not counted, to the target's: 1 is importance sampling.
  std::int64_t levels = 8;
  std::int64_t leapfrog_steps = 8;  ///< of the Hamiltonian move at each level but the last
  /// Of a column whose slopes of the flow's log density have a root mean square of 1. 0: found for
  /// each level with 256 draws of their own, of which those that have weight accept four fifths of
  /// their moves; that takes 139 520 evaluations with 8 levels of 8 steps, whatever the count.
  double step_size = 0.0;
  std::uint64_t seed = 1;
  Precision precision = Precision::kDouble;
};

/// What became of the moves at one level.
struct AnnealingLevel {
  double power = 0.0;  ///< the density is q^(1 - power) p^power, up to a factor
  double step_size = 0.0;
  std::int64_t moves = 0, accepted = 0;  ///< of draws with a finite density
  double acceptance() const {
    return moves > 0 ? static_cast<double>(accepted) / static_cast<double>(moves) : 0.0;
  }
};

/// Draws x_0 of a flow's density q, and moves it by Hamiltonian moves (Neal 2011) that leave
/// pi_k ~ q^(1 - k/n) p^(k/n) invariant for k = 1, ..., n - 1 in turn, p being the target's density
/// without its factor. The weight of the last place x_{n-1},
///
///   log w = 1/n sum over k from 0 to n - 1 of (log p - log q)(x_k),
///
/// is exact whatever the moves do: weighted means are those of p, and the mean of w is the integral
/// of p (Neal 2001, eqs. 5 to 11). The closer the levels, the more alike are the weights. Moves are
/// in the columns as the model's layers know them, each scaled by the root mean square of the
/// slopes of log q, or by how far its draws are apart where that is less, those of particles all by
/// one number. Places whose density is not finite, or which an integration misses, are not moved
/// to, nor from. The target is evaluated in double. One caller at a time.
class AnnealedSampler {
 public:
  /// `model` and `pool` must outlive it. Throws ConfigError for options out of range, a target of
  /// another number of features, and models with a condition, random layers or slopes that are
  /// estimates.
  AnnealedSampler(const Model& model, std::shared_ptr<const Target> target,
                  const AnnealingOptions& options, ThreadPool& pool);
  ~AnnealedSampler();

  /// The next `count` samples, count x features in the units of the data, and their log weights,
  /// -inf where the flow's draw has no energy that is a number, or no density. The same seed gives
  /// the same samples whatever the block sizes and threads. Memory is proportional to `count`.
  std::vector<double> next(std::int64_t count, std::vector<double>& log_weights);

  const std::vector<AnnealingLevel>& levels() const;
  std::int64_t evaluations()
      const;                       ///< of the target and of the flow, those of the search with them
  std::int64_t undefined() const;  ///< draws of the flow whose energy is no number
  std::int64_t non_finite() const;  ///< samples with a value that is not finite
  std::int64_t unsolved() const;    ///< draws of the flow that an integration missed

 private:
  struct Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace thalweg
