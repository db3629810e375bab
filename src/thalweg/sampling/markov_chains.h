// Many Markov chains at once in the latent space of a flow.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/sampling/chain_kernels.h"
#include "thalweg/sampling/latent_density.h"
#include "thalweg/sampling/step_size_search.h"

namespace thalweg {

/// A kernel and the probability, up to a common factor, with which a chain takes it for a step.
struct WeightedKernel {
  std::shared_ptr<const ChainKernel> kernel;
  double weight = 1.0;
};

struct ChainOptions {
  std::int64_t chains = 1000;
  std::int64_t burn_in = 500;  ///< steps before the first kept draw
  std::int64_t thinning = 1;   ///< steps from one kept draw to the next
  /// Of every kernel that has one. 0: found during burn-in such that each kernel accepts as often
  /// as suits it, by dual averaging over the mean of all chains (Hoffman and Gelman 2014), and
  /// fixed from then on.
  double step_size = 0.0;
  std::uint64_t seed = 1;
};

/// What became of one kernel's proposals, all chains together, after burn-in.
struct KernelStatistics {
  std::string kernel;
  double step_size = 0.0;  ///< 0 for a kernel without one
  std::int64_t proposals = 0, accepted = 0;
  std::int64_t non_finite = 0;  ///< proposals without a finite density, which are refused
  double acceptance() const {
    return proposals > 0 ? static_cast<double>(accepted) / static_cast<double>(proposals) : 0.0;
  }
};

/// All that a later step depends on: with it chains go on as if they had never stopped. Arrays are
/// chains x width, row-major.
struct ChainState {
  std::int64_t steps = 0;
  std::vector<double> z, y, scalars, gradient, score, jacobian;
  std::vector<StepSizeSearch> searches;      ///< one a kernel
  std::vector<KernelStatistics> statistics;  ///< one a kernel
};

/// Runs chains in double. Chain c draws its random numbers by (seed, step, c) alone: the same seed
/// gives the same bits for any number of threads. Memory does not grow with the steps. One caller
/// at a time.
class MarkovChains {
 public:
  /// Each chain draws one of the kernels for each step, whatever its place: so their mixture leaves
  /// the target invariant if each kernel does. The density's model and the pool must outlive it.
  /// Throws ConfigError for options out of range, and for a kernel that does not serve the
  /// density's target: only kernels with equal targets are mixed.
  MarkovChains(LatentDensity density, std::vector<WeightedKernel> kernels,
               const ChainOptions& options, ThreadPool& pool);
  ~MarkovChains();
  MarkovChains(const MarkovChains&) = delete;
  MarkovChains& operator=(const MarkovChains&) = delete;

  /// Starts each chain at a draw from the base. `context` holds a row for each chain, in the units
  /// of the data, if the model has one. Throws ShapeError, and NumericalError if no draw with a
  /// finite density is found.
  void start(std::span<const double> context = {});
  /// Starts chains at given latent points, chains x features. Throws as start().
  void start_at(std::span<const double> z, std::span<const double> context = {});
  /// Goes on from a state() of chains of the same options. Throws ShapeError for another one's.
  void restore(ChainState state, std::span<const double> context = {});

  /// One step of every chain. Gives whether the chains now are a draw to keep: after burn-in every
  /// `thinning` steps. Throws NumericalError if the chains have not been started.
  bool step();
  /// Where the chains are now: x in the units of the data, chains x features.
  std::vector<double> data() const;

  /// Chains that are where the flow's map from z missed x, or where its log-determinant counts
  /// that, by the estimate of an integration; asks the flow once more.
  std::int64_t unsolved() const;

  const ChainState& state() const;
  const ChainOptions& options() const;
  const std::vector<KernelStatistics>& statistics() const { return state().statistics; }

 private:
  struct Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace thalweg
