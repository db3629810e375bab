// Networks: builders of graphs that own parameters.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thalweg/core/random.h"
#include "thalweg/engine/graph.h"

namespace thalweg {

/// Elementwise non-linearities. All are smooth but relu, leaky_relu (slope 0.01) and elu (second
/// derivative).
enum class Activation : std::uint8_t {
  kRelu,
  kLeakyRelu,
  kElu,
  kTanh,
  kSigmoid,
  kSoftplus,
  kSilu,
  kGelu
};

/// Names of all activations: "relu", "leaky_relu", ...
std::vector<std::string> activation_names();
/// Activation by name; throws ConfigError that lists the names.
Activation activation_by_name(std::string_view name);
/// Whether it has derivatives of any order everywhere.
bool is_smooth(Activation activation);
/// Names of those that are smooth.
std::vector<std::string> smooth_activation_names();
Value activate(Activation activation, Value x);

/// In a training graph sets each element to 0 with probability `rate` and scales the rest by 1 / (1
/// - rate), with fresh random numbers a sample, of `domain` if `x` is shared; in an evaluation
/// graph returns `x`. Throws ConfigError unless 0 <= rate < 1.
Value dropout(Value x, double rate, Domain domain = 0);

/// A function of one sample's features with an optional context, both vectors (features x items;
/// applied to each item).
class Network {
 public:
  virtual ~Network() = default;
  /// `x` is inputs x items; `context` is context_features x items, or empty if context_features()
  /// is 0. Gives outputs x items. Throws ShapeError.
  Value operator()(Value x, Value context = {}) const;
  std::int64_t inputs() const { return inputs_; }
  std::int64_t outputs() const { return outputs_; }
  std::int64_t context_features() const { return context_features_; }

 protected:
  Network(std::string name, std::int64_t inputs, std::int64_t outputs,
          std::int64_t context_features);
  virtual Value build(Value x, Value context) const = 0;
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  std::int64_t inputs_, outputs_, context_features_;
};

struct MlpOptions {
  std::vector<std::int64_t> hidden = {64, 64};
  Activation activation = Activation::kRelu;
  double dropout = 0.0;
  bool zero_output = false;  ///< last layer starts at 0, so a coupling starts as the identity
  std::int64_t context_features = 0;
};

/// Multilayer perceptron; the context is joined to the input. Hidden weights start uniform in
/// +-1/sqrt(inputs), as do biases.
class Mlp : public Network {
 public:
  using Options = MlpOptions;
  Mlp(ParameterStore& parameters, const std::string& name, RandomSequence& random,
      std::int64_t inputs, std::int64_t outputs, const MlpOptions& options);

 protected:
  Value build(Value x, Value context) const override;

 private:
  struct Layer {
    ParameterId weights, bias;
  };
  std::vector<Layer> layers_;
  MlpOptions options_;
};

struct ResidualNetworkOptions {
  std::int64_t hidden = 64;
  std::int64_t blocks = 2;
  Activation activation = Activation::kRelu;
  double dropout = 0.0;
  bool zero_output = false;
  std::int64_t context_features = 0;
};

/// Residual network: a dense layer, `blocks` of x + dense(drop(act(dense(act(x))))), a dense layer
/// (Durkan et al. 2019, the conditioner of neural spline flows). The context is joined to the input
/// and gates each block: x + block * sigmoid(dense(c)).
class ResidualNetwork : public Network {
 public:
  using Options = ResidualNetworkOptions;
  ResidualNetwork(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                  std::int64_t inputs, std::int64_t outputs, const ResidualNetworkOptions& options);

 protected:
  Value build(Value x, Value context) const override;

 private:
  struct Layer {
    ParameterId weights, bias;
  };
  struct Block {
    Layer first, second, gate;
  };
  Layer input_, output_;
  std::vector<Block> blocks_;
  ResidualNetworkOptions options_;
};

/// A recipe for a network of given sizes, for layers that own one (couplings, splines). `name`
/// starts the names of its parameters.
using NetworkFactory = std::function<std::unique_ptr<Network>(
    ParameterStore& parameters, const std::string& name, RandomSequence& random,
    std::int64_t inputs, std::int64_t outputs, std::int64_t context_features)>;

/// A recipe for networks of type N; `options.context_features` is replaced by what the layer asks
/// for.
template <typename N>
NetworkFactory network_factory(typename N::Options options) {
  return [options = std::move(options)](ParameterStore& parameters, const std::string& name,
                                        RandomSequence& random, std::int64_t inputs,
                                        std::int64_t outputs, std::int64_t context_features) {
    typename N::Options with_context = options;
    with_context.context_features = context_features;
    return std::make_unique<N>(parameters, name, random, inputs, outputs, with_context);
  };
}

}  // namespace thalweg
