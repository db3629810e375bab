// Quantiles and correlations of the columns of weighted samples.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace thalweg {

/// Probabilities of the quantiles that summaries give.
inline constexpr std::array<double, 5> kQuantiles = {0.025, 0.25, 0.5, 0.75, 0.975};

/// Mean direction of a circular column in its own units, and the length of the mean resultant
/// vector: 1 where all samples are equal, 0 where no direction is preferred (Mardia and Jupp 2000,
/// eq. 2.2.2 and 2.2.4).
struct CircularMean {
  double direction = 0.0, concentration = 0.0;
};

/// Where the values that make up at least the share `probability` of all weight begin, by linear
/// interpolation between the middles of the sorted values' weights. `weights` are not negative;
/// those of 0 do not count. Throws ShapeError for lengths that differ, and where no weight is
/// positive.
std::vector<double> weighted_quantiles(std::span<const double> weights,
                                       std::span<const double> values,
                                       std::span<const double> probabilities);

/// Pearson's correlations under the weights, features x features, row-major; NaN for a column that
/// does not vary. `x` holds rows x features. Throws ShapeError.
std::vector<double> weighted_correlations(std::span<const double> weights,
                                          std::span<const double> x, std::int64_t features);

/// Of a column that repeats from `lower` to `upper`. Throws as weighted_quantiles.
CircularMean circular_mean(std::span<const double> weights, std::span<const double> values,
                           double lower, double upper);

}  // namespace thalweg
