// Activation normalisation (Kingma and Dhariwal 2018).
#pragma once

#include <span>
#include <string>

#include "thalweg/transforms/transform.h"

namespace thalweg {

/// x = mean + exp(log_scale) z, with mean and scale learned. initialise() sets them so that z has
/// mean 0 and variance 1 in each feature; before, they are 0 and 1.
class ActNorm : public Transform {
 public:
  ActNorm(ParameterStore& parameters, const std::string& name, std::int64_t features);
  bool wants_data() const override { return true; }
  /// Standard deviations (of the population) below 1e-6 count as 1e-6. Throws DataError if `x` is
  /// empty, holds no whole number of rows or values that are not finite.
  void initialise(ParameterStore& parameters, std::span<const double> x,
                  std::span<const double> context = {}) const override;

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  ParameterId mean_, log_scale_;
};

}  // namespace thalweg
