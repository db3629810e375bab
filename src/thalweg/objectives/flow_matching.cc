#include "thalweg/objectives/flow_matching.h"

#include <algorithm>

#include "thalweg/core/error.h"
#include "thalweg/transforms/continuous.h"

namespace thalweg {
namespace {

/// The one layer among those that data rows have not passed.
const Continuous& continuous_layer(const StepBuilder& step) {
  const auto& transforms = step.flow().transforms();
  const Continuous* found = nullptr;
  for (std::size_t i = 0; i < std::min(step.layers(), transforms.size()); ++i) {
    const auto* layer = dynamic_cast<const Continuous*>(transforms[i].get());
    if (layer == nullptr || found != nullptr)
      fail<ConfigError>(
          "training.objective: flow_matching takes a flow of one continuous layer alone, got '{}' "
          "{}: set flow.kind = \"continuous\", flow.blocks = 1, flow.act_norm = false and "
          "flow.heads = false",
          transforms[i]->name(), found != nullptr ? "besides" : "in it");
    found = layer;
  }
  if (found == nullptr)
    fail<ConfigError>(
        "training.objective: flow_matching needs a flow with a continuous layer: set flow.kind = "
        "\"continuous\"");
  return *found;
}

}  // namespace

Loss FlowMatching::build(StepBuilder& step) const {
  Graph& graph = step.graph();
  const Continuous& layer = continuous_layer(step);
  const auto& [x1, context, log_det] = step.rows();
  const Value x0 = step.paired(pairing_);
  const Value t = graph.uniform({1, 1}, x1.domain());
  const Value v =
      layer.velocity((1.0 - t) * x0 + t * x1, t, layer.context_features() > 0 ? context : Value{});
  const Value each = sum(square(v - (x1 - x0))) / static_cast<double>(layer.features());
  return {.value = batch_mean(each), .non_finite = batch_sum(1.0 - is_finite(each))};
}

}  // namespace thalweg
