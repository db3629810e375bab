// Gaussian mixtures with full covariances, fitted by expectation maximisation: the plain models
// that a flow has to beat.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace thalweg {

/// sum over k of weight_k N(mean_k, L_k L_k^T) over `features` columns. Const functions are thread
/// safe.
struct FittedGaussianMixture {
  std::int64_t features = 0;
  std::vector<double> weights;  ///< components, summing to 1
  std::vector<double> means;    ///< components x features, row-major
  std::vector<double> factors;  ///< components x features x features: lower Cholesky factors L_k

  std::int64_t components() const { return static_cast<std::int64_t>(weights.size()); }
  /// Log densities in nats of `x`, rows x features row-major. Throws ShapeError.
  std::vector<double> log_prob(std::span<const double> x) const;
  /// The marginal density of the first `count` columns, which is a mixture again.
  FittedGaussianMixture leading(std::int64_t count) const;
};

struct GaussianMixtureFitOptions {
  std::int64_t components = 10;
  bool diagonal = false;  ///< covariances are
  std::int64_t iterations = 200;
  double tolerance = 1e-5;  ///< stops when the mean log likelihood grows by less nats a row
  /// Added to each variance, as a share of that column's variance, so that no component collapses
  /// onto one point.
  double regularisation = 1e-6;
  /// At most so many rows, chosen at random, are fitted.
  std::int64_t maximum_rows = 100000;
};

/// Fits a mixture to `x`, rows x features row-major, from a k-means++ start (Arthur and
/// Vassilvitskii 2007); one component is the Gaussian with the data's mean and covariance. Throws
/// DataError if there are fewer rows than components or a value is not finite, ConfigError for
/// components < 1, ShapeError if sizes disagree.
FittedGaussianMixture fit_gaussian_mixture(std::span<const double> x, std::int64_t features,
                                           const GaussianMixtureFitOptions& options,
                                           std::uint64_t seed);

}  // namespace thalweg
