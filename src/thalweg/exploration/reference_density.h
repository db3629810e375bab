// Densities that tempering starts from: normalised, to be drawn from, wider than what is sought.
#pragma once

#include <Eigen/Dense>

#include "thalweg/exploration/mixture.h"

namespace thalweg {

/// Energies -log q of points, and their slopes. Const functions are thread safe.
class ReferenceDensity {
 public:
  virtual ~ReferenceDensity() = default;
  virtual Points draw(std::int64_t count, RandomSequence& random) const = 0;
  Eigen::VectorXd log_density(const Points& y) const { return -energy(y).energy; }
  /// -log q and its slopes.
  virtual EnergyBatch energy(const Points& y) const = 0;
};

/// Multivariate t with 5 degrees of freedom and a scale for each column.
class WideReference : public ReferenceDensity {
 public:
  WideReference(Eigen::VectorXd centre, Eigen::VectorXd scale);
  Points draw(std::int64_t count, RandomSequence& random) const override;
  EnergyBatch energy(const Points& y) const override;

 private:
  Eigen::VectorXd centre_, scale_;
  double log_constant_;
};

/// A mixture of which a fifth is multivariate t with 3 degrees of freedom and 1.5 times the scale,
/// component by component, so that importance weights stay bounded in tails that are not too heavy.
class HeavyMixture : public ReferenceDensity {
 public:
  explicit HeavyMixture(Mixture mixture);
  const Mixture& mixture() const { return mixture_; }
  Points draw(std::int64_t count, RandomSequence& random) const override;
  EnergyBatch energy(const Points& y) const override;

 private:
  Mixture mixture_;
  double log_constant_;
};

}  // namespace thalweg
