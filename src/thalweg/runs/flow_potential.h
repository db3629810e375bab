// A trained flow as what moves atoms.
#pragma once

#include <memory>

#include "thalweg/molecules/potential.h"
#include "thalweg/runs/run_folder.h"

namespace thalweg {

/// The potential of which a run's model has the Boltzmann distribution: energies -kT log q(x), in
/// the unit of kT, and forces kT d/dx log q(x), by the flow's own exact slopes in double. Outside
/// of a column's bounds the energy is infinite and the forces are 0. Compiles a program for each
/// thread that calls it at the same time.
class FlowPotential : public Potential {
 public:
  /// `run` must outlive it. Throws ConfigError for a `thermal_energy` that is not above 0 and for a
  /// model with a condition or without exact slopes (see model_forces()).
  FlowPotential(const LoadedRun& run, double thermal_energy);
  ~FlowPotential() override;

  std::int64_t coordinates() const override;
  void evaluate(const double* x, std::int64_t count, double* energies,
                double* forces) const override;
  std::int64_t block() const override { return 32; }

 private:
  struct Programs;
  std::unique_ptr<Programs> programs_;
};

}  // namespace thalweg
