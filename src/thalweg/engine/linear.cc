// Matrix products and the inverse.
#include "thalweg/engine/operation_checks.h"

namespace thalweg {

using detail::common_domain;
using detail::derived;
using detail::describe;
using detail::graph_of;
using detail::shape_fail;

Value dense(Value weights, Value x, Value bias, bool transposed) {
  Graph& graph = graph_of(x, "dense");
  if (weights.batched() || (bias.valid() && bias.batched()))
    shape_fail(graph, "dense: weights and bias must be shared, got batched ones");
  const std::int64_t inputs = transposed ? weights.features() : weights.items();
  const std::int64_t outputs = transposed ? weights.items() : weights.features();
  if (x.features() != inputs)
    shape_fail(graph, "dense: weights for {} inputs, got {}", inputs, describe(x.node()));
  if (bias.valid() && bias.shape() != Shape{outputs, 1})
    shape_fail(graph, "dense: expected a bias of {} x 1, got {}", outputs, describe(bias.node()));
  if (!x.batched()) {
    const Value product = matmul(weights, x, transposed, false);
    return bias.valid() ? product + bias : product;
  }
  Node node = derived(primitive::Dense{transposed}, x);
  node.shape.features = outputs;
  node.inputs = {weights.id, x.id};
  if (bias.valid()) node.inputs.push_back(bias.id);
  return graph.add(std::move(node));
}

Value outer_sum(Value a, Value b, Domain domain) {
  Graph& graph = graph_of(a, "outer_sum");
  const Domain found = common_domain("outer_sum", {a, b});
  if (a.items() != b.items())
    shape_fail(graph, "outer_sum: items of {} and {} differ", describe(a.node()),
               describe(b.node()));
  if (found != kShared && found != domain)
    shape_fail(graph, "outer_sum: expected values of domain {}, got domain {}", domain, found);
  if (!a.batched()) return matmul(a, batch_sum(b, domain), false, true);
  if (!b.batched()) return matmul(batch_sum(a, domain), b, false, true);
  return graph.add({primitive::OuterSum{}, {a.features(), b.features()}, kShared, {a.id, b.id}});
}

Value matmul(Value a, Value b, bool transpose_a, bool transpose_b) {
  Graph& graph = graph_of(a, "matmul");
  if (a.batched() || b.batched())
    shape_fail(graph, "matmul: operands must be shared: use dense for batched ones");
  const std::int64_t depth = transpose_a ? a.features() : a.items();
  if (depth != (transpose_b ? b.items() : b.features()))
    shape_fail(graph, "matmul: {}{} and {}{} do not fit", describe(a.node()),
               transpose_a ? " transposed" : "", describe(b.node()),
               transpose_b ? " transposed" : "");
  const Shape shape{transpose_a ? a.items() : a.features(), transpose_b ? b.features() : b.items()};
  return graph.add({primitive::MatMul{transpose_a, transpose_b}, shape, kShared, {a.id, b.id}});
}

Value inverse(Value a) {
  Graph& graph = graph_of(a, "inverse");
  if (a.batched() || a.features() != a.items())
    shape_fail(graph, "inverse: expected a shared square matrix, got {}", describe(a.node()));
  return graph.add(derived(primitive::Inverse{}, a));
}

}  // namespace thalweg
