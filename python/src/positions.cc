#include "positions.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "thalweg/core/error.h"
#include "thalweg/molecules/molecular_system.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/molecule_data.h"

namespace thalweg::python {
namespace {

using Pair = nb::typed<nb::tuple, nb::any, nb::any>;

void require_finite(const Rows& rows) {
  if (!std::ranges::all_of(values_of(rows), [](double x) { return std::isfinite(x); }))
    fail<DataError>("positions: expected numbers, got some that are not finite");
}

/// Log densities and slopes in double, at any number of configurations.
std::vector<double> log_prob_in_double(PythonRun& own, PythonRun::Work& work, const Rows& rows,
                                       std::vector<double>& slopes) {
  constexpr std::int64_t kBlock = 16;
  const LoadedRun& run = own.run();
  if (!work.potential)
    work.potential = molecule_potential(*run.model, run.options.target.system_temperature, kBlock);
  return work.potential->log_prob(values_of(rows), work.pool, &slopes);
}

Pair log_prob_of_positions(PythonRun& own, const Rows& rows, bool gradients) {
  require_finite(rows);
  const LoadedRun& run = own.run();
  std::vector<double> values, slopes;
  own.work([&](PythonRun::Work& work) {
    if (!work.density) work.density.emplace(run_density(run, work.pool));
    const Table table = internal_table(values_of(rows), run.options.model, work.pool);
    values = log_densities(run, table, *work.density, work.pool).values;
    if (gradients) log_prob_in_double(own, work, rows, slopes);
  });
  const std::size_t count = values.size();
  return nb::make_tuple(
      array_of(std::move(values), {count}),
      gradients ? array_of(std::move(slopes), {count, rows.shape(1)}) : nb::none());
}

Pair energies_and_forces(PythonRun& own, const Rows& rows, double temperature) {
  require_finite(rows);
  std::vector<double> energies, forces;
  own.work([&](PythonRun::Work& work) {
    energies = log_prob_in_double(own, work, rows, forces);
    const double kt = kBoltzmann * temperature;
    for (double& energy : energies) energy *= -kt;
    for (double& force : forces) force *= kt;
  });
  const std::size_t count = energies.size();
  return nb::make_tuple(array_of(std::move(energies), {count}),
                        array_of(std::move(forces), {count, rows.shape(1)}));
}

}  // namespace

void add_positions(nb::class_<PythonRun>& type) {
  type.def_prop_ro("atoms",
                   [](const PythonRun& own) {
                     const InternalCoordinates* coordinates = own.run().model->flow().coordinates();
                     return coordinates == nullptr ? 0 : coordinates->atoms();
                   })
      .def_prop_ro("atom_labels",
                   [](const PythonRun& own) { return own.run().options.model.molecule.atoms; })
      .def_prop_ro("temperature",
                   [](const PythonRun& own) { return own.run().options.target.system_temperature; })
      .def("log_prob_of_positions", &log_prob_of_positions)
      .def("energies_and_forces", &energies_and_forces);
}

}  // namespace thalweg::python
