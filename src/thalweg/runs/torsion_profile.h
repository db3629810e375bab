// Free energies along torsions of molecules, from files of positions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/io/pdb_file.h"
#include "thalweg/report/plot.h"

namespace thalweg {

/// Which files, and which torsions.
struct TorsionProfileRequest {
  std::vector<std::string> files;  ///< of positions, as read_frames() takes them
  std::string topology;            ///< a PDB with the names of the atoms
  std::vector<std::string> torsions;
  /// Logarithms of the weights of the first files' frames, .npy, one a file; empty: all alike.
  std::vector<std::string> log_weights = {};
  std::int64_t chains = 1;  ///< whose frames take turns in the files
  std::string out;          ///< .csv to write; pictures go beside it
};

/// The profiles of one torsion, a series a file.
struct TorsionProfile {
  std::string torsion;
  std::vector<LineSeries> series;
  std::string picture;  ///< PNG, an SVG beside it; empty where there is no gnuplot
};

/// What the weights of a file's frames are worth, as samplers have it.
struct FrameWeights {
  std::string file;
  double effective_share = 0.0;
  std::optional<double> pareto_k = {};  ///< none for less than 25 frames
  bool reliable = false;                ///< see SmoothedWeights::reliable
};

struct TorsionProfiles {
  std::vector<TorsionProfile> torsions;
  std::vector<FrameWeights> weights;  ///< of the files that have some
};

/// The atoms of a torsion by its name: "phi ALA 2", "psi ALA 2", or four atoms with a - between
/// them, each as its number from 0 or as columns of molecules name it, "2:CA", with several chains
/// "B:2:CA". Throws ConfigError for anything else, and for an atom that is not there or is named
/// twice.
std::array<std::int64_t, 4> torsion_by_name(const std::string& name,
                                            std::span<const AtomLabel> atoms);

/// Free energies in kT along torsions, minus the logarithm of the density a radian, in bins of 6
/// degrees, with standard errors as angle_profile() has them. Writes the table, with a column of
/// degrees and two for each torsion and file, and pictures. Throws as the readers do, ConfigError
/// for requests that make no sense, DataError for weights that are no numbers or not one a frame,
/// frames that are no multiple of the chains, a PDB of other atoms than the topology's, and atoms
/// that are bonded in the topology and not in the frames; InterruptedError between files.
TorsionProfiles torsion_profiles(const TorsionProfileRequest& request);

}  // namespace thalweg
