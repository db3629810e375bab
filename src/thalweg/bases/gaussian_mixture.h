// Mixture of Gaussians with diagonal covariances.
#pragma once

#include <string>

#include "thalweg/bases/base.h"
#include "thalweg/core/random.h"

namespace thalweg {

struct GaussianMixtureOptions {
  std::int64_t components = 10;  ///< at least 1
  double location_scale = 1.0;   ///< locations start as normal numbers times this; not negative
  double scale = 0.5;            ///< standard deviations start here; positive
  bool trainable = true;         ///< locations, scales and weights
};

/// Weights start equal. Draws pick a component, so their derivatives reach locations and scales but
/// not the weights.
class GaussianMixture : public Base {
 public:
  /// Throws ConfigError for options out of range.
  GaussianMixture(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                  std::int64_t features, const GaussianMixtureOptions& options = {});
  bool reparameterised() const override { return false; }

 protected:
  Value build_log_prob(Value z, Value context) const override;
  Value build_draw(Graph& graph, Domain domain, Value context) const override;

 private:
  std::int64_t components_;
  ParameterId locations_, log_scales_, logits_;  // features x components twice, 1 x components
};

}  // namespace thalweg
