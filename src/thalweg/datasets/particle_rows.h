// Rows that are positions of particles.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace thalweg {

/// What rows of particles show.
struct ParticleRowsSummary {
  std::int64_t particles = 0;
  double largest_centre = 0.0;  ///< distance of a row's centre of mass from 0, before it was moved
  double usual_distance = 0.0;  ///< median over particles and rows of that to the nearest neighbour
  /// Rows with a particle whose nearest neighbour is more than kEvaporated usual distances away.
  std::int64_t evaporated = 0;
};
inline constexpr double kEvaporated = 3.0;

/// The distance of each particle from its nearest neighbour, row by row: infinite for one whose
/// positions are NaN. `values` as in centre_particles().
std::vector<double> nearest_distances(std::span<const double> values, std::int64_t stride,
                                      std::int64_t features, std::int64_t dimensions);

/// Makes the positions `x` of a row's particles NaN where their species is 0, which is none. `row`
/// counts from 0. Throws DataError, with the row (from 1), for positions there that are neither 0
/// nor missing and for missing ones elsewhere, for species that are no whole numbers from 0 to
/// 10^6, and for a row with fewer than 2 particles.
void mark_absent(std::span<double> x, std::span<const double> species, std::int64_t dimensions,
                 std::size_t row);

/// Moves rows to a centre of mass of 0. `values` is row-major with `stride` numbers a row, of which
/// the first `features` are positions in `dimensions` dimensions, particle by particle. Throws
/// DataError unless these are at least 2 whole particles, and with the row (from 1) where two
/// particles are at one place, up to a millionth of the usual distance: no energy is finite there.
/// Takes time proportional to the pairs in all rows.
///
/// With `species`, a row's last numbers are those of its particles: one of species 0 is not there,
/// and its positions, 0 or missing, become 0. Throws as mark_absent.
ParticleRowsSummary centre_particles(std::span<double> values, std::int64_t stride,
                                     std::int64_t features, std::int64_t dimensions,
                                     bool species = false);

}  // namespace thalweg
