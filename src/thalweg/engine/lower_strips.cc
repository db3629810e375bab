// Lowers the loops of strips: a loop's body is a graph of its own, of the width of a strip.
#include <algorithm>
#include <set>
#include <utility>

#include "thalweg/engine/emitter.h"

namespace thalweg::detail {
namespace {

/// A loop while its body is made.
class StripBody {
 public:
  StripBody(Emitter& outer, const StripPlan& plan, const StripLoop& loop)
      : outer_(outer),
        plan_(plan),
        loop_(loop),
        body_(outer.graph().parameters(), outer.graph().phase()) {
    for (const NodeId id : order()) {
      const bool sums_batch = outer_.node(id).is<primitive::OuterSum>();
      if (plan_.strip[at(id)] || sums_batch) add(id);
    }
    for (const NodeId id : loop_.exits)
      if (!outer_.node(id).is<primitive::OuterSum>()) ends_.emplace(operand_of(source_of(id)), id);
  }

  void lower() {
    for (const NodeId id : loop_.exits) prepare(id);
    std::vector<Location> shared(at(body_.size()));
    std::vector<NodeId> wanted;
    for (const auto& [inner, exit] : ends_) wanted.push_back(inner);
    for (const auto& [inner, entry] : entries_)
      if (body_.node(inner).domain == kShared) shared[at(inner)] = entry.place;
    for (const auto& [outer, inner] : inside_)
      if (outer_.node(outer).is<primitive::OuterSum>()) shared[at(inner)] = outer_.where(outer);
    const std::vector<char> nodes(at(body_.size()), 1);
    std::map<NodeId, PartPlace> parts = plan_concats(body_, nodes);
    for (const auto& [inner, entry] : entries_)  // these are where they are
      if (!entry.gather) parts.erase(inner);
    Emitter emitter(body_, outer_, shared, plan_fusion(body_, nodes, wanted, shared),
                    std::move(parts));
    LoweredSweep& sweep = outer_.sweep();
    const double flops = sweep.flops;
    const std::size_t begin = sweep.instructions.size();
    for (NodeId id = 0; id < body_.size(); ++id) {
      if (const auto entry = entries_.find(id); entry != entries_.end())
        enter(emitter, id, entry->second);
      else if (!emitter.fusion().sources.contains(id))
        lower_node(emitter, id);
      for (auto [end, last] = ends_.equal_range(id); end != last; ++end)
        leave(emitter, id, end->second);
    }
    sweep.loops.push_back({begin, sweep.instructions.size(), rounds()});
    sweep.flops = flops + (sweep.flops - flops) * static_cast<double>(rounds());
  }

 private:
  /// What the body takes from outside of the loop.
  struct Entry {
    Location place;
    std::optional<SharedList<std::int32_t>> gather = {};  ///< items to be copied
  };

  std::int64_t rounds() const { return loop_.extent / loop_.width; }
  Shape cut(Shape shape) const {
    if (shape.items == loop_.extent) shape.items = loop_.width;
    return shape;
  }

  /// The nodes that the exits need and that loops compute, and the exits, in order.
  std::set<NodeId> order() const {
    std::set<NodeId> found;
    std::vector<NodeId> pending;
    for (const NodeId id : loop_.exits) {
      found.insert(id);
      pending.push_back(id);
    }
    while (!pending.empty()) {
      const NodeId id = pending.back();
      pending.pop_back();
      if (takes_items(outer_.node(id))) continue;
      for (const NodeId input : outer_.node(id).inputs)
        if (plan_.strip[at(input)] == kComputedAnew && found.insert(input).second)
          pending.push_back(input);
    }
    return found;
  }

  /// The node of the outer graph whose strip an exit sums or keeps.
  NodeId source_of(NodeId exit) const {
    return plan_.strip[at(exit)] ? exit : outer_.node(exit).inputs[0];
  }

  NodeId input(NodeId id, Shape shape, Domain domain, Entry entry) {
    Node node{primitive::Input{id}, shape, domain, {}};
    const NodeId inner = body_.add(std::move(node)).id;
    entries_.emplace(inner, std::move(entry));
    return inner;
  }

  void add(NodeId id) {
    const Node& node = outer_.node(id);
    if (takes_items(node)) {
      const SharedList<std::int32_t>& indices = node.as<primitive::Take>().indices;
      const Location source = outer_.where(node.inputs[0]);
      const Shape shape = cut(node.shape);
      Entry entry{source};
      if (runs_of(*indices, loop_.width))
        entry.place.table = table_of_runs(*indices, source.item);
      else
        entry.gather = indices;
      inside_[id] = input(id, shape, node.domain, entry);
      return;
    }
    Node copy = node;
    copy.shape = node.is<primitive::OuterSum>() ? node.shape : cut(node.shape);
    // The items of a product's weights are its inputs, however many pairs there are.
    const bool has_weights = node.is<primitive::Dense>();
    for (std::size_t i = 0; i < copy.inputs.size(); ++i)
      copy.inputs[i] =
          has_weights && i == 0 ? weights_of(copy.inputs[i]) : operand_of(copy.inputs[i]);
    inside_[id] = body_.add(std::move(copy)).id;
  }

  /// An operand as it is, whole.
  NodeId weights_of(NodeId id) {
    const auto known = weights_.find(id);
    if (known != weights_.end()) return known->second;
    const Node& node = outer_.node(id);
    return weights_[id] = input(id, node.shape, node.domain, {outer_.where(id)});
  }

  /// The part of an operand that belongs to the round.
  NodeId operand_of(NodeId id) {
    const auto known = inside_.find(id);
    if (known != inside_.end()) return known->second;
    const Node& node = outer_.node(id);
    Entry entry{outer_.where(id)};
    if (node.shape.items == loop_.extent && entry.place.item != 0)
      entry.place.table = table(entry.place.item * loop_.width);
    return inside_[id] = input(id, cut(node.shape), node.domain, entry);
  }

  std::int32_t add_table(std::vector<std::int64_t> offsets) {
    auto& tables = outer_.sweep().tables;
    const auto known = std::find(tables.begin(), tables.end(), offsets);
    const auto index = known - tables.begin();
    if (known == tables.end()) tables.push_back(std::move(offsets));
    return static_cast<std::int32_t>(index);
  }
  /// Equal steps from round to round.
  std::int32_t table(std::int64_t step) {
    std::vector<std::int64_t> offsets;
    for (std::int64_t round = 0; round < rounds(); ++round) offsets.push_back(round * step);
    return add_table(std::move(offsets));
  }
  std::int32_t table_of_runs(const std::vector<std::int32_t>& indices, std::int64_t stride) {
    std::vector<std::int64_t> offsets;
    for (std::int64_t round = 0; round < rounds(); ++round)
      offsets.push_back(indices[static_cast<std::size_t>(round * loop_.width)] * stride);
    return add_table(std::move(offsets));
  }

  /// Before the loop: sums start at 0.
  void prepare(NodeId exit) {
    const Node& node = outer_.node(exit);
    if (node.is<primitive::OuterSum>()) return;
    const Location place = outer_.place(exit);
    if (!plan_.strip[at(exit)]) emit_zero(outer_, place, node.shape);
  }

  static void enter(Emitter& emitter, NodeId inner, const Entry& entry) {
    if (emitter.node(inner).domain == kShared) return;
    if (!entry.gather) {
      emitter.set_place(inner, entry.place);
      return;
    }
    const Shape shape = emitter.node(inner).shape;
    emit_indexed(emitter, operation::Gather{*entry.gather}, Axis::kItems, shape, entry.place,
                 emitter.place(inner));
  }

  void leave(Emitter& emitter, NodeId inner, NodeId exit) {
    const Node& node = outer_.node(exit);
    const Shape shape = emitter.node(inner).shape;
    Location to = outer_.where(exit);
    if (plan_.strip[at(exit)]) {
      to.table = table(to.item * loop_.width);
      emitter.copy(emitter.where(inner), shape, to);
      return;
    }
    Location from = emitter.where(inner);
    Shape added = shape;
    if (const auto* scatter = std::get_if<primitive::ScatterAdd>(&node.primitive)) {
      if (!runs_of(*scatter->indices, loop_.width)) {
        emit_indexed(emitter, operation::ScatterAdd{scatter->indices}, Axis::kItems, shape, from,
                     to);
        return;
      }
      to.table = table_of_runs(*scatter->indices, to.item);
    } else {
      added.items = 1;
      from = sum_of_strip(emitter, from, shape);
    }
    Instruction addition{operation::BinaryFunction{Binary::kAdd}};
    addition.extent = emitter.extent_of(added);
    addition.out = addition.a = access(to);
    addition.b = access(from);
    addition.cost = static_cast<double>(added.size() * emitter.lanes());
    collapse(addition.extent, {&addition.out, &addition.a, &addition.b}, true);
    emitter.emit(std::move(addition));
  }

  static Location sum_of_strip(Emitter& emitter, const Location& from, Shape shape) {
    const Location total = emitter.allocate({shape.features, 1});
    const auto arrange = [](const Location& place) {
      return Access{place.space,   place.root, place.offset, place.item,
                    place.feature, place.lane, place.table};
    };
    Instruction sum{operation::SumOuter{}};
    sum.extent = {shape.items, shape.features, emitter.lanes()};
    sum.a = arrange(from);
    sum.out = arrange(total);
    sum.cost = static_cast<double>(shape.size() * emitter.lanes());
    emitter.emit(std::move(sum));
    return total;
  }

  Emitter& outer_;
  const StripPlan& plan_;
  const StripLoop& loop_;
  Graph body_;
  std::map<NodeId, NodeId> inside_;     // outer node -> its node in the body
  std::map<NodeId, NodeId> weights_;    // the same of weights of products
  std::map<NodeId, Entry> entries_;     // by node of the body
  std::multimap<NodeId, NodeId> ends_;  // node of the body -> exits
};

}  // namespace

void lower_loop(Emitter& emitter, const StripPlan& plan, const StripLoop& loop) {
  StripBody(emitter, plan, loop).lower();
}

}  // namespace thalweg::detail
