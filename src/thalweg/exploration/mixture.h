// Mixtures fitted to particles: metrics for their moves, proposals for their jumps, and at last a
// density to sample by importance.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <vector>

#include "thalweg/core/random.h"
#include "thalweg/exploration/unbounded_energy.h"

namespace thalweg {

/// Standard normal numbers.
Points normal_points(std::int64_t features, std::int64_t count, RandomSequence& random);

/// sum over k of weight_k N(mean_k, L_k L_k^T). Const functions are thread safe.
class Mixture {
 public:
  Mixture() = default;
  /// Weights need not sum to 1. Throws NumericalError unless covariances are positive.
  Mixture(Eigen::VectorXd weights, Points means, std::vector<Eigen::MatrixXd> covariances);

  /// Half of each.
  Mixture(const Mixture& one, const Mixture& other);

  std::int64_t components() const { return weights_.size(); }
  std::int64_t features() const { return means_.rows(); }
  const Eigen::VectorXd& weights() const { return weights_; }
  const Points& means() const { return means_; }
  const Eigen::MatrixXd& covariance(std::int64_t k) const { return covariances_[index(k)]; }
  const Eigen::MatrixXd& factor(std::int64_t k) const { return factors_[index(k)]; }
  /// L_k^-1 (y - mean_k) of each point.
  Points whitened(const Points& y, std::int64_t k) const;
  /// L_k^-T of whitened values: slopes of half their squares.
  Points unwhitened_slope(const Points& z, std::int64_t k) const;
  double log_determinant(std::int64_t k) const { return log_determinants_[k]; }

  /// log(weight_k N_k(y)): components x points.
  Eigen::MatrixXd component_log_densities(const Points& y) const;
  Eigen::VectorXd log_density(const Points& y) const;
  /// Points, and if `component` is given of which one each is.
  Points draw(std::int64_t count, RandomSequence& random,
              std::vector<std::int64_t>* component = nullptr) const;
  /// The component of the largest share in each point.
  std::vector<std::int64_t> most_likely(const Points& y) const;

 private:
  static std::size_t index(std::int64_t k) { return static_cast<std::size_t>(k); }

  Eigen::VectorXd weights_, log_determinants_;
  Points means_;
  std::vector<Eigen::MatrixXd> covariances_, factors_;
};

/// log of the sum of exponentials of each column.
Eigen::VectorXd log_sum_exp(const Eigen::MatrixXd& columns);

/// Shares of the components in each point, from their log densities.
Eigen::MatrixXd responsibilities(const Eigen::MatrixXd& component_log_densities);

struct MixtureFitOptions {
  double cost = 0.0;  ///< nats that each parameter of a split has to bring; 0: half a log(points)
  std::int64_t components = 8;   ///< at most
  std::int64_t iterations = 3;   ///< of expectation maximisation from the start
  std::int64_t splits = 2;       ///< tried
  double smallest_weight = 0.0;  ///< of a component; 0: 8 points, or half a feature
};

/// Fits by expectation maximisation from `start` (none: one component) and splits components while
/// that pays: by default as the Bayesian information criterion says. Covariances are shrunk to
/// their diagonals by as much as few points need.
Mixture fit_mixture(const Points& y, const Mixture* start, const MixtureFitOptions& options,
                    RandomSequence& random);

}  // namespace thalweg
