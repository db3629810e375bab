// Residual network of whole perceptrons.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/nn/network.h"

namespace thalweg {

struct ResidualMlpOptions {
  std::vector<std::int64_t> hidden = {256, 256};  ///< of each perceptron
  std::int64_t blocks = 2;                        ///< residual ones
  Activation activation = Activation::kSilu;
  double dropout = 0.0;
  bool zero_output = false;
  std::int64_t context_features = 0;
};

/// A perceptron from input and context to as many values as the input has, which the context joins;
/// `blocks` of h + perceptron(h) on these; a linear map to the outputs. Draxler, Sorrenson et al.
/// 2024, section 9.1, "ResNet L".
class ResidualMlp : public Network {
 public:
  using Options = ResidualMlpOptions;
  /// Throws ConfigError for sizes out of range.
  ResidualMlp(ParameterStore& parameters, const std::string& name, RandomSequence& random,
              std::int64_t inputs, std::int64_t outputs, const ResidualMlpOptions& options);

 protected:
  Value build(Value x, Value context) const override;

 private:
  std::vector<Mlp> parts_;  // the first one, the blocks, the linear map
};

}  // namespace thalweg
