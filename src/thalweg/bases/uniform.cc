#include "thalweg/bases/uniform.h"

#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"

namespace thalweg {

Uniform::Uniform(const std::string& name, std::int64_t features, const std::vector<bool>& circular)
    : Base(name, features), on_circle_(static_cast<std::size_t>(features), 0.0) {
  if (!circular.empty() && circular.size() != on_circle_.size())
    fail<ConfigError>("{}: expected {} flags for circular features, got {}", name, features,
                      circular.size());
  for (std::size_t i = 0; i < circular.size(); ++i) on_circle_[i] = circular[i] ? 1.0 : 0.0;
}

Value Uniform::build_log_prob(Value z, Value /*context*/) const {
  Graph& graph = *z.graph;
  const Value circle = graph.constant({features(), 1}, on_circle_);
  const Value outside =
      (1.0 - circle) * (less(z, graph.constant(0.0)) + less(graph.constant(1.0), z));
  double angles = 0.0;
  for (const double turns : on_circle_) angles += turns;
  // 0 z, so that what is no number stays so.
  const Value inside = sum(0.0 * z, Axis::kFeatures) - angles * std::log(2.0 * std::numbers::pi);
  return select(sum(outside, Axis::kFeatures), graph.constant(-INFINITY), inside);
}

Value Uniform::build_draw(Graph& graph, Domain domain, Value /*context*/) const {
  const Value circle = graph.constant({features(), 1}, on_circle_);
  const Value drawn = graph.uniform({features(), 1}, domain);
  return select(circle, std::numbers::pi * (2.0 * drawn - 1.0), drawn);
}

}  // namespace thalweg
