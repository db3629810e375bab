// Values whose derivatives end: the stop of a gradient, and functions called from outside.
#include "thalweg/engine/operation_checks.h"

namespace thalweg {

using detail::derived;
using detail::describe;
using detail::graph_of;
using detail::shape_fail;

Value stop_gradient(Value a) {
  Graph& graph = graph_of(a, "stop_gradient");
  const Node& node = a.node();
  if (node.is<primitive::StopGradient>() || node.is<primitive::Fill>() ||
      node.is<primitive::Constant>())
    return a;
  return graph.add(derived(primitive::StopGradient{}, a));
}

Value call(std::shared_ptr<const OutsideFunction> function, Value x) {
  Graph& graph = graph_of(x, "call");
  if (!function || !x.batched() || x.items() != 1)
    shape_fail(graph, "call: expected a function and a batched vector, got {}{}",
               function ? "" : "no function and ", describe(x.node()));
  Node node = derived(primitive::Call{std::move(function)}, x);
  node.shape = {1 + x.features(), 1};
  Node value = derived(primitive::CallValue{}, graph.add(std::move(node)));
  value.shape = {1, 1};
  value.inputs.push_back(x.id);
  return graph.add(std::move(value));
}

}  // namespace thalweg
