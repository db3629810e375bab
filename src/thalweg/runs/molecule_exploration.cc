#include "thalweg/runs/molecule_exploration.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "thalweg/core/error.h"
#include "thalweg/runs/molecule_data.h"
#include "thalweg/runs/simulation_files.h"

namespace thalweg {

namespace {

/// Whether it is of these files.
bool is_same_molecule(const SimulationRequest& there, const SimulationRequest& wanted) {
  return there.system == wanted.system &&
         there.topology == std::filesystem::absolute(wanted.topology).lexically_normal();
}

/// Whether the folder's simulation is this one on its way, which done anew would be the same.
bool is_interrupted(const std::string& path, const SimulationRequest& wanted) {
  try {
    const SimulationState state = read_simulation_state(path);
    const SimulationRequest& there = state.request;
    return state.step < there.equilibration + there.steps && there.solvent == wanted.solvent &&
           there.temperatures == wanted.temperatures && there.steps == wanted.steps &&
           there.seed == wanted.seed && state.inputs == hash_of_inputs(wanted) &&
           is_same_molecule(there, wanted);
  } catch (const DataError&) {
    return false;  // and is replaced
  }
}

}  // namespace

bool wants_positions(const RunRequest& request) {
  if (request.resume) return false;
  const SettingsLayers layers = read_layers(request);
  return !layers.asked.target.system.empty() && layers.asked.data.path.empty();
}

bool give_positions(RunRequest& request, ThreadPool& pool, const SimulationCallbacks& callbacks) {
  constexpr std::int64_t kReplicas = 16, kFrames = 1000, kEvaluations = 12800000;
  constexpr std::int64_t kApart = 200, kMostFrames = 10000;  // steps, and frames of each replica
  constexpr double kRatio = 1.3;                             // of neighbouring temperatures
  constexpr std::int64_t kTemperatures = 4;
  const SettingsLayers layers = read_layers(request);
  const RunOptions& asked = layers.asked;
  check_anchors(asked.molecule);
  if (asked.molecule.topology.empty())
    fail<ConfigError>(
        "a molecule is learnt from its positions: give --data TRAJECTORY, or with --topology PDB a "
        "place to start a simulation from");
  const std::int64_t evaluations = layers.keys.contains("exploration.evaluations")
                                       ? asked.exploration.evaluations
                                       : kEvaluations;
  SimulationRequest simulation;
  simulation.system = asked.target.system;
  simulation.solvent = asked.target.solvent;
  simulation.positions = simulation.topology = asked.molecule.topology;
  simulation.out = layers.out + "-md";
  simulation.replicas = kReplicas;
  simulation.minimise = true;
  simulation.seed = static_cast<std::uint64_t>(asked.training.seed);
  simulation.force = request.force;
  simulation.temperatures.clear();
  for (std::int64_t i = 0; i < kTemperatures; ++i)
    simulation.temperatures.push_back(asked.target.system_temperature *
                                      std::pow(kRatio, static_cast<double>(i)));
  simulation.steps = std::max<std::int64_t>(evaluations / (kReplicas * kTemperatures), 20);
  // A longer simulation gives more frames where they are as far apart as those of the usual one.
  const std::int64_t apart = std::max(kApart, simulation.steps / kMostFrames);
  simulation.frame_every = std::clamp<std::int64_t>(simulation.steps / kFrames, 1, apart);
  const SimulationPaths paths{simulation.out};
  if (std::filesystem::exists(paths.state()) &&
      (!request.force || is_interrupted(paths.state(), simulation))) {
    const SimulationState state = read_simulation_state(paths.state());
    const SimulationRequest& there = state.request;
    if (!is_same_molecule(there, simulation) || there.solvent != simulation.solvent ||
        there.temperatures != simulation.temperatures)
      fail<ConfigError>(
          "{}: holds a simulation of another system, from other positions or at another "
          "temperature; --force replaces it and the run, --out names another",
          simulation.out);
    if (!state.inputs.empty() && state.inputs != hash_of_inputs(simulation))
      fail<ConfigError>(
          "{}: holds a simulation that began from other contents of {} or {} than these files have "
          "now; --force replaces it and the run, --out names another",
          simulation.out, simulation.system, simulation.topology);
    if (simulation.steps > there.steps &&
        there.frame_every < std::min(kApart, simulation.frame_every))
      fail<ConfigError>(
          "{}: holds a short simulation with a frame each {} steps, and one of "
          "exploration.evaluations = {} has one each {}: --force replaces it and the run, --out "
          "names another",
          simulation.out, there.frame_every, evaluations, simulation.frame_every);
    if (there.seed != simulation.seed && callbacks.warning)
      callbacks.warning(fmt::format(
          "{} was simulated with seed {}, not {}; --force simulates anew, and replaces the run",
          simulation.out, there.seed, simulation.seed));
    SimulationRequest further;
    further.out = simulation.out;
    further.resume = true;
    // More evaluations than it has made are made.
    if (simulation.steps > there.steps) further.resume_steps = simulation.steps;
    simulation = std::move(further);
  }
  if (callbacks.note)
    callbacks.note(
        fmt::format("no --data: positions come from replica exchange at {} temperatures, in {}",
                    kTemperatures, simulation.out));
  const SimulationReport report = simulate(simulation, pool, callbacks);
  if (!report.complete) return false;
  if (callbacks.note) callbacks.note(report.text);
  if (callbacks.warning)
    for (const std::string& warning : report.warnings) callbacks.warning(warning);
  request.out = layers.out;  // which the name of the data would change
  request.settings.push_back({"data.path", paths.trajectory("npy")});
  request.settings.push_back({"exploration.evaluations", std::int64_t{0}});
  if (!layers.keys.contains("training.objective"))
    request.settings.push_back({"training.objective", std::string("force_matching")});
  return true;
}

}  // namespace thalweg
