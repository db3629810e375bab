// Sums, maxima and what is made of them.
#include "thalweg/engine/operation_checks.h"

namespace thalweg {

using detail::derived;
using detail::graph_of;
using detail::shape_fail;

Value sum(Value a, Axis axis) {
  Graph& graph = graph_of(a, "sum");
  if (a.shape().extent(axis) == 1) return a;
  Node node = derived(primitive::Sum{axis}, a);
  node.shape.extent(axis) = 1;
  return graph.add(std::move(node));
}

Value sum(Value a) { return sum(sum(a, Axis::kFeatures), Axis::kItems); }

Value max(Value a, Axis axis) {
  Graph& graph = graph_of(a, "max");
  if (a.shape().extent(axis) == 1) return a;
  Node node = derived(primitive::Max{axis}, a);
  node.shape.extent(axis) = 1;
  return graph.add(std::move(node));
}

Value log_sum_exp(Value a, Axis axis) {
  // An infinite maximum (all elements -inf, or one +inf) must not give inf - inf.
  const Value highest = max(a, axis);
  const Value shift = stop_gradient(select(is_finite(highest), highest, a.graph->constant(0.0)));
  return shift + log(sum(exp(a - shift), axis));
}

Value log_softmax(Value a, Axis axis) { return a - log_sum_exp(a, axis); }

Value softmax(Value a, Axis axis) {
  const Value weights = exp(a - stop_gradient(max(a, axis)));
  return weights * reciprocal(sum(weights, axis));
}

Value cumulative_sum(Value a, bool reverse, bool exclusive) {
  Graph& graph = graph_of(a, "cumulative_sum");
  return graph.add(derived(primitive::CumulativeSum{reverse, exclusive}, a));
}

Value batch_sum(Value a, Domain domain) {
  Graph& graph = graph_of(a, "batch_sum");
  if (!a.batched()) return a * graph.count(domain);
  if (a.domain() != domain)
    shape_fail(graph, "batch_sum: expected a value of domain {}, got one of domain {}", domain,
               a.domain());
  // One negation of the sum instead of one of every sample.
  if (a.node().is(Unary::kNegate)) return -batch_sum({&graph, a.node().inputs[0]}, domain);
  Node node = derived(primitive::BatchSum{}, a);
  node.domain = kShared;
  return graph.add(std::move(node));
}

Value batch_mean(Value a, Domain domain) { return batch_sum(a, domain) / a.graph->count(domain); }

Value sum_to(Value a, Value like, Domain domain) {
  const Shape shape = like.shape();
  if (a.features() != 1 && shape.features == 1) a = sum(a, Axis::kFeatures);
  if (a.items() != 1 && shape.items == 1) a = sum(a, Axis::kItems);
  if (!like.batched() && domain != kShared) a = batch_sum(a, domain);
  return broadcast(a, shape);
}

}  // namespace thalweg
