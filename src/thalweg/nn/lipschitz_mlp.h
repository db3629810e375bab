// A multilayer perceptron with a bounded Lipschitz constant.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/nn/network.h"

namespace thalweg {

struct LipschitzMlpOptions {
  std::vector<std::int64_t> hidden = {64, 64};
  double lipschitz = 0.9;  ///< bound on |f(x) - f(y)| / |x - y| in the Euclidean norm; positive
  std::int64_t power_iterations = 5;  ///< a training step; at least 1
  std::int64_t context_features = 0;
};

/// Multilayer perceptron of L dense layers whose weights W enter as W / max(1, sigma / c), sigma
/// the largest singular value of W and c = lipschitz^(1 / L) (Gouk et al. 2021), with the
/// activation LipSwish, x sigmoid(k x) / 1.1, whose slope is at most 1 for any k; k =
/// softplus(beta) is learned in each layer (Chen et al. 2019). Weights start uniform in
/// +-1/sqrt(inputs), those of the last layer too, since weight decay would wear the others down
/// before the last one has grown from 0. A context enters the first layer, without a bound of its
/// own.
///
/// In a training graph sigma comes from power iterations that start at a buffer and move it, so it
/// may be slightly too small while weights move fast. In an evaluation graph sigma is replaced by
/// the Schatten norm tr((W W^T)^m)^(1 / 2m) with m = 4096, which no singular value exceeds and
/// which is at most n^(1 / 8192) times the largest (1.0007 for n = 256 rows or columns): the bound
/// then holds up to rounding for any weights, and derivatives are exact.
class LipschitzMlp : public Network {
 public:
  /// Throws ConfigError for sizes or options out of range.
  LipschitzMlp(ParameterStore& parameters, const std::string& name, RandomSequence& random,
               std::int64_t inputs, std::int64_t outputs, const LipschitzMlpOptions& options);

  /// What one graph computes once for all evaluations in it.
  struct Weights {
    std::vector<Value> dense;      ///< bounded weights of each layer
    std::vector<Value> sharpness;  ///< k of each hidden layer
  };
  /// Builds them; in a training graph, registers the buffers' updates.
  Weights weights(Graph& graph) const;

  /// Value and derivative J with respect to x at one point.
  struct Linearised {
    Value value;
    std::vector<Value> dense, slopes;
    /// J times each item of `tangents` (inputs x items).
    Value push(Value tangents) const;
    /// J^T times each item of `cotangents` (outputs x items).
    Value pull(Value cotangents) const;
  };
  /// `x` is inputs x 1. Not checked, as operator() does.
  Value evaluate(const Weights& weights, Value x, Value context) const;
  Linearised linearise(const Weights& weights, Value x, Value context) const;

 protected:
  Value build(Value x, Value context) const override;

 private:
  struct Layer {
    ParameterId weights, bias, singular_vector;
  };
  Value largest_singular_value(Graph& graph, const Layer& layer) const;
  Value run(const Weights& weights, Value x, Value context, std::vector<Value>* slopes) const;

  std::vector<Layer> layers_;
  std::vector<ParameterId> sharpness_;
  ParameterId context_weights_;
  LipschitzMlpOptions options_;
};

}  // namespace thalweg
