// Pictures of several runs of one molecule side by side, beside its data.
#pragma once

#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/report/plot.h"
#include "thalweg/runs/run_maps.h"

namespace thalweg {

/// A run of a molecule with held-out rows of its columns, 10 000 at most, and as many samples.
struct MoleculeRows {
  std::string name;
  const LoadedRun* run = nullptr;
  std::vector<double> points = {}, samples = {};
};

/// Of those of the runs that are of a molecule. Throws as LoadedRun::data().
std::vector<MoleculeRows> molecule_rows(const std::vector<NamedRun>& runs, ThreadPool& pool);

/// Ramachandran plots of the first residue that has phi and psi: of the held-out rows of the first
/// run, and of samples of each. Without panels where there is no such residue.
HeatMapPlot ramachandran_maps(const std::vector<MoleculeRows>& runs, ThreadPool& pool);

/// Free energies along a torsion, as angle_profile: of the held-out rows of the first run, and of
/// samples of each. Throws ConfigError with the nearest name for one that is no torsion of the
/// first run.
LineChart torsion_chart(const std::vector<MoleculeRows>& runs, const std::string& torsion);

/// Components of the force field's forces on the atoms (across) and of each run's (along), at 100
/// held-out rows and at 100 samples, within twice the largest of the former. Without panels where
/// there is no force field.
ScatterPlot molecule_force_clouds(const std::vector<MoleculeRows>& runs, ThreadPool& pool);

/// Densities of energies in kT at held-out rows and at samples: of the force field, and -log p of
/// the run, moved so that the least of each is one. Without series where there is no force field.
LineChart molecule_energy_chart(const MoleculeRows& rows, ThreadPool& pool);

}  // namespace thalweg
