#include "thalweg/runs/target_options.h"

#include <filesystem>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/flows/model.h"
#include "thalweg/io/image_file.h"
#include "thalweg/io/table.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/molecules/named_system.h"
#include "thalweg/runs/energy_constants.h"
#include "thalweg/runs/molecular_target.h"
#include "thalweg/runs/plan.h"
#include "thalweg/targets/energy_library.h"
#include "thalweg/targets/expression.h"
#include "thalweg/targets/outside_energy.h"
#include "thalweg/targets/particles.h"

namespace thalweg {

namespace {

std::shared_ptr<const Target> make_function_target(const TargetOptions& options) {
  if (!options.function)
    fail<DataError>(
        "energy_function: the energy of this run is '{}', a function of the program that trained "
        "it; give it that function again, in Python by thalweg.load(path, energy={}), or sample "
        "and evaluate log densities alone",
        options.energy_function, options.energy_function);
  std::vector<std::string> columns = options.variables;
  if (columns.empty()) columns = default_names(options.energy_features);
  if (columns.empty())
    fail<ConfigError>(
        "energy_function: expected energy_features, the numbers of a point, or variables, their "
        "names");
  if (options.energy_features != 0 && options.energy_features != std::ssize(columns))
    fail<ConfigError>(
        "energy_function: how many numbers has a point? energy_features says {}, variables {}",
        options.energy_features, columns.size());
  return make_outside_target(options.function, std::move(columns), options.half_width);
}

}  // namespace

bool has_target(const TargetOptions& options) {
  return !(options.name + options.image + options.energy + options.energy_library +
           options.energy_function + options.system)
              .empty();
}

bool is_particle_target(const std::string& name) {
  return target_kinds().find("data.target", name).make_particles != nullptr;
}

std::shared_ptr<const Target> make_target(const TargetOptions& options) {
  const std::pair<const char*, const std::string*> given[] = {
      {"data.target", &options.name},
      {"data.image", &options.image},
      {"energy", &options.energy},
      {"energy_library", &options.energy_library},
      {"energy_function", &options.energy_function},
      {"molecule.system", &options.system}};
  for (const auto& first : given)
    for (const auto& second : given)
      if (&first < &second && !first.second->empty() && !second.second->empty())
        fail<ConfigError>("{} and {} exclude each other: got '{}' and '{}'", first.first,
                          second.first, *first.second, *second.second);
  if (options.energy.empty() && !(options.constants.empty() && options.constants_file.empty()))
    fail<ConfigError>("constants: are of an energy that is an expression: give --energy");
  if (!options.energy_library.empty())
    return load_energy_library(options.energy_library, options.energy_features, options.variables,
                               options.half_width);
  if (!options.system.empty())
    return make_molecular_target(
        std::make_shared<ForceField>(read_named_system(options.system, options.solvent, "").system),
        options.system_temperature);
  if (!options.energy_function.empty()) return make_function_target(options);
  if (!options.energy.empty())
    return make_expression_target(options.energy, options.variables, options.half_width,
                                  read_constants(options.constants, options.constants_file));
  if (!options.image.empty())
    return make_image_target(read_image(options.image), options.image_density,
                             std::filesystem::path(options.image).filename().string());
  TargetSettings settings{.particles = options.particles,
                          .dimensions = options.particle_dimensions,
                          .temperature = options.temperature};
  // As numbers of a file of settings, both are 0 where nothing is known.
  if (options.log_integral != 0.0 || options.log_integral_error > 0.0)
    settings.log_integral = options.log_integral;
  settings.log_integral_error = options.log_integral_error;
  return make_target(std::string_view(options.name), settings);
}

std::shared_ptr<const Target> target_for_model(std::shared_ptr<const Target> target,
                                               const ModelOptions& model) {
  if (auto coordinates = make_internal_coordinates(model.molecule))
    return in_internal_coordinates(std::move(target), std::move(coordinates), column_names(model));
  if (target->particle_dimensions() == 0 || is_mean_free(model)) return target;
  return without_last_particle(std::move(target));
}

}  // namespace thalweg
