// A transform that sees its context in units of the context's own spread.
#pragma once

#include <memory>
#include <vector>

#include "thalweg/transforms/transform.h"

namespace thalweg {

/// The transform `inner` with the context (c - mean) / scale, so that conditions of any units suit
/// its network. Parameters and names are those of `inner`.
class StandardisedContext : public Transform {
 public:
  /// One mean and one positive scale for each context feature of `inner`. Throws ConfigError for
  /// other lengths, values that are not finite and scales that are not positive.
  StandardisedContext(std::shared_ptr<const Transform> inner, std::vector<double> mean,
                      std::vector<double> scale);
  bool stochastic() const override { return inner_->stochastic(); }
  bool wants_data() const override { return inner_->wants_data(); }
  void initialise(ParameterStore& parameters, std::span<const double> x) const override {
    inner_->initialise(parameters, x);
  }

 protected:
  Mapped build_forward(Value z, Value context) const override {
    return inner_->forward(z, standardised(context));
  }
  Mapped build_inverse(Value x, Value context) const override {
    return inner_->inverse(x, standardised(context));
  }

 private:
  Value standardised(Value context) const;
  std::shared_ptr<const Transform> inner_;
  std::vector<double> mean_, factor_;
};

}  // namespace thalweg
