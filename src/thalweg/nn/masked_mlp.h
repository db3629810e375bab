// A multilayer perceptron whose outputs each see only the features before their own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/nn/network.h"

namespace thalweg {

/// Masked autoencoder (MADE, Germain et al. 2015): `outputs_each` outputs for each of `features`
/// inputs, in the order of a row-major outputs_each x features matrix. Those of feature i depend on
/// the inputs before i alone, and on the context. Weights that would break this are multiplied by
/// 0. Hidden units take the degrees 1 to features - 1 in turn, from 0 with a context or a single
/// feature; degree d sees the first d inputs. Weights and biases start uniform in +-1/sqrt(inputs
/// that a unit sees).
class MaskedMlp : public Network {
 public:
  /// Throws ConfigError for sizes or options out of range.
  MaskedMlp(ParameterStore& parameters, const std::string& name, RandomSequence& random,
            std::int64_t features, std::int64_t outputs_each, const MlpOptions& options);

  /// The outputs of one feature, outputs_each x 1, from the features before it (feature x 1; empty
  /// for feature 0): cheaper than all outputs. Shared for feature 0 without a context.
  Value outputs_of(Graph& graph, std::int64_t feature, Value before, Value context) const;

 protected:
  Value build(Value x, Value context) const override;

 private:
  struct Layer {
    ParameterId weights, bias;
    std::vector<double> mask;  ///< outputs x inputs, 0 or 1; the first layer's inputs are the
                               ///< context and then the features
  };
  Value masked_weights(Graph& graph, const Layer& layer) const;
  Value hidden(Value x) const;

  std::int64_t outputs_each_;
  std::vector<Layer> layers_;
  MlpOptions options_;
};

}  // namespace thalweg
