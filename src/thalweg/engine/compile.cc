#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "thalweg/core/error.h"
#include "thalweg/engine/compiled_program.h"

namespace thalweg::detail {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements
constexpr int kNever = std::numeric_limits<int>::max();

std::int64_t aligned(std::int64_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}
std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }

/// Where a value is: strides of features, items and lanes (0 for shared values) in elements.
struct Location {
  Space space = Space::kShared;
  std::int32_t root = -1;
  std::int64_t offset = 0, feature = 0, item = 0, lane = 0;
};

/// A tile buffer with the instructions between which it is in use.
struct Buffer {
  std::int64_t size = 0;
  int first = kNever, last = -1;
  std::int64_t offset = 0;
};

/// The step of an arithmetic progression, if the indices are one (then taking them is a strided
/// view).
std::optional<std::int64_t> progression(const std::vector<std::int32_t>& indices) {
  if (indices.size() < 2) return 0;
  const std::int64_t step = indices[1] - indices[0];
  for (std::size_t i = 2; i < indices.size(); ++i)
    if (indices[i] - indices[i - 1] != step) return std::nullopt;
  return step;
}

/// A view of `input` for the operations that only rearrange strides.
std::optional<Location> view_of(const Node& node, const Node& source, Location input,
                                std::int64_t unit) {
  switch (node.op) {
    case Op::kStopGradient:
    case Op::kCallValue:  // the first of the call's values
      return input;
    case Op::kBroadcast:
      if (source.shape.features == 1 && node.shape.features > 1) input.feature = 0;
      if (source.shape.items == 1 && node.shape.items > 1) input.item = 0;
      return input;
    case Op::kTranspose:
      std::swap(input.feature, input.item);
      return input;
    case Op::kSlice:
      input.offset += node.integer * (node.axis == Axis::kFeatures ? input.feature : input.item);
      return input;
    case Op::kTake: {
      const auto step = progression(*node.indices);
      if (!step) return std::nullopt;
      std::int64_t& stride = node.axis == Axis::kFeatures ? input.feature : input.item;
      input.offset += node.indices->front() * stride;
      stride *= *step;
      return input;
    }
    case Op::kReshape: {
      const bool vector = source.shape.features == 1 || source.shape.items == 1;
      const std::int64_t stride = source.shape.features == 1 ? input.item : input.feature;
      const bool compact = input.item == unit && input.feature == source.shape.items * unit;
      if (!vector && !compact) return std::nullopt;
      const std::int64_t step = vector ? stride : unit;
      input.item = step;
      input.feature = node.shape.items * step;
      return input;
    }
    default:
      return std::nullopt;
  }
}

bool is_view_operation(Op op) {
  return op == Op::kStopGradient || op == Op::kBroadcast || op == Op::kTranspose ||
         op == Op::kSlice || op == Op::kTake || op == Op::kReshape || op == Op::kCallValue;
}

/// Merges loops that run through memory without a gap, so that kernels see one long loop.
void collapse(Instruction& instruction) {
  std::vector<Access*> operands{&instruction.out, &instruction.a};
  const bool three = instruction.kind == Kind::kSelect || instruction.kind == Kind::kMultiplyAdd;
  if (instruction.kind == Kind::kBinary || three) operands.push_back(&instruction.b);
  if (three) operands.push_back(&instruction.c);
  kernels::Extent& extent = instruction.extent;
  const auto all = [&](auto&& condition) {
    return std::all_of(operands.begin(), operands.end(), condition);
  };
  if (extent.middle == 1) {
    extent.middle = extent.outer;
    extent.outer = 1;
    for (Access* operand : operands) operand->middle = operand->outer;
  }
  if (extent.inner > 1 && extent.middle > 1 &&
      all([&](const Access* o) { return o->middle == o->inner * extent.inner; })) {
    extent.inner *= extent.middle;
    extent.middle = extent.outer;
    extent.outer = 1;
    for (Access* operand : operands) operand->middle = operand->outer;
  }
  if (extent.middle > 1 && extent.outer == 1 && extent.inner > 1 &&
      all([&](const Access* o) { return o->middle == o->inner * extent.inner; })) {
    extent.inner *= extent.middle;
    extent.middle = 1;
  }
}

/// Longer rows make an instruction's start cheaper, as long as its operands stay in the first
/// cache.
std::int64_t suitable_lanes(const Graph& graph) {
  constexpr std::int64_t kSmall = 32;
  for (NodeId id = 0; id < graph.size(); ++id)
    if (graph.node(id).domain != kShared && graph.node(id).shape.size() > kSmall) return 64;
  return 128;
}

class Compiler {
 public:
  Compiler(const Graph& graph, const std::vector<Value>& outputs, std::int64_t lanes)
      : graph_(graph), outputs_(outputs), size_(graph.size()) {
    program_.lanes = lanes;
    program_.domains = graph.domains();
    program_.counts.assign(static_cast<std::size_t>(graph.domains()), -1);
    program_.flops.assign(static_cast<std::size_t>(graph.domains()), 0.0);
    for (const NodeId id : graph.inputs()) {
      program_.input_sizes.push_back(graph.node(id).shape.size());
      program_.input_domains.push_back(graph.node(id).domain);
    }
  }

  CompiledProgram run() {
    mark_reachable();
    assign_levels();
    locate_shared();
    for (int level = 0; level <= last_level_; ++level) {
      build_stage(level);
      program_.passes.emplace_back();
      std::set<Domain> domains;
      for (const auto& [place, unused] : sweeps_)
        if (place.first == level) domains.insert(place.second);
      for (const Domain domain : domains) build_pass(level, domain);
    }
    for (const Value& output : outputs_) add_output(output);
    return std::move(program_);
  }

 private:
  static bool is_sum(const Node& node) {
    return node.op == Op::kBatchSum || node.op == Op::kOuterSum;
  }
  const Node& node(NodeId id) const { return graph_.node(id); }
  Domain sum_domain(NodeId id) const { return node(node(id).inputs[0]).domain; }

  void mark_reachable() {
    reachable_.assign(at(size_), 0);
    for (const Value& output : outputs_) reachable_[at(output.id)] = 1;
    for (NodeId id = size_ - 1; id >= 0; --id)
      if (reachable_[at(id)])
        for (const NodeId input : node(id).inputs) reachable_[at(input)] = 1;
  }

  /// Gives each shared node the stage, and each sum and batched output the sweep, in which it is
  /// computed. A sum is moved to a later sweep over its domain if one is needed anyway and nothing
  /// waits for the sum, so that sweeps are few.
  void assign_levels() {
    std::vector<int> earliest(at(size_), 0);
    const auto highest_input = [&](NodeId id, const std::vector<int>& levels) {
      int level = 0;
      for (const NodeId input : node(id).inputs) level = std::max(level, levels[at(input)]);
      return level;
    };
    std::map<Domain, std::set<int>> sweeps;
    for (NodeId id = 0; id < size_; ++id) {
      if (!reachable_[at(id)]) continue;
      const int level = highest_input(id, earliest);
      if (is_sum(node(id))) sweeps[sum_domain(id)].insert(level);
      earliest[at(id)] = level + (is_sum(node(id)) ? 1 : 0);
    }
    std::vector<int> deadline(at(size_), kNever);
    std::vector<int> sweep(at(size_), 0);
    for (const Value& output : outputs_)
      if (output.batched()) {
        sweeps[output.domain()].insert(earliest[at(output.id)]);
        deadline[at(output.id)] = std::min(deadline[at(output.id)], earliest[at(output.id)]);
      }
    for (NodeId id = size_ - 1; id >= 0; --id) {
      if (!reachable_[at(id)]) continue;
      int limit = deadline[at(id)];
      if (is_sum(node(id))) {
        const int first = earliest[at(id)] - 1;
        int chosen = first;
        for (const int candidate : sweeps[sum_domain(id)])
          if (candidate >= first && (limit == kNever || candidate <= limit - 1)) chosen = candidate;
        sweep[at(id)] = chosen;
        limit = chosen;
      }
      for (const NodeId input : node(id).inputs)
        deadline[at(input)] = std::min(deadline[at(input)], limit);
    }
    level_.assign(at(size_), 0);
    last_level_ = 0;
    for (NodeId id = 0; id < size_; ++id) {
      if (!reachable_[at(id)]) continue;
      level_[at(id)] = is_sum(node(id)) ? sweep[at(id)] + 1 : highest_input(id, level_);
      last_level_ = std::max(last_level_, level_[at(id)]);
      if (is_sum(node(id))) sweeps_[{sweep[at(id)], sum_domain(id)}].push_back(id);
    }
    for (const Value& output : outputs_)
      if (output.batched()) sweeps_[{level_[at(output.id)], output.domain()}].push_back(output.id);
  }

  std::int64_t allocate_shared(std::int64_t size) {
    const auto offset = static_cast<std::int64_t>(program_.shared_initial.size());
    shared_starts_.push_back(offset);
    program_.shared_initial.resize(
        program_.shared_initial.size() + static_cast<std::size_t>(aligned(size)), 0.0);
    return offset;
  }

  Location compact_shared(std::int64_t offset, Shape shape) const {
    return {Space::kShared, -1, offset, shape.items, 1, 0};
  }

  /// Constants, parameters, counts and results of sums have their places from the start.
  void locate_shared() {
    shared_.resize(at(size_));
    for (NodeId id = 0; id < size_; ++id) {
      if (!reachable_[at(id)]) continue;
      const Node& current = node(id);
      if (current.op == Op::kConstant) {
        const std::int64_t offset = allocate_shared(current.data ? current.shape.size() : 1);
        if (current.data) {
          std::copy(current.data->begin(), current.data->end(),
                    program_.shared_initial.begin() + offset);
          shared_[at(id)] = compact_shared(offset, current.shape);
        } else {
          program_.shared_initial[static_cast<std::size_t>(offset)] = current.number;
          shared_[at(id)] = {Space::kShared, -1, offset, 0, 0, 0};
        }
      } else if (current.op == Op::kParameter) {
        const ParameterInfo& info =
            graph_.parameters().infos()[static_cast<std::size_t>(current.integer)];
        shared_[at(id)] = {Space::kParameter, -1, info.offset, info.columns, 1, 0};
      } else if (current.op == Op::kCount) {
        const std::int64_t offset = allocate_shared(1);
        program_.counts[static_cast<std::size_t>(current.integer)] = offset;
        shared_[at(id)] = {Space::kShared, -1, offset, 0, 0, 0};
      } else if (is_sum(current)) {
        shared_[at(id)] = compact_shared(allocate_shared(current.shape.size()), current.shape);
      }
    }
  }

  // --- Operands
  // -------------------------------------------------------------------------------------------------------

  static Access access(const Location& location) {
    return {location.space,   location.root, location.offset,
            location.feature, location.item, location.lane};
  }

  /// Operand of an elementwise instruction with result `shape`; batched: (feature, item, lane)
  /// loops, shared: (1, feature, item).
  Access elementwise(const Location& location, Shape source, Shape shape, bool batched) const {
    Access result = access(location);
    if (source.features == 1) result.outer = 0;
    if (source.items == 1) result.middle = 0;
    if (!batched) {
      result = {result.space, result.root, result.offset, 0, result.outer, result.middle};
      if (shape.items == 1)
        result = {result.space, result.root, result.offset, 0, 0, result.middle};
    }
    return result;
  }

  kernels::Extent extent_of(Shape shape, bool batched) const {
    if (batched) return {shape.features, shape.items, program_.lanes};
    if (shape.items == 1) return {1, 1, shape.features};
    return {1, shape.features, shape.items};
  }

  // --- Emission
  // -------------------------------------------------------------------------------------------------------

  /// Instructions being built: of one stage (shared) or of one pass.
  struct Emission {
    bool batched = false;
    std::vector<Instruction> instructions;
    std::vector<Buffer> buffers;
    std::vector<Location> places;  // of batched nodes
    std::vector<char> placed;
    std::map<NodeId, std::pair<NodeId, std::int64_t>>
        inside;                         // a value computed in its place within a concat
    std::map<NodeId, NodeId> absorbed;  // node -> its operand that is computed with it
    std::set<NodeId> absorbed_sources;
    std::int64_t scratch = 0;
    Pass pass;
  };

  void emit(Instruction instruction) {
    const int index = static_cast<int>(emission_.instructions.size());
    for (const Access* operand :
         {&instruction.out, &instruction.a, &instruction.b, &instruction.c, &instruction.mask})
      if (operand->space == Space::kTile && operand->root >= 0) {
        Buffer& buffer = emission_.buffers[static_cast<std::size_t>(operand->root)];
        buffer.first = std::min(buffer.first, index);
        buffer.last = std::max(buffer.last, index);
      }
    emission_.instructions.push_back(std::move(instruction));
  }

  std::int64_t unit(bool batched) const { return batched ? program_.lanes : 1; }

  Location allocate(Shape shape, bool batched) {
    if (!batched) return compact_shared(allocate_shared(shape.size()), shape);
    emission_.buffers.push_back({aligned(shape.size() * program_.lanes)});
    return {Space::kTile,
            static_cast<std::int32_t>(emission_.buffers.size()) - 1,
            0,
            shape.items * program_.lanes,
            program_.lanes,
            1};
  }

  /// The place where the result of node `id` goes: within a concat that will hold it, or a new
  /// buffer.
  Location place(NodeId id) {
    const bool batched = emission_.batched;
    if (batched && emission_.placed[at(id)]) return emission_.places[at(id)];
    Location location;
    const auto inside = emission_.inside.find(id);
    if (batched && inside != emission_.inside.end()) {
      const auto [whole, start] = inside->second;
      location = place(whole);
      location.offset += start * location.feature;
    } else {
      location = allocate(node(id).shape, batched);
    }
    set_place(id, location);
    return location;
  }

  void set_place(NodeId id, const Location& location) {
    if (node(id).domain == kShared) {
      shared_[at(id)] = location;
    } else {
      emission_.places[at(id)] = location;
      emission_.placed[at(id)] = 1;
    }
  }

  const Location& where(NodeId id) const {
    return node(id).domain == kShared ? shared_[at(id)] : emission_.places[at(id)];
  }

  void emit_copy(const Location& from, Shape shape, const Location& to, bool batched) {
    Instruction copy;
    copy.kind = Kind::kUnary;
    copy.unary = Unary::kCopy;
    copy.extent = extent_of(shape, batched);
    copy.a = elementwise(from, shape, shape, batched);
    copy.out = elementwise(to, shape, shape, batched);
    // Strides that the inner loop cannot take go to an outer loop, one element at a time.
    const auto odd = [](const Access& operand) { return operand.inner != 0 && operand.inner != 1; };
    if (odd(copy.a) || copy.out.inner != 1) {
      copy.extent = {shape.features, shape.items, batched ? program_.lanes : 1};
      copy.a = access(from);
      copy.out = access(to);
      if (!batched) copy.a.inner = copy.out.inner = 1;
    }
    copy.cost = static_cast<double>(shape.size() * unit(batched));
    collapse(copy);
    emit(copy);
  }

  /// `location` itself if its strides suit an elementwise loop, else a compact copy.
  Location suited(const Location& location, Shape shape, bool batched) {
    if (batched) return location;
    const std::int64_t inner = shape.items == 1 ? location.feature : location.item;
    if (shape.size() == 1 || inner == 0 || inner == 1) return location;
    const Location copy = allocate(shape, false);
    if (location.feature == 1 && shape.items > 1) {
      Instruction instruction;
      instruction.kind = Kind::kTransposeCopy;
      instruction.extent = {shape.items, shape.features, 1};
      instruction.a = access(location);
      instruction.a.outer = location.item;
      instruction.out = access(copy);
      instruction.cost = static_cast<double>(shape.size());
      emit(instruction);
    } else {
      emit_copy(location, shape, copy, false);
    }
    return copy;
  }

  Access operand(NodeId id, Shape shape) {
    const bool batched = emission_.batched;
    Location location = where(id);
    if (node(id).domain == kShared && !batched) location = suited(location, node(id).shape, false);
    return elementwise(location, node(id).shape, shape, batched);
  }

  void emit_elementwise(NodeId id) {
    const Node& current = node(id);
    Instruction instruction;
    instruction.kind = current.op == Op::kUnary    ? Kind::kUnary
                       : current.op == Op::kBinary ? Kind::kBinary
                                                   : Kind::kSelect;
    instruction.unary = current.unary;
    instruction.binary = current.binary;
    instruction.number = current.number;
    instruction.extent = extent_of(current.shape, emission_.batched);
    instruction.a = operand(current.inputs[0], current.shape);
    if (current.inputs.size() > 1) instruction.b = operand(current.inputs[1], current.shape);
    if (current.inputs.size() > 2) instruction.c = operand(current.inputs[2], current.shape);
    instruction.out = elementwise(place(id), current.shape, current.shape, emission_.batched);
    instruction.cost = 4.0 * static_cast<double>(current.shape.size() * unit(emission_.batched));
    collapse(instruction);
    emit(instruction);
  }

  void emit_reduction(NodeId id) {
    const Node& current = node(id);
    const NodeId source = current.inputs[0];
    const Shape shape = node(source).shape;
    const bool batched = emission_.batched;
    Location from = where(source);
    Instruction instruction;
    instruction.kind = current.op == Op::kSum   ? Kind::kSumOuter
                       : current.op == Op::kMax ? Kind::kMaxOuter
                                                : Kind::kCumulativeSum;
    instruction.flag = current.flag;
    instruction.second_flag = current.second_flag;
    instruction.cost = static_cast<double>(shape.size() * unit(batched));
    const bool features = current.op == Op::kCumulativeSum || current.axis == Axis::kFeatures;
    const std::int64_t along = features ? shape.features : shape.items;
    const std::int64_t across = features ? shape.items : shape.features;
    if (!batched) {
      // The loop across must run through memory with stride 0 or 1.
      const std::int64_t stride = features ? from.item : from.feature;
      if (across > 1 && stride != 0 && stride != 1) {
        const Shape swapped{along, across};
        const Location source_view{
            from.space, from.root, from.offset, features ? from.feature : from.item, stride, 0};
        const Location copy = allocate(swapped, false);
        emit_copy(source_view, swapped, copy, false);
        from = features ? copy
                        : Location{copy.space, copy.root, copy.offset, copy.item, copy.feature, 0};
      }
    }
    const Location to = place(id);
    const auto arrange = [&](const Location& location) {
      const std::int64_t outer = features ? location.feature : location.item;
      const std::int64_t middle = features ? location.item : location.feature;
      if (batched)
        return Access{location.space, location.root, location.offset, outer, middle, location.lane};
      return Access{location.space,         location.root, location.offset, outer, 0,
                    across > 1 ? middle : 1};
    };
    instruction.extent = batched ? kernels::Extent{along, across, program_.lanes}
                                 : kernels::Extent{along, 1, across};
    instruction.a = arrange(from);
    instruction.out = arrange(to);
    emit(instruction);
  }

  void emit_parts(NodeId id) {
    const Node& current = node(id);
    const bool batched = emission_.batched;
    const Location whole = place(id);
    const bool features = current.axis == Axis::kFeatures;
    const auto part_of_whole = [&](std::int64_t start) {
      Location part = whole;
      part.offset += start * (features ? whole.feature : whole.item);
      return part;
    };
    if (current.op == Op::kConcat) {
      std::int64_t start = 0;
      for (const NodeId input : current.inputs) {
        const Shape shape = node(input).shape;
        const auto inside = emission_.inside.find(input);
        const bool there = batched && inside != emission_.inside.end() &&
                           inside->second == std::pair<NodeId, std::int64_t>{id, start};
        if (!there) emit_copy(where(input), shape, part_of_whole(start), batched);
        start += features ? shape.features : shape.items;
      }
    } else if (current.op == Op::kPad) {
      const Shape shape = node(current.inputs[0]).shape;
      Instruction zero;
      zero.kind = Kind::kZero;
      zero.extent = {1, 1, current.shape.size() * unit(batched)};
      zero.out = access(whole);
      zero.cost = static_cast<double>(zero.extent.inner);
      emit(zero);
      emit_copy(where(current.inputs[0]), shape, part_of_whole(current.integer), batched);
    } else {  // kTake
      emit_take(id, whole);
    }
  }

  void emit_take(NodeId id, const Location& whole) {
    const Node& current = node(id);
    const bool batched = emission_.batched;
    const Location source = where(current.inputs[0]);
    const std::int64_t step = unit(batched);
    const bool rows_compact = source.item == step || current.shape.items == 1;
    if (current.axis == Axis::kFeatures && rows_compact && (!batched || source.lane == 1)) {
      Instruction gather;
      gather.kind = Kind::kGather;
      gather.extent.inner = current.shape.items * step;
      gather.a = access(source);
      gather.out = access(whole);
      gather.indices = current.indices;
      gather.cost = static_cast<double>(current.shape.size() * step);
      emit(gather);
      return;
    }
    for (std::size_t i = 0; i < current.indices->size(); ++i) {
      const bool features = current.axis == Axis::kFeatures;
      Shape shape = current.shape;
      (features ? shape.features : shape.items) = 1;
      Location from = source;
      from.offset += (*current.indices)[i] * (features ? source.feature : source.item);
      Location to = whole;
      to.offset += static_cast<std::int64_t>(i) * (features ? whole.feature : whole.item);
      emit_copy(from, shape, to, batched);
    }
  }

  /// A batched operand of a matrix product: lanes and items must follow each other.
  Location tile_matrix(NodeId id) {
    const Node& current = node(id);
    const Location location = where(id);
    if (current.shape.items == 1 || location.item == program_.lanes) return location;
    const Location copy = allocate(current.shape, true);
    emit_copy(location, current.shape, copy, true);
    return copy;
  }

  /// Finds what is better computed together: a dense product with the relu or the step that alone
  /// uses it, and an elementwise product with the sum that alone uses it. What is absorbed is not
  /// computed by itself.
  void plan_fusion(const std::vector<char>& needed, const std::vector<NodeId>& wanted) {
    std::vector<int> uses(at(size_), 0);
    for (NodeId id = 0; id < size_; ++id)
      if (needed[at(id)])
        for (const NodeId input : node(id).inputs) ++uses[at(input)];
    for (const NodeId id : wanted)
      if (!is_sum(node(id))) ++uses[at(id)];
    for (NodeId id = 0; id < size_; ++id) {
      if (!needed[at(id)]) continue;
      for (const NodeId source : node(id).inputs)
        if (uses[at(source)] == 1 && can_absorb(id, source)) {
          emission_.absorbed.emplace(id, source);
          emission_.absorbed_sources.insert(source);
          break;
        }
    }
  }

  bool can_absorb(NodeId id, NodeId source) const {
    const Node& current = node(id);
    const Node& product = node(source);
    const auto like_product = [&](NodeId other) {
      return node(other).domain == product.domain && node(other).shape == product.shape;
    };
    if (product.domain == kShared) return false;
    if (product.op == Op::kBinary && product.binary == Binary::kMultiply) {
      if (current.op == Op::kBatchSum)
        return like_product(product.inputs[0]) && like_product(product.inputs[1]);
      return current.op == Op::kBinary && current.binary == Binary::kAdd &&
             current.shape == product.shape;
    }
    if (product.op != Op::kDense || current.inputs[0] != source || current.shape != product.shape)
      return false;
    if (product.inputs.size() > 2 && where(product.inputs[2]).feature != 1) return false;
    if (current.op == Op::kUnary) return current.unary == Unary::kRelu;
    return current.op == Op::kBinary && current.binary == Binary::kMultiplyStep &&
           like_product(current.inputs[1]);
  }

  /// a * b + c, where `product` is a * b and the node adds c.
  void emit_multiply_add(NodeId id, NodeId product) {
    const Node& current = node(id);
    const NodeId added = current.inputs[current.inputs[0] == product ? 1 : 0];
    Instruction instruction;
    instruction.kind = Kind::kMultiplyAdd;
    instruction.extent = extent_of(current.shape, true);
    instruction.a = operand(node(product).inputs[0], current.shape);
    instruction.b = operand(node(product).inputs[1], current.shape);
    instruction.c = operand(added, current.shape);
    instruction.out = elementwise(place(id), current.shape, current.shape, true);
    collapse(instruction);
    emit(instruction);
  }

  /// The node together with what it absorbed.
  void emit_fused(NodeId id, NodeId source) {
    if (node(source).op == Op::kDense)
      emit_product(source, id);
    else
      emit_multiply_add(id, source);
  }

  /// The product of node `id`; its result goes to the place of `finish`, which is `id` or the node
  /// that absorbed it.
  void emit_product(NodeId id, NodeId finish) {
    const Node& current = node(id);
    Instruction product;
    product.kind = Kind::kMatrixProduct;
    std::optional<Location> bias;
    Location left = where(current.inputs[0]);
    if (current.flag) std::swap(left.feature, left.item);
    product.a = access(left);
    if (current.op == Op::kDense) {
      const Node& x = node(current.inputs[1]);
      const Location right = tile_matrix(current.inputs[1]);
      product.extent = {current.shape.features, current.shape.items * program_.lanes,
                        x.shape.features};
      product.b = access(right);
      if (current.inputs.size() > 2) {
        bias = where(current.inputs[2]);
        product.has_bias = bias->feature == 1;
        if (product.has_bias) product.c = access(*bias);
      }
      program_.flops[static_cast<std::size_t>(current.domain)] +=
          2.0 * static_cast<double>(current.shape.size() * x.shape.features);
    } else {
      const Node& right = node(current.inputs[1]);
      Location location = where(current.inputs[1]);
      Shape shape = right.shape;
      if (current.second_flag) {
        std::swap(location.feature, location.item);
        std::swap(shape.features, shape.items);
      }
      if (shape.items > 1 && location.item != 1) location = forced_compact(location, shape);
      product.extent = {current.shape.features, current.shape.items, shape.features};
      product.b = access(location);
    }
    if (finish != id) {
      product.relu = node(finish).op == Op::kUnary;
      product.masked = !product.relu;
      if (product.masked) product.mask = access(tile_matrix(node(finish).inputs[1]));
    }
    const Location to = place(finish);
    product.out = access(to);
    product.cost =
        2.0 *
        static_cast<double>(product.extent.outer * product.extent.middle * product.extent.inner) /
        8.0;
    emit(product);
    if (bias && !product.has_bias) {  // strided: not what the product's own bias takes
      Instruction addition;
      addition.kind = Kind::kBinary;
      addition.extent = extent_of(current.shape, true);
      addition.a = addition.out = access(to);
      addition.b = elementwise(*bias, {current.shape.features, 1}, current.shape, true);
      collapse(addition);
      emit(addition);
    }
  }

  Location forced_compact(const Location& location, Shape shape) {
    if (location.item == 0) {
      const Location copy = allocate(shape, false);
      emit_copy(location, shape, copy, false);
      return copy;
    }
    return suited(location, shape, false);
  }

  void emit_inverse(NodeId id) {
    Instruction instruction;
    instruction.kind = Kind::kInverse;
    const Shape shape = node(id).shape;
    Location from = where(node(id).inputs[0]);
    instruction.extent = {shape.features, shape.features, 1};
    instruction.a = access(from);
    instruction.out = access(place(id));
    instruction.cost = static_cast<double>(shape.features * shape.features * shape.features);
    emit(instruction);
  }

  void emit_call(NodeId id) {
    const Node& current = node(id);
    Instruction instruction;
    instruction.kind = Kind::kCall;
    instruction.function = current.function;
    instruction.extent = {node(current.inputs[0]).shape.features, 1, program_.lanes};
    instruction.a = access(where(current.inputs[0]));
    instruction.out = access(place(id));
    emit(instruction);
  }

  void emit_leaf(NodeId id) {
    const Node& current = node(id);
    Instruction instruction;
    instruction.kind = current.op == Op::kInput     ? Kind::kLoad
                       : current.op == Op::kUniform ? Kind::kUniform
                                                    : Kind::kNormal;
    instruction.index = current.integer;
    instruction.extent = {1, current.shape.size(), program_.lanes};
    instruction.out = access(place(id));
    emit(instruction);
  }

  void emit_sum(NodeId id) {
    const Node& current = node(id);
    Instruction instruction;
    Accumulator accumulator;
    const Node& left = node(current.inputs[0]);
    if (current.op == Op::kBatchSum) {
      instruction.kind = Kind::kAddLanePartials;
      instruction.extent = {left.shape.features, left.shape.items, 1};
      if (emission_.absorbed.count(id) > 0) {
        instruction.kind = Kind::kAddProductPartials;
        instruction.a = access(where(left.inputs[0]));
        instruction.b = access(where(left.inputs[1]));
      } else {
        instruction.a = access(where(current.inputs[0]));
      }
      accumulator.rows = left.shape.size();
      accumulator.columns = 1;
      accumulator.stride = kernels::kPartialLanes;
    } else {
      const Node& right = node(current.inputs[1]);
      const std::int64_t rows = left.shape.features;
      const std::int64_t columns = right.shape.features;
      // Small products are summed lane by lane; larger ones go through the matrix product with a
      // transposed tile.
      const std::int64_t blocks = (columns + kernels::kPartialLanes - 1) / kernels::kPartialLanes;
      const bool small =
          rows * columns <= 1024 && rows * columns * 5 <= rows * blocks * 36 + columns * 10;
      instruction.kind = small ? Kind::kAddOuterPartials : Kind::kAddOuterProduct;
      instruction.extent = {rows, columns, left.shape.items};
      instruction.a = access(where(current.inputs[0]));
      instruction.b = access(where(current.inputs[1]));
      accumulator.rows = rows;
      accumulator.columns = columns;
      accumulator.stride = small ? kernels::kPartialLanes * columns : aligned(columns);
      if (!small)
        emission_.scratch = std::max(emission_.scratch, program_.lanes * aligned(columns));
      program_.flops[static_cast<std::size_t>(left.domain)] +=
          2.0 * static_cast<double>(rows * columns * left.shape.items);
    }
    accumulator.kind = instruction.kind;
    accumulator.offset = emission_.pass.part_size;
    accumulator.result = shared_[at(id)].offset;
    emission_.pass.part_size += aligned(accumulator.rows * accumulator.stride);
    instruction.index = static_cast<std::int64_t>(emission_.pass.accumulators.size());
    emission_.pass.accumulators.push_back(accumulator);
    emit(instruction);
  }

  void emit_node(NodeId id) {
    const Node& current = node(id);
    if (is_view_operation(current.op)) {
      const NodeId source = current.inputs[0];
      auto location = view_of(current, node(source), where(source), unit(emission_.batched));
      if (!location && current.op == Op::kReshape) {
        const Location copy = allocate(node(source).shape, emission_.batched);
        emit_copy(where(source), node(source).shape, copy, emission_.batched);
        location = view_of(current, node(source), copy, unit(emission_.batched));
      }
      if (location) {
        set_place(id, *location);
        return;
      }
    }
    switch (current.op) {
      case Op::kUnary:
      case Op::kBinary:
      case Op::kSelect:
        if (const auto fused = emission_.absorbed.find(id); fused != emission_.absorbed.end())
          emit_fused(id, fused->second);
        else
          emit_elementwise(id);
        break;
      case Op::kSum:
      case Op::kMax:
      case Op::kCumulativeSum:
        emit_reduction(id);
        break;
      case Op::kConcat:
      case Op::kPad:
      case Op::kTake:
        emit_parts(id);
        break;
      case Op::kDense:
      case Op::kMatMul:
        emit_product(id, id);
        break;
      case Op::kInverse:
        emit_inverse(id);
        break;
      case Op::kCall:
        emit_call(id);
        break;
      case Op::kInput:
      case Op::kUniform:
      case Op::kNormal:
        emit_leaf(id);
        break;
      default:
        break;
    }
  }

  // --- Stages and passes
  // ----------------------------------------------------------------------------------------------

  static bool has_own_place(Op op) {
    return op == Op::kConstant || op == Op::kParameter || op == Op::kCount || op == Op::kBatchSum ||
           op == Op::kOuterSum;
  }

  void build_stage(int level) {
    emission_ = {};
    for (NodeId id = 0; id < size_; ++id)
      if (reachable_[at(id)] && node(id).domain == kShared && level_[at(id)] == level &&
          !has_own_place(node(id).op))
        emit_node(id);
    SharedStage stage;
    stage.instructions = std::move(emission_.instructions);
    group(stage);
    program_.stages.push_back(std::move(stage));
  }

  /// Sorts shared instructions into groups without dependence, by the buffers that they write and
  /// read.
  void group(SharedStage& stage) const {
    std::map<std::int64_t, int> written;  // start of a buffer -> depth of its last writer
    const auto start_of = [&](const Access& operand) {
      return *std::prev(
          std::upper_bound(shared_starts_.begin(), shared_starts_.end(), operand.offset));
    };
    const auto depth_of = [&](const Access& operand) {
      if (operand.space != Space::kShared) return 0;
      const auto found = written.find(start_of(operand));
      return found == written.end() ? 0 : found->second;
    };
    std::vector<std::pair<int, std::size_t>> order;
    for (std::size_t i = 0; i < stage.instructions.size(); ++i) {
      const Instruction& instruction = stage.instructions[i];
      int depth = 0;
      for (const Access* operand :
           {&instruction.a, &instruction.b, &instruction.c, &instruction.out})
        depth = std::max(depth, depth_of(*operand));
      written[start_of(instruction.out)] = ++depth;
      order.emplace_back(depth, i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Instruction> sorted;
    for (std::size_t i = 0; i < order.size(); ++i) {
      sorted.push_back(stage.instructions[order[i].second]);
      if (i + 1 == order.size() || order[i + 1].first != order[i].first)
        stage.group_ends.push_back(i + 1);
    }
    stage.instructions = std::move(sorted);
  }

  void build_pass(int level, Domain domain) {
    emission_ = {};
    emission_.batched = true;
    emission_.places.resize(at(size_));
    emission_.placed.assign(at(size_), 0);
    emission_.pass.domain = domain;
    const std::vector<NodeId>& wanted = sweeps_.at({level, domain});
    std::vector<char> needed(at(size_), 0);
    for (const NodeId id : wanted) needed[at(id)] = 1;
    for (NodeId id = size_ - 1; id >= 0; --id)
      if (needed[at(id)])
        for (const NodeId input : node(id).inputs)
          if (node(input).domain == domain) needed[at(input)] = 1;
    for (NodeId id = 0; id < size_; ++id)
      if (needed[at(id)] && node(id).op == Op::kConcat && node(id).axis == Axis::kFeatures)
        plan_concat(id, needed);
    plan_fusion(needed, wanted);
    for (NodeId id = 0; id < size_; ++id) {
      if (!needed[at(id)]) continue;
      if (is_sum(node(id)))
        emit_sum(id);
      else if (emission_.absorbed_sources.count(id) == 0)
        emit_node(id);
      for (std::size_t index = 0; index < outputs_.size(); ++index)
        if (outputs_[index].id == id && outputs_[index].batched()) {
          Instruction store;
          store.kind = Kind::kStore;
          store.index = static_cast<std::int64_t>(index);
          store.extent = {node(id).shape.features, node(id).shape.items, program_.lanes};
          store.a = access(where(id));
          emit(store);
        }
    }
    Pass pass = std::move(emission_.pass);
    pass.scratch = place_buffers();
    pass.tile_size = pass.scratch + emission_.scratch;
    for (Instruction& instruction : emission_.instructions)
      for (Access* operand :
           {&instruction.out, &instruction.a, &instruction.b, &instruction.c, &instruction.mask})
        if (operand->space == Space::kTile && operand->root >= 0)
          operand->offset += emission_.buffers[static_cast<std::size_t>(operand->root)].offset;
    pass.instructions = std::move(emission_.instructions);
    program_.passes.back().push_back(std::move(pass));
  }

  /// Lets computed parts of a concat be written where the concat wants them, which saves the copy.
  void plan_concat(NodeId id, const std::vector<char>& needed) {
    std::int64_t start = 0;
    for (const NodeId input : node(id).inputs) {
      const Op op = node(input).op;
      const bool computed =
          !is_view_operation(op) && node(input).domain == node(id).domain && needed[at(input)];
      if (computed) emission_.inside.try_emplace(input, id, start);
      start += node(input).shape.features;
    }
  }

  /// Best fit by liveness; gives the elements that all buffers need together.
  std::int64_t place_buffers() {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < emission_.buffers.size(); ++i)
      if (emission_.buffers[i].last >= 0) order.push_back(i);
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return emission_.buffers[a].first < emission_.buffers[b].first;
    });
    std::multimap<int, std::size_t> live;        // last use -> buffer
    std::map<std::int64_t, std::int64_t> free_;  // offset -> size
    std::int64_t top = 0;
    const auto release = [&](std::int64_t offset, std::int64_t size) {
      auto next = free_.upper_bound(offset);
      if (next != free_.end() && offset + size == next->first) {
        size += next->second;
        next = free_.erase(next);
      }
      if (next != free_.begin()) {
        auto before = std::prev(next);
        if (before->first + before->second == offset) {
          before->second += size;
          return;
        }
      }
      free_.emplace(offset, size);
    };
    for (const std::size_t index : order) {
      Buffer& buffer = emission_.buffers[index];
      while (!live.empty() && live.begin()->first < buffer.first) {
        const Buffer& dead = emission_.buffers[live.begin()->second];
        release(dead.offset, dead.size);
        live.erase(live.begin());
      }
      auto best = free_.end();
      for (auto candidate = free_.begin(); candidate != free_.end(); ++candidate)
        if (candidate->second >= buffer.size &&
            (best == free_.end() || candidate->second < best->second))
          best = candidate;
      if (best == free_.end()) {
        buffer.offset = top;
        top += buffer.size;
      } else {
        buffer.offset = best->first;
        const std::int64_t rest = best->second - buffer.size;
        free_.erase(best);
        if (rest > 0) free_.emplace(buffer.offset + buffer.size, rest);
      }
      live.emplace(buffer.last, index);
    }
    return top;
  }

  void add_output(const Value& value) {
    Output output;
    output.batched = value.batched();
    output.domain = value.domain();
    output.size = value.shape().size();
    if (!value.batched()) {
      // A view or a filled constant is made compact by one more copy in the last stage.
      const Location location = shared_[at(value.id)];
      const Shape shape = value.shape();
      emission_ = {};
      const Location copy = allocate(shape, false);
      emit_copy(location, shape, copy, false);
      const bool compact = location.space == Space::kShared &&
                           (shape.items == 1 || location.item == 1) &&
                           (shape.features == 1 || location.feature == shape.items);
      if (compact) {
        output.access = access(location);
      } else {
        output.access = access(copy);
        SharedStage& last = program_.stages.back();
        for (const Instruction& instruction : emission_.instructions)
          last.instructions.push_back(instruction);
        last.group_ends.push_back(last.instructions.size());
      }
    }
    program_.outputs.push_back(output);
  }

  const Graph& graph_;
  const std::vector<Value>& outputs_;
  NodeId size_;
  CompiledProgram program_;
  std::vector<char> reachable_;
  std::vector<int> level_;
  int last_level_ = 0;
  std::map<std::pair<int, Domain>, std::vector<NodeId>>
      sweeps_;  // (level, domain) -> sums and batched outputs
  std::vector<Location> shared_;
  std::vector<std::int64_t> shared_starts_;  // of buffers, ascending
  Emission emission_;
};

}  // namespace

CompiledProgram compile(const Graph& graph, const std::vector<Value>& outputs, std::int64_t lanes) {
  if (outputs.empty()) fail<ShapeError>("program: expected at least one output, got none");
  if (lanes == 0) lanes = suitable_lanes(graph);
  if (lanes < kAlignment || lanes % kAlignment != 0 || lanes > 4096)
    fail<ConfigError>("program: expected a multiple of {} lanes up to 4096, got {}", kAlignment,
                      lanes);
  for (const Value& output : outputs)
    if (output.graph != &graph) fail<ShapeError>("program: an output belongs to another graph");
  return Compiler(graph, outputs, lanes).run();
}

}  // namespace thalweg::detail
