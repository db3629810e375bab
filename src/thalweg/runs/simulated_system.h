// What a simulation moves, atoms or points, and by which potential.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/molecules/named_system.h"
#include "thalweg/molecules/potential.h"
#include "thalweg/runs/simulation.h"

namespace thalweg {

/// A system, empty for points, and what moves it: its force field, a model of its configurations,
/// or an energy.
struct SimulatedSystem : NamedSystem {
  std::shared_ptr<const Potential> potential = {};
  std::vector<double> masses = {};        ///< of each coordinate
  std::vector<std::string> columns = {};  ///< names of the coordinates of points
  std::int64_t invariant = 0;  ///< directions of space along which the energy knows no place
};

/// Reads the files of a request. Throws ConfigError unless one thing is to move what there is, and
/// for targets of angles; DataError for a model or an energy of other coordinates; and as
/// read_named_system, molecule_potential, model_potential, load_run and make_target.
SimulatedSystem read_simulated_system(const SimulationRequest& request);

/// The directions along which all may be moved together, of atoms 3 or, if the energy at `row`
/// shows that it depends on where they are, 0.
std::int64_t invariant_directions(const SimulatedSystem& simulated, std::span<const double> row);

/// Rows of coordinates to start from, at most `most`. Throws DataError for a file that does not
/// fit, where two atoms are all but at one place or bonds are several times too long;
/// NumericalError where an energy is not finite.
std::vector<double> starting_rows(const SimulationRequest& request,
                                  const SimulatedSystem& simulated, std::int64_t most,
                                  ThreadPool& pool);

}  // namespace thalweg
