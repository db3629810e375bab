// Collects the instructions of one stage or one sweep, and knows where values are. Internal to the
// engine.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "thalweg/engine/passes.h"

namespace thalweg::detail {

inline Access access(const Location& place) {
  return {place.space, place.root, place.offset, place.feature,
          place.item,  place.lane, place.table};
}

class Emitter {
 public:
  /// For the shared instructions of a stage.
  Emitter(const Graph& graph, SharedMemory& shared, std::int64_t lanes);
  /// For a sweep over the samples of a domain, whose instructions go to `sweep`.
  Emitter(const Graph& graph, SharedMemory& shared, std::int64_t lanes, LoweredSweep& sweep,
          Fusion fusion, std::map<NodeId, PartPlace> parts);
  /// For the body of a loop in `outer`'s sweep, a graph of its own; `places` are those of its
  /// shared nodes.
  Emitter(const Graph& body, Emitter& outer, std::vector<Location>& places, Fusion fusion,
          std::map<NodeId, PartPlace> parts);

  const Graph& graph() const { return graph_; }
  const Node& node(NodeId id) const { return graph_.node(id); }
  bool batched() const { return sweep_ != nullptr; }
  /// Whether this is the body of a loop, whose elementwise instructions keep features apart: see
  /// mark_chains.
  bool strip() const { return strip_; }
  LoweredSweep& sweep() { return *sweep_; }
  const Fusion& fusion() const { return fusion_; }
  std::int64_t lanes() const { return lanes_; }
  /// Distance of elements that follow each other.
  std::int64_t unit() const { return batched() ? lanes_ : 1; }
  std::vector<Instruction>& instructions() {
    return batched() ? sweep_->instructions : shared_code_;
  }

  void emit(Instruction instruction);
  /// Copies elements of `shape`, from any strides to any strides.
  void copy(const Location& from, Shape shape, const Location& to);

  /// Where the value of a node is.
  const Location& where(NodeId id) const;
  void set_place(NodeId id, const Location& place);
  /// The place where the result of a node goes: within the concatenation that will hold it, or a
  /// new buffer.
  Location place(NodeId id);
  /// Whether `part` is computed where `whole`, a concatenation, wants it at feature `start`.
  bool in_place(NodeId part, NodeId whole, std::int64_t start) const;
  /// A new buffer, row-major.
  Location allocate(Shape shape);

  /// Loops of an elementwise instruction with a result of `shape`; batched: (feature, item, lane),
  /// shared: (1, feature, item).
  kernels::Extent extent_of(Shape shape) const;
  /// An operand of such an instruction, broadcast from `source` to `shape`.
  Access elementwise(const Location& place, Shape source, Shape shape) const;
  /// The operand for a node; copied first if its strides do not suit the loops.
  Access operand(NodeId id, Shape shape);
  /// A shared value with strides that suit an elementwise loop: itself or a compact copy.
  Location suited(const Location& place, Shape shape);
  /// A batched operand of a matrix product: lanes and items must follow each other.
  Location tile_matrix(NodeId id);

 private:
  const Graph& graph_;
  SharedMemory& shared_;
  std::vector<Location>& shared_places_;
  std::int64_t lanes_;
  LoweredSweep* sweep_ = nullptr;
  bool strip_ = false;
  std::vector<Instruction> shared_code_;
  std::vector<std::optional<Location>> places_;  // of batched nodes
  Fusion fusion_;
  std::map<NodeId, PartPlace> parts_;
};

/// Merges loops that run through memory without a gap, so that kernels see one long loop.
/// `operands` are all that the instruction has. With `rows`, features stay apart.
void collapse(kernels::Extent& extent, const std::vector<Access*>& operands, bool rows = false);

// --- Nodes to instructions. What has a place from the start (constants, sums) needs none.

/// A node of a stage or sweep but a sum over the batch; nothing for a view (lower_nodes.cc).
void lower_node(Emitter& emitter, NodeId id);

/// Sets a value to 0.
void emit_zero(Emitter& emitter, const Location& whole, Shape shape);
/// A Gather or ScatterAdd; `shape` is that of the value with an element for each index.
void emit_indexed(Emitter& emitter, Operation operation, Axis axis, Shape shape,
                  const Location& from, const Location& to);

/// A loop of the plan, after which the places of its exits are filled (lower_strips.cc).
void lower_loop(Emitter& emitter, const StripPlan& plan, const StripLoop& loop);

// These are in lower_linear.cc.

/// The product of node `id`, dense or matmul; its result goes to the place of `finish`, which is
/// `id` or the node that absorbed it.
void lower_product(Emitter& emitter, NodeId id, NodeId finish);
/// An inverse or a determinant.
void lower_elimination(Emitter& emitter, NodeId id, Operation operation);
/// A sum over the batch.
void lower_batch_sum(Emitter& emitter, NodeId id);

}  // namespace thalweg::detail
