// Trajectories of a molecule as tables of its internal coordinates.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/datasets/prepare_data.h"
#include "thalweg/io/pdb_file.h"
#include "thalweg/io/table.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/runs/run_options.h"
#include "thalweg/transforms/internal_coordinates.h"

namespace thalweg {

/// Whether a run learns the positions of a molecule.
bool is_molecule(const RunOptions& options);

/// Throws ConfigError for superposed anchors without a z-matrix that says which atoms they are.
void check_anchors(const MoleculeFiles& molecule);

/// Fills in names of atoms, the z-matrix, the middles of torsions that are on a line and the frame
/// of superposed anchors from the files that the options name, unless a z-matrix is there. Throws
/// ConfigError for settings that do not go with a molecule or with each other, and DataError for
/// files that do not belong together.
void settle_molecule(RunOptions& options);

/// What the atoms of a run's molecule are called; empty if that is not known.
std::vector<AtomLabel> molecule_atoms(const ModelOptions& model);

/// Names of the columns: "bond 2:CA-2:CB", "angle ...", "torsion ...", and "phi ALA 2" and "psi ALA
/// 2" for the backbone.
std::vector<std::string> internal_names(const InternalCoordinates& coordinates,
                                        std::span<const AtomLabel> atoms);

/// Rows of 3 numbers an atom to rows of internal coordinates, and back, in double. log_volume, if
/// given, gets log (8 pi^2 J) of each row.
std::vector<double> internal_rows(const InternalCoordinates& coordinates,
                                  std::span<const double> positions, ThreadPool& pool,
                                  std::vector<double>* log_volume = nullptr);
std::vector<double> position_rows(const InternalCoordinates& coordinates,
                                  std::span<const double> internal, ThreadPool& pool);
/// Of log (8 pi^2 J) all, or what the frame has of it.
enum class VolumePart : std::uint8_t { kAll, kFrame };
/// log (8 pi^2 J) of rows of internal coordinates: what is to be taken from log densities of these
/// for those of positions.
std::vector<double> log_volumes(const InternalCoordinates& coordinates,
                                std::span<const double> internal, ThreadPool& pool,
                                VolumePart part = VolumePart::kAll);

/// What frames are for.
enum class FrameUse : std::uint8_t { kLearnt, kJudged };

/// Frames of the molecule in .npy, .dcd, .nc, .ncrst or .pdb. Throws DataError as read_frames, for
/// names of atoms in a PDB that are not those of the molecule, for distances that no bond has
/// (atoms in another order), and for atoms that overlap. Frames to be judged, as samples are, may
/// have the latter, and up to half of them the former.
Frames read_molecule_frames(const std::string& path, const ModelOptions& model,
                            FrameUse use = FrameUse::kLearnt);

/// Rows of 3 numbers an atom as a table of internal coordinates, and the frames of a file. Throws
/// DataError, which begins with `source`, for a frame whose anchors cannot be superposed.
Table internal_table(std::span<const double> positions, const ModelOptions& model, ThreadPool& pool,
                     const std::string& source = "positions");
Table read_internal_table(const std::string& path, const ModelOptions& model,
                          FrameUse use = FrameUse::kLearnt);

/// The points of a run that learns a molecule: data.path with data.validation and data.test as
/// internal coordinates, bonds above 0, angles between 0 and pi, neither of them reached (see
/// ColumnOptions::open), torsions periodic; forces, in kJ/mol/nm, a frame for each of data.path,
/// become slopes of a log density, in kT/nm, in the frame of InternalCoordinates::to_positions.
/// molecule.torsions = "line" makes torsions numbers without bounds, molecule.chirality = "fixed"
/// bounds those that tell the form of alpha carbons. Throws as read_molecule_frames and
/// prepare_data, DataError for forces of other frames and frames of both forms, and ConfigError for
/// a fixed form without alpha carbons that the z-matrix tells.
PreparedData load_molecule_data(const RunOptions& options, std::uint64_t seed);

}  // namespace thalweg
