// How samples of a molecule's model differ from its data, in what chemists look at.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/metrics/metric.h"
#include "thalweg/molecules/backbone.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/run_folder.h"

namespace thalweg {

/// phi and psi of residues, of rows of positions, 3 numbers an atom; none where names of atoms are
/// not known.
std::vector<BackboneRows> backbone_rows(const LoadedRun& run, std::span<const double> positions);

/// The torsions of rows of a run's columns, by name, in radians.
struct TorsionRows {
  std::string name;
  std::vector<double> values;
};
std::vector<TorsionRows> torsion_rows(const LoadedRun& run, std::span<const double> rows);

/// How far two samples of angles are apart over `bins` equal bins of the circle, or of the torus of
/// two angles with as many bins each way: total variation, half the sum of absolute differences of
/// shares, and KL(reference || values) in nats, where a bin that has reference and no value counts
/// as half a value. Both are above 0 for two samples of one law, by some bins / (2 n). Throws
/// ShapeError for samples without values, and for two angles of unequal numbers.
struct CircleDistance {
  double variation = 0.0, divergence = 0.0;
};
CircleDistance circle_distance(std::span<const double> values, std::span<const double> reference,
                               std::int64_t bins);
CircleDistance torus_distance(const BackboneRows& values, const BackboneRows& reference,
                              std::int64_t bins);

inline constexpr std::int64_t kTorsionBins = 60, kRamachandranBins = 36;

/// Energies in kT of rows of a run's columns; none without a force field.
std::vector<double> molecule_energies(const LoadedRun& run, std::span<const double> rows,
                                      ThreadPool& pool);

/// Chirality at the alpha carbons (N, CA, C and CB of a residue): 1 for the L form, -1 for the D
/// form; rows x residues that have one.
std::vector<double> chirality(const LoadedRun& run, std::span<const double> positions);

/// The mean of InternalCoordinates::log_frame_volume over rows of a run's columns: what a mean log
/// density of positions gains in the frame of the first three atoms, where positions are r_1, two
/// numbers of the third atom and three of each other one, or in that of the anchors, where they are
/// these atoms' components and three numbers of each other one. Published densities of molecules
/// are of this kind.
double frame_gain(const LoadedRun& run, std::span<const double> rows, ThreadPool& pool);

/// Of `draws` samples beside the held-out rows: torsions' total variation and divergence (60 bins),
/// the same of phi and psi together (36 x 36 bins), share of the form of chirality that less than
/// half of the data have, with a force field median energies, and mean and median over all columns
/// of marginal_divergence(). `as_published`: also what goes by these names in print, and
/// divergences of torsions one by one.
std::vector<Metric> molecule_metrics(const LoadedRun& run, const HeldOut& points,
                                     std::int64_t draws, bool as_published, std::uint64_t seed,
                                     ThreadPool& pool);

}  // namespace thalweg
