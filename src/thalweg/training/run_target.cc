#include "thalweg/training/run_target.h"

#include "thalweg/core/error.h"
#include "thalweg/targets/expression.h"

namespace thalweg {

bool has_target(const DataOptions& options) { return !(options.target + options.energy).empty(); }

std::shared_ptr<const Target> make_target(const DataOptions& options) {
  if (!options.target.empty() && !options.energy.empty())
    fail<ConfigError>("data.target and energy exclude each other: got '{}' and '{}'",
                      options.target, options.energy);
  if (!options.energy.empty())
    return make_expression_target(options.energy, options.variables, options.half_width);
  return make_target(std::string_view(options.target));
}

void choose_for_energy(RunOptions& options, std::int64_t features) {
  FlowOptions& flow = options.model.flow;
  BaseOptions& base = options.model.base;
  TrainingOptions& training = options.training;
  flow.kind = features == 1 ? "elementwise_spline" : "real_nvp";
  flow.blocks = features == 1 ? 3 : 8;
  flow.bins = 16;
  flow.hidden = {64, 64};
  if (features <= 16) {
    base.kind = "resampled";
    base.hidden = {64, 64};
  }
  training.objective = "reverse_kl";
  training.precision = "double";
  training.iterations = 6000;
  training.batch_size = 512;
  training.schedule = "cosine";
  training.warm_up = 200;
  training.final_factor = 0.01;
  training.clip_norm = 10.0;
}

}  // namespace thalweg
