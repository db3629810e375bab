// The derivative rules of the primitives. Internal to the engine.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "thalweg/engine/graph.h"

namespace thalweg::detail {

/// The cotangents gathered so far, each of the shape of its node.
class ReverseSweep {
 public:
  ReverseSweep(Graph& graph, NodeId last)
      : graph_(graph), cotangents_(static_cast<std::size_t>(last) + 1) {}

  void add(NodeId id, Value cotangent) {
    auto& entry = cotangents_[static_cast<std::size_t>(id)];
    const Value value = broadcast(cotangent, graph_.node(id).shape);
    entry = entry ? *entry + value : value;
  }

  const std::optional<Value>& at(NodeId id) const {
    return cotangents_[static_cast<std::size_t>(id)];
  }

 private:
  Graph& graph_;
  std::vector<std::optional<Value>> cotangents_;
};

/// Adds the contributions of one node's cotangent `g` to its inputs, those that are `active`.
void pull_back(ReverseSweep& sweep, const std::vector<char>& active, Value y, Value g);

/// Tangent of node `y`, or nothing where it is zero. With `columns` above 1, tangents are so many
/// side by side as items, of a node that takes_columns().
std::optional<Value> push_forward(Value y, const std::vector<std::optional<Value>>& tangents,
                                  std::int64_t columns = 1);

/// Whether the rule of a vector of features leaves items alone, so that several tangents may lie
/// side by side.
bool takes_columns(const Node& node);

/// Throws ConfigError: a function from outside has one derivative alone.
[[noreturn]] void refuse_second_derivative();

}  // namespace thalweg::detail
