// The passes of the compiler, each a function from one structure to the next:
//
//   graph, outputs -> schedule -> lowered program (instructions, buffers without a place)
//                  -> compiled program (groups of shared instructions, buffers with a place)
//
// Internal to the engine; tests check each by itself.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "thalweg/engine/compiled_program.h"

namespace thalweg::detail {

inline constexpr std::int64_t kAlignment = 16;  ///< elements
constexpr std::int64_t aligned(std::int64_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

inline std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }

/// Whether a node sums over the samples of a domain, and so is computed by a sweep over the batch.
inline bool is_batch_sum(const Node& node) {
  return node.is<primitive::BatchSum>() || node.is<primitive::OuterSum>();
}

// --- Schedule: what is computed when (schedule.cc).

/// Stage 0 runs, then the sweeps of level 0, stage 1, the sweeps of level 1 and so on.
struct Schedule {
  std::vector<char> needed;  ///< by node: whether an output needs it
  /// By node: for a shared one its stage (a sum of a sweep of level k is there for stage k + 1),
  /// for a batched one the earliest sweep that can compute it.
  std::vector<int> level;
  int last_level = 0;
  /// (level, domain) -> the sums and batched outputs that this sweep computes.
  std::map<std::pair<int, Domain>, std::vector<NodeId>> sweeps;
};

Schedule make_schedule(const Graph& graph, const std::vector<Value>& outputs);

/// The nodes that a sweep over `domain` computes for the sake of `wanted`, by node.
std::vector<char> nodes_of_sweep(const Graph& graph, Domain domain,
                                 const std::vector<NodeId>& wanted);

// --- Views: values that are other strides on the memory of their operand (views.cc).

/// Where a value is: strides of features, items and lanes (0 for shared values) in elements.
struct Location {
  Space space = Space::kShared;
  std::int32_t root = -1;
  std::int64_t offset = 0, feature = 0, item = 0, lane = 0;
  std::int32_t table = -1;  ///< as in Access
};

/// Whether a node may be a view, so that nothing is computed for it.
bool may_be_view(const Node& node);

/// The place of `node` within that of its operand `source`, or nothing where it has to be computed.
/// Elements that follow each other are `unit` apart.
std::optional<Location> view_of(const Node& node, const Node& source, Location place,
                                std::int64_t unit);

// --- Fusion: what a sweep computes together (fusion.cc).

struct Fusion {
  std::map<NodeId, NodeId> absorbed;  ///< node -> its operand that is computed with it
  std::set<NodeId> sources;           ///< those operands, which are not computed by themselves
};

/// A dense product with the relu or the step that alone uses it, a * b + c, and an elementwise
/// product with the sum over the batch that alone uses it. `shared` has the places of shared nodes.
Fusion plan_fusion(const Graph& graph, const std::vector<char>& nodes,
                   const std::vector<NodeId>& wanted, const std::vector<Location>& shared);

/// Where in a concatenation a part belongs.
struct PartPlace {
  NodeId whole;
  std::int64_t start;  ///< first feature
  bool operator==(const PartPlace&) const = default;
};

/// The computed parts of concatenations along features, which are written where the concatenation
/// wants them and need no copy.
std::map<NodeId, PartPlace> plan_concats(const Graph& graph, const std::vector<char>& nodes);

// --- Strips: values along long index lists, computed piece by piece (strips.cc).

/// Sums along `extent` items, which one loop takes `width` at a time.
struct StripLoop {
  std::int64_t extent = 0, width = 0;
  /// Sums over the items, sums over the batch, and strip values that are kept whole.
  std::vector<NodeId> exits;
};

/// How a node is computed in strips, if it is: by each loop that needs it, or once and kept whole,
/// for users in later loops.
inline constexpr char kComputedAnew = 1, kKept = 2;

/// Which nodes of a sweep are computed in strips. A value with as many items as an index list that
/// takes items several times (an edge's of a graph, say) is large; where all that is wanted of it
/// are sums, each loop computes it anew, piece by piece, from what the list takes from, so that
/// memory does not grow with the length of the list.
struct StripPlan {
  std::vector<char> strip;   ///< by node: how it is computed in strips, if it is
  std::vector<char> looped;  ///< by node: whether loops alone compute it, as strip or as sum
  /// By node: how many loops must have run before it can be computed; of an exit, itself included.
  std::vector<int> depth;
  std::vector<std::vector<StripLoop>> loops;  ///< by depth of their exits, one at least
};

StripPlan plan_strips(const Graph& graph, const std::vector<char>& nodes,
                      const std::vector<NodeId>& wanted, std::int64_t lanes);

/// Whether the node is a take along items, by which loops read values from outside.
inline bool takes_items(const Node& node) {
  const auto* take = std::get_if<primitive::Take>(&node.primitive);
  return take != nullptr && take->axis == Axis::kItems;
}

/// The number of lanes that suits the graph's strips; 0 if it has none.
std::int64_t lanes_of_strips(const Graph& graph);

/// Whether the elements of each of the list's blocks of `width` follow each other.
bool runs_of(const std::vector<std::int32_t>& indices, std::int64_t width);

// --- Lowering: nodes to instructions (lower.cc, and the emitter below it).

/// A tile buffer, and the instructions between which it is in use.
struct Buffer {
  std::int64_t size = 0;
  int first = -1, last = -1;  ///< -1: unused
};

/// The memory of shared values.
struct SharedMemory {
  std::vector<double> initial;       ///< constants in place, zeros elsewhere
  std::vector<std::int64_t> starts;  ///< of its buffers, ascending
  std::vector<Location> places;      ///< by node
  /// Offset of a new buffer.
  std::int64_t allocate(std::int64_t size);
};

/// A sweep whose buffers have no place yet: offsets of tile operands count from their root.
struct LoweredSweep {
  Domain domain = 0;
  std::vector<Instruction> instructions;
  std::vector<Loop> loops;
  std::vector<std::vector<std::int64_t>> tables;
  std::vector<Buffer> buffers;
  std::vector<Accumulator> accumulators;
  std::int64_t part_size = 0, scratch_size = 0;
  double flops = 0.0;
};

struct LoweredProgram {
  std::vector<std::vector<Instruction>> stages;
  std::vector<std::vector<LoweredSweep>> sweeps;  ///< sweeps[level] follow stages[level]
  SharedMemory shared;
  std::vector<std::int64_t> counts;  ///< as in CompiledProgram
  std::vector<Output> outputs;
};

LoweredProgram lower(const Graph& graph, const std::vector<Value>& outputs,
                     const Schedule& schedule, std::int64_t lanes);

// --- Placement (placement.cc).

/// Offsets of buffers in the tile, by best fit: buffers in use at the same time do not overlap.
struct Placement {
  std::vector<std::int64_t> offsets;
  std::int64_t size = 0;  ///< elements that all of them need together
};
Placement place_buffers(const std::vector<Buffer>& buffers);

/// Marks the chains of elementwise instructions within loops.
void mark_chains(LoweredSweep& sweep);

/// The sweep with its buffers in their places.
Pass place_sweep(LoweredSweep sweep);

/// Sorts shared instructions into groups without dependence, by the buffers that they write and
/// read; `starts` are those of the buffers.
SharedStage group_stage(std::vector<Instruction> instructions,
                        const std::vector<std::int64_t>& starts);

}  // namespace thalweg::detail
