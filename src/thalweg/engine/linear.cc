// Matrix products, inverses and determinants.
#include "thalweg/engine/operation_checks.h"

namespace thalweg {
namespace {

/// The product of matrices of which one at least is one a sample.
Value batched_product(Value a, Value b, bool transpose_a, bool transpose_b) {
  if (!a.batched()) return dense(a, transpose_b ? transpose(b) : b, {}, transpose_a);
  if (transpose_a) a = transpose(a);
  // (a b)^T = b^T a^T, with the shared factor first.
  if (!b.batched()) return transpose(dense(b, transpose(a), {}, !transpose_b));
  if (transpose_b) b = transpose(b);
  if (b.items() == 1) return sum(a * transpose(b), Axis::kItems);
  Value product;
  for (std::int64_t k = 0; k < a.items(); ++k) {
    const Value part = slice(a, k, 1, Axis::kItems) * slice(b, k, 1);
    product = product.valid() ? product + part : part;
  }
  return product;
}

}  // namespace

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
  const Domain domain = common_domain("matmul", {a, b});
  const std::int64_t depth = transpose_a ? a.features() : a.items();
  if (depth != (transpose_b ? b.items() : b.features()))
    shape_fail(graph, "matmul: {}{} and {}{} do not fit", describe(a.node()),
               transpose_a ? " transposed" : "", describe(b.node()),
               transpose_b ? " transposed" : "");
  if (domain != kShared) return batched_product(a, b, transpose_a, transpose_b);
  const Shape shape{transpose_a ? a.items() : a.features(), transpose_b ? b.features() : b.items()};
  return graph.add({primitive::MatMul{transpose_a, transpose_b}, shape, kShared, {a.id, b.id}});
}

Value identity_matrix(Graph& graph, std::int64_t size) {
  std::vector<double> values(static_cast<std::size_t>(size * size), 0.0);
  for (std::int64_t i = 0; i < size; ++i) values[static_cast<std::size_t>(i * (size + 1))] = 1.0;
  return graph.constant({size, size}, std::move(values));
}

Value inverse(Value a) {
  Graph& graph = graph_of(a, "inverse");
  if (a.features() != a.items())
    shape_fail(graph, "inverse: expected a square matrix, got {}", describe(a.node()));
  return graph.add(derived(primitive::Inverse{}, a));
}

Value log_abs_determinant(Value a) {
  Graph& graph = graph_of(a, "log_abs_determinant");
  if (a.features() != a.items())
    shape_fail(graph, "log_abs_determinant: expected a square matrix, got {}", describe(a.node()));
  Node node = derived(primitive::LogAbsDeterminant{}, a);
  node.shape = {1, 1};
  return graph.add(std::move(node));
}

}  // namespace thalweg
