// What a simulation moves, atoms or points, and by which potential.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/molecules/named_system.h"
#include "thalweg/molecules/potential.h"
#include "thalweg/runs/simulation.h"
#include "thalweg/runs/simulation_files.h"

namespace thalweg {

/// A system, empty for points, and what moves it: its force field, a model of its configurations,
/// or an energy.
struct SimulatedSystem : NamedSystem {
  std::shared_ptr<const Potential> potential = {};
  std::vector<double> masses = {};        ///< of each coordinate
  std::vector<std::string> columns = {};  ///< names of the coordinates of points
  std::optional<FreeDirections> directions =
      {};  ///< where they are known without a look at energies
  std::vector<std::string> warnings = {};
};

/// Reads the files of a request. Throws ConfigError unless one thing is to move what there is, and
/// for targets of angles; DataError for a model or an energy of other coordinates; and as
/// read_named_system, molecule_potential, model_potential, load_run and make_target.
SimulatedSystem read_simulated_system(const SimulationRequest& request);

/// The directions in which the energy knows no place, those that are known or else found at `row`:
/// moves of all particles by up to 1000 units of length change the energy by nothing but rounding.
/// Of points these are taken for particles in 3, 2 or 1 dimensions, the first in which all
/// directions are free.
FreeDirections free_directions(const SimulatedSystem& simulated, std::span<const double> row);

/// Rows of coordinates to start from, at most `most`. Throws DataError for a file that does not
/// fit, where two atoms are all but at one place or bonds are several times too long;
/// NumericalError where an energy is not finite.
std::vector<double> starting_rows(const SimulationRequest& request,
                                  const SimulatedSystem& simulated, std::int64_t most,
                                  ThreadPool& pool);

}  // namespace thalweg
