// What a training step of any objective computes.
#pragma once

#include <vector>

#include "thalweg/bases/base.h"
#include "thalweg/engine/graph.h"

namespace thalweg {

/// The values of one training step; compile them to one program. Inputs have slots in the order of
/// the members here; those that an objective does not use are empty and take no slot.
struct TrainingStep {
  Value x;        ///< data: features x 1 a sample of domain 0
  Value context;  ///< context features x 1
  Value latent;   ///< exact samples of a base with a rejection step, for a reverse KL: features x 1
  Value temperature;  ///< 1 x 1: factor on the log density of a target
  Value loss;         ///< in nats, shared 1 x 1
  Value non_finite;   ///< number of samples whose part of the loss is not finite, shared 1 x 1
  std::vector<ParameterId> trainable;  ///< all trainable tensors of the store, in its order
  std::vector<Value> gradients;        ///< of the loss, one a trainable tensor
};

/// What is taken off a loss for a base with a rejection step: `weight` times Z, its acceptance rate
/// (Stimper, Schoelkopf, Hernandez-Lobato 2022, eq. 26), shared 1 x 1; its mean over the batch
/// where it depends on the context. 0 for a weight of 0. Throws ConfigError for a weight that is
/// negative or not finite, and for a base without such a step.
Value acceptance_reward(Graph& graph, const Base& base, double weight, Value context = {});

/// Fills trainable and gradients with those of `scalar`, a shared 1 x 1 value whose gradient is
/// that of the loss. Throws ConfigError if the store has no trainable tensor.
void add_gradients(TrainingStep& step, Value scalar);

}  // namespace thalweg
