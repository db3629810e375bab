// Values whose derivatives do not come from how they were computed: the stop of a gradient, roots,
// and functions called from outside.
#include "thalweg/engine/operation_checks.h"

namespace thalweg {

using detail::common_domain;
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

Value root(std::shared_ptr<const MonotoneFunction> function, Value found, Value y,
           const std::vector<Value>& parameters) {
  Graph& graph = graph_of(found, "root");
  if (!function) shape_fail(graph, "root: expected a function, got none");
  Domain domain = common_domain("root", {found, y});
  for (const Value& parameter : parameters) domain = common_domain("root", {found, y, parameter});
  const Value at_found = (*function)(found, parameters);
  if (found.shape() != y.shape() || at_found.shape() != y.shape() || found.domain() != domain)
    shape_fail(graph,
               "root: expected a root, a value of the function and a given one of equal shape and "
               "batch domain, got {}, {} and {}",
               describe(found.node()), describe(at_found.node()), describe(y.node()));
  Node node = derived(primitive::Root{std::move(function)}, stop_gradient(found));
  node.inputs.push_back(y.id);
  for (const Value& parameter : parameters) node.inputs.push_back(parameter.id);
  return graph.add(std::move(node));
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
