// A multilayer perceptron whose outputs each see only the features before their own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "thalweg/nn/network.h"

namespace thalweg {

/// What the inputs and outputs of a masked network belong to.
struct MaskedLayout {
  std::int64_t features = 0;
  /// The feature that each input tells of, ascending. A feature may have several inputs or none.
  std::vector<std::int32_t> input_owners;
  /// The feature that each output is for, in any order.
  std::vector<std::int32_t> output_owners;
  /// Whether a masked matrix from context and inputs straight to the outputs, which starts at 0, is
  /// added.
  bool linear_path = false;
};

/// Masked autoencoder (MADE, Germain et al. 2015): outputs for feature i depend on the inputs of
/// the features before i alone, and on the context. Weights that would break this are multiplied by
/// 0. Hidden units take the degrees 1 to features - 1 in turn, from 0 with a context or a single
/// feature; degree d sees the first d features. Weights and biases start uniform in +-1/sqrt(inputs
/// that a unit sees).
class MaskedMlp : public Network {
 public:
  /// `outputs_each` outputs for each of `features` inputs, in the order of a row-major outputs_each
  /// x features matrix. Throws ConfigError for sizes or options out of range.
  MaskedMlp(ParameterStore& parameters, const std::string& name, RandomSequence& random,
            std::int64_t features, std::int64_t outputs_each, const MlpOptions& options);
  /// Throws ConfigError also for owners that are no features or do not ascend.
  MaskedMlp(ParameterStore& parameters, const std::string& name, RandomSequence& random,
            MaskedLayout layout, const MlpOptions& options);

  /// The outputs of one feature, in their order, from the inputs of the features before it (inputs
  /// x 1; empty for none): cheaper than all outputs. Shared where neither those nor a context
  /// exist, but for dropout, which is of the samples of `domain`.
  Value outputs_of(Graph& graph, std::int64_t feature, Value before, Value context,
                   Domain domain = 0) const;
  /// Number of inputs that belong to the features before `feature`.
  std::int64_t inputs_before(std::int64_t feature) const;

  /// The bias of the outputs, outputs() x 1.
  ParameterId output_bias() const { return layers_.back().bias; }
  /// The matrix of the linear path, outputs() x (context_features() + inputs()), the context first;
  /// none without that path.
  std::optional<ParameterId> linear_weights() const {
    return linear_ ? std::optional(linear_->weights) : std::nullopt;
  }

 protected:
  Value build(Value x, Value context) const override;

 private:
  struct Masked {
    ParameterId weights;
    std::vector<double> mask;  ///< outputs x inputs, 0 or 1; those from the inputs of the network
                               ///< are the context and then the inputs
  };
  struct Layer : Masked {
    ParameterId bias;
  };
  Value masked_weights(Graph& graph, const Masked& layer) const;
  Value hidden(Value x, Domain domain = 0) const;

  MaskedLayout layout_;
  std::vector<Layer> layers_;
  std::optional<Masked> linear_;
  MlpOptions options_;
};

}  // namespace thalweg
