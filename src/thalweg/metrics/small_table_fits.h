// Plain densities for tables of few rows, besides mixtures as they are (gaussian_mixture_fit.h).
// `x` is rows x features, row-major, everywhere; functions throw ShapeError for sizes that do not
// fit, DataError for fewer than 3 rows or values that are not finite, and NumericalError for
// columns that depend on each other.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thalweg/metrics/gaussian_mixture_fit.h"

namespace thalweg {

/// The Gaussian whose covariance is that of the data pulled towards its diagonal, by the intensity
/// that makes the expected squared error of the correlations least (Schaefer and Strimmer 2005).
FittedGaussianMixture fit_shrunk_gaussian(std::span<const double> x, std::int64_t features);

/// fit_gaussian_mixture() of the rows whitened by their covariance, brought back: its diagonal
/// covariances are along the data's own axes, and its regularisation a share of the whole cloud in
/// every direction.
FittedGaussianMixture fit_whitened_mixture(std::span<const double> x, std::int64_t features,
                                           const GaussianMixtureFitOptions& options,
                                           std::uint64_t seed);

/// Normals of one mean and of covariances s^2 C for several fixed s, whose weights, mean and C are
/// fitted by expectation maximisation: an elliptical density with the tails that the data have.
FittedGaussianMixture fit_elliptical(std::span<const double> x, std::int64_t features);

/// A kernel density estimate on whitened rows: mean over the points of N(point, bandwidth^2 C), C
/// being their covariance.
struct FittedKernelDensity {
  std::int64_t features = 0;
  std::vector<double> points;  ///< rows x features
  std::vector<double> upper;   ///< U, features x features, upper triangular: C = U^-1 U^-T
  double bandwidth = 1.0;
  /// Log densities in nats. Throws ShapeError.
  std::vector<double> log_prob(std::span<const double> x) const;
};

/// With the bandwidth that makes the log likelihood of each row by all others largest.
FittedKernelDensity fit_kernel_density(std::span<const double> x, std::int64_t features);

/// U of the rows, as in FittedKernelDensity: U (x - mean) has unit covariance.
std::vector<double> whitening_factor(std::span<const double> x, std::int64_t features);

}  // namespace thalweg
