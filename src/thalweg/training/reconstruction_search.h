// The weight of the reconstruction error of a free-form flow, found by short trainings.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/flows/model.h"
#include "thalweg/training/batch_source.h"
#include "thalweg/training/training_options.h"

namespace thalweg {

/// One weight, and what a short training with it came to.
struct ReconstructionTrial {
  double weight = 0.0;
  double loss = 0.0;          ///< mean negative log likelihood in nats, exact, at its end
  double solved_share = 0.0;  ///< of the rows it was taken on
  bool stable = false;
};

struct ReconstructionSearch {
  double weight = 0.0;  ///< the one to train with
  std::vector<ReconstructionTrial> trials;
};

/// Draxler, Sorrenson et al. 2024, section 8.4: from `training.reconstruction_weight` on, the
/// weight is raised by factors of 10 until a training of `steps` steps is stable, or lowered as
/// long as it stays so, between 1e-2 and 1e6; of the stable ones the one of the least loss is
/// taken, and of those within 0.02 nats of it the largest, whose densities are the more faithful. A
/// training is stable if no step was skipped, the loss on 512 samples of the data never rose by
/// more than half of what it had fallen plus 0.5 nats between five looks, and z was found for 95 %
/// of them. Without a stable one the largest weight is taken.
///
/// `make` gives a fresh model each time. Throws as Trainer. Both callbacks, asked before each step,
/// may be empty: `interrupted` ends the search with a weight of 0, `out_of_time` with what the
/// trainings before tell, or the weight that it began with where none has ended.
ReconstructionSearch search_reconstruction_weight(
    const std::function<std::unique_ptr<Model>()>& make, const TrainingData& data,
    const TrainingOptions& training, std::int64_t steps, ThreadPool& pool,
    const std::function<bool()>& interrupted = {}, const std::function<bool()>& out_of_time = {});

}  // namespace thalweg
