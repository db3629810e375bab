#include "thalweg/objectives/maximum_likelihood.h"

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg {

LikelihoodStep maximum_likelihood(Graph& graph, const Flow& flow) {
  const ScopeName scope(graph, "maximum likelihood");
  LikelihoodStep step;
  step.x = graph.input({flow.features(), 1});
  if (flow.context_features() > 0) step.context = graph.input({flow.context_features(), 1});
  const Value log_prob = flow.log_prob(step.x, step.context);
  step.loss = -batch_mean(log_prob);
  step.non_finite = batch_sum(1.0 - is_finite(log_prob));
  std::vector<Value> parameters;
  const auto& infos = graph.parameters().infos();
  for (std::size_t index = 0; index < infos.size(); ++index) {
    if (!infos[index].trainable) continue;
    step.trainable.push_back({static_cast<std::int32_t>(index)});
    parameters.push_back(graph.parameter(step.trainable.back()));
  }
  if (parameters.empty())
    fail<ConfigError>("maximum likelihood: the model has no trainable parameters");
  step.gradients = gradient(step.loss, parameters);
  return step;
}

}  // namespace thalweg
