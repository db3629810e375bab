#include "thalweg/objectives/maximum_likelihood.h"

namespace thalweg {

TrainingStep maximum_likelihood(Graph& graph, const Flow& flow, double rejection_weight) {
  const ScopeName scope(graph, "maximum likelihood");
  TrainingStep step;
  step.x = graph.input({flow.features(), 1});
  if (flow.context_features() > 0) step.context = graph.input({flow.context_features(), 1});
  const Value log_prob = flow.log_prob(step.x, step.context);
  const Value given = flow.base().context_features() > 0 ? step.context : Value{};
  step.loss =
      -batch_mean(log_prob) - acceptance_reward(graph, flow.base(), rejection_weight, given);
  step.non_finite = batch_sum(1.0 - is_finite(log_prob));
  add_gradients(step, step.loss);
  return step;
}

}  // namespace thalweg
