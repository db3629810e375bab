#include "thalweg/runs/simulated_system.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/core/text.h"
#include "thalweg/io/pdb_file.h"
#include "thalweg/io/table.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/run_potential.h"
#include "thalweg/runs/target_options.h"
#include "thalweg/sampling/density_potential.h"

namespace thalweg {
namespace {

/// `part` for as long as its owner lives.
template <typename Owner>
std::shared_ptr<const Potential> part_of(std::shared_ptr<const Owner> owner) {
  const Potential* part = owner->potential.get();
  return {std::move(owner), part};
}

std::shared_ptr<const Potential> molecule_flow(const SimulationRequest& request,
                                               SimulatedSystem& named) {
  auto own = std::make_shared<const RunPotential>(request.flow, request.temperatures.front());
  if (own->potential->coordinates() != 3 * named.system.atoms())
    fail<DataError>("{}: expected a model of the {} atoms of {}, got one of {}", request.flow,
                    named.system.atoms(), request.system, own->potential->coordinates() / 3);
  const std::vector<std::string>& atoms = own->run.options.model.molecule.atoms;
  for (std::size_t i = 0; i < std::min(atoms.size(), named.atoms.size()); ++i)
    if (!same_atom(atom_label(atoms[i]), named.atoms[i]))
      fail<DataError>("{}: atom {} is '{}', expected '{}' as {} has it: the order differs",
                      request.flow, i, atoms[i], text_of(named.atoms[i]), request.system);
  const double learnt = own->run.options.target.system_temperature;
  // One without a system knows no temperature.
  if (!own->run.options.target.system.empty() && learnt != request.temperatures.front())
    named.warnings.push_back(
        fmt::format("{} was learnt at {:g} K: at {:g} K its -kT log q moves by the density of {:g} "
                    "K, faster or "
                    "slower",
                    request.flow, learnt, request.temperatures.front(), learnt));
  return part_of(std::shared_ptr<const RunPotential>(std::move(own)));
}

/// A model of points with its potential.
struct PointsFlow {
  LoadedRun run;
  std::unique_ptr<const DensityPotential> potential;
};

void take_points_flow(const SimulationRequest& request, SimulatedSystem& simulated) {
  auto own = std::make_shared<PointsFlow>(PointsFlow{load_run(request.flow), nullptr});
  const ModelOptions& model = own->run.options.model;
  if (own->run.model->flow().coordinates() != nullptr)
    fail<ConfigError>("{}: is a model of a molecule's configurations: give its SYSTEM, too",
                      request.flow);
  if (!model.derived.empty())
    fail<ConfigError>("{}: column '{}' is derived from others and no coordinate of its model",
                      request.flow, model.derived.front().name);
  for (const ColumnOptions& column : model.columns)
    if (column.periodic || column.has_intervals())
      fail<ConfigError>(
          "{}: column '{}' is {}, which points on lines are not: draw samples from the run, or "
          "chains",
          request.flow, column.name, column.periodic ? "periodic" : "of separate values");
  own->potential = model_potential(*own->run.model, request.temperatures.front());
  simulated.columns = column_names(model);
  if (is_mean_free(model)) simulated.directions = {model.base.dimensions, model.base.dimensions};
  simulated.potential = part_of(std::shared_ptr<const PointsFlow>(std::move(own)));
}

/// A target with its potential.
struct TargetPotential {
  std::shared_ptr<const Target> target;
  std::unique_ptr<const DensityPotential> potential;
};

void take_energy(const SimulationRequest& request, SimulatedSystem& simulated) {
  TargetOptions options;
  options.name = request.target;
  options.energy = request.energy;
  options.energy_library = request.energy_library;
  if (!request.constants.empty()) options.constants = split_list(request.constants);
  // A library that says no number of its own is for any.
  if (!request.energy_library.empty()) options.energy_features = 3 * simulated.system.atoms();
  const std::shared_ptr<const Target> target = make_target(options);
  const std::string name = request.target + request.energy + request.energy_library;
  if (target->circular())
    fail<ConfigError>(
        "{}: is of angles, which points on lines are none: learn it and draw samples, or chains, "
        "from the run",
        name);
  const std::int64_t atoms = simulated.system.atoms();
  if (atoms > 0 && target->features() != 3 * atoms)
    fail<DataError>("{}: expected an energy of the {} coordinates of {}, got one of {}", name,
                    3 * atoms, request.system, target->features());
  if (atoms == 0) {
    simulated.columns = target->columns();
    if (simulated.columns.empty()) simulated.columns = default_names(target->features());
    if (const std::int64_t dimensions = target->particle_dimensions(); dimensions > 0)
      simulated.directions = {dimensions, dimensions};
  }
  simulated.potential = part_of(
      std::make_shared<const TargetPotential>(TargetPotential{target, target_potential(*target)}));
}

void require_finite_energies(std::span<const double> rows, const SimulatedSystem& simulated,
                             const std::string& source, ThreadPool& pool) {
  const Potential& potential = *simulated.potential;
  const auto width = static_cast<std::size_t>(potential.coordinates());
  const auto block = static_cast<std::size_t>(potential.block());
  const std::size_t count = rows.size() / width;
  std::vector<double> energies(count);
  pool.parallel(static_cast<std::int64_t>((count + block - 1) / block), [&](std::int64_t tile,
                                                                            int) {
    const std::size_t first = static_cast<std::size_t>(tile) * block;
    const std::size_t own = std::min(block, count - first);
    std::vector<double> x(own * width), forces(own * width);
    for (std::size_t i = 0; i < own; ++i)
      for (std::size_t c = 0; c < width; ++c) x[c * own + i] = rows[(first + i) * width + c];
    potential.evaluate(x.data(), static_cast<std::int64_t>(own), &energies[first], forces.data());
  });
  for (std::size_t i = 0; i < energies.size(); ++i)
    if (!std::isfinite(energies[i]))
      fail<NumericalError>(
          "{}: row {}: the energy at the start, {}, is no finite number; take others for "
          "--positions",
          source, i, energies[i]);
}

/// The first rows of a table of points.
std::vector<double> table_rows(const std::string& path, const SimulatedSystem& simulated,
                               std::int64_t most) {
  const Table table = load_table(path);
  const auto width = static_cast<std::size_t>(simulated.potential->coordinates());
  // By name where all have one, else, as in an array, by place.
  std::vector<std::size_t> places;
  for (const std::string& name : simulated.columns)
    if (const auto found = std::ranges::find(table.names, name); found != table.names.end())
      places.push_back(static_cast<std::size_t>(found - table.names.begin()));
  if (places.size() != width) {
    if (table.names.size() != width)
      fail<DataError>("{}: expected points of {} columns, {}, got {}", path, width,
                      fmt::join(simulated.columns, ", "), table.columns());
    if (!places.empty() && table.names != default_names(table.columns()))
      fail<DataError>("{}: expected points of columns {}, got {}: only some of the names are known",
                      path, fmt::join(simulated.columns, ", "), fmt::join(table.names, ", "));
    places.resize(width);
    std::iota(places.begin(), places.end(), std::size_t{0});
  }
  for (const std::size_t place : places)
    if (table.content_of(place) != ColumnContent::kNumber)
      fail<DataError>("{}: column '{}': expected numbers, got texts or dates", path,
                      table.names[place]);
  std::vector<double> rows;
  for (std::int64_t row = 0; row < std::min(most, table.rows); ++row)
    for (const std::size_t place : places) {
      const double value = table.values[static_cast<std::size_t>(row) * table.names.size() + place];
      if (!std::isfinite(value))
        fail<DataError>("{}: row {}, column '{}': expected a finite number, got {}", path, row + 1,
                        table.names[place], value);
      rows.push_back(value);
    }
  return rows;
}

std::vector<double> normal_rows(std::uint64_t seed, std::int64_t count, std::int64_t width) {
  std::vector<double> rows;
  for (std::int64_t row = 0; row < count; ++row) {
    RandomSequence random(seed, Stream::kSampling, static_cast<std::uint64_t>(row));
    for (std::int64_t c = 0; c < width; ++c) rows.push_back(random.normal());
  }
  return rows;
}

/// How many of the axes particles may be moved along together.
std::int64_t free_axes(const Potential& potential, std::span<const double> row,
                       std::int64_t dimensions) {
  const std::vector<double> here(row.begin(), row.end());
  std::vector<double> forces(row.size());
  const auto energy_of = [&](const std::vector<double>& x) {
    double energy = 0.0;
    try {
      potential.evaluate(x.data(), 1, &energy, forces.data());
    } catch (const NumericalError&) {
      return std::numeric_limits<double>::quiet_NaN();  // of a user's energy far away
    }
    return energy;
  };
  const double before = energy_of(here);
  std::int64_t free = 0;
  for (std::int64_t axis = 0; axis < dimensions; ++axis) {
    bool same = true;
    for (const double move : {0.137, -2.41, 35.3, -1000.0}) {
      std::vector<double> moved = here;
      for (std::size_t i = static_cast<std::size_t>(axis); i < moved.size();
           i += static_cast<std::size_t>(dimensions))
        moved[i] += move;
      same = same && std::abs(energy_of(moved) - before) < 1e-8 * (1.0 + std::abs(before));
    }
    free += same ? 1 : 0;
  }
  return free;
}

}  // namespace

SimulatedSystem read_simulated_system(const SimulationRequest& request) {
  const auto said = [](const std::string& text) { return text.empty() ? 0 : 1; };
  const int movers = said(request.flow) + said(request.energy) + said(request.energy_library) +
                     said(request.target);
  if (movers > 1)
    fail<ConfigError>(
        "expected one of --flow, --energy, --energy-library and --target, got {}: one potential "
        "moves all",
        movers);
  if (movers == 0 && request.system.empty())
    fail<ConfigError>("expected a SYSTEM, or an energy of points; see `thalweg simulate --help`");
  if (!request.constants.empty() && request.energy.empty())
    fail<ConfigError>("--constants: are of an --energy, and there is none");
  if (movers > 0 && !request.system.empty() && request.solvent != "none")
    fail<ConfigError>(
        "--solvent: is of the system's own forces; expected none where something else moves the "
        "atoms, got {}",
        request.solvent);
  if (request.system.empty() && (request.solvent != "none" || !request.topology.empty()))
    fail<ConfigError>("{}: is of atoms: give their SYSTEM",
                      request.topology.empty() ? "--solvent" : "--topology");
  SimulatedSystem result;
  if (!request.system.empty()) {
    static_cast<NamedSystem&>(result) =
        read_named_system(request.system, request.solvent, request.topology);
    refuse_other_elements(result, request.topology.empty() ? request.system : request.topology);
    for (const double mass : result.system.masses)
      result.masses.insert(result.masses.end(), 3, mass);
  }
  if (movers == 0) {
    result.potential = std::make_shared<const ForceField>(result.system);
    result.directions = FreeDirections{};
  } else if (request.flow.empty()) {
    take_energy(request, result);
  } else if (request.system.empty()) {
    take_points_flow(request, result);
  } else {
    result.potential = molecule_flow(request, result);
    result.directions = FreeDirections{};
  }
  if (result.masses.empty())
    result.masses.assign(static_cast<std::size_t>(result.potential->coordinates()), 1.0);
  return result;
}

FreeDirections free_directions(const SimulatedSystem& simulated, std::span<const double> row) {
  if (simulated.directions) return *simulated.directions;
  const std::int64_t width = std::ssize(row);
  if (simulated.system.atoms() > 0) return {3, free_axes(*simulated.potential, row, 3)};
  for (const std::int64_t dimensions : {3, 2, 1})
    if (width % dimensions == 0 && width > dimensions &&
        free_axes(*simulated.potential, row, dimensions) == dimensions)
      return {dimensions, dimensions};
  return {1, 0};
}

std::vector<double> starting_rows(const SimulationRequest& request,
                                  const SimulatedSystem& simulated, std::int64_t most,
                                  ThreadPool& pool) {
  std::vector<double> rows;
  std::string source = request.positions;
  if (!request.system.empty() && request.positions.empty())
    fail<ConfigError>("--positions: expected a file to start from");
  if (!request.system.empty()) {
    Frames frames = read_frames(request.positions, simulated.system.atoms());
    const std::int64_t used = std::min(frames.count(), most);
    frames.positions.resize(static_cast<std::size_t>(used * simulated.potential->coordinates()));
    rows = std::move(frames.positions);
    if (request.positions.ends_with(".pdb"))
      refuse_other_order(simulated.atoms, read_pdb(request.positions).atoms,
                         request.topology.empty() ? request.system : request.topology,
                         request.positions);
    refuse_overlaps(rows, frames.atoms, request.positions);
    refuse_long_bonds(rows, simulated.system, request.positions);
  } else if (request.positions.empty()) {
    source = "a start drawn from the standard normal";
    rows = normal_rows(request.seed, most, simulated.potential->coordinates());
  } else {
    rows = table_rows(request.positions, simulated, most);
  }
  require_finite_energies(rows, simulated, source, pool);
  return rows;
}

}  // namespace thalweg
