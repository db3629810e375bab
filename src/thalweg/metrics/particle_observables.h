// What samples of particles look like, whatever their turns and order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace thalweg {

/// Distances of all pairs of particles, pair by pair, row by row: positions are rows x features,
/// particle by particle in `dimensions` dimensions. Takes the first rows, as many as have 3 million
/// pairs. Throws ShapeError unless rows hold whole particles.
std::vector<double> pair_distances(std::span<const double> x, std::int64_t features,
                                   std::int64_t dimensions);

/// How densely space is filled around a particle, per other particle and unit of volume, in shells
/// of equal width from 0 to `furthest`: shares of `distances` over the shells' volumes
/// pi^(n/2) / Gamma(n/2 + 1) (b^n - a^n). Distances beyond `furthest`, and NaN, are in no shell,
/// but in what shares are of. Throws ShapeError for no distance, no shell or no dimension.
struct RadialDistribution {
  std::vector<double> radius;   ///< the middle of each shell
  std::vector<double> density;  ///< of each shell
};
RadialDistribution radial_distribution(std::span<const double> distances, std::int64_t dimensions,
                                       double furthest, std::int64_t shells);

/// Total variation, from 0 to 1, between histograms of two samples over 100 bins that have equal
/// shares of `reference`: half the sum of absolute differences. Values outside of its range count
/// in the bins at the ends, NaN nowhere, so that it is part of what is missing. Of two samples of n
/// and m of one law it is about 0.4 sqrt(100 (1/n + 1/m)). Throws ShapeError for a sample without
/// values.
double histogram_distance(std::span<const double> values, std::span<const double> reference);

}  // namespace thalweg
