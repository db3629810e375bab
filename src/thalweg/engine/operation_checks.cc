#include "thalweg/engine/operation_checks.h"

namespace thalweg::detail {

std::string describe(const Node& node) {
  return fmt::format("{} x {} ({})", node.shape.features, node.shape.items,
                     node.domain == kShared ? "shared" : "batched");
}

Graph& graph_of(Value a, const char* operation) {
  if (!a.valid()) fail<ShapeError>("{}: an operand is empty: pass a value of a graph", operation);
  return *a.graph;
}

Domain common_domain(const char* operation, std::initializer_list<Value> operands) {
  Domain domain = kShared;
  const Graph* graph = nullptr;
  for (const Value& value : operands) {
    if (graph == nullptr) graph = &graph_of(value, operation);
    if (value.graph != graph)
      fail<ShapeError>("{}: operands belong to different graphs", operation);
    if (value.domain() == kShared) continue;
    if (domain != kShared && domain != value.domain())
      shape_fail(*graph,
                 "{}: operands belong to batch domains {} and {}: sum one over its samples first",
                 operation, domain, value.domain());
    domain = value.domain();
  }
  return domain;
}

std::int64_t broadcast_extent(const Graph& graph, const char* operation, const Node& a,
                              const Node& b, std::int64_t x, std::int64_t y) {
  if (x == y || y == 1) return x;
  if (x == 1) return y;
  shape_fail(graph, "{}: shapes {} and {} do not fit: extents must be equal or 1", operation,
             describe(a), describe(b));
}

Shape broadcast_shape(const char* operation, Value a, Value b) {
  const Node& x = a.node();
  const Node& y = b.node();
  return {broadcast_extent(*a.graph, operation, x, y, x.shape.features, y.shape.features),
          broadcast_extent(*a.graph, operation, x, y, x.shape.items, y.shape.items)};
}

const double* uniform_constant(Value a) {
  const auto* fill = std::get_if<primitive::Fill>(&a.node().primitive);
  return fill != nullptr ? &fill->number.value : nullptr;
}

Value filled(Graph& graph, Shape shape, double number) {
  return graph.add({primitive::Fill{{number}}, shape, kShared, {}});
}

Node derived(Primitive primitive, Value a) {
  return {std::move(primitive), a.shape(), a.domain(), {a.id}};
}

}  // namespace thalweg::detail
