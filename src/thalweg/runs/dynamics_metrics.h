// Molecular dynamics with a run's model as the potential, judged by how it keeps the energy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/flows/model.h"
#include "thalweg/metrics/metric.h"
#include "thalweg/report/plot.h"
#include "thalweg/runs/run_options.h"

namespace thalweg {

/// Walkers that begin at evenly spaced held-out frames: first Langevin dynamics, then velocity
/// Verlet, of which frames are taken.
struct DynamicsRequest {
  std::int64_t walkers = 10;
  std::int64_t equilibration = 1000, steps = 5000, frame_every = 10;
  double time_step = 1.0;  ///< fs
  double friction = 10.0;  ///< of the Langevin dynamics, 1/ps
};

/// Sums of potential and kinetic energy in kJ/mol a degree of freedom (three an atom), a list a
/// walker. A list ends where its walker is lost: the energy is not finite any more, or the sum has
/// moved by more than kT / 2 a degree of freedom from what it is at the end of the equilibration.
struct EnergyTraces {
  double frame_time = 0.0;  ///< ps
  std::int64_t frames = 0;  ///< of a walker that is kept
  std::vector<std::vector<double>> walkers;
};

/// By -kT log q(x) of a model of the molecule that the options name or, where it is null, by the
/// molecule's force field. The walkers begin at frames of data.test, or of data.path. Throws
/// ConfigError where there is no system of a molecule, DataError for files, and as
/// molecule_potential.
EnergyTraces energy_traces(const RunOptions& options, const Model* model,
                           const DynamicsRequest& request, std::uint64_t seed, ThreadPool& pool);

/// energy_deviation: root mean square of a walker's sums around their mean while it is kept, its
/// mean over walkers with the standard error; lost_walkers: the share that is lost before the end;
/// kept_time: the mean time in ps that a walker is kept.
std::vector<Metric> dynamics_metrics(const EnergyTraces& traces);

/// The sums less the first one, over time.
LineChart dynamics_chart(const EnergyTraces& traces);

}  // namespace thalweg
