// An energy and its slopes on the whole of space, whatever bounds and circles its columns have.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/datasets/column.h"
#include "thalweg/engine/parameters.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// Points are the columns of a matrix, features x points.
using Points = Eigen::MatrixXd;

/// Names of a target's columns; x0, x1, ... where it has none.
std::vector<std::string> names_of(const Target& target);

/// Energies of points and their slopes.
struct EnergyBatch {
  Eigen::VectorXd energy;  ///< +inf where the density is 0 or the energy no number
  Points gradient;         ///< features x points; 0 where the energy is not finite
};

/// u(y) = -log p(x(y)) - log|det dx/dy| for y in R^d, whose exponential has the integral of p's.
/// A bounded column is the log or logit map's. A column on a circle is lifted to (-2 pi, 2 pi):
/// with h(y) = cos^2(y / 4), h(y) + h(y +- 2 pi) = 1, so p h has p's integral. One caller at a
/// time.
class UnboundedEnergy {
 public:
  /// The energy is evaluated by the threads of `pool`, which must outlive it.
  UnboundedEnergy(std::shared_ptr<const Target> target, std::span<const ColumnOptions> columns,
                  ThreadPool& pool);

  std::int64_t features() const { return features_; }
  /// Energies at y, which count as evaluations. A user's function that refuses a point makes its
  /// energy +inf. Throws NumericalError if it refuses all that it was ever given.
  EnergyBatch operator()(const Points& y) { return evaluate(y, true); }
  /// The same without h: periodic in columns on circles.
  EnergyBatch unlifted(const Points& y) { return evaluate(y, false); }
  /// Which columns are on circles.
  const std::vector<bool>& circular() const { return circular_; }
  /// x of each point in the target's units, features x points.
  Points to_data(const Points& y);
  /// Unnormalised log densities of the target at x, in its units, which count as evaluations.
  Eigen::VectorXd log_density(const Points& x);

  std::int64_t evaluations() const { return evaluations_; }
  /// Of these, energies that were NaN or refused, and the message of the first.
  std::int64_t refused() const { return refused_; }
  const std::string& refusal() const { return refusal_; }

 private:
  Points wrapped(const Points& y) const;
  EnergyBatch evaluate(const Points& y, bool lifted);
  void fill(const Points& inside, std::int64_t first, std::int64_t count, EnergyBatch& batch);

  std::int64_t features_;
  std::vector<bool> circular_;
  ParameterStore parameters_;
  std::optional<RowMap> energy_, to_data_, log_density_;
  std::int64_t evaluations_ = 0, refused_ = 0, accepted_ = 0;
  std::string refusal_;
};

}  // namespace thalweg
