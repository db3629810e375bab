#include "thalweg/runs/simulation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/interrupts.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/io/pdb_file.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/molecules/backbone.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/runs/simulated_system.h"
#include "thalweg/runs/simulation_files.h"
#include "thalweg/runs/simulation_summary.h"
#include "thalweg/sampling/minimise.h"
#include "thalweg/sampling/molecular_dynamics.h"

namespace thalweg {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check_range(const char* option, std::int64_t value, std::int64_t least) {
  constexpr std::int64_t kMost = std::int64_t{1} << 42;
  if (value < least || value > kMost)
    fail<ConfigError>("{}: expected {} to {}, got {}", option, least, kMost, value);
}

void check_request(const SimulationRequest& request) {
  check_range("--steps", request.steps, 1);
  check_range("--frame-every", request.frame_every, 1);
  check_range("--exchange-every", request.exchange_every, 1);
  if (request.ensemble != "nvt" && request.ensemble != "nve")
    fail<ConfigError>("--ensemble: expected nvt or nve, got '{}'", request.ensemble);
  if (request.format != "npy" && request.format != "dcd" && request.format != "nc")
    fail<ConfigError>("--format: expected npy, dcd or nc, got '{}'", request.format);
  if (request.system.empty() && request.format != "npy")
    fail<ConfigError>("--format: expected npy for points, which are no atoms, got {}",
                      request.format);
  if (request.steps < request.frame_every)
    fail<ConfigError>(
        "--steps: expected at least --frame-every, which is {}, got {}: there would be no frame; "
        "make more steps, or give --frame-every {}",
        request.frame_every, request.steps, request.steps);
}

/// The simulation as it goes on.
class Simulation {
 public:
  Simulation(SimulationState state, const SimulatedSystem& simulated, ThreadPool& pool,
             const SimulationCallbacks& callbacks)
      : state_(std::move(state)),
        paths_{state_.request.out},
        simulated_(simulated),
        callbacks_(callbacks),
        units_(units_of(state_.request)),
        dynamics_(*simulated.potential, simulated.masses, dynamics_options(), pool),
        pool_(pool) {}

  void start() {
    const SimulationRequest& request = state_.request;
    std::vector<double> starts = starting_rows(request, simulated_, dynamics_.walkers(), pool_);
    const auto width = static_cast<std::size_t>(dynamics_.coordinates());
    const std::size_t used = starts.size() / width;
    // Of a simulation that explodes they say why.
    for (const auto& list : {element_warnings(simulated_), simulated_.warnings})
      for (const std::string& warning : list) note("warning: " + warning);
    if (request.minimise) {
      const bool of_atoms = !request.system.empty();
      MinimisationOptions options;
      // Points have no usual lengths and forces.
      if (!of_atoms)
        options = {.force = 1e-3 * request.temperatures[0],
                   .first_step = request.time_step,
                   .longest_move = 1.0};
      std::optional<InterruptScope> scope;
      if (callbacks_.interrupted) scope.emplace(callbacks_.interrupted);
      const MinimisationResult result = minimise(*simulated_.potential, starts, options, pool_);
      starts = result.rows;
      note(fmt::format(
          "minimised {} frame{} in at most {} steps: the first has {:.3f}{}{}", used,
          used == 1 ? "" : "s", result.steps, result.energies[0], of_atoms ? " kJ/mol" : "",
          result.unfinished > 0 ? fmt::format("; {} have forces above {:g}{}", result.unfinished,
                                              options.force, of_atoms ? " kJ/mol/nm" : "")
                                : ""));
    }
    std::vector<double> rows;
    for (std::int64_t walker = 0; walker < dynamics_.walkers(); ++walker) {
      const auto from = starts.begin() + static_cast<std::ptrdiff_t>(
                                             static_cast<std::size_t>(walker) % used * width);
      rows.insert(rows.end(), from, from + static_cast<std::ptrdiff_t>(width));
    }
    if (!request.system.empty()) state_.inputs = hash_of_inputs(request);
    state_.directions = free_directions(simulated_, std::span(rows).first(width));
    lock_ = prepare_simulation_folder(
        request.out, request.force,
        {request.system, request.positions, request.topology, request.energy_library});
    dynamics_.start(rows);
    open_files();
    save();
  }

  /// While `lock` holds its folder.
  void go_on(std::unique_ptr<const FolderLock> lock) {
    lock_ = std::move(lock);
    dynamics_.restore(state_.step, state_.positions, state_.velocities, state_.exchanges);
    for (std::size_t i = 0; i < state_.energies.size(); ++i) {
      const double scale = std::abs(state_.energies[i]) + 1.0;
      if (!(std::abs(dynamics_.energies()[i] - state_.energies[i]) < 1e-6 * scale))
        fail<DataError>(
            "{}: its energy is {} where the simulation had {}: it was changed since; start anew "
            "with --force",
            moved_by(state_.request), dynamics_.energies()[i], state_.energies[i]);
    }
    if (!state_.masses.empty() && state_.masses != simulated_.masses)
      fail<DataError>("{}: its masses are not those of the simulation: start anew with --force",
                      moved_by(state_.request));
    open_files();
  }

  /// Whether it came to its end.
  bool run() {
    const auto begin = Clock::now();
    const double before = state_.seconds;
    const std::int64_t first = dynamics_.step(), last = total_steps();
    auto saved = begin;
    while (dynamics_.step() < last) {
      if (callbacks_.interrupted && callbacks_.interrupted()) break;
      const double spent = std::max(seconds_since(begin), 1e-3);
      const double rate = static_cast<double>(dynamics_.step() - first) / spent;
      constexpr double kBetween = 0.2;  // seconds from one look at interrupts to the next
      const std::int64_t most =
          std::max<std::int64_t>(10, static_cast<std::int64_t>(kBetween * rate));
      try {
        dynamics_.advance(std::min({most, steps_to_frame(), last - dynamics_.step()}));
        check_finite();
      } catch (const NumericalError& error) {
        // What was written before is whole; the state stays that of the last save.
        trajectory_->save();
        energies_->save();
        fail<NumericalError>("{}; the {} frames before are in {}", error.what(), state_.frames,
                             state_.request.out);
      }
      if (is_frame()) write_frame();
      state_.seconds = before + seconds_since(begin);
      if (seconds_since(saved) > 30.0) {
        save();
        saved = Clock::now();
      }
      report(static_cast<double>(dynamics_.step() - first) / std::max(seconds_since(begin), 1e-3));
    }
    state_.seconds = before + seconds_since(begin);
    save();
    return dynamics_.step() >= last;
  }

  SimulationReport finish() {
    const std::vector<BackboneAngles> angles =
        backbone_angles(simulated_.atoms, simulated_.system.bonds);
    const SimulationSummary summary =
        summarise_simulation(paths_, state_, dynamics_.coordinates(), angles);
    SimulationReport result{.step = state_.step,
                            .format = state_.request.format,
                            .text = simulation_text(state_, summary)};
    result.warnings = element_warnings(simulated_);
    result.warnings.insert(result.warnings.end(), simulated_.warnings.begin(),
                           simulated_.warnings.end());
    const auto others = simulation_warnings(state_, summary);
    result.warnings.insert(result.warnings.end(), others.begin(), others.end());
    if (!simulated_.atoms.empty()) {
      try {
        write_last();
      } catch (const DataError& error) {
        // Molecules in vacuum may part, and all else is worth having.
        result.warnings.push_back(fmt::format("not written: {}", error.what()));
      }
    }
    write_simulation_json(paths_, state_, simulated_.system.atoms(), summary, result.warnings);
    write_simulation_page(paths_, state_, summary, simulated_.columns, result.warnings);
    return result;
  }

  std::int64_t step() const { return dynamics_.step(); }

 private:
  DynamicsOptions dynamics_options() const {
    const SimulationRequest& request = state_.request;
    return {
        .temperatures = request.temperatures,
        .replicas = request.replicas,
        .time_step = units_.time_step * request.time_step,
        .friction = request.friction,
        .ensemble = request.ensemble == "nve" ? Ensemble::kMicrocanonical : Ensemble::kCanonical,
        .equilibration = request.equilibration,
        .exchange_every = request.exchange_every,
        .seed = request.seed,
        .boltzmann = units_.boltzmann};
  }
  std::int64_t total_steps() const { return state_.request.equilibration + state_.request.steps; }
  std::int64_t steps_to_frame() const {
    const std::int64_t done = dynamics_.step() - state_.request.equilibration;
    if (done < 0) return -done;
    return state_.request.frame_every - done % state_.request.frame_every;
  }
  bool is_frame() const {
    const std::int64_t done = dynamics_.step() - state_.request.equilibration;
    return done > 0 && done % state_.request.frame_every == 0;
  }

  void open_files() {
    const SimulationRequest& request = state_.request;
    const std::string path = paths_.trajectory(request.format);
    const std::int64_t rows = state_.frames * request.replicas;
    if (request.system.empty())
      trajectory_ = std::make_unique<GrowingArray>(
          path, std::vector<std::int64_t>{dynamics_.coordinates()}, rows);
    else
      trajectory_ = make_trajectory_writer(
          request.format, path, simulated_.system.atoms(), rows,
          units_.time_step * request.time_step * static_cast<double>(request.frame_every),
          request.replicas);
    energies_ = std::make_unique<GrowingArray>(
        paths_.energies(), std::vector<std::int64_t>{dynamics_.walkers(), 3}, state_.frames);
  }

  void write_frame() {
    if (state_.directions.all()) dynamics_.centre(state_.directions.dimensions);
    const std::vector<double> rows = dynamics_.positions();
    trajectory_->append(std::span(rows).first(
        static_cast<std::size_t>(state_.request.replicas * dynamics_.coordinates())));
    const std::vector<double>& potential = dynamics_.energies();
    const std::vector<double> kinetic = dynamics_.kinetic_energies(), virial = dynamics_.virials();
    std::vector<double> values;
    for (std::size_t i = 0; i < potential.size(); ++i)
      values.insert(values.end(), {potential[i], kinetic[i], virial[i]});
    energies_->append(values);
    ++state_.frames;
  }

  /// The state comes last: it counts frames that are on the disk.
  void save() {
    trajectory_->save();
    energies_->save();
    state_.step = dynamics_.step();
    state_.positions = dynamics_.positions();
    state_.velocities = dynamics_.velocities();
    state_.energies = dynamics_.energies();
    state_.masses = simulated_.masses;
    state_.exchanges = dynamics_.exchanges();
    write_simulation_state(paths_.state(), state_);
  }

  void write_last() {
    constexpr std::int64_t kModels = 10;
    const std::int64_t models = std::min(state_.request.replicas, kModels);
    write_pdb(paths_.last(), simulated_.atoms,
              std::span(state_.positions)
                  .first(static_cast<std::size_t>(models * dynamics_.coordinates())));
  }

  void check_finite() const {
    const auto& losses = dynamics_.losses();
    const auto first = std::ranges::min_element(losses, {}, [](const auto& loss) {
      return static_cast<std::uint64_t>(loss.step);  // that of -1 is the largest
    });
    if (first->step < 0) return;
    const SimulationRequest& request = state_.request;
    fail<NumericalError>(
        "walker {}: the energy is {} at step {}: {}", first - losses.begin(), first->energy,
        first->step,
        !request.flow.empty() && request.system.empty()
            ? "the point may have left the bounds of the model's columns: take a smaller "
              "--time-step"
        : !request.flow.empty()
            ? "a bond or an angle may have left the range in which the model has a density: "
              "train it longer, or take a smaller --time-step"
        : request.system.empty() && first->energy == INFINITY
            ? "take a smaller --time-step; or, since forces hold no walker from a wall of infinite "
              "energy, one that rises, or sample it by `thalweg train --energy`"
            : "take a smaller --time-step, or --minimize first");
  }

  void report(double rate) const {
    if (!callbacks_.progress) return;
    double mean = 0.0;
    for (std::int64_t i = 0; i < state_.request.replicas; ++i)
      mean += dynamics_.energies()[static_cast<std::size_t>(i)] /
              static_cast<double>(state_.request.replicas);
    callbacks_.progress({dynamics_.step(), total_steps(), rate, mean, units_.energy});
  }
  void note(const std::string& text) const {
    if (callbacks_.note) callbacks_.note(text);
  }

  SimulationState state_;
  SimulationPaths paths_;
  const SimulatedSystem& simulated_;
  const SimulationCallbacks& callbacks_;
  SimulationUnits units_;
  MolecularDynamics dynamics_;
  ThreadPool& pool_;
  std::unique_ptr<const FolderLock> lock_;
  std::unique_ptr<TrajectoryWriter> trajectory_;
  std::unique_ptr<GrowingArray> energies_;
};

SimulationState resumed_state(const SimulationRequest& request) {
  SimulationState state = read_simulation_state(SimulationPaths{request.out}.state());
  state.request.out = request.out;
  if (request.resume_steps) state.request.steps = *request.resume_steps;
  if (state.step > state.request.equilibration + state.request.steps)
    fail<ConfigError>("--steps: {} has made {} steps already; expected at least that many",
                      request.out, state.step - state.request.equilibration);
  return state;
}

SimulationState new_state(const SimulationRequest& request) {
  SimulationState state;
  state.request = request;
  if (request.equilibration < 0) state.request.equilibration = request.steps / 10;
  if (request.temperatures.empty())
    state.request.temperatures = {request.system.empty() ? 1.0
                                  : request.flow.empty()
                                      ? 300.0
                                      : read_run_options({request.flow}).target.system_temperature};
  if (request.time_step < 0.0) state.request.time_step = request.system.empty() ? 0.01 : 1.0;
  if (request.topology.empty() && request.positions.ends_with(".pdb"))
    state.request.topology = request.positions;
  // It may go on from another folder.
  for (std::string* path : {&state.request.system, &state.request.topology, &state.request.flow,
                            &state.request.energy_library})
    if (!path->empty()) *path = std::filesystem::absolute(*path).lexically_normal().string();
  return state;
}

}  // namespace

SimulationReport simulate(const SimulationRequest& request, ThreadPool& pool,
                          const SimulationCallbacks& callbacks) {
  // Before the state is read: another process may write it.
  std::unique_ptr<const FolderLock> lock;
  if (request.resume && std::filesystem::is_directory(request.out))
    lock = hold_simulation_folder(request.out);
  if (lock) remove_stale_files(request.out);
  SimulationState state = request.resume ? resumed_state(request) : new_state(request);
  check_request(state.request);
  const SimulatedSystem simulated = read_simulated_system(state.request);
  Simulation simulation(std::move(state), simulated, pool, callbacks);
  request.resume ? simulation.go_on(std::move(lock)) : simulation.start();
  if (!simulation.run()) return {.complete = false, .step = simulation.step()};
  return simulation.finish();
}

}  // namespace thalweg
