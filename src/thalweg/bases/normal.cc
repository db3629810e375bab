#include "thalweg/bases/normal.h"

#include <cmath>
#include <numbers>

namespace thalweg {

Normal::Normal(ParameterStore& parameters, const std::string& name, std::int64_t features,
               bool trainable)
    : Base(name, features), trainable_(trainable) {
  if (!trainable) return;
  mean_ = parameters.add(name + ".mean", features, 1, 0.0);
  log_scale_ = parameters.add(name + ".log_scale", features, 1, 0.0);
}

Value Normal::build_log_prob(Value z, Value /*context*/) const {
  Graph& graph = *z.graph;
  const double constant = 0.5 * static_cast<double>(features()) * std::log(2.0 * std::numbers::pi);
  if (!trainable_) return -0.5 * sum(square(z), Axis::kFeatures) - constant;
  const Value log_scale = graph.parameter(log_scale_);
  const Value standard = (z - graph.parameter(mean_)) * exp(-log_scale);
  return -0.5 * sum(square(standard), Axis::kFeatures) -
         (sum(log_scale, Axis::kFeatures) + constant);
}

Value Normal::build_draw(Graph& graph, Domain domain, Value /*context*/) const {
  const Value standard = graph.normal({features(), 1}, domain);
  if (!trainable_) return standard;
  return graph.parameter(mean_) + exp(graph.parameter(log_scale_)) * standard;
}

}  // namespace thalweg
