// How a model is trained.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/objectives/kinds.h"
#include "thalweg/training/optimizer.h"
#include "thalweg/training/schedule.h"

namespace thalweg {

/// How a model is trained. The trainer refuses values out of range with a ConfigError.
struct TrainingOptions {
  std::int64_t iterations = 10000;  ///< steps in all; at least 0
  /// Samples a step; at least 1. A table with no more rows is taken whole in each step.
  std::int64_t batch_size = 1024;
  std::string optimizer = "adam";     ///< adam, adamw or adamax
  double learning_rate = 1e-3;        ///< positive
  double weight_decay = 0.0;          ///< at least 0; see OptimizerOptions
  double beta1 = 0.9, beta2 = 0.999;  ///< in [0, 1)
  double epsilon = 1e-8;              ///< positive
  std::string schedule = "constant";  ///< constant, step, exponential, cosine, one_cycle
  std::int64_t warm_up = 0;           ///< this and the next four: see ScheduleOptions
  double decay_factor = 0.5;
  std::int64_t decay_every = 10000;
  std::vector<std::int64_t> milestones = {};
  double final_factor = 0.0;
  double clip_norm = 0.0;  ///< longer gradients are scaled down to this norm; 0: never
  /// Decay of an exponential average of all parameters and buffers, in [0, 1); 0: no average. The
  /// t-th step enters with 1 - min(decay, (t - 1) / (t + 8)), so that early values fade.
  double weight_average = 0.0;
  std::int64_t validation_interval = 500;   ///< steps between validations; at least 1
  std::int64_t validation_rows = 0;         ///< that a validation takes at most; 0: all
  std::int64_t patience = 0;                ///< stop after so many validations in a row without a
                                            ///< new best; 0: never
  std::int64_t checkpoint_interval = 1000;  ///< steps between calls for a checkpoint; 0: never
  std::string precision = "float";          ///< float or double
  std::int64_t seed = 1;
  std::int64_t max_bad_steps = 20;  ///< steps in a row that may be skipped since they are not
                                    ///< finite, see Trainer::step(); at least 0
  double time_budget = 0.0;         ///< seconds that one call of run() may take, to which schedule
                                    ///< and annealing are shortened; 0: no limit
  /// A name of objective_kinds(); this and the next thirteen: see ObjectiveOptions
  std::string objective = "maximum_likelihood";
  double likelihood_weight = 0.5;
  double force_weight = 0.001, energy_weight = 0.0;
  std::int64_t likelihood_steps = 0;
  double annealing_start = 0.01;
  std::int64_t annealing_steps = 0;
  double rejection_weight = 0.0;
  double reconstruction_weight = 100.0;
  std::int64_t probes = 1;
  double reconstruction_start = 0.0;
  std::int64_t reconstruction_steps = 0;
  double noise = 0.0;
  std::string pairing = "independent";
  /// The weight is found first, from that on: see search_reconstruction_weight(). By runs alone: a
  /// Trainer takes the weight as it is.
  bool reconstruction_search = false;
  bool initialise_from_data = true;  ///< lets ActNorm start from the first 4096 samples
};

/// Throws ConfigError for options out of range.
void check_options(const TrainingOptions& options);

/// The parts of the options that have owners of their own.
OptimizerOptions optimizer_options(const TrainingOptions& options);
ScheduleOptions schedule_options(const TrainingOptions& options);
/// `forces_of_data`: the points come with forces.
ObjectiveOptions objective_options(const TrainingOptions& options, bool forces_of_data);

}  // namespace thalweg
