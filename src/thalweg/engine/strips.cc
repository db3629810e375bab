// Finds values along long index lists, and the sums in which they end.
#include <algorithm>
#include <limits>
#include <set>

#include "thalweg/engine/passes.h"

namespace thalweg::detail {
namespace {

/// Columns of a strip's matrices, items times lanes: fewer make instructions dear, more leave the
/// caches.
constexpr std::int64_t kStripColumns = 256;
constexpr std::int64_t kFewestItems = 4;

/// The indices of a take or a scatter along items, or null.
const std::vector<std::int32_t>* item_list(const Node& node) {
  if (const auto* take = std::get_if<primitive::Take>(&node.primitive))
    return take->axis == Axis::kItems ? &*take->indices : nullptr;
  if (const auto* scatter = std::get_if<primitive::ScatterAdd>(&node.primitive))
    return scatter->axis == Axis::kItems ? &*scatter->indices : nullptr;
  return nullptr;
}

/// How many items are taken where more are taken than there are.
std::set<std::int64_t> expanded_extents(const Graph& graph, const std::vector<char>& nodes) {
  std::set<std::int64_t> extents;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (nodes[at(id)] && node.domain != kShared && node.is<primitive::Take>() &&
        item_list(node) != nullptr && node.shape.items > graph.node(node.inputs[0]).shape.items)
      extents.insert(node.shape.items);
  }
  return extents;
}

/// Whether item i of the node depends on item i of its operands alone, or takes one by index.
bool works_by_item(const Node& node) {
  using namespace primitive;
  const auto by_axis = [](const auto& p) { return p.axis == Axis::kFeatures; };
  return std::visit(
      Overloaded{[](const OneOf<UnaryFunction, BinaryFunction, Select, Broadcast, StopGradient,
                                Dense, CumulativeSum, Take> auto&) { return true; },
                 [&](const OneOf<Sum, Max, Slice, Pad, Concat> auto& p) { return by_axis(p); },
                 [](const auto&) { return false; }},
      node.primitive);
}

/// All index lists of `extent` items in the nodes.
std::vector<const std::vector<std::int32_t>*> lists_of(const Graph& graph,
                                                       const std::vector<char>& nodes,
                                                       std::int64_t extent) {
  std::vector<const std::vector<std::int32_t>*> lists;
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (!nodes[at(id)] || graph.node(id).domain == kShared) continue;
    const auto* list = item_list(graph.node(id));
    if (list == nullptr || static_cast<std::int64_t>(list->size()) != extent) continue;
    if (std::none_of(lists.begin(), lists.end(),
                     [&](const auto* known) { return *known == *list; }))
      lists.push_back(list);
  }
  return lists;
}

/// The largest number of items up to `most` that divides `extent` and whose blocks are runs in all
/// lists; 0 if it is below kFewestItems.
std::int64_t widest_runs(const std::vector<const std::vector<std::int32_t>*>& lists,
                         std::int64_t extent, std::int64_t most) {
  for (std::int64_t width = std::min(most, extent); width >= kFewestItems; --width)
    if (extent % width == 0 && std::all_of(lists.begin(), lists.end(),
                                           [&](const auto* list) { return runs_of(*list, width); }))
      return width;
  return 0;
}

std::int64_t strip_width(const std::vector<const std::vector<std::int32_t>*>& lists,
                         std::int64_t extent, std::int64_t lanes) {
  const std::int64_t most = std::max<std::int64_t>(1, kStripColumns / lanes);
  if (const std::int64_t runs = widest_runs(lists, extent, most + most / 2)) return runs;
  std::int64_t width = std::min(most, extent);
  while (extent % width != 0) --width;
  return width;
}

/// By node: how many loops must have run before it can be computed. An end of strips (a sum, or a
/// strip value that is kept whole) runs in the loop of its depth in `chosen`, or as early as it
/// can. A kept value has the depth that its users see.
std::vector<int> depths(const Graph& graph, const std::vector<char>& nodes,
                        const std::vector<char>& strip, const std::vector<char>& ends,
                        const std::vector<int>* chosen = nullptr) {
  std::vector<int> depth(nodes.size(), 0);   // of the value outside of loops
  std::vector<int> within(nodes.size(), 0);  // of a strip: what its loop has to wait for
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (!nodes[at(id)]) continue;
    const Node& node = graph.node(id);
    const bool looped = strip[at(id)] || ends[at(id)];
    int ready = 0;
    for (const NodeId input : node.inputs)
      if (nodes[at(input)])
        ready = std::max(ready, looped && strip[at(input)] == kComputedAnew && !takes_items(node)
                                    ? within[at(input)]
                                    : depth[at(input)]);
    within[at(id)] = ready;
    depth[at(id)] = !ends[at(id)] ? ready : chosen != nullptr ? (*chosen)[at(id)] : ready + 1;
  }
  return depth;
}

/// In which loop each end of strips is computed. Ends that need the same strip values should be in
/// one loop, since each loop computes them anew.
class ExitSchedule {
 public:
  ExitSchedule(const Graph& graph, const std::vector<char>& nodes, const std::vector<char>& strip,
               const std::vector<char>& ends)
      : graph_(graph), nodes_(nodes), strip_(strip), ends_(ends) {
    earliest_ = thalweg::detail::depths(graph, nodes, strip, ends);
    for (NodeId id = 0; id < graph.size(); ++id)
      if (nodes_[at(id)] && ends_[at(id)]) gather(id);
  }

  /// By node; 0 for what is no end.
  std::vector<int> depths() const {
    // Those that have no choice, if nothing is to take longer, come first.
    const std::vector<int> latest = choose([&](NodeId id, int deadline) {
      if (deadline != kNever) return deadline;
      int shared = earliest_[at(id)];
      for (const NodeId product : cones_.at(id).products)
        for (const NodeId other : users_.at(product))
          shared = std::max(shared, earliest_[at(other)]);
      return shared;
    });
    std::vector<int> placed(at(graph_.size()), kNever);
    for (const auto& [id, cone] : cones_)
      if (latest[at(id)] == earliest_[at(id)]) placed[at(id)] = earliest_[at(id)];
    return choose([&](NodeId id, int deadline) {
      if (placed[at(id)] == kNever) placed[at(id)] = best(id, deadline, placed);
      return placed[at(id)];
    });
  }

 private:
  static constexpr int kNever = std::numeric_limits<int>::max();
  struct Cone {
    std::set<NodeId> entries;   // what strips take from outside
    std::set<NodeId> products;  // the dear ones of its strip values
  };

  void gather(NodeId end) {
    Cone& cone = cones_[end];
    std::set<NodeId> seen{end};
    std::vector<NodeId> pending{end};
    while (!pending.empty()) {
      const NodeId id = pending.back();
      pending.pop_back();
      const Node& node = graph_.node(id);
      if (node.is<primitive::Dense>() && strip_[at(id)] && cone.products.insert(id).second)
        users_[id].push_back(end);
      for (const NodeId input : node.inputs) {
        if (!nodes_[at(input)]) continue;
        if (strip_[at(input)] != kComputedAnew || takes_items(node))
          cone.entries.insert(input);
        else if (seen.insert(input).second)
          pending.push_back(input);
      }
    }
  }

  /// From the last node to the first: `depth_of` gives an end's depth by the latest that its users
  /// allow.
  template <typename DepthOf>
  std::vector<int> choose(DepthOf depth_of) const {
    std::vector<int> deadline(at(graph_.size()), kNever);
    std::vector<int> chosen(at(graph_.size()), 0);
    const auto limit = [&](NodeId id, int depth) {
      deadline[at(id)] = std::min(deadline[at(id)], depth);
    };
    for (NodeId id = graph_.size() - 1; id >= 0; --id) {
      if (!nodes_[at(id)]) continue;
      if (ends_[at(id)]) {
        chosen[at(id)] = depth_of(id, deadline[at(id)]);
        for (const NodeId entry : cones_.at(id).entries) limit(entry, chosen[at(id)] - 1);
      } else if (!strip_[at(id)]) {
        for (const NodeId input : graph_.node(id).inputs) limit(input, deadline[at(id)]);
      }
    }
    return chosen;
  }

  /// The depth at which most products are computed in any case.
  int best(NodeId id, int deadline, const std::vector<int>& placed) const {
    std::map<int, std::set<NodeId>> shared;
    for (const NodeId product : cones_.at(id).products)
      for (const NodeId other : users_.at(product)) {
        const int depth = placed[at(other)];
        if (depth != kNever && depth >= earliest_[at(id)] && depth <= deadline)
          shared[depth].insert(product);
      }
    int result = earliest_[at(id)];
    std::size_t most = 0;
    for (const auto& [depth, products] : shared)
      if (products.size() > most) {
        most = products.size();
        result = depth;
      }
    return result;
  }

  const Graph& graph_;
  const std::vector<char>&nodes_, &strip_, &ends_;
  std::vector<int> earliest_;
  std::map<NodeId, Cone> cones_;                 // by end
  std::map<NodeId, std::vector<NodeId>> users_;  // product -> ends
};

/// Marks the earlier summand of a thin sum of strip values that are there at different times as
/// kept: the later loop would compute all anew that it comes from. In derivatives by what all
/// layers use, as distances, such sums are long.
void keep_summands(const Graph& graph, const std::vector<char>& nodes,
                   const std::vector<int>& chosen, std::vector<char>& strip,
                   std::vector<char>& ends) {
  constexpr std::int64_t kThin = 8;  // features
  std::vector<int> depth(nodes.size(), 0), within(nodes.size(), 0);
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (!nodes[at(id)]) continue;
    const Node& node = graph.node(id);
    const auto anew = [&](NodeId input) {
      return nodes[at(input)] && strip[at(input)] == kComputedAnew && !takes_items(node);
    };
    if (strip[at(id)] && node.is(Binary::kAdd) && node.shape.features <= kThin &&
        anew(node.inputs[0]) && anew(node.inputs[1])) {
      const int first = within[at(node.inputs[0])], second = within[at(node.inputs[1])];
      if (first != second) {
        const NodeId earlier = node.inputs[first < second ? 0 : 1];
        strip[at(earlier)] = kKept;
        ends[at(earlier)] = 1;
        depth[at(earlier)] = within[at(earlier)] + 1;
      }
    }
    const bool looped = strip[at(id)] || ends[at(id)];
    for (const NodeId input : node.inputs)
      if (nodes[at(input)])
        within[at(id)] =
            std::max(within[at(id)], looped && anew(input) ? within[at(input)] : depth[at(input)]);
    depth[at(id)] = ends[at(id)] ? chosen[at(id)] : within[at(id)];
  }
}

}  // namespace

bool runs_of(const std::vector<std::int32_t>& indices, std::int64_t width) {
  for (std::size_t i = 1; i < indices.size(); ++i)
    if (i % static_cast<std::size_t>(width) != 0 && indices[i] != indices[i - 1] + 1) return false;
  return true;
}

std::int64_t lanes_of_strips(const Graph& graph) {
  const std::vector<char> nodes(at(graph.size()), 1);
  std::int64_t lanes = 0;
  for (const std::int64_t extent : expanded_extents(graph, nodes)) {
    std::int64_t runs =
        widest_runs(lists_of(graph, nodes, extent), extent, kStripColumns / kAlignment);
    if (runs == 0) runs = std::min(extent, kStripColumns / kAlignment);
    std::int64_t wanted = 64;
    while (wanted > kAlignment && wanted * runs > kStripColumns) wanted /= 2;
    lanes = lanes == 0 ? wanted : std::min(lanes, wanted);
  }
  return lanes;
}

StripPlan plan_strips(const Graph& graph, const std::vector<char>& nodes,
                      const std::vector<NodeId>& wanted, std::int64_t lanes) {
  StripPlan plan;
  plan.strip.assign(nodes.size(), 0);
  plan.looped.assign(nodes.size(), 0);
  plan.depth.assign(nodes.size(), 0);
  plan.loops.resize(1);
  const std::set<std::int64_t> extents = expanded_extents(graph, nodes);
  if (extents.empty()) return plan;

  const auto is_strip = [&](NodeId id) { return plan.strip[at(id)] != 0; };
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    plan.strip[at(id)] = nodes[at(id)] && node.domain != kShared &&
                         extents.contains(node.shape.items) && works_by_item(node);
  }
  // What a strip value is wanted for besides other strip values and sums.
  const auto sums_items = [&](const Node& node) {
    if (node.is<primitive::OuterSum>()) return is_strip(node.inputs[0]) || is_strip(node.inputs[1]);
    const auto* sum = std::get_if<primitive::Sum>(&node.primitive);
    const bool along = (sum != nullptr && sum->axis == Axis::kItems) ||
                       (node.is<primitive::ScatterAdd>() && item_list(node) != nullptr);
    return along && is_strip(node.inputs[0]);
  };
  std::vector<char> whole(nodes.size(), 0);
  for (const NodeId id : wanted)
    if (is_strip(id)) whole[at(id)] = 1;
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (!nodes[at(id)]) continue;
    const Node& node = graph.node(id);
    if ((is_strip(id) && !takes_items(node)) || sums_items(node)) continue;
    for (const NodeId input : node.inputs)
      if (is_strip(input)) whole[at(input)] = 1;
  }

  std::vector<char> ends(nodes.size(), 0);
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (!nodes[at(id)]) continue;
    ends[at(id)] = sums_items(graph.node(id)) || whole[at(id)];
    plan.looped[at(id)] = ends[at(id)] || is_strip(id);
  }
  keep_summands(graph, nodes, ExitSchedule(graph, nodes, plan.strip, ends).depths(), plan.strip,
                ends);
  const std::vector<int> chosen = ExitSchedule(graph, nodes, plan.strip, ends).depths();
  plan.depth = depths(graph, nodes, plan.strip, ends, &chosen);
  std::map<std::pair<int, std::int64_t>, std::vector<NodeId>> exits;
  for (NodeId id = 0; id < graph.size(); ++id)
    if (ends[at(id)]) {
      const NodeId strip = is_strip(id) ? id : graph.node(id).inputs[0];
      exits[{chosen[at(id)], graph.node(strip).shape.items}].push_back(id);
    }
  for (auto& [place, ids] : exits) {
    const auto [depth, extent] = place;
    plan.loops.resize(static_cast<std::size_t>(depth) + 1);
    plan.loops[static_cast<std::size_t>(depth)].push_back(
        {extent, strip_width(lists_of(graph, nodes, extent), extent, lanes), std::move(ids)});
  }
  return plan;
}

}  // namespace thalweg::detail
