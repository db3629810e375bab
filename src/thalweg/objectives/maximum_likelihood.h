// Maximum likelihood: the loss of exact-density flows.
#pragma once

#include "thalweg/flows/flow.h"
#include "thalweg/objectives/training_step.h"

namespace thalweg {

/// Builds the step in `graph`, whose phase should be kTraining; updates of buffers are then in
/// graph.buffer_updates(). The loss is the mean of -log p(x) over the batch, less
/// `rejection_weight` times Z of a resampled base (see acceptance_reward). Of a flow with
/// stochastic layers it is that of paths (Wu, Koehler, Noe 2020, eq. 14). Throws ConfigError if the
/// store has no trainable tensor.
TrainingStep maximum_likelihood(Graph& graph, const Flow& flow, double rejection_weight = 0.0);

}  // namespace thalweg
