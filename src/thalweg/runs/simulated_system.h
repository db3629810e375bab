// What a simulation moves: atoms, their names, and their potential.
#pragma once

#include <memory>
#include <string>

#include "thalweg/core/thread_pool.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/molecules/named_system.h"
#include "thalweg/molecules/potential.h"
#include "thalweg/runs/simulation.h"

namespace thalweg {

/// A system and what moves it: its force field, or a model of its configurations.
struct SimulatedSystem : NamedSystem {
  std::shared_ptr<const Potential> potential = {};
};

/// Reads the files of a request. Throws as read_named_system, FlowPotential and load_run, and
/// DataError for a model of other atoms.
SimulatedSystem read_simulated_system(const SimulationRequest& request);

/// Throws DataError where two atoms of a frame are all but at one place or its bonds are several
/// times too long, NumericalError where an energy is not finite; `path` begins the message.
void check_start(const Frames& frames, const SimulatedSystem& simulated, const std::string& path,
                 ThreadPool& pool);

}  // namespace thalweg
