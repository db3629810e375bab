// Flow: a base and transforms with an exact density.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "thalweg/bases/base.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

/// x = T_n(... T_1(z)), z from the base: transforms are listed from the latent side to the data
/// side. log p(x) = log p(z) + sum of log|det dz/dx|. Const functions are thread safe (one graph
/// belongs to one thread).
class Flow {
 public:
  /// Throws ShapeError if a transform's features, or a context's size, disagree with the base's.
  Flow(std::shared_ptr<const Base> base, std::vector<std::shared_ptr<const Transform>> transforms);

  /// Log density in nats, 1 x 1 a sample; with stochastic layers one draw of an estimate whose mean
  /// is a lower bound on it, and the mean of whose exponential is the density. Throws ShapeError.
  Value log_prob(Value x, Value context = {}) const;
  /// z to x with log|det dx/dz|.
  Mapped forward(Value z, Value context = {}) const;
  /// x to z with log|det dz/dx|.
  Mapped inverse(Value x, Value context = {}) const;

  /// Whether some layer is stochastic, so that log_prob is an estimate.
  bool stochastic() const;
  std::int64_t features() const { return base_->features(); }
  std::int64_t context_features() const { return context_features_; }
  const Base& base() const { return *base_; }
  const std::vector<std::shared_ptr<const Transform>>& transforms() const { return transforms_; }

 private:
  std::shared_ptr<const Base> base_;
  std::vector<std::shared_ptr<const Transform>> transforms_;
  std::int64_t context_features_ = 0;
};

/// Initialises transforms that want data (ActNorm), from the data side to the latent side, each on
/// what the ones after it make of `x`: rows x features, row-major, at least one row, with `context`
/// rows x context_features. Runs in double. Throws NumericalError if values stop being finite.
void initialise_from_data(const Flow& flow, ParameterStore& parameters, std::span<const double> x,
                          std::span<const double> context = {});

}  // namespace thalweg
