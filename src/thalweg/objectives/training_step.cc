#include "thalweg/objectives/training_step.h"

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg {

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
