// Energies and distances of a run's particles.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "thalweg/metrics/metric.h"
#include "thalweg/runs/run_folder.h"

namespace thalweg {

/// Dimensions of the space of a run's particles; 0 if it learns none.
std::int64_t particle_dimensions(const LoadedRun& run);

/// Rows of a run's model with the columns that these decide, as of a last particle.
std::vector<double> whole_particles(const LoadedRun& run, std::span<const double> x);

/// Distances of all pairs of whole rows' particles, see pair_distances; of a run whose particles
/// have species, which `context` ends with, of those that are there.
std::vector<double> particle_distances(const LoadedRun& run, std::span<const double> whole,
                                       std::span<const double> context);

/// Energies in kT of whole rows; none for a run without an energy.
std::vector<double> particle_energies(const LoadedRun& run, std::span<const double> whole);

/// Of samples of the run's flow beside held-out rows, both as its model has them: energies and
/// distances, and how many have lost a particle. Of a run with species both are for the rows of
/// `context`.
std::vector<Metric> particle_metrics(const LoadedRun& run, std::span<const double> samples,
                                     std::span<const double> held_out,
                                     std::span<const double> context = {});

}  // namespace thalweg
