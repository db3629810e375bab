// What one instruction computes for two nodes, and parts that are computed in their place.
#include "thalweg/engine/passes.h"

namespace thalweg::detail {
namespace {

bool can_absorb(const Graph& graph, const Node& node, NodeId source,
                const std::vector<Location>& shared) {
  const Node& product = graph.node(source);
  const auto like_product = [&](NodeId other) {
    return graph.node(other).domain == product.domain && graph.node(other).shape == product.shape;
  };
  if (product.domain == kShared) return false;
  if (product.is(Binary::kMultiply)) {
    if (node.is<primitive::BatchSum>())
      return like_product(product.inputs[0]) && like_product(product.inputs[1]);
    return node.is(Binary::kAdd) && node.shape == product.shape;
  }
  if (!product.is<primitive::Dense>() || node.inputs[0] != source || node.shape != product.shape)
    return false;
  if (product.inputs.size() > 2 && shared[at(product.inputs[2])].feature != 1) return false;
  return node.is(Unary::kRelu) || (node.is(Binary::kMultiplyStep) && like_product(node.inputs[1]));
}

}  // namespace

Fusion plan_fusion(const Graph& graph, const std::vector<char>& nodes,
                   const std::vector<NodeId>& wanted, const std::vector<Location>& shared) {
  std::vector<int> uses(nodes.size(), 0);
  for (NodeId id = 0; id < graph.size(); ++id)
    if (nodes[at(id)])
      for (const NodeId input : graph.node(id).inputs) ++uses[at(input)];
  for (const NodeId id : wanted)
    if (!is_batch_sum(graph.node(id))) ++uses[at(id)];
  Fusion fusion;
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (!nodes[at(id)]) continue;
    for (const NodeId source : graph.node(id).inputs)
      if (nodes[at(source)] && uses[at(source)] == 1 &&
          can_absorb(graph, graph.node(id), source, shared)) {
        fusion.absorbed.emplace(id, source);
        fusion.sources.insert(source);
        break;
      }
  }
  return fusion;
}

std::map<NodeId, PartPlace> plan_concats(const Graph& graph, const std::vector<char>& nodes) {
  std::map<NodeId, PartPlace> parts;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    const auto* concat = std::get_if<primitive::Concat>(&node.primitive);
    if (!nodes[at(id)] || concat == nullptr || concat->axis != Axis::kFeatures) continue;
    std::int64_t start = 0;
    for (const NodeId input : node.inputs) {
      const Node& part = graph.node(input);
      if (!may_be_view(part) && part.domain == node.domain && nodes[at(input)])
        parts.try_emplace(input, PartPlace{id, start});
      start += part.shape.features;
    }
  }
  return parts;
}

}  // namespace thalweg::detail
