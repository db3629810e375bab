// Molecular dynamics from files to files.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"

namespace thalweg {

/// What is to be simulated and where it goes: atoms of a system, or, without one, points of mass 1
/// whose temperatures are energies, in whatever units an energy has.
struct SimulationRequest {
  std::string system;            ///< an OpenMM System (.xml) or an AMBER topology (.prmtop, .parm7)
  std::string solvent = "none";  ///< of AMBER topologies: none, obc1 or obc2
  /// .pdb, .npy, .dcd, .nc or .ncrst, walkers take the frames in turn; of points a table as
  /// load_table reads, or empty: drawn from the standard normal.
  std::string positions;
  std::string topology;  ///< a PDB with names of atoms; empty: the positions', if a PDB
  /// A run's folder: its model of the configurations at the first temperature moves the atoms in
  /// place of the system's forces, or the points, by -kT log q(x).
  std::string flow;
  /// Or an energy, of all coordinates of the atoms in kJ/mol and nm, or of the points: an
  /// expression with its constants (as read_constants takes them, a comma between), a shared
  /// library (see load_energy_library), or a built-in target.
  std::string energy, constants, energy_library, target;
  std::string out;  ///< folder to write
  /// K; several: replica exchange; empty: 300, of a flow of SYSTEM that which it was learnt at, or
  /// 1 of points
  std::vector<double> temperatures = {};
  std::string ensemble = "nvt";     ///< or "nve"
  std::int64_t steps = 100000;      ///< after equilibration
  std::int64_t equilibration = -1;  ///< steps before; below 0: a tenth of `steps`
  std::int64_t replicas = 1;
  double time_step = -1.0;  ///< fs, or the points' own unit; below 0: 1 fs, or 0.01
  double friction = 1.0;    ///< 1/ps, or 1 over the points' unit of time
  std::int64_t frame_every = 1000, exchange_every = 200;  ///< steps
  std::string format = "npy";                             ///< of the trajectory: npy, dcd or nc
  bool minimise = false;
  std::uint64_t seed = 1;
  bool force = false;   ///< replace what is in `out`
  bool resume = false;  ///< go on with the simulation in `out`; its settings count but `steps`
  std::optional<std::int64_t> resume_steps = std::nullopt;  ///< the new number of `steps`
};

/// How far it is.
struct SimulationProgress {
  std::int64_t step = 0, steps = 0;  ///< equilibration included
  double steps_per_second = 0.0;     ///< of all walkers at once
  double mean_energy = 0.0;          ///< at the first temperature
  std::string unit = {};             ///< of it, "kJ/mol" or none
};

struct SimulationCallbacks {
  std::function<void(const SimulationProgress&)> progress = {};  ///< by the caller's thread
  std::function<void(const std::string&)> note = {};  ///< lines for people before it starts
  /// Of a simulation that is a part of other work: what should not go unseen.
  std::function<void(const std::string&)> warning = {};
  std::function<bool()> interrupted = {};
};

/// What became of it, for people.
struct SimulationReport {
  bool complete = true;  ///< else it was interrupted, and all is saved
  std::int64_t step = 0;
  std::string format = {};  ///< of the trajectory: npy, dcd or nc
  std::string text = {};
  std::vector<std::string> warnings = {};
};

/// Simulates and leaves in `out`: trajectory.npy, .dcd or .nc (frame by frame all replicas of the
/// first temperature, atoms centred, in single precision), energies.npy (frames x walkers x 3:
/// potential, kinetic, virial, walkers of the first temperature first), state.safetensors (from
/// which the same request with `resume` goes on to the same bits), summary.json, report.html with
/// plots/, and with names of atoms last.pdb. Interrupted, it saves and says so. Throws ConfigError
/// for settings out of range and a folder that is in use; DataError for files, atoms that do not
/// belong together; NumericalError for energies that are not finite, at the start or on the way.
SimulationReport simulate(const SimulationRequest& request, ThreadPool& pool,
                          const SimulationCallbacks& callbacks = {});

}  // namespace thalweg
