// Drops what no output needs, and gives the rest to stages and sweeps.
#include <algorithm>
#include <limits>

#include "thalweg/engine/passes.h"

namespace thalweg::detail {
namespace {

constexpr int kNever = std::numeric_limits<int>::max();

std::vector<char> needed_nodes(const Graph& graph, const std::vector<Value>& outputs) {
  std::vector<char> needed(at(graph.size()), 0);
  for (const Value& output : outputs) needed[at(output.id)] = 1;
  for (NodeId id = graph.size() - 1; id >= 0; --id)
    if (needed[at(id)])
      for (const NodeId input : graph.node(id).inputs) needed[at(input)] = 1;
  return needed;
}

}  // namespace

/// A sum is moved to a later sweep over its domain if one is needed anyway and nothing waits for
/// the sum, so that sweeps are few.
Schedule make_schedule(const Graph& graph, const std::vector<Value>& outputs) {
  Schedule schedule;
  schedule.needed = needed_nodes(graph, outputs);
  const std::vector<char>& needed = schedule.needed;
  const NodeId size = graph.size();
  const auto sum_domain = [&](NodeId id) { return graph.node(graph.node(id).inputs[0]).domain; };
  const auto highest_input = [&](NodeId id, const std::vector<int>& levels) {
    int level = 0;
    for (const NodeId input : graph.node(id).inputs) level = std::max(level, levels[at(input)]);
    return level;
  };

  std::vector<int> earliest(at(size), 0);
  std::map<Domain, std::set<int>> levels_of_sweeps;
  for (NodeId id = 0; id < size; ++id) {
    if (!needed[at(id)]) continue;
    const bool sums = is_batch_sum(graph.node(id));
    const int level = highest_input(id, earliest);
    if (sums) levels_of_sweeps[sum_domain(id)].insert(level);
    earliest[at(id)] = level + (sums ? 1 : 0);
  }

  std::vector<int> deadline(at(size), kNever);
  std::vector<int> sweep(at(size), 0);
  for (const Value& output : outputs)
    if (output.batched()) {
      levels_of_sweeps[output.domain()].insert(earliest[at(output.id)]);
      deadline[at(output.id)] = std::min(deadline[at(output.id)], earliest[at(output.id)]);
    }
  for (NodeId id = size - 1; id >= 0; --id) {
    if (!needed[at(id)]) continue;
    int limit = deadline[at(id)];
    if (is_batch_sum(graph.node(id))) {
      const int first = earliest[at(id)] - 1;
      int chosen = first;
      for (const int candidate : levels_of_sweeps[sum_domain(id)])
        if (candidate >= first && (limit == kNever || candidate <= limit - 1)) chosen = candidate;
      sweep[at(id)] = chosen;
      limit = chosen;
    }
    for (const NodeId input : graph.node(id).inputs)
      deadline[at(input)] = std::min(deadline[at(input)], limit);
  }

  schedule.level.assign(at(size), 0);
  for (NodeId id = 0; id < size; ++id) {
    if (!needed[at(id)]) continue;
    const bool sums = is_batch_sum(graph.node(id));
    schedule.level[at(id)] = sums ? sweep[at(id)] + 1 : highest_input(id, schedule.level);
    schedule.last_level = std::max(schedule.last_level, schedule.level[at(id)]);
    if (sums) schedule.sweeps[{sweep[at(id)], sum_domain(id)}].push_back(id);
  }
  for (const Value& output : outputs)
    if (output.batched())
      schedule.sweeps[{schedule.level[at(output.id)], output.domain()}].push_back(output.id);
  return schedule;
}

std::vector<char> nodes_of_sweep(const Graph& graph, Domain domain,
                                 const std::vector<NodeId>& wanted) {
  std::vector<char> nodes(at(graph.size()), 0);
  for (const NodeId id : wanted) nodes[at(id)] = 1;
  for (NodeId id = graph.size() - 1; id >= 0; --id)
    if (nodes[at(id)])
      for (const NodeId input : graph.node(id).inputs)
        if (graph.node(input).domain == domain) nodes[at(input)] = 1;
  return nodes;
}

}  // namespace thalweg::detail
