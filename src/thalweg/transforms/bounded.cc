#include "thalweg/transforms/bounded.h"

#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/transforms/permutation.h"

namespace thalweg {
namespace {

/// Value and log-determinant of each element, forward.
Mapped leave_line(bool has_low, bool has_high, Value low, Value high, Value z) {
  if (!has_high) return {low + exp(z), z};
  if (!has_low) return {high - exp(-z), -z};
  // Starting from the nearer bound keeps the distance to it exact.
  const Value width = high - low;
  const Value x = select(step(z), high - width * sigmoid(-z), low + width * sigmoid(z));
  return {minimum(maximum(x, low), high), log(width) - softplus(z) - softplus(-z)};
}

/// The same for the inverse.
Mapped enter_line(bool has_low, bool has_high, Value low, Value high, Value x) {
  if (!has_high) {
    const Value z = log(x - low);
    return {z, -z};
  }
  if (!has_low) {
    const Value z = -log(high - x);
    return {z, z};
  }
  const Value from_low = log(x - low);
  const Value from_high = log(high - x);
  return {from_low - from_high, log(high - low) - from_low - from_high};
}

}  // namespace

BoundedColumns::BoundedColumns(const std::string& name, std::vector<ColumnBounds> bounds)
    : Transform(name, static_cast<std::int64_t>(bounds.size())) {
  for (const Kind kind : {Kind::kNone, Kind::kLower, Kind::kUpper, Kind::kBoth}) {
    Group group{kind, static_cast<std::int64_t>(order_.size()), {}, {}};
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      const auto [low, high] = bounds[i];
      if (!(low < high))
        fail<ConfigError>(
            "{}: column {}: expected a lower bound below the upper one, got {} and {}", name, i,
            low, high);
      const bool has_low = low > -std::numeric_limits<double>::infinity();
      const bool has_high = high < std::numeric_limits<double>::infinity();
      if (has_low && has_high && !std::isfinite(high - low))
        fail<ConfigError>("{}: column {}: the range from {} to {} is too wide", name, i, low, high);
      const Kind found = has_low ? (has_high ? Kind::kBoth : Kind::kLower)
                                 : (has_high ? Kind::kUpper : Kind::kNone);
      if (found != kind) continue;
      order_.push_back(static_cast<std::int32_t>(i));
      group.low.push_back(low);
      group.high.push_back(high);
    }
    if (!group.low.empty()) groups_.push_back(std::move(group));
  }
  back_ = inverse_order(name, order_);
}

Mapped BoundedColumns::apply(Value value, bool forward) const {
  Graph& graph = *value.graph;
  const Value arranged = take(value, order_);
  std::vector<Value> parts;
  Value log_det = graph.constant(0.0);
  for (const Group& group : groups_) {
    const auto count = static_cast<std::int64_t>(group.low.size());
    const Value part = slice(arranged, group.start, count);
    if (group.kind == Kind::kNone) {
      parts.push_back(part);
      continue;
    }
    const bool has_low = group.kind != Kind::kUpper;
    const bool has_high = group.kind != Kind::kLower;
    const Value low = has_low ? graph.constant({count, 1}, group.low) : Value{};
    const Value high = has_high ? graph.constant({count, 1}, group.high) : Value{};
    const Mapped mapped = forward ? leave_line(has_low, has_high, low, high, part)
                                  : enter_line(has_low, has_high, low, high, part);
    parts.push_back(mapped.value);
    log_det = log_det + sum(mapped.log_det, Axis::kFeatures);
  }
  return {take(concat(parts), back_), log_det};
}

Mapped BoundedColumns::build_forward(Value z, Value /*context*/) const { return apply(z, true); }
Mapped BoundedColumns::build_inverse(Value x, Value /*context*/) const { return apply(x, false); }

}  // namespace thalweg
