// Constant affine maps: standardisation of the data, or a trained mean and scale.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "thalweg/nn/network.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

struct AffineConstantOptions {
  std::vector<double> mean = {};   ///< empty: 0
  std::vector<double> scale = {};  ///< positive; empty: 1
  bool trainable = true;           ///< false: kept with the model as buffers
  /// With a context, a network from it to [shift; log scale] that are added to the constant ones.
  /// Empty: an Mlp of 64-64 whose last layer starts at 0.
  NetworkFactory conditioner = {};
  std::int64_t context_features = 0;
};

/// x = mean + scale z, elementwise; the scale is kept as its logarithm.
class AffineConstant : public Transform {
 public:
  /// Throws ConfigError for a mean or scale of another length, that is not finite, or not positive
  /// (scale).
  AffineConstant(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                 std::int64_t features, const AffineConstantOptions& options = {});

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  struct Coefficients {
    Value mean, log_scale;
  };
  Coefficients coefficients(Graph& graph, Value context) const;

  ParameterId mean_, log_scale_;
  std::unique_ptr<Network> conditioner_;
};

}  // namespace thalweg
