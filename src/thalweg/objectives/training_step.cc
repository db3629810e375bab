#include "thalweg/objectives/training_step.h"

#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg {

Value acceptance_reward(Graph& graph, const Base& base, double weight, Value context) {
  if (!(weight >= 0.0 && std::isfinite(weight)))
    fail<ConfigError>("training.rejection_weight: expected a number of at least 0, got {}", weight);
  if (weight == 0.0) return graph.constant(0.0);
  const Value rate = base.acceptance_rate(graph, context);
  if (!rate.valid())
    fail<ConfigError>(
        "training.rejection_weight: expected 0 for the base '{}', which rejects nothing, got {}: "
        "set base.kind = \"resampled\" or leave it out",
        base.name(), weight);
  return weight * (rate.batched() ? batch_mean(rate) : rate);
}

void add_gradients(TrainingStep& step, Value scalar) {
  Graph& graph = *scalar.graph;
  std::vector<Value> parameters;
  const auto& infos = graph.parameters().infos();
  for (std::size_t index = 0; index < infos.size(); ++index) {
    if (!infos[index].trainable) continue;
    step.trainable.push_back({static_cast<std::int32_t>(index)});
    parameters.push_back(graph.parameter(step.trainable.back()));
  }
  if (parameters.empty()) fail<ConfigError>("training: the model has no trainable parameters");
  step.gradients = gradient(scalar, parameters);
}

}  // namespace thalweg
