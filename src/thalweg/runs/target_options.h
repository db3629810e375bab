// Which energy or density a run learns, and how it is made.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/engine/primitives.h"
#include "thalweg/flows/model_options.h"
#include "thalweg/targets/image_density.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// A target by one of five ways; all empty: a run learns from points alone.
struct TargetOptions {
  std::string name;                  ///< built-in, drawn from as long as training lasts
  std::int64_t samples = 0;          ///< of it: so many, again and again; 0: always new ones
  std::string energy;                ///< or an expression, see make_expression_target
  std::string energy_library;        ///< or a C function, see load_energy_library
  std::int64_t energy_features = 0;  ///< numbers of a point of energy_library; 0: it says so
  /// Or the name of a function of the program that trains, which is `function`, of points of
  /// energy_features numbers.
  std::string energy_function;
  std::shared_ptr<const OutsideFunction> function = {};
  std::vector<std::string> variables;    ///< columns of the energy; empty: x, y, z or x0, x1, ...
  std::vector<std::string> constants;    ///< of an expression, see read_constants
  std::string constants_file;            ///< more of them
  std::int64_t particles = 0;            ///< of a target of particles, their number; 0: its own
  std::int64_t particle_dimensions = 0;  ///< of space; 0: the target's own
  double temperature = 1.0;              ///< of particles
  /// Logarithm of its integral and the error of that, where they are known from a calculation;
  /// an error of 0: not known.
  double log_integral = 0.0, log_integral_error = 0.0;
  double half_width = 0.0;  ///< of a box around 0 that holds the energy's mass; 0: not known
  std::string image;        ///< or a picture, see make_image_target
  /// Or a force field, of molecules: an OpenMM System or an AMBER topology, see read_named_system.
  std::string system;
  std::string solvent = "none";       ///< of an AMBER topology
  double system_temperature = 300.0;  ///< K
  ImageOptions image_density;

  /// The file that the target is made from: library, picture, system or constants; empty for
  /// others.
  const std::string& file() const {
    return !energy_library.empty() ? energy_library
           : !image.empty()        ? image
           : !system.empty()       ? system
                                   : constants_file;
  }
};

/// Whether the options name a target, of any kind.
bool has_target(const TargetOptions& options);

/// Whether the built-in target of this name is one of particles. Throws ConfigError for names that
/// are not there.
bool is_particle_target(const std::string& name);

/// The target that the options name. Throws ConfigError unless they name exactly one, and what
/// making it throws.
std::shared_ptr<const Target> make_target(const TargetOptions& options);

/// `target` as a model learns it: one of a molecule's positions by its internal coordinates; one of
/// particles without the last of them, unless the model's base is of particles whose centre of mass
/// is 0.
std::shared_ptr<const Target> target_for_model(std::shared_ptr<const Target> target,
                                               const ModelOptions& model);

}  // namespace thalweg
