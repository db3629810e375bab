#include "thalweg/runs/simulated_system.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/runs/run_potential.h"

namespace thalweg {
namespace {

std::shared_ptr<const Potential> flow_potential(const SimulationRequest& request,
                                                const NamedSystem& named) {
  auto own = std::make_shared<const RunPotential>(request.flow, request.temperatures.front());
  if (own->potential.coordinates() != 3 * named.system.atoms())
    fail<DataError>("{}: expected a model of the {} atoms of {}, got one of {}", request.flow,
                    named.system.atoms(), request.system, own->potential.coordinates() / 3);
  const std::vector<std::string>& atoms = own->run.options.model.molecule.atoms;
  for (std::size_t i = 0; i < std::min(atoms.size(), named.atoms.size()); ++i)
    if (!same_atom(atom_label(atoms[i]), named.atoms[i]))
      fail<DataError>("{}: atom {} is '{}', expected '{}' as {} has it: the order differs",
                      request.flow, i, atoms[i], text_of(named.atoms[i]), request.system);
  const Potential* potential = &own->potential;
  return {std::move(own), potential};
}

}  // namespace

SimulatedSystem read_simulated_system(const SimulationRequest& request) {
  SimulatedSystem result{read_named_system(request.system, request.solvent, request.topology)};
  if (request.flow.empty())
    result.potential = std::make_shared<const ForceField>(result.system);
  else
    result.potential = flow_potential(request, result);
  return result;
}

void check_start(const Frames& frames, const SimulatedSystem& simulated, const std::string& path,
                 ThreadPool& pool) {
  refuse_overlaps(frames.positions, frames.atoms, path);
  refuse_long_bonds(frames.positions, simulated.system, path);
  const Potential& potential = *simulated.potential;
  const auto width = static_cast<std::size_t>(potential.coordinates());
  const auto block = static_cast<std::size_t>(potential.block());
  const auto count = static_cast<std::size_t>(frames.count());
  std::vector<double> energies(count);
  pool.parallel(static_cast<std::int64_t>((count + block - 1) / block), [&](std::int64_t tile,
                                                                            int) {
    const std::size_t first = static_cast<std::size_t>(tile) * block;
    const std::size_t own = std::min(block, count - first);
    std::vector<double> x(own * width), forces(own * width);
    for (std::size_t i = 0; i < own; ++i)
      for (std::size_t c = 0; c < width; ++c)
        x[c * own + i] = frames.positions[(first + i) * width + c];
    potential.evaluate(x.data(), static_cast<std::int64_t>(own), &energies[first], forces.data());
  });
  for (std::size_t i = 0; i < energies.size(); ++i)
    if (!std::isfinite(energies[i]))
      fail<NumericalError>("{}: frame {}: the energy is {} kJ/mol at the start", path, i,
                           energies[i]);
}

}  // namespace thalweg
