#include "thalweg/runs/run_potential.h"

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

LoadedRun molecule_run(const std::string& path, const LoadOptions& options) {
  LoadedRun run = load_run(path, options);
  if (run.model->flow().coordinates() == nullptr)
    fail<ConfigError>(
        "{}: expected a run of a molecule, as `thalweg train --molecule` makes; its model is of "
        "the "
        "columns of a table",
        path);
  return run;
}

}  // namespace

RunPotential::RunPotential(const std::string& path, double kelvin, std::int64_t block,
                           const LoadOptions& options)
    : run(molecule_run(path, options)),
      temperature(kelvin != 0.0 ? kelvin : run.options.target.system_temperature),
      potential(molecule_potential(*run.model, temperature, block)) {}

}  // namespace thalweg
