// Pictures of a molecule's model beside its data.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/runs/run_pictures.h"

namespace thalweg {

/// Draws into `folder`, of rows of the run's columns, `points` being data and `samples` the
/// model's: Ramachandran plots of residues whose names are known, the six torsions whose marginals
/// differ most, and with a force field energies and forces at the points. `name` ends the files'
/// names and begins no title where it is empty. Throws as write_plot.
std::vector<RunPicture> draw_molecule_pictures(const LoadedRun& run, const std::string& name,
                                               std::span<const double> points,
                                               std::span<const double> samples,
                                               const std::filesystem::path& folder,
                                               ThreadPool& pool);

}  // namespace thalweg
