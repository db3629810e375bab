// Mixture of Gaussians with full covariances, as it was fitted.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "thalweg/bases/base.h"

namespace thalweg {

/// sum over k of weight_k N(mean_k, L_k L_k^T). Nothing is trained: set() takes what was fitted.
/// Starts as standard normals of equal weight.
class FullGaussianMixture : public Base {
 public:
  /// Throws ConfigError for less than 1 component.
  FullGaussianMixture(ParameterStore& parameters, const std::string& name, std::int64_t features,
                      std::int64_t components);
  bool reparameterised() const override { return false; }
  /// Sets positive `weights` (components), `means` (components x features) and lower Cholesky
  /// `factors` L_k (components x features x features), row-major. Throws ShapeError, and
  /// NumericalError for a factor whose diagonal is not positive.
  void set(ParameterStore& parameters, std::span<const double> weights,
           std::span<const double> means, std::span<const double> factors) const;

 protected:
  Value build_log_prob(Value z, Value context) const override;
  Value build_draw(Graph& graph, Domain domain, Value context) const override;

 private:
  std::int64_t components_;
  // 1 x components, features x components, and (components x features) x features: L_k and their
  // inverses, one below the other.
  ParameterId logits_, means_, factors_, whitening_;
};

}  // namespace thalweg
