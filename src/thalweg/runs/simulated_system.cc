#include "thalweg/runs/simulated_system.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/molecules/amber_topology.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/molecules/openmm_system.h"
#include "thalweg/runs/flow_potential.h"

namespace thalweg {
namespace {

std::vector<double> energies_of(const Potential& potential, std::span<const double> rows,
                                ThreadPool& pool) {
  const auto width = static_cast<std::size_t>(potential.coordinates());
  const auto block = static_cast<std::size_t>(potential.block());
  const std::size_t count = rows.size() / width;
  std::vector<double> energies(count);
  pool.parallel(
      static_cast<std::int64_t>((count + block - 1) / block), [&](std::int64_t tile, int) {
        const std::size_t first = static_cast<std::size_t>(tile) * block;
        const std::size_t n = std::min(block, count - first);
        std::vector<double> x(n * width), forces(n * width);
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t c = 0; c < width; ++c) x[c * n + i] = rows[(first + i) * width + c];
        potential.evaluate(x.data(), static_cast<std::int64_t>(n), &energies[first], forces.data());
      });
  return energies;
}

/// The same molecules in another place, turned by the matrix with rows (2, 1, 2)/3, (-2, 2, 1)/3
/// and
/// (-1, -2, 2)/3.
std::vector<double> moved(std::span<const double> rows) {
  std::vector<double> result(rows.size());
  for (std::size_t i = 0; i + 2 < rows.size(); i += 3) {
    const double x = rows[i], y = rows[i + 1], z = rows[i + 2];
    result[i] = (2.0 * x + y + 2.0 * z) / 3.0 + 0.3;
    result[i + 1] = (-2.0 * x + 2.0 * y + z) / 3.0 - 0.2;
    result[i + 2] = (-x - 2.0 * y + 2.0 * z) / 3.0 + 0.1;
  }
  return result;
}

/// A model's potential with the run that it is of.
struct RunPotential {
  RunPotential(const std::string& path, double thermal_energy)
      : run(load_run(path)), potential(run, thermal_energy) {}
  LoadedRun run;
  FlowPotential potential;
};

std::shared_ptr<const Potential> flow_potential(const SimulationRequest& request,
                                                std::int64_t atoms) {
  const auto own =
      std::make_shared<const RunPotential>(request.flow, kBoltzmann * request.temperatures.front());
  if (own->potential.coordinates() != 3 * atoms)
    fail<DataError>("{}: expected a model of the {} coordinates of {} atoms, got one of {} columns",
                    request.flow, 3 * atoms, atoms, own->potential.coordinates());
  return {own, &own->potential};
}

}  // namespace

SimulatedSystem read_simulated_system(const SimulationRequest& request) {
  const auto ends = [&](const char* end) { return request.system.ends_with(end); };
  SimulatedSystem result;
  if (ends(".prmtop") || ends(".parm7") || ends(".top")) {
    AmberTopology topology = read_amber_topology(request.system, request.solvent);
    result = {std::move(topology.system), std::move(topology.atoms), nullptr};
  } else if (ends(".xml")) {
    if (request.solvent != "none")
      fail<ConfigError>("--solvent: an OpenMM System has its own; expected none, got {}",
                        request.solvent);
    result.system = read_openmm_system(request.system);
  } else {
    fail<DataError>("{}: expected an OpenMM System (.xml) or an AMBER topology (.prmtop, .parm7)",
                    request.system);
  }
  if (!request.topology.empty()) result.atoms = read_pdb(request.topology).atoms;
  if (!result.atoms.empty() &&
      static_cast<std::int64_t>(result.atoms.size()) != result.system.atoms())
    fail<DataError>("{}: expected the {} atoms of {}, got {}", request.topology,
                    result.system.atoms(), request.system, result.atoms.size());
  result.potential = request.flow.empty() ? std::make_shared<const ForceField>(result.system)
                                          : flow_potential(request, result.system.atoms());
  return result;
}

std::vector<std::string> element_warnings(const SimulatedSystem& simulated) {
  // Masses may be moved to hydrogens, which leaves these below 5 and others above 2.5.
  for (std::size_t i = 0; i < simulated.atoms.size(); ++i) {
    const AtomLabel& atom = simulated.atoms[i];
    const double mass = simulated.system.masses[i];
    if (atom.element.empty() || !(atom.element == "H" ? mass > 5.0 : mass < 2.5)) continue;
    return {
        fmt::format("atom {} is called {} and has a mass of {:g}: the names are those of another "
                    "system, or in another order",
                    i, atom.name, mass)};
  }
  return {};
}

void check_start(const Frames& frames, const Potential& potential, const std::string& path,
                 ThreadPool& pool) {
  constexpr double kNear = 0.02;  // nm; a bond to hydrogen has 0.1
  const auto atoms = static_cast<std::size_t>(frames.atoms), width = 3 * atoms;
  for (std::int64_t frame = 0; frame < frames.count(); ++frame) {
    const double* x = &frames.positions[static_cast<std::size_t>(frame) * width];
    for (std::size_t i = 0; i < atoms; ++i)
      for (std::size_t j = 0; j < i; ++j) {
        const double apart = std::hypot(x[3 * i] - x[3 * j], x[3 * i + 1] - x[3 * j + 1],
                                        x[3 * i + 2] - x[3 * j + 2]);
        if (apart < kNear)
          fail<DataError>(
              "{}: frame {}: atoms {} and {} overlap: they are {:.4f} nm apart, expected "
              "at least {}; are positions in nm?",
              path, frame, j, i, apart, kNear);
      }
  }
  const std::vector<double> energies = energies_of(potential, frames.positions, pool);
  for (std::size_t i = 0; i < energies.size(); ++i)
    if (!std::isfinite(energies[i]))
      fail<NumericalError>("{}: frame {}: the energy is {} kJ/mol at the start", path, i,
                           energies[i]);
  const std::vector<double> elsewhere = energies_of(potential, moved(frames.positions), pool);
  for (std::size_t i = 0; i < energies.size(); ++i)
    if (!(std::abs(elsewhere[i] - energies[i]) < 1e-3 + 1e-6 * std::abs(energies[i])))
      fail<DataError>(
          "{}: frame {}: the energy changes from {} to {} kJ/mol when the molecule is moved and "
          "turned; expected a model of internal coordinates, as train --molecule makes",
          path, i, energies[i], elsewhere[i]);
}

}  // namespace thalweg
