#include "thalweg/engine/emitter.h"

#include <algorithm>
#include <utility>

namespace thalweg::detail {

void collapse(kernels::Extent& extent, const std::vector<Access*>& operands, bool rows) {
  const auto without_gap = [&] {
    return std::all_of(operands.begin(), operands.end(), [&](const Access* operand) {
      return operand->middle == operand->inner * extent.inner;
    });
  };
  if (extent.middle == 1) {
    extent.middle = extent.outer;
    extent.outer = 1;
    for (Access* operand : operands) operand->middle = operand->outer;
  }
  if (extent.inner > 1 && extent.middle > 1 && without_gap()) {
    extent.inner *= extent.middle;
    extent.middle = extent.outer;
    extent.outer = 1;
    for (Access* operand : operands) operand->middle = operand->outer;
  }
  if (!rows && extent.middle > 1 && extent.outer == 1 && extent.inner > 1 && without_gap()) {
    extent.inner *= extent.middle;
    extent.middle = 1;
  }
}

std::int64_t SharedMemory::allocate(std::int64_t size) {
  const auto offset = static_cast<std::int64_t>(initial.size());
  starts.push_back(offset);
  initial.resize(initial.size() + static_cast<std::size_t>(aligned(size)), 0.0);
  return offset;
}

Emitter::Emitter(const Graph& graph, SharedMemory& shared, std::int64_t lanes)
    : graph_(graph), shared_(shared), shared_places_(shared.places), lanes_(lanes) {}

Emitter::Emitter(const Graph& graph, SharedMemory& shared, std::int64_t lanes, LoweredSweep& sweep,
                 Fusion fusion, std::map<NodeId, PartPlace> parts)
    : graph_(graph),
      shared_(shared),
      shared_places_(shared.places),
      lanes_(lanes),
      sweep_(&sweep),
      places_(at(graph.size())),
      fusion_(std::move(fusion)),
      parts_(std::move(parts)) {}

Emitter::Emitter(const Graph& body, Emitter& outer, std::vector<Location>& places, Fusion fusion,
                 std::map<NodeId, PartPlace> parts)
    : graph_(body),
      shared_(outer.shared_),
      shared_places_(places),
      lanes_(outer.lanes_),
      sweep_(outer.sweep_),
      strip_(true),
      places_(at(body.size())),
      fusion_(std::move(fusion)),
      parts_(std::move(parts)) {}

void Emitter::emit(Instruction instruction) {
  const int index = static_cast<int>(instructions().size());
  for (const Access* operand : std::as_const(instruction).operands())
    if (operand->space == Space::kTile && operand->root >= 0) {
      Buffer& buffer = sweep_->buffers[static_cast<std::size_t>(operand->root)];
      if (buffer.first < 0) buffer.first = index;
      buffer.last = index;
    }
  instructions().push_back(std::move(instruction));
}

void Emitter::copy(const Location& from, Shape shape, const Location& to) {
  Instruction copy{operation::UnaryFunction{Unary::kCopy, {}}};
  copy.extent = extent_of(shape);
  copy.a = elementwise(from, shape, shape);
  copy.out = elementwise(to, shape, shape);
  // Strides that the inner loop cannot take go to an outer loop, one element at a time.
  const auto odd = [](const Access& operand) { return operand.inner != 0 && operand.inner != 1; };
  if (odd(copy.a) || copy.out.inner != 1) {
    copy.extent = {shape.features, shape.items, batched() ? lanes_ : 1};
    copy.a = access(from);
    copy.out = access(to);
    if (!batched()) copy.a.inner = copy.out.inner = 1;
  }
  copy.cost = static_cast<double>(shape.size() * unit());
  collapse(copy.extent, {&copy.out, &copy.a}, strip_);
  emit(std::move(copy));
}

const Location& Emitter::where(NodeId id) const {
  return node(id).domain == kShared ? shared_places_[at(id)] : places_[at(id)].value();
}

void Emitter::set_place(NodeId id, const Location& place) {
  if (node(id).domain == kShared)
    shared_places_[at(id)] = place;
  else
    places_[at(id)] = place;
}

Location Emitter::place(NodeId id) {
  if (batched() && places_[at(id)]) return *places_[at(id)];
  Location result;
  if (const auto part = parts_.find(id); part != parts_.end()) {
    result = place(part->second.whole);
    result.offset += part->second.start * result.feature;
  } else {
    result = allocate(node(id).shape);
  }
  set_place(id, result);
  return result;
}

bool Emitter::in_place(NodeId part, NodeId whole, std::int64_t start) const {
  const auto found = parts_.find(part);
  return found != parts_.end() && found->second == PartPlace{whole, start};
}

Location Emitter::allocate(Shape shape) {
  if (!batched()) return {Space::kShared, -1, shared_.allocate(shape.size()), shape.items, 1, 0};
  sweep_->buffers.push_back({aligned(shape.size() * lanes_)});
  const auto root = static_cast<std::int32_t>(sweep_->buffers.size()) - 1;
  return {Space::kTile, root, 0, shape.items * lanes_, lanes_, 1};
}

kernels::Extent Emitter::extent_of(Shape shape) const {
  if (batched()) return {shape.features, shape.items, lanes_};
  if (shape.items == 1) return {1, 1, shape.features};
  return {1, shape.features, shape.items};
}

Access Emitter::elementwise(const Location& place, Shape source, Shape shape) const {
  Access result = access(place);
  if (source.features == 1) result.outer = 0;
  if (source.items == 1) result.middle = 0;
  if (batched()) return result;
  if (shape.items == 1) return {result.space, result.root, result.offset, 0, 0, result.outer};
  return {result.space, result.root, result.offset, 0, result.outer, result.middle};
}

Location Emitter::suited(const Location& place, Shape shape) {
  const std::int64_t inner = shape.items == 1 ? place.feature : place.item;
  if (shape.size() == 1 || inner == 0 || inner == 1) return place;
  const Location compact = allocate(shape);
  if (place.feature == 1 && shape.items > 1) {
    Instruction transpose{operation::TransposeCopy{}};
    transpose.extent = {shape.items, shape.features, 1};
    transpose.a = access(place);
    transpose.a.outer = place.item;
    transpose.out = access(compact);
    transpose.cost = static_cast<double>(shape.size());
    emit(std::move(transpose));
  } else {
    copy(place, shape, compact);
  }
  return compact;
}

Access Emitter::operand(NodeId id, Shape shape) {
  Location place = where(id);
  if (!batched()) place = suited(place, node(id).shape);
  return elementwise(place, node(id).shape, shape);
}

Location Emitter::tile_matrix(NodeId id) {
  const Shape shape = node(id).shape;
  const Location place = where(id);
  if (shape.items == 1 || place.item == lanes_) return place;
  const Location compact = allocate(shape);
  copy(place, shape, compact);
  return compact;
}

}  // namespace thalweg::detail
