// Exact samples of a base with a rejection step.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thalweg/bases/base.h"
#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/row_map.h"

namespace thalweg {

/// The proposals of a seed, numbered 0, 1, 2, ... and looked at in this order, as one rejection
/// sampler would: a sample is the first accepted proposal after the last sample. So blocks can be
/// of any size, and no lane idles after a rejection.
struct ProposalQueue {
  std::uint64_t seed = 0;
  std::span<const double> context = {};  ///< of every proposal
  double expected_rate = 1.0;  ///< share of proposals that is thought to be accepted, in (0, 1]
  std::uint64_t proposals = 0, accepted = 0, truncated = 0;  ///< so far
  std::int64_t rejected_in_a_row = 0;
  std::vector<double> waiting = {};  ///< accepted ones that were not handed out yet
};

/// Draws from one base. One caller at a time.
class RejectionSampler {
 public:
  /// `base` has a rejection step; it, its parameters and the pool must outlive the sampler.
  RejectionSampler(const Base& base, const ParameterStore& parameters, ThreadPool& pool,
                   Precision precision);

  /// The next `count` samples of a queue, count x features; `parameters` in place of the store's,
  /// if there are any. Every sample is accepted by chance, or as the last one that the truncation
  /// allows. Throws NumericalError if next to nothing is accepted.
  std::vector<double> next(ProposalQueue& queue, std::int64_t count,
                           std::span<const double> parameters = {});

 private:
  void propose(ProposalQueue& queue, std::int64_t count, std::span<const double> parameters);
  const Base& base_;
  RowMap proposals_;
};

}  // namespace thalweg
