// Elementwise functions of values: simplified where an operand is a constant.
#include <limits>
#include <optional>

#include "thalweg/engine/operation_checks.h"

namespace thalweg {

using detail::broadcast_extent;
using detail::broadcast_shape;
using detail::common_domain;
using detail::derived;
using detail::filled;
using detail::graph_of;
using detail::uniform_constant;

namespace {

bool is_constant(Value a, double number) {
  const double* value = uniform_constant(a);
  return value != nullptr && *value == number;
}

double fold(Binary function, double a, double b) {
  switch (function) {
    case Binary::kAdd:
      return a + b;
    case Binary::kSubtract:
      return a - b;
    case Binary::kMultiply:
      return a * b;
    case Binary::kDivide:
      return a / b;
    default:
      return std::numeric_limits<double>::quiet_NaN();
  }
}

const char* name_of(Binary function) {
  switch (function) {
    case Binary::kAdd:
      return "add";
    case Binary::kSubtract:
      return "subtract";
    case Binary::kMultiply:
      return "multiply";
    case Binary::kDivide:
      return "divide";
    case Binary::kMax:
      return "maximum";
    case Binary::kMin:
      return "minimum";
    case Binary::kLess:
      return "less";
    case Binary::kLessEqual:
      return "less_equal";
    case Binary::kEqual:
      return "equal";
    case Binary::kMultiplyStep:
      return "multiply_step";
    case Binary::kMultiplyTanhSlope:
      return "multiply_tanh_slope";
    case Binary::kMultiplySigmoidSlope:
      return "multiply_sigmoid_slope";
    case Binary::kAtan2:
      return "atan2";
  }
  return "binary";
}

/// The sum of two values padded to neighbouring places is their concatenation, padded: no zeros to
/// fill and add.
std::optional<Value> sum_of_pads(Value a, Value b) {
  const auto* first = std::get_if<primitive::Pad>(&a.node().primitive);
  const auto* second = std::get_if<primitive::Pad>(&b.node().primitive);
  if (first == nullptr || second == nullptr || first->axis != second->axis ||
      a.shape() != b.shape())
    return std::nullopt;
  const Value left{a.graph, a.node().inputs[0]};
  const Value right{a.graph, b.node().inputs[0]};
  const Axis axis = first->axis;
  const std::int64_t whole = a.shape().extent(axis);
  // Copies: the nodes move in memory when others are added.
  const std::int64_t left_start = first->start;
  const std::int64_t right_start = second->start;
  if (left_start + left.shape().extent(axis) == right_start)
    return pad(concat({left, right}, axis), left_start, whole, axis);
  if (right_start + right.shape().extent(axis) == left_start)
    return pad(concat({right, left}, axis), right_start, whole, axis);
  return std::nullopt;
}

}  // namespace

Value unary(Unary function, Value a, double parameter) {
  Graph& graph = graph_of(a, "elementwise function");
  const Node& input = a.node();
  if (function == Unary::kNegate && input.is(Unary::kNegate)) return {&graph, input.inputs[0]};
  if (function == Unary::kNegate)
    if (const double* value = uniform_constant(a)) return filled(graph, a.shape(), -*value);
  if (function == Unary::kReciprocal)
    if (const double* value = uniform_constant(a)) return filled(graph, a.shape(), 1.0 / *value);
  return graph.add(derived(primitive::UnaryFunction{function, {parameter}}, a));
}

Value binary(Binary function, Value a, Value b) {
  const char* name = name_of(function);
  const Domain domain = common_domain(name, {a, b});
  const Shape shape = broadcast_shape(name, a, b);
  const bool keeps_a = a.shape() == shape && a.domain() == domain;
  const bool keeps_b = b.shape() == shape && b.domain() == domain;
  switch (function) {
    case Binary::kAdd:
      if (keeps_a && is_constant(b, 0.0)) return a;
      if (keeps_b && is_constant(a, 0.0)) return b;
      break;
    case Binary::kSubtract:
      if (keeps_a && is_constant(b, 0.0)) return a;
      if (keeps_b && is_constant(a, 0.0)) return -b;
      break;
    case Binary::kMultiply:
      if (keeps_a && is_constant(b, 1.0)) return a;
      if (keeps_b && is_constant(a, 1.0)) return b;
      if (keeps_a && is_constant(b, -1.0)) return -a;
      if (keeps_b && is_constant(a, -1.0)) return -b;
      break;
    case Binary::kDivide:
      if (keeps_a && is_constant(b, 1.0)) return a;
      if (keeps_b && is_constant(a, 1.0)) return reciprocal(b);
      break;
    default:
      break;
  }
  if (function <= Binary::kDivide && uniform_constant(a) && uniform_constant(b))
    return filled(*a.graph, shape, fold(function, *uniform_constant(a), *uniform_constant(b)));
  if (function == Binary::kAdd)
    if (const auto joined = sum_of_pads(a, b)) return *joined;
  const bool commutes = function == Binary::kAdd || function == Binary::kMultiply;
  if (commutes && b.id < a.id) std::swap(a, b);
  return a.graph->add({primitive::BinaryFunction{function}, shape, domain, {a.id, b.id}});
}

Value operator+(Value a, Value b) { return binary(Binary::kAdd, a, b); }
Value operator-(Value a, Value b) { return binary(Binary::kSubtract, a, b); }
Value operator*(Value a, Value b) { return binary(Binary::kMultiply, a, b); }
Value operator/(Value a, Value b) { return binary(Binary::kDivide, a, b); }
Value operator+(Value a, double b) { return a + a.graph->constant(b); }
Value operator-(Value a, double b) { return a - a.graph->constant(b); }
Value operator*(Value a, double b) { return a * a.graph->constant(b); }
Value operator/(Value a, double b) { return a / a.graph->constant(b); }
Value operator+(double a, Value b) { return b.graph->constant(a) + b; }
Value operator-(double a, Value b) { return b.graph->constant(a) - b; }
Value operator*(double a, Value b) { return b.graph->constant(a) * b; }
Value operator/(double a, Value b) { return b.graph->constant(a) / b; }
Value operator-(Value a) { return unary(Unary::kNegate, a); }

Value abs(Value a) { return unary(Unary::kAbs, a); }
Value square(Value a) { return unary(Unary::kSquare, a); }
Value sqrt(Value a) { return unary(Unary::kSqrt, a); }
Value reciprocal(Value a) { return unary(Unary::kReciprocal, a); }
Value exp(Value a) { return unary(Unary::kExp, a); }
Value expm1(Value a) { return unary(Unary::kExpm1, a); }
Value log(Value a) { return unary(Unary::kLog, a); }
Value log1p(Value a) { return unary(Unary::kLog1p, a); }
Value tanh(Value a) { return unary(Unary::kTanh, a); }
Value sigmoid(Value a) { return unary(Unary::kSigmoid, a); }
Value softplus(Value a) { return unary(Unary::kSoftplus, a); }
Value log_sigmoid(Value a) { return -softplus(-a); }
Value relu(Value a) { return unary(Unary::kRelu, a); }
Value step(Value a) { return unary(Unary::kStep, a); }
Value sign(Value a) { return unary(Unary::kSign, a); }
Value sin(Value a) { return unary(Unary::kSin, a); }
Value cos(Value a) { return unary(Unary::kCos, a); }
Value erf(Value a) { return unary(Unary::kErf, a); }
Value normal_cdf(Value a) { return unary(Unary::kNormalCdf, a); }
Value normal_quantile(Value a) { return unary(Unary::kNormalQuantile, a); }
Value floor(Value a) { return unary(Unary::kFloor, a); }
Value power(Value a, double exponent) { return unary(Unary::kPower, a, exponent); }
Value is_finite(Value a) { return unary(Unary::kIsFinite, a); }
Value maximum(Value a, Value b) { return binary(Binary::kMax, a, b); }
Value minimum(Value a, Value b) { return binary(Binary::kMin, a, b); }
Value less(Value a, Value b) { return binary(Binary::kLess, a, b); }
Value less_equal(Value a, Value b) { return binary(Binary::kLessEqual, a, b); }
Value atan2(Value y, Value x) { return binary(Binary::kAtan2, y, x); }
Value equal(Value a, Value b) { return binary(Binary::kEqual, a, b); }

Value clamp(Value a, double low, double high) {
  return minimum(maximum(a, a.graph->constant(low)), a.graph->constant(high));
}

Value select(Value condition, Value a, Value b) {
  const Domain domain = common_domain("select", {condition, a, b});
  const Graph& graph = *a.graph;
  const Shape both = broadcast_shape("select", a, b);
  const Node& flag = condition.node();
  const Shape shape{
      broadcast_extent(graph, "select", a.node(), flag, both.features, flag.shape.features),
      broadcast_extent(graph, "select", a.node(), flag, both.items, flag.shape.items)};
  return a.graph->add({primitive::Select{}, shape, domain, {condition.id, a.id, b.id}});
}

}  // namespace thalweg
