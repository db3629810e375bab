#include "thalweg/engine/derivatives.h"

#include <algorithm>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivative_rules.h"

namespace thalweg {
namespace {

/// One flag for each node up to `last`: whether it is one of `values`.
std::vector<char> flags_of(const std::vector<Value>& values, NodeId last) {
  std::vector<char> flags(static_cast<std::size_t>(last) + 1, 0);
  for (const Value& value : values)
    if (value.id <= last) flags[static_cast<std::size_t>(value.id)] = 1;
  return flags;
}

/// Which nodes up to `last` depend on one of `roots`, through none that is `held`.
std::vector<char> dependents(const Graph& graph, const std::vector<Value>& roots,
                             const std::vector<char>& held, NodeId last) {
  std::vector<char> active(static_cast<std::size_t>(last) + 1, 0);
  for (const Value& root : roots)
    if (root.id <= last) active[static_cast<std::size_t>(root.id)] = 1;
  for (NodeId id = 0; id <= last; ++id) {
    if (active[static_cast<std::size_t>(id)]) continue;
    const Node& node = graph.node(id);
    if (node.is<primitive::StopGradient>() || held[static_cast<std::size_t>(id)]) continue;
    for (const NodeId input : node.inputs)
      if (active[static_cast<std::size_t>(input)]) active[static_cast<std::size_t>(id)] = 1;
  }
  return active;
}

/// Which nodes up to `last` one of `outputs` needs.
std::vector<char> ancestors(const Graph& graph, const std::vector<Value>& outputs, NodeId last) {
  std::vector<char> needed(static_cast<std::size_t>(last) + 1, 0);
  for (const Value& output : outputs) needed[static_cast<std::size_t>(output.id)] = 1;
  for (NodeId id = last; id >= 0; --id)
    if (needed[static_cast<std::size_t>(id)])
      for (const NodeId input : graph.node(id).inputs) needed[static_cast<std::size_t>(input)] = 1;
  return needed;
}

bool depends_on_batch_sum(Value value) {
  const Graph& graph = *value.graph;
  std::vector<char> seen(static_cast<std::size_t>(value.id) + 1, 0);
  std::vector<NodeId> pending{value.id};
  while (!pending.empty()) {
    const NodeId id = pending.back();
    pending.pop_back();
    if (seen[static_cast<std::size_t>(id)]) continue;
    seen[static_cast<std::size_t>(id)] = 1;
    const Node& node = graph.node(id);
    if (node.is<primitive::BatchSum>() || node.is<primitive::OuterSum>()) return true;
    pending.insert(pending.end(), node.inputs.begin(), node.inputs.end());
  }
  return false;
}

void check_pairs(const char* name, const char* what, const std::vector<Value>& values,
                 const std::vector<Value>& others) {
  if (values.size() != others.size())
    fail<ShapeError>("{}: expected {} {}, got {}", name, values.size(), what, others.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i].shape() != others[i].shape())
      fail<ShapeError>("{}: {} number {} is {} x {}, its value {} x {}", name, what, i,
                       others[i].features(), others[i].items(), values[i].features(),
                       values[i].items());
}

}  // namespace

std::vector<Value> vjp(const std::vector<Value>& outputs, const std::vector<Value>& cotangents,
                       const std::vector<Value>& wrt, const std::vector<Value>& held) {
  if (outputs.empty()) fail<ShapeError>("vjp: expected at least one output, got none");
  Graph& graph = *outputs.front().graph;
  if (!cotangents.empty()) check_pairs("vjp", "cotangents", outputs, cotangents);
  NodeId last = 0;
  for (const Value& output : outputs) last = std::max(last, output.id);
  const std::vector<char> ends = flags_of(held, last);
  const std::vector<char> active = dependents(graph, wrt, ends, last);
  detail::ReverseSweep sweep(graph, last);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (active[static_cast<std::size_t>(outputs[i].id)])
      sweep.add(outputs[i].id, cotangents.empty() ? graph.constant(1.0) : cotangents[i]);

  std::vector<std::optional<Value>> deferred(wrt.size());
  for (NodeId id = last; id >= 0; --id) {
    const auto index = static_cast<std::size_t>(id);
    if (!active[index] || ends[index] || !sweep.at(id)) continue;
    const Value y{&graph, id};
    const Value g = *sweep.at(id);
    // The cotangent of a batch sum that itself waits for a sum over the batch would force a
    // second pass. The sum being scalar, its gradient is that cotangent times the gradient with
    // unit seed, which the first pass can already take.
    if (y.node().is<primitive::BatchSum>() && y.shape().size() == 1 && depends_on_batch_sum(g)) {
      const std::vector<Value> parts = vjp({Value{&graph, y.node().inputs[0]}}, {}, wrt, held);
      for (std::size_t i = 0; i < wrt.size(); ++i) {
        const Value part = g * parts[i];
        deferred[i] = deferred[i] ? *deferred[i] + part : part;
      }
      continue;
    }
    detail::pull_back(sweep, active, y, g);
  }

  std::vector<Value> result;
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    std::optional<Value> value = wrt[i].id <= last ? sweep.at(wrt[i].id) : std::nullopt;
    if (deferred[i]) value = value ? *value + *deferred[i] : *deferred[i];
    result.push_back(value ? *value : broadcast(graph.constant(0.0), wrt[i].shape()));
  }
  return result;
}

namespace {

/// The tangents of `outputs`; with `columns` above 1 of so many directions side by side, or nothing
/// where a node on the way does not take them so.
std::optional<std::vector<Value>> push(const std::vector<Value>& outputs,
                                       const std::vector<Value>& inputs,
                                       const std::vector<Value>& tangents,
                                       const std::vector<Value>& held = {},
                                       std::int64_t columns = 1) {
  Graph& graph = *outputs.front().graph;
  NodeId last = 0;
  for (const Value& output : outputs) last = std::max(last, output.id);
  const std::vector<char> active = dependents(graph, inputs, flags_of(held, last), last);
  std::vector<std::optional<Value>> moving(static_cast<std::size_t>(last) + 1);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].id <= last) {
      auto& entry = moving[static_cast<std::size_t>(inputs[i].id)];
      entry = entry ? *entry + tangents[i] : tangents[i];
    }
  const std::vector<char> needed = ancestors(graph, outputs, last);
  for (NodeId id = 0; id <= last; ++id) {
    const auto index = static_cast<std::size_t>(id);
    if (!active[index] || !needed[index] || moving[index]) continue;
    const Node& node = graph.node(id);
    if (columns > 1 && !detail::takes_columns(node)) return std::nullopt;
    if (!node.is<primitive::CallValue>() && !node.is<primitive::StopGradient>())
      for (const NodeId input : node.inputs)
        if (active[static_cast<std::size_t>(input)] && graph.node(input).is<primitive::Call>())
          detail::refuse_second_derivative();
    moving[index] = detail::push_forward({&graph, id}, moving, columns);
  }
  std::vector<Value> result;
  for (const Value& output : outputs) {
    const Shape shape = columns > 1 ? Shape{output.features(), columns} : output.shape();
    result.push_back(moving[static_cast<std::size_t>(output.id)].value_or(
        broadcast(graph.constant(0.0), shape)));
  }
  return result;
}

}  // namespace

std::vector<Value> jvp(const std::vector<Value>& outputs, const std::vector<Value>& inputs,
                       const std::vector<Value>& tangents, const std::vector<Value>& held) {
  if (outputs.empty()) fail<ShapeError>("jvp: expected at least one output, got none");
  check_pairs("jvp", "tangents", inputs, tangents);
  return *push(outputs, inputs, tangents, held);
}

Value jvp_columns(Value y, Value x, Value directions) {
  if (y.items() != 1 || x.items() != 1 || directions.features() != x.features())
    fail<ShapeError>(
        "jvp_columns: expected vectors and directions of {} features, got y of {} x {}, x of {} x "
        "{} and directions of {} x {}",
        x.features(), y.features(), y.items(), x.features(), x.items(), directions.features(),
        directions.items());
  const std::int64_t columns = directions.items();
  if (const auto together = push({y}, {x}, {directions}, {}, columns)) return together->front();
  std::vector<Value> parts;
  for (std::int64_t column = 0; column < columns; ++column)
    parts.push_back(jvp({y}, {x}, {slice(directions, column, 1, Axis::kItems)}).front());
  return concat(parts, Axis::kItems);
}

Value jacobian(Value y, Value x) {
  return jvp_columns(y, x, identity_matrix(*x.graph, x.features()));
}

std::vector<Value> gradient(Value scalar, const std::vector<Value>& wrt) {
  if (scalar.shape().size() != 1)
    fail<ShapeError>("gradient: expected a 1 x 1 value, got {} x {}", scalar.features(),
                     scalar.items());
  return vjp({scalar}, {}, wrt);
}

}  // namespace thalweg
