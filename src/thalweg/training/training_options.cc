#include "thalweg/training/training_options.h"

#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {

void check_options(const TrainingOptions& options) {
  const auto at_least = [](const char* key, auto value, auto lowest) {
    if (!(value >= lowest))
      fail<ConfigError>("training.{}: expected at least {}, got {}", key, lowest, value);
  };
  at_least("iterations", options.iterations, 0);
  at_least("batch_size", options.batch_size, 1);
  at_least("clip_norm", options.clip_norm, 0.0);
  at_least("validation_interval", options.validation_interval, 1);
  at_least("patience", options.patience, 0);
  at_least("checkpoint_interval", options.checkpoint_interval, 0);
  at_least("max_bad_steps", options.max_bad_steps, 0);
  at_least("time_budget", options.time_budget, 0.0);
  if (!(options.learning_rate > 0.0 && std::isfinite(options.learning_rate)))
    fail<ConfigError>("training.learning_rate: expected a positive number, got {}",
                      options.learning_rate);
  if (!(options.weight_average >= 0.0 && options.weight_average < 1.0))
    fail<ConfigError>("training.weight_average: expected a number in [0, 1), got {}",
                      options.weight_average);
  if (options.precision != "float" && options.precision != "double")
    fail<ConfigError>("training.precision: expected float or double, got '{}'", options.precision);
}

OptimizerOptions optimizer_options(const TrainingOptions& options) {
  return {options.optimizer, options.weight_decay, options.beta1, options.beta2, options.epsilon};
}

ScheduleOptions schedule_options(const TrainingOptions& options) {
  return {options.schedule,    options.warm_up,    options.decay_factor,
          options.decay_every, options.milestones, options.final_factor};
}

ObjectiveOptions objective_options(const TrainingOptions& options, bool forces_of_data) {
  return {.kind = options.objective,
          .likelihood_weight = options.likelihood_weight,
          .likelihood_steps = options.likelihood_steps,
          .annealing_start = options.annealing_start,
          .annealing_steps = options.annealing_steps,
          .reconstruction_weight = options.reconstruction_weight,
          .probes = options.probes,
          .reconstruction_start = options.reconstruction_start,
          .reconstruction_steps = options.reconstruction_steps,
          .noise = options.noise,
          .pairing = options.pairing,
          .force_weight = options.force_weight,
          .energy_weight = options.energy_weight,
          .forces_of_data = forces_of_data,
          .rejection_weight = options.rejection_weight};
}

}  // namespace thalweg
