// What a simulation moves: atoms, their names, and their potential.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/io/pdb_file.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/molecules/molecular_system.h"
#include "thalweg/molecules/potential.h"
#include "thalweg/runs/simulation.h"

namespace thalweg {

/// A system with what its atoms are called, if that is known, and what moves them: its force field
/// or a model of its configurations.
struct SimulatedSystem {
  MolecularSystem system;
  std::vector<AtomLabel> atoms;
  std::shared_ptr<const Potential> potential;
};

/// Reads the files of a request. Throws DataError for what is no system, names of another number of
/// atoms and a model of another number of coordinates; ConfigError for a model that has no forces.
SimulatedSystem read_simulated_system(const SimulationRequest& request);

/// Hydrogens and others that weigh what they should not are in another order.
std::vector<std::string> element_warnings(const SimulatedSystem& simulated);

/// Throws DataError where two atoms of a frame are all but at one place and where an energy changes
/// with a rigid motion, NumericalError where it is not finite; `path` begins the message.
void check_start(const Frames& frames, const Potential& potential, const std::string& path,
                 ThreadPool& pool);

}  // namespace thalweg
