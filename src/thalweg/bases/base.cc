#include "thalweg/bases/base.h"

#include "thalweg/core/error.h"

namespace thalweg {

Base::Base(std::string name, std::int64_t features, std::int64_t context_features)
    : name_(std::move(name)), features_(features), context_features_(context_features) {
  if (features < 1 || context_features < 0)
    fail<ConfigError>("{}: expected at least 1 feature and no negative context, got {} and {}",
                      name_, features, context_features);
}

void Base::check(const char* function, const Graph& graph, const Value* z, Value context) const {
  if (z != nullptr && z->shape() != Shape{features_, 1})
    fail<ShapeError>("{}: {}: expected a value of {} x 1, got {} x {}", graph.scope(), function,
                     features_, z->features(), z->items());
  const Shape given = context.valid() ? context.shape() : Shape{0, 1};
  if (given != Shape{context_features_, 1})
    fail<ShapeError>("{}: {}: expected {} context features, got {} x {}", graph.scope(), function,
                     context_features_, given.features, given.items);
}

Graph& Base::graph_of(const char* function, Value z) const {
  if (!z.valid())
    fail<ShapeError>("{}: {}: the value is empty: pass a value of a graph", name_, function);
  return *z.graph;
}

Value Base::dimension(Graph& graph, Value /*context*/) const {
  return graph.constant(static_cast<double>(features_ - mean_free_dimensions()));
}

Value Base::log_prob(Value z, Value context) const {
  Graph& graph = graph_of("log_prob", z);
  const ScopeName scope(graph, name_);
  check("log_prob", graph, &z, context);
  return build_log_prob(z, context);
}

Value Base::draw(Graph& graph, Domain domain, Value context) const {
  const ScopeName scope(graph, name_);
  check("draw", graph, nullptr, context);
  return build_draw(graph, domain, context);
}

Value Base::acceptance(Value z, Value context) const {
  Graph& graph = graph_of("acceptance", z);
  const ScopeName scope(graph, name_);
  check("acceptance", graph, &z, context);
  return build_acceptance(z, context);
}

Value Base::build_acceptance(Value /*z*/, Value /*context*/) const { return {}; }

Value Base::acceptance_rate(Graph& graph, Value context) const {
  const ScopeName scope(graph, name_);
  check("acceptance_rate", graph, nullptr, context);
  return build_acceptance_rate(graph, context);
}

Value Base::build_acceptance_rate(Graph& /*graph*/, Value /*context*/) const { return {}; }

}  // namespace thalweg
