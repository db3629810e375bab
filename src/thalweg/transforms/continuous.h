// Continuous layer: the flow of an ordinary differential equation (Chen et al. 2018).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "thalweg/nn/network.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

struct ContinuousOptions {
  /// Equal steps of the integration, at least 1; with 8 log densities of two rings are within 1e-5
  /// nats of those with 96.
  std::int64_t steps = 8;
};

/// dx/dt = v(x, t, c) from the latent x(0) = z to the data x(1), with a network v of x and, as its
/// context, t, sin(pi t), cos(pi t) and then the condition c if there is one. log|det dx/dz| is the
/// integral of the divergence of v, which is the exact trace of its Jacobian by as many forward
/// derivatives as there are features.
///
/// Both ways take `steps` equal steps of Dormand and Prince's method of order 5, six values of v
/// each, of which the graph is made: derivatives are those of what is computed. The inverse is the
/// integral backward, not the inverse of the forward steps; the two differ, as the log-determinant
/// does from that of the computed map, by the error of the integration, which falls by the fifth
/// power of the steps. The method's embedded estimate of order 4, summed over the steps, bounds it
/// in practice: `unsolved` is 1 where it is above 1e-3 (1 + |x|), x the result, or 0.01 nats, or no
/// number; `unsolved_value` goes by x alone.
///
/// Trained by the objective flow_matching, which takes v alone, or, dearly, by any other.
class Continuous : public Transform {
 public:
  /// t, sin(pi t), cos(pi t).
  static constexpr std::int64_t kTimeFeatures = 3;

  /// Throws ConfigError unless the network has as many outputs as inputs and a context of at least
  /// kTimeFeatures, and for fewer than 1 step.
  Continuous(const std::string& name, std::unique_ptr<const Network> velocity,
             const ContinuousOptions& options = {});

  /// v(x, t, c), features x 1; t is 1 x 1, shared or one a sample. Throws ShapeError.
  Value velocity(Value x, Value t, Value context = {}) const;

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  struct State;
  Mapped integrate(Value start, Value context, double from, double to) const;
  ContinuousOptions options_;
  std::unique_ptr<const Network> velocity_;
};

}  // namespace thalweg
