// Maximum likelihood: the loss of exact-density flows.
#pragma once

#include <vector>

#include "thalweg/flows/flow.h"

namespace thalweg {

/// The values that one training step computes; compile them to one program.
struct LikelihoodStep {
  Value x;           ///< input slot 0: features x 1 a sample of domain 0
  Value context;     ///< input slot 1: context features x 1; empty without a context
  Value loss;        ///< mean of -log p(x) over the batch in nats, shared 1 x 1
  Value non_finite;  ///< number of samples whose log density is not finite, shared 1 x 1
  std::vector<ParameterId> trainable;  ///< all trainable tensors of the store, in its order
  std::vector<Value> gradients;        ///< of the loss, one a trainable tensor
};

/// Builds the step in `graph`, whose phase should be kTraining; updates of buffers are then in
/// graph.buffer_updates(). Throws ConfigError if the store has no trainable tensor.
LikelihoodStep maximum_likelihood(Graph& graph, const Flow& flow);

}  // namespace thalweg
