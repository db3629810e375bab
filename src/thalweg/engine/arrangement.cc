// Functions that move elements and compute nothing.
#include "thalweg/engine/operation_checks.h"

namespace thalweg {

using detail::derived;
using detail::describe;
using detail::filled;
using detail::graph_of;
using detail::shape_fail;
using detail::uniform_constant;

Value broadcast(Value a, Shape shape) {
  Graph& graph = graph_of(a, "broadcast");
  if (a.shape() == shape) return a;
  if ((a.features() != 1 && a.features() != shape.features) ||
      (a.items() != 1 && a.items() != shape.items))
    shape_fail(graph, "broadcast: cannot bring {} to {} x {}", describe(a.node()), shape.features,
               shape.items);
  if (const double* value = uniform_constant(a)) return filled(graph, shape, *value);
  Node node = derived(primitive::Broadcast{}, a);
  node.shape = shape;
  return graph.add(std::move(node));
}

Value reshape(Value a, Shape shape) {
  Graph& graph = graph_of(a, "reshape");
  if (a.shape() == shape) return a;
  if (a.shape().size() != shape.size() || shape.features < 1)
    shape_fail(graph, "reshape: cannot bring {} to {} x {}", describe(a.node()), shape.features,
               shape.items);
  Node node = derived(primitive::Reshape{}, a);
  node.shape = shape;
  return graph.add(std::move(node));
}

Value transpose(Value a) {
  Graph& graph = graph_of(a, "transpose");
  if (a.features() == 1 || a.items() == 1) return reshape(a, {a.items(), a.features()});
  if (a.node().is<primitive::Transpose>()) return {&graph, a.node().inputs[0]};
  Node node = derived(primitive::Transpose{}, a);
  std::swap(node.shape.features, node.shape.items);
  return graph.add(std::move(node));
}

Value slice(Value a, std::int64_t start, std::int64_t count, Axis axis) {
  Graph& graph = graph_of(a, "slice");
  Node node = derived(primitive::Slice{axis, start}, a);
  std::int64_t& size = node.shape.extent(axis);
  if (start < 0 || count < 1 || start + count > size)
    shape_fail(graph, "slice: cannot take {} from {} of {}", count, start, describe(a.node()));
  if (count == size) return a;
  size = count;
  return graph.add(std::move(node));
}

Value pad(Value a, std::int64_t start, std::int64_t size, Axis axis) {
  Graph& graph = graph_of(a, "pad");
  Node node = derived(primitive::Pad{axis, start}, a);
  std::int64_t& count = node.shape.extent(axis);
  if (start < 0 || start + count > size)
    shape_fail(graph, "pad: cannot place {} at {} of {}", describe(a.node()), start, size);
  if (count == size) return a;
  count = size;
  return graph.add(std::move(node));
}

Value concat(const std::vector<Value>& parts, Axis axis) {
  if (parts.empty()) fail<ShapeError>("concat: expected at least one part, got none");
  Graph& graph = graph_of(parts.front(), "concat");
  if (parts.size() == 1) return parts.front();
  const Axis other = axis == Axis::kFeatures ? Axis::kItems : Axis::kFeatures;
  Node node = derived(primitive::Concat{axis}, parts.front());
  node.inputs.clear();
  std::int64_t total = 0;
  for (const Value& part : parts) {
    if (part.shape().extent(other) != node.shape.extent(other))
      shape_fail(graph, "concat: parts {} and {} do not fit", describe(parts.front().node()),
                 describe(part.node()));
    if (node.domain == kShared) node.domain = part.domain();
    if (part.batched() && part.domain() != node.domain)
      shape_fail(graph, "concat: parts belong to batch domains {} and {}", part.domain(),
                 node.domain);
    total += part.shape().extent(axis);
    node.inputs.push_back(part.id);
  }
  node.shape.extent(axis) = total;
  return graph.add(std::move(node));
}

Value take(Value a, std::vector<std::int32_t> indices, Axis axis) {
  Graph& graph = graph_of(a, "take");
  const std::int64_t size = a.shape().extent(axis);
  bool identity = static_cast<std::int64_t>(indices.size()) == size;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= size)
      shape_fail(graph, "take: index {} is outside of {}", indices[i], describe(a.node()));
    identity = identity && indices[i] == static_cast<std::int32_t>(i);
  }
  if (indices.empty()) shape_fail(graph, "take: expected at least one index, got none");
  if (identity) return a;
  const auto count = static_cast<std::int64_t>(indices.size());
  Node node = derived(primitive::Take{axis, SharedList(std::move(indices))}, a);
  node.shape.extent(axis) = count;
  return graph.add(std::move(node));
}

Value scatter_add(Value a, std::vector<std::int32_t> indices, std::int64_t extent, Axis axis) {
  Graph& graph = graph_of(a, "scatter_add");
  if (static_cast<std::int64_t>(indices.size()) != a.shape().extent(axis))
    shape_fail(graph, "scatter_add: expected an index for each element of {}, got {}",
               describe(a.node()), indices.size());
  bool identity = static_cast<std::int64_t>(indices.size()) == extent;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= extent)
      shape_fail(graph, "scatter_add: index {} is outside of {} elements", indices[i], extent);
    identity = identity && indices[i] == static_cast<std::int32_t>(i);
  }
  if (identity) return a;
  Node node = derived(primitive::ScatterAdd{axis, SharedList(std::move(indices))}, a);
  node.shape.extent(axis) = extent;
  return graph.add(std::move(node));
}

}  // namespace thalweg
