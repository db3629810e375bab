// Elementwise nodes, reductions, arrangements, leaves and calls to instructions.
#include <algorithm>

#include "thalweg/engine/emitter.h"

namespace thalweg::detail {
namespace {

void lower_elementwise(Emitter& emitter, NodeId id, Operation operation) {
  const Node& node = emitter.node(id);
  Instruction instruction{std::move(operation)};
  instruction.extent = emitter.extent_of(node.shape);
  const std::array<Access*, 3> inputs = {&instruction.a, &instruction.b, &instruction.c};
  std::vector<Access*> operands = {&instruction.out};
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    *inputs[i] = emitter.operand(node.inputs[i], node.shape);
    operands.push_back(inputs[i]);
  }
  instruction.out = emitter.elementwise(emitter.place(id), node.shape, node.shape);
  instruction.cost = 4.0 * static_cast<double>(node.shape.size() * emitter.unit());
  collapse(instruction.extent, operands, emitter.strip());
  emitter.emit(std::move(instruction));
}

/// a * b + c, where `product` is a * b and node `id` adds c.
void lower_multiply_add(Emitter& emitter, NodeId id, NodeId product) {
  const Node& node = emitter.node(id);
  const NodeId added = node.inputs[node.inputs[0] == product ? 1 : 0];
  Instruction instruction{operation::MultiplyAdd{}};
  instruction.extent = emitter.extent_of(node.shape);
  instruction.a = emitter.operand(emitter.node(product).inputs[0], node.shape);
  instruction.b = emitter.operand(emitter.node(product).inputs[1], node.shape);
  instruction.c = emitter.operand(added, node.shape);
  instruction.out = emitter.elementwise(emitter.place(id), node.shape, node.shape);
  collapse(instruction.extent, {&instruction.out, &instruction.a, &instruction.b, &instruction.c},
           emitter.strip());
  emitter.emit(std::move(instruction));
}

/// An elementwise node together with what it absorbed.
void lower_fusible(Emitter& emitter, NodeId id, Operation operation) {
  const auto& absorbed = emitter.fusion().absorbed;
  const auto fused = absorbed.find(id);
  if (fused == absorbed.end())
    lower_elementwise(emitter, id, std::move(operation));
  else if (emitter.node(fused->second).is<primitive::Dense>())
    lower_product(emitter, fused->second, id);
  else
    lower_multiply_add(emitter, id, fused->second);
}

/// Sums, maxima and running sums along an axis, which the kernel has as its outer loop.
void lower_reduction(Emitter& emitter, NodeId id, Operation operation, Axis axis) {
  const NodeId source = emitter.node(id).inputs[0];
  const Shape shape = emitter.node(source).shape;
  const bool batched = emitter.batched();
  Location from = emitter.where(source);
  Instruction instruction{std::move(operation)};
  instruction.cost = static_cast<double>(shape.size() * emitter.unit());
  const bool features = axis == Axis::kFeatures;
  const std::int64_t along = features ? shape.features : shape.items;
  const std::int64_t across = features ? shape.items : shape.features;
  if (!batched) {
    // The loop across must run through memory with stride 0 or 1.
    const std::int64_t stride = features ? from.item : from.feature;
    if (across > 1 && stride != 0 && stride != 1) {
      const Shape swapped{along, across};
      const Location source_view{
          from.space, from.root, from.offset, features ? from.feature : from.item, stride, 0};
      const Location compact = emitter.allocate(swapped);
      emitter.copy(source_view, swapped, compact);
      from = features ? compact : Location{compact.space, compact.root,    compact.offset,
                                           compact.item,  compact.feature, 0};
    }
  }
  const Location to = emitter.place(id);
  const auto arrange = [&](const Location& place) {
    const std::int64_t outer = features ? place.feature : place.item;
    const std::int64_t middle = features ? place.item : place.feature;
    if (batched)
      return Access{place.space, place.root, place.offset, outer, middle, place.lane, place.table};
    return Access{place.space, place.root, place.offset, outer, 0, across > 1 ? middle : 1};
  };
  instruction.extent =
      batched ? kernels::Extent{along, across, emitter.lanes()} : kernels::Extent{along, 1, across};
  instruction.a = arrange(from);
  instruction.out = arrange(to);
  emitter.emit(std::move(instruction));
}

/// The place of a part from element `start` along the axis on.
Location from_element(Location place, Axis axis, std::int64_t start) {
  place.offset += start * (axis == Axis::kFeatures ? place.feature : place.item);
  return place;
}

void lower_concat(Emitter& emitter, NodeId id, Axis axis) {
  const Location whole = emitter.place(id);
  std::int64_t start = 0;
  for (const NodeId input : emitter.node(id).inputs) {
    const Shape shape = emitter.node(input).shape;
    if (!emitter.in_place(input, id, start))
      emitter.copy(emitter.where(input), shape, from_element(whole, axis, start));
    start += shape.extent(axis);
  }
}

void lower_pad(Emitter& emitter, NodeId id, const primitive::Pad& pad) {
  const Node& node = emitter.node(id);
  const Location whole = emitter.place(id);
  emit_zero(emitter, whole, node.shape);
  emitter.copy(emitter.where(node.inputs[0]), emitter.node(node.inputs[0]).shape,
               from_element(whole, pad.axis, pad.start));
}

/// Elements by index: the indexed axis is the middle one.
void lower_take(Emitter& emitter, NodeId id, const primitive::Take& take) {
  const Shape shape = emitter.node(id).shape;
  emit_indexed(emitter, operation::Gather{take.indices}, take.axis, shape,
               emitter.where(emitter.node(id).inputs[0]), emitter.place(id));
}

void lower_scatter_add(Emitter& emitter, NodeId id, const primitive::ScatterAdd& scatter) {
  const NodeId source = emitter.node(id).inputs[0];
  const Location to = emitter.place(id);
  emit_zero(emitter, to, emitter.node(id).shape);
  emit_indexed(emitter, operation::ScatterAdd{scatter.indices}, scatter.axis,
               emitter.node(source).shape, emitter.where(source), to);
}

void lower_leaf(Emitter& emitter, NodeId id, Operation operation) {
  Instruction instruction{std::move(operation)};
  instruction.extent = {1, emitter.node(id).shape.size(), emitter.lanes()};
  instruction.out = access(emitter.place(id));
  emitter.emit(std::move(instruction));
}

void lower_call(Emitter& emitter, NodeId id, const primitive::Call& call) {
  const NodeId point = emitter.node(id).inputs[0];
  bool slopes = false;
  for (NodeId user = id + 1; user < emitter.graph().size(); ++user) {
    const Node& node = emitter.node(user);
    slopes = slopes || (!node.is<primitive::CallValue>() &&
                        std::find(node.inputs.begin(), node.inputs.end(), id) != node.inputs.end());
  }
  Instruction instruction{operation::Call{call.function, slopes}};
  instruction.extent = {emitter.node(point).shape.features, 1, emitter.lanes()};
  instruction.a = access(emitter.where(point));
  instruction.out = access(emitter.place(id));
  emitter.emit(std::move(instruction));
}

/// Whether the node became a view on its operand, or on a compact copy of it.
bool lower_view(Emitter& emitter, NodeId id) {
  const Node& node = emitter.node(id);
  if (!may_be_view(node)) return false;
  const NodeId source = node.inputs[0];
  const Node& whole = emitter.node(source);
  auto place = view_of(node, whole, emitter.where(source), emitter.unit());
  if (!place && node.is<primitive::Reshape>()) {
    const Location compact = emitter.allocate(whole.shape);
    emitter.copy(emitter.where(source), whole.shape, compact);
    place = view_of(node, whole, compact, emitter.unit());
  }
  if (place) emitter.set_place(id, *place);
  return place.has_value();
}

}  // namespace

void emit_zero(Emitter& emitter, const Location& whole, Shape shape) {
  // What lies within a larger value has gaps between its features.
  const std::int64_t row = shape.items * emitter.unit();
  const bool compact = whole.feature == row || shape.features == 1;
  Instruction zero{operation::Zero{}};
  zero.extent = {1, compact ? 1 : shape.features, compact ? shape.features * row : row};
  zero.out = access(whole);
  zero.out.middle = whole.feature;
  zero.cost = static_cast<double>(shape.size() * emitter.unit());
  emitter.emit(std::move(zero));
}

void emit_indexed(Emitter& emitter, Operation operation, Axis axis, Shape shape,
                  const Location& from, const Location& to) {
  Instruction instruction{std::move(operation)};
  const auto arrange = [&](const Location& place) {
    Access result = access(place);
    if (axis == Axis::kFeatures) std::swap(result.outer, result.middle);
    if (!emitter.batched()) result.inner = 1;
    return result;
  };
  instruction.a = arrange(from);
  instruction.out = arrange(to);
  const bool features = axis == Axis::kFeatures;
  instruction.extent = {features ? shape.items : shape.features,
                        features ? shape.features : shape.items,
                        emitter.batched() ? emitter.lanes() : 1};
  const auto without_gap = [&](const Access& operand) {
    return operand.outer == operand.inner * instruction.extent.inner;
  };
  if (without_gap(instruction.a) && without_gap(instruction.out)) {
    instruction.extent.inner *= instruction.extent.outer;
    instruction.extent.outer = 1;
  }
  instruction.cost = static_cast<double>(shape.size() * emitter.unit());
  emitter.emit(std::move(instruction));
}

void lower_node(Emitter& emitter, NodeId id) {
  if (lower_view(emitter, id)) return;
  std::visit(
      Overloaded{
          [&](const OneOf<primitive::UnaryFunction, primitive::BinaryFunction,
                          primitive::Select> auto& p) { lower_fusible(emitter, id, p); },
          [&](const primitive::Sum& p) {
            lower_reduction(emitter, id, operation::SumOuter{}, p.axis);
          },
          [&](const primitive::Max& p) {
            lower_reduction(emitter, id, operation::MaxOuter{}, p.axis);
          },
          [&](const primitive::CumulativeSum& p) {
            lower_reduction(emitter, id, p, Axis::kFeatures);
          },
          [&](const primitive::Concat& p) { lower_concat(emitter, id, p.axis); },
          [&](const primitive::Pad& p) { lower_pad(emitter, id, p); },
          [&](const primitive::Take& p) { lower_take(emitter, id, p); },
          [&](const primitive::ScatterAdd& p) { lower_scatter_add(emitter, id, p); },
          [&](const OneOf<primitive::Dense, primitive::MatMul> auto&) {
            lower_product(emitter, id, id);
          },
          [&](const OneOf<primitive::Inverse, primitive::LogAbsDeterminant> auto& p) {
            lower_elimination(emitter, id, p);
          },
          [&](const primitive::Call& p) { lower_call(emitter, id, p); },
          [&](const primitive::Input& p) { lower_leaf(emitter, id, operation::Load{p.slot}); },
          [&](const OneOf<primitive::Uniform, primitive::Normal> auto& p) {
            lower_leaf(emitter, id, p);
          },
          [&](const OneOf<primitive::BatchSum, primitive::OuterSum> auto&) {
            lower_batch_sum(emitter, id);
          },
          // In their place from the start.
          [](const OneOf<primitive::Parameter, primitive::Fill, primitive::Constant,
                         primitive::Count> auto&) {},
          // Views always.
          [](const OneOf<primitive::Broadcast, primitive::Reshape, primitive::Transpose,
                         primitive::Slice, primitive::StopGradient, primitive::Root,
                         primitive::CallValue> auto&) {}},
      emitter.node(id).primitive);
}

}  // namespace thalweg::detail
