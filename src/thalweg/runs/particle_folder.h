// Samples of particles by their own chains, as folders that runs learn from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/runs/target_options.h"
#include "thalweg/sampling/particle_chains.h"

namespace thalweg {

/// What is to be drawn and where it goes.
struct ParticleFolderRequest {
  TargetOptions target;  ///< a target of particles, with number and temperature
  std::int64_t count =
      100000;  ///< rows to train on, at least 100; a tenth more each to validate and test
  std::string out;
  std::uint64_t seed = 1;
  std::int64_t burn_in = -1;  ///< sweeps; below 0: 25 times the thinning, at least 2000
  std::int64_t thinning = 0;  ///< sweeps from one row of a chain to its next; 0: chosen by number
  bool free_energy = true;    ///< find the integral as well
  bool force = false;         ///< replace a folder of this kind
};

/// What became of it, for people.
struct ParticleFolderReport {
  std::string text;
  std::vector<std::string> warnings;  ///< a sentence each
};

/// Draws rows from the target by sample_particles(), by chains of their own for train.npy,
/// validation.npy and test.npy (single precision, centred, turned and shuffled at random), and
/// finds the integral by particle_free_energy() from two starts. Besides there are columns.txt,
/// settings.toml, by which runs that learn from the folder know the energy and its integral,
/// particles.json with all figures, and README.txt; all of them or none. Errors of means are those
/// of independent chains. Warns where R-hat of energy or size is above 1.02, the virial is off by
/// more than three errors, or the two integrals disagree by as much, and where more than 1 % of the
/// rows have lost a particle. None, and nothing written, if it was interrupted. Throws ConfigError
/// for options out of range, other targets, and folders that are there; DataError for files that
/// cannot be written.
std::optional<ParticleFolderReport> write_particle_folder(const ParticleFolderRequest& request,
                                                          ThreadPool& pool,
                                                          const ParticleCallbacks& callbacks = {});

/// Names of the targets that this serves.
std::vector<std::string> particle_target_names();

}  // namespace thalweg
