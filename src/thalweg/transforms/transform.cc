#include "thalweg/transforms/transform.h"

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

Value either(Value a, Value b) { return a.valid() && b.valid() ? a + b : a.valid() ? a : b; }

}  // namespace

Mapped Mapped::then(const Mapped& next) const {
  return {next.value, log_det + next.log_det, either(unsolved, next.unsolved),
          either(unsolved_value, next.unsolved_value)};
}

Transform::Transform(std::string name, std::int64_t features, std::int64_t context_features)
    : name_(std::move(name)), features_(features), context_features_(context_features) {
  if (features < 1 || context_features < 0)
    fail<ConfigError>("{}: expected at least 1 feature and no negative context, got {} and {}",
                      name_, features, context_features);
}

void Transform::check(const char* direction, Value value, Value context) const {
  if (!value.valid())
    fail<ShapeError>("{}: {}: the value is empty: pass a value of a graph", name_, direction);
  const std::string where = value.graph->scope();
  if (value.shape() != Shape{features_, 1})
    fail<ShapeError>("{}: {}: expected a value of {} x 1, got {} x {}", where, direction, features_,
                     value.features(), value.items());
  const Shape given = context.valid() ? context.shape() : Shape{0, 1};
  if (given != Shape{context_features_, 1})
    fail<ShapeError>("{}: {}: expected {} context features, got {} x {}", where, direction,
                     context_features_, given.features, given.items);
}

Mapped Transform::forward(Value z, Value context) const {
  if (!z.valid()) check("forward", z, context);
  const ScopeName scope(*z.graph, name_);
  check("forward", z, context);
  return build_forward(z, context);
}

Mapped Transform::inverse(Value x, Value context) const {
  if (!x.valid()) check("inverse", x, context);
  const ScopeName scope(*x.graph, name_);
  check("inverse", x, context);
  return build_inverse(x, context);
}

void Transform::initialise(ParameterStore& /*parameters*/, std::span<const double> /*x*/,
                           std::span<const double> /*context*/) const {}

}  // namespace thalweg
