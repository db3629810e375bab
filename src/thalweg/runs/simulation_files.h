// What a simulation keeps on the disk.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/io/folder_lock.h"
#include "thalweg/molecules/molecular_system.h"
#include "thalweg/runs/simulation.h"
#include "thalweg/sampling/molecular_dynamics.h"

namespace thalweg {

/// The units of a simulation's numbers; empty names for those of points.
struct SimulationUnits {
  std::string temperature = "K", energy = "kJ/mol", time = "ps";
  double boltzmann = kBoltzmann;  ///< energy a unit of temperature
  double time_step = 0.001;       ///< of a request's time_step = 1
};
SimulationUnits units_of(const SimulationRequest& request);

/// What an energy does not depend on: in how many directions of a space of so many dimensions all
/// particles may be moved together.
struct FreeDirections {
  std::int64_t dimensions = 3, free = 3;
  bool all() const { return free > 0 && free == dimensions; }
};

/// A simulation as it stands in its folder: what to go on from.
struct SimulationState {
  SimulationRequest request;
  std::int64_t step = 0, frames = 0;
  double seconds = 0.0;  ///< spent so far
  std::vector<double> positions, velocities, energies;
  std::vector<double> masses = {};  ///< of the coordinates; empty: of a state that does not say
  std::string inputs = {};          ///< hash_of_inputs() at its start; empty: it does not say
  std::vector<ExchangeCounts> exchanges;
  FreeDirections directions = {};
};

/// Paths in the folder of a simulation.
struct SimulationPaths {
  std::string folder;
  std::string state() const { return folder + "/state.safetensors"; }
  std::string energies() const { return folder + "/energies.npy"; }
  std::string trajectory(const std::string& format) const {
    return folder + "/trajectory." + format;
  }
  std::string last() const { return folder + "/last.pdb"; }
  std::string summary() const { return folder + "/summary.json"; }
};

/// Of what is in the files of system and positions. Throws DataError.
std::string hash_of_inputs(const SimulationRequest& request);

/// Writes the state atomically. Throws DataError.
void write_simulation_state(const std::string& path, const SimulationState& state);
/// Throws DataError for a file that is no such state.
SimulationState read_simulation_state(const std::string& path);

/// Makes the folder, or clears it of what simulate() wrote if `force`, and holds it. Throws
/// ConfigError for one that is in use, or holds something else, or one of the files `inputs` among
/// what would go; DataError where it cannot be made or cleared.
std::unique_ptr<const FolderLock> prepare_simulation_folder(
    const std::string& folder, bool force, std::initializer_list<std::string> inputs);
/// Holds the folder of a simulation that goes on. Throws ConfigError where another process has it.
std::unique_ptr<const FolderLock> hold_simulation_folder(const std::string& folder);

}  // namespace thalweg
