// Matrix products, inverses, determinants and sums over the batch to instructions.
#include <algorithm>
#include <utility>

#include "thalweg/engine/emitter.h"

namespace thalweg::detail {
namespace {

/// A shared right operand of a product: rows must run through memory without a gap.
Location matrix_rows(Emitter& emitter, const Location& place, Shape shape) {
  if (shape.items == 1 || place.item == 1) return place;
  if (place.item != 0) return emitter.suited(place, shape);
  const Location compact = emitter.allocate(shape);
  emitter.copy(place, shape, compact);
  return compact;
}

Location transposed_if(bool condition, Location place) {
  if (condition) std::swap(place.feature, place.item);
  return place;
}

/// Small products are summed lane by lane; larger ones go through the matrix product with a
/// transposed tile.
bool sums_by_lanes(std::int64_t rows, std::int64_t columns) {
  const std::int64_t blocks = (columns + kernels::kPartialLanes - 1) / kernels::kPartialLanes;
  return rows * columns <= 1024 && rows * columns * 5 <= rows * blocks * 36 + columns * 10;
}

}  // namespace

void lower_product(Emitter& emitter, NodeId id, NodeId finish) {
  using Finish = operation::MatrixProduct::Finish;
  const Node& node = emitter.node(id);
  const Node& right = emitter.node(node.inputs[1]);
  const Location left = emitter.where(node.inputs[0]);
  operation::MatrixProduct product{false, Finish::kPlain};
  Instruction instruction;
  std::optional<Location> bias;
  if (const auto* dense = std::get_if<primitive::Dense>(&node.primitive)) {
    instruction.a = access(transposed_if(dense->transposed, left));
    instruction.b = access(emitter.tile_matrix(node.inputs[1]));
    instruction.extent = {node.shape.features, node.shape.items * emitter.lanes(),
                          right.shape.features};
    if (node.inputs.size() > 2) {
      bias = emitter.where(node.inputs[2]);
      product.bias = bias->feature == 1;
      if (product.bias) instruction.c = access(*bias);
    }
    emitter.sweep().flops += 2.0 * static_cast<double>(node.shape.size() * right.shape.features);
  } else {
    const auto& matmul = node.as<primitive::MatMul>();
    Shape shape = right.shape;
    if (matmul.transpose_right) std::swap(shape.features, shape.items);
    instruction.a = access(transposed_if(matmul.transpose_left, left));
    instruction.b = access(matrix_rows(
        emitter, transposed_if(matmul.transpose_right, emitter.where(node.inputs[1])), shape));
    instruction.extent = {node.shape.features, node.shape.items, shape.features};
  }
  if (finish != id) {
    product.finish = emitter.node(finish).is(Unary::kRelu) ? Finish::kRelu : Finish::kMask;
    if (product.finish == Finish::kMask)
      instruction.mask = access(emitter.tile_matrix(emitter.node(finish).inputs[1]));
  }
  const Location to = emitter.place(finish);
  instruction.operation = product;
  instruction.out = access(to);
  const kernels::Extent& extent = instruction.extent;
  instruction.cost = 2.0 * static_cast<double>(extent.outer * extent.middle * extent.inner) / 8.0;
  emitter.emit(std::move(instruction));
  if (bias && !product.bias) {  // strided: not what the product's own bias takes
    Instruction addition{operation::BinaryFunction{Binary::kAdd}};
    addition.extent = emitter.extent_of(node.shape);
    addition.a = addition.out = access(to);
    addition.b = emitter.elementwise(*bias, {node.shape.features, 1}, node.shape);
    collapse(addition.extent, {&addition.out, &addition.a, &addition.b});
    emitter.emit(std::move(addition));
  }
}

void lower_elimination(Emitter& emitter, NodeId id, Operation operation) {
  const NodeId matrix = emitter.node(id).inputs[0];
  const std::int64_t size = emitter.node(matrix).shape.features;
  Instruction instruction{std::move(operation)};
  instruction.extent = {size, size, emitter.unit()};
  instruction.a = access(emitter.where(matrix));
  instruction.out = access(emitter.place(id));
  instruction.cost = static_cast<double>(size * size * size * emitter.unit());
  emitter.emit(std::move(instruction));
}

void lower_batch_sum(Emitter& emitter, NodeId id) {
  const Node& node = emitter.node(id);
  const Node& left = emitter.node(node.inputs[0]);
  LoweredSweep& sweep = emitter.sweep();
  const std::size_t number = sweep.accumulators.size();
  Instruction instruction;
  Accumulator accumulator;
  if (node.is<primitive::BatchSum>()) {
    instruction.extent = {left.shape.features, left.shape.items, 1};
    if (emitter.fusion().absorbed.contains(id)) {
      instruction.operation = operation::AddProductPartials{number};
      instruction.a = access(emitter.where(left.inputs[0]));
      instruction.b = access(emitter.where(left.inputs[1]));
    } else {
      instruction.operation = operation::AddLanePartials{number};
      instruction.a = access(emitter.where(node.inputs[0]));
    }
    accumulator.rows = left.shape.size();
    accumulator.columns = 1;
    accumulator.stride = kernels::kPartialLanes;
  } else {
    const std::int64_t rows = left.shape.features;
    const std::int64_t columns = emitter.node(node.inputs[1]).shape.features;
    instruction.extent = {rows, columns, left.shape.items};
    instruction.a = access(emitter.where(node.inputs[0]));
    instruction.b = access(emitter.where(node.inputs[1]));
    accumulator.rows = rows;
    accumulator.columns = columns;
    accumulator.lane_partials = sums_by_lanes(rows, columns);
    if (accumulator.lane_partials) {
      instruction.operation = operation::AddOuterPartials{number};
      accumulator.stride = kernels::kPartialLanes * columns;
    } else {
      instruction.operation = operation::AddOuterProduct{number};
      accumulator.stride = aligned(columns);
      sweep.scratch_size =
          std::max(sweep.scratch_size, std::max(emitter.lanes(), kOuterDepth) * aligned(columns));
    }
    sweep.flops += 2.0 * static_cast<double>(rows * columns * left.shape.items);
  }
  accumulator.offset = sweep.part_size;
  accumulator.result = emitter.where(id).offset;
  sweep.part_size += aligned(accumulator.rows * accumulator.stride);
  sweep.accumulators.push_back(accumulator);
  emitter.emit(std::move(instruction));
}

}  // namespace thalweg::detail
