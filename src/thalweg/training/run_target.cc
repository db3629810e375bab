#include "thalweg/training/run_target.h"

#include <filesystem>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/io/image_file.h"
#include "thalweg/targets/energy_library.h"
#include "thalweg/targets/expression.h"
#include "thalweg/targets/image_density.h"

namespace thalweg {

bool has_target(const DataOptions& options) {
  return !(options.target + options.image + options.energy + options.energy_library).empty();
}

bool needs_target(const RunOptions& options) {
  return options.training.objective == "mixed" || moves_by_target(options.model.stochastic);
}

std::shared_ptr<const Target> make_target(const DataOptions& options) {
  const std::pair<const char*, const std::string*> given[] = {
      {"data.target", &options.target},
      {"data.image", &options.image},
      {"energy", &options.energy},
      {"energy_library", &options.energy_library}};
  for (const auto& first : given)
    for (const auto& second : given)
      if (&first < &second && !first.second->empty() && !second.second->empty())
        fail<ConfigError>("{} and {} exclude each other: got '{}' and '{}'", first.first,
                          second.first, *first.second, *second.second);
  if (!options.energy_library.empty())
    return load_energy_library(options.energy_library, options.energy_features, options.variables,
                               options.half_width);
  if (!options.energy.empty())
    return make_expression_target(options.energy, options.variables, options.half_width);
  if (!options.image.empty())
    return make_image_target(read_image(options.image), options.image_density,
                             std::filesystem::path(options.image).filename().string());
  return make_target(std::string_view(options.target));
}

std::shared_ptr<const Target> target_of_model(const RunOptions& options) {
  return moves_by_target(options.model.stochastic) && has_target(options.data)
             ? make_target(options.data)
             : nullptr;
}

void choose_for_energy(RunOptions& options, std::int64_t features) {
  FlowOptions& flow = options.model.flow;
  BaseOptions& base = options.model.base;
  TrainingOptions& training = options.training;
  flow.kind = features == 1 ? "elementwise_spline" : "real_nvp";
  flow.blocks = features == 1 ? 3 : 8;
  flow.bins = 16;
  flow.hidden = {64, 64};
  const bool periodic = !options.data.periodic.empty();
  if (periodic) {  // What angles can pass through.
    if (features > 1) flow.kind = "spline";
    flow.permutation = "swap";
    flow.act_norm = false;
  }
  if (features <= 16 && !periodic && options.model.stochastic.kinds.empty()) {
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
