// How far samples are from those of another distribution, from the samples alone.
#pragma once

#include <cstdint>
#include <span>

#include "thalweg/core/thread_pool.h"

namespace thalweg {

/// KL(p || q) in nats from samples `x` of p and `y` of q, rows x features each, by the distances to
/// the nearest neighbours: mean over x of features * log(distance to y / distance to the rest of x)
/// + log(rows of y / (rows of x - 1)) (Wang, Kulkarni, Verdu 2009, eq. 5; Perez-Cruz 2008). It
/// converges to the divergence, from samples of equal laws to 0, and may come out below 0. Where
/// rows repeat, as Markov chains make them, the nearest neighbour that differs counts, with the
/// correction for its rank. Takes rows of x times rows of both. Throws ShapeError for fewer than 2
/// rows, NumericalError where some are not finite or all are one.
double neighbour_divergence(std::span<const double> x, std::span<const double> y,
                            std::int64_t features, ThreadPool& pool);

/// Kolmogorov and Smirnov's distance in the plane (Peacock 1983, with the samples as corners as
/// Fasano and Franceschini 1987 have it): the largest difference, over all quadrants with a sample
/// of either kind as corner, of the shares of both samples in it. In [0, 1]. `x` and `y` are rows x
/// 2. Takes the square of all rows. Throws ShapeError for no rows.
double plane_distance(std::span<const double> x, std::span<const double> y, ThreadPool& pool);

/// Share of samples outside of the smallest region that holds `mass` of a density: those whose log
/// density is below the (1 - mass) quantile of that of exact samples. Exact samples give 1 - mass;
/// NaN counts as outside. Throws ShapeError for no values, ConfigError for a mass outside of (0,
/// 1).
double share_outside(std::span<const double> log_density, std::span<const double> of_exact_samples,
                     double mass);

}  // namespace thalweg
