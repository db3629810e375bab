// A first look at an energy: low points, and how wide a region holds them.
#pragma once

#include <Eigen/Dense>
#include <memory>
#include <optional>
#include <span>

#include "thalweg/core/random.h"
#include "thalweg/exploration/unbounded_energy.h"

namespace thalweg {

/// What descents from many radii came to.
struct Scouted {
  Points minima;                  ///< end points with a finite energy, the lowest first
  Eigen::VectorXd energies;       ///< of these
  Eigen::VectorXd centre, width;  ///< of the region of low points, in each column
};

/// 64 descents of 120 steps by signs of slopes (RProp; Riedmiller and Braun 1993) from radii of 0.1
/// to 1e5; starts with an infinite energy are pulled inwards. Throws NumericalError where no energy
/// is finite.
Scouted scout(UnboundedEnergy& energy, RandomSequence& random);

/// Compares a user's slopes with differences at two dozen of `particles`, points of `energy`: where
/// the mass is, since an energy's lowest points can be poles. Throws as check_gradients.
void check_slopes(const std::shared_ptr<const Target>& target, UnboundedEnergy& energy,
                  const Points& particles, std::span<const ColumnOptions> columns,
                  ThreadPool& pool);

/// A minimum and its Gaussian.
struct LaplaceFit {
  Eigen::VectorXd minimum;
  Eigen::MatrixXd covariance;
  double log_integral = 0.0;
};

/// Newton steps from `start`, with a Hessian by differences at scales `deviation`; none where they
/// find no minimum.
std::optional<LaplaceFit> laplace_fit(UnboundedEnergy& energy, Eigen::VectorXd start,
                                      const Eigen::VectorXd& deviation);

}  // namespace thalweg
