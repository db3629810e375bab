// A trained run of a molecule as the potential that moves its atoms.
#pragma once

#include <memory>
#include <string>

#include "thalweg/runs/run_folder.h"
#include "thalweg/sampling/density_potential.h"

namespace thalweg {

/// A model's potential with the run that it is of. Not to be moved.
struct RunPotential {
  /// `kelvin` is the temperature; 0: that of the run's system. Throws as load_run and
  /// molecule_potential, naming the run.
  RunPotential(const std::string& path, double kelvin, std::int64_t block = 64,
               const LoadOptions& options = {});
  RunPotential(const RunPotential&) = delete;
  RunPotential& operator=(const RunPotential&) = delete;

  LoadedRun run;
  double temperature;
  std::unique_ptr<const DensityPotential> potential;
};

}  // namespace thalweg
