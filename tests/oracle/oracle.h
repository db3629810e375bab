// A second, slow executor: lowers a graph to libtorch double tensors, the whole batch at once, so
// that tests can compare values with it and derivatives with torch's own.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "thalweg/engine/graph.h"

namespace thalweg::oracle {

/// What a graph is evaluated on. Tensors are double; those that require gradients are leaves that
/// torch can differentiate by.
struct Feed {
  std::vector<torch::Tensor> inputs;  ///< one an input slot, [samples, features, items]
  std::vector<torch::Tensor>
      parameters;                    ///< one an entry of ParameterStore::infos, [rows, columns]
  std::vector<std::int64_t> counts;  ///< samples of each batch domain
  std::uint64_t seed = 0;            ///< of the random nodes
  std::vector<std::uint64_t> first_samples;  ///< sample number of row 0 of each batch domain
};

/// Values of `outputs`: [samples, features, items] for a batched one, [features, items] for a
/// shared one. Every operation but the stop of a gradient is differentiable by torch to any order.
/// Throws ShapeError where the feed does not fit the graph.
std::vector<torch::Tensor> evaluate(const Graph& graph, const std::vector<Value>& outputs,
                                    const Feed& feed);

}  // namespace thalweg::oracle
