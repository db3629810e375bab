// Operations that only rearrange strides.
#include "thalweg/engine/passes.h"

namespace thalweg::detail {
namespace {

/// The step of an arithmetic progression, if the indices are one (then taking them is a strided
/// view).
std::optional<std::int64_t> progression(const std::vector<std::int32_t>& indices) {
  if (indices.size() < 2) return 0;
  const std::int64_t step = indices[1] - indices[0];
  for (std::size_t i = 2; i < indices.size(); ++i)
    if (indices[i] - indices[i - 1] != step) return std::nullopt;
  return step;
}

}  // namespace

bool may_be_view(const Node& node) {
  return std::visit(
      []<typename P>(const P&) {
        return OneOf<P, primitive::StopGradient, primitive::Broadcast, primitive::Transpose,
                     primitive::Slice, primitive::Take, primitive::Reshape, primitive::Root,
                     primitive::CallValue>;
      },
      node.primitive);
}

std::optional<Location> view_of(const Node& node, const Node& source, Location place,
                                std::int64_t unit) {
  using Found = std::optional<Location>;
  const auto stride_along = [&](Axis axis) -> std::int64_t& {
    return axis == Axis::kFeatures ? place.feature : place.item;
  };
  return std::visit(
      Overloaded{
          [&](const OneOf<primitive::StopGradient, primitive::Root> auto&) -> Found {
            return place;
          },
          [&](const primitive::CallValue&) -> Found { return place; },  // the first of the values
          [&](const primitive::Broadcast&) -> Found {
            if (source.shape.features == 1 && node.shape.features > 1) place.feature = 0;
            if (source.shape.items == 1 && node.shape.items > 1) place.item = 0;
            return place;
          },
          [&](const primitive::Transpose&) -> Found {
            std::swap(place.feature, place.item);
            return place;
          },
          [&](const primitive::Slice& p) -> Found {
            place.offset += p.start * stride_along(p.axis);
            return place;
          },
          [&](const primitive::Take& p) -> Found {
            const auto step = progression(*p.indices);
            if (!step) return std::nullopt;
            std::int64_t& stride = stride_along(p.axis);
            place.offset += p.indices->front() * stride;
            stride *= *step;
            return place;
          },
          [&](const primitive::Reshape&) -> Found {
            const bool vector = source.shape.features == 1 || source.shape.items == 1;
            const std::int64_t stride = source.shape.features == 1 ? place.item : place.feature;
            const bool compact = place.item == unit && place.feature == source.shape.items * unit;
            if (!vector && !compact) return std::nullopt;
            const std::int64_t step = vector ? stride : unit;
            place.item = step;
            place.feature = node.shape.items * step;
            return place;
          },
          [](const auto&) -> Found { return std::nullopt; }},
      node.primitive);
}

}  // namespace thalweg::detail
