// Kolmogorov and Smirnov's distance of samples in the plane from a density.
#pragma once

#include <cstdint>
#include <span>

#include "thalweg/metrics/grid_divergence.h"

namespace thalweg {

/// The largest difference, over all points (a, b) of the unit square, of the share of `uniform`,
/// rows x 2, in [0, a] x [0, b] from a b: exact, in time proportional to the square of the rows.
/// Throws ShapeError for no rows and an odd number of values, DataError for values outside [0, 1].
double uniform_distance(std::span<const double> uniform);

/// The distance of Justel, Pena, Zamar 1997 of samples, rows x 2, from a density: uniform_distance
/// after Rosenblatt's transform, to the distribution function of one coordinate and that of the
/// other given the first, in either order, of which the larger counts. In [0, 1]; of n exact
/// samples about 1.5 / sqrt(n).
///
/// The distribution functions are those of the density, unnormalised or not, taken as constant in
/// `points` x `points` squares of [-half_width, half_width]^2: right to about half a square over
/// the width of the density's finest detail. What lies outside of these counts as on their edge.
/// Throws ConfigError unless points >= 2 and half_width > 0, NumericalError where the density
/// vanishes or is not finite, and as uniform_distance.
double rosenblatt_distance(std::span<const double> samples, const PlaneLogDensity& log_density,
                           double half_width, std::int64_t points = 1000);

}  // namespace thalweg
