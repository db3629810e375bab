#include "thalweg/engine/derivative_rules.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg::detail {
namespace {

/// What a change `t` of the operand of y = f(x), or a cotangent `t` of the result, becomes, or
/// nothing where the slope is zero. The rule is the same: t times the slope.
std::optional<Value> through_unary(const primitive::UnaryFunction& p, Value x, Value y, Value t) {
  switch (p.function) {
    case Unary::kCopy:
      return t;
    case Unary::kNegate:
      return -t;
    case Unary::kAbs:
      return t * sign(x);
    case Unary::kSquare:
      return t * (2.0 * x);
    case Unary::kSqrt:
      return t * (0.5 * reciprocal(y));
    case Unary::kReciprocal:
      return t * -square(y);
    case Unary::kExp:
      return t * y;
    case Unary::kExpm1:
      return t * (y + 1.0);
    case Unary::kLog:
      return t * reciprocal(x);
    case Unary::kLog1p:
      return t * reciprocal(x + 1.0);
    case Unary::kTanh:
      return binary(Binary::kMultiplyTanhSlope, t, y);
    case Unary::kSigmoid:
      return binary(Binary::kMultiplySigmoidSlope, t, y);
    case Unary::kSoftplus:
      return t * sigmoid(x);
    case Unary::kRelu:  // y > 0 where x > 0, so x itself need not be kept
      return binary(Binary::kMultiplyStep, t, y);
    case Unary::kSin:
      return t * cos(x);
    case Unary::kCos:
      return t * -sin(x);
    case Unary::kErf:
      return t * ((2.0 * std::numbers::inv_sqrtpi) * exp(-square(x)));
    case Unary::kNormalCdf:
      return t * ((std::numbers::inv_sqrtpi / std::numbers::sqrt2) * exp(-0.5 * square(x)));
    case Unary::kNormalQuantile:
      return t * ((std::numbers::sqrt2 / std::numbers::inv_sqrtpi) * exp(0.5 * square(y)));
    case Unary::kPower:
      return t * (p.parameter.value * power(x, p.parameter.value - 1.0));
    case Unary::kStep:
    case Unary::kSign:
    case Unary::kFloor:
    case Unary::kIsFinite:
      break;
  }
  return std::nullopt;
}

/// The same for operand `which` of a function of two operands; not yet summed over broadcast
/// extents.
std::optional<Value> through_binary(Binary function, int which, Value a, Value b, Value y,
                                    Value t) {
  const bool first = which == 0;
  switch (function) {
    case Binary::kAdd:
      return t;
    case Binary::kSubtract:
      return first ? t : -t;
    case Binary::kMultiply:
      return t * (first ? b : a);
    case Binary::kDivide:
      // One division serves derivatives of all orders.
      return first ? t * reciprocal(b) : -(t * (y * reciprocal(b)));
    case Binary::kMax:
      return t * (first ? less_equal(b, a) : less(a, b));
    case Binary::kMin:
      return t * (first ? less_equal(a, b) : less(b, a));
    case Binary::kMultiplyStep:
      if (first) return binary(Binary::kMultiplyStep, t, b);
      return std::nullopt;
    case Binary::kMultiplyTanhSlope:
      if (first) return binary(Binary::kMultiplyTanhSlope, t, b);
      return t * a * (-2.0 * b);
    case Binary::kMultiplySigmoidSlope:
      if (first) return binary(Binary::kMultiplySigmoidSlope, t, b);
      return t * a * (1.0 - 2.0 * b);
    case Binary::kAtan2: {
      const Value over_square = reciprocal(square(a) + square(b));
      return t * (first ? b * over_square : -(a * over_square));
    }
    case Binary::kLess:
    case Binary::kLessEqual:
    case Binary::kEqual:
      break;
  }
  return std::nullopt;
}

/// Weights of the elements that attain a maximum; ties share equally.
Value maximum_weights(Value a, Value y, Axis axis) {
  const Value mask = equal(a, y);
  return mask / sum(mask, axis);
}

/// The gradient that comes with a call's value.
Value call_gradient(Graph& graph, const Node& value) {
  const Value whole{&graph, value.inputs[0]};
  return slice(whole, 1, whole.features() - 1);
}

/// What the derivatives of a root x are made of.
struct RootRule {
  Value value, slope;             ///< of the function, at x
  std::vector<Value> parameters;  ///< of the function
  std::vector<Value> held;        ///< in its derivative by one of them: x and the others
};
RootRule root_rule(Value x, const primitive::Root& root) {
  Graph& graph = *x.graph;
  const Node node = x.node();
  RootRule rule;
  for (std::size_t i = 2; i < node.inputs.size(); ++i)
    rule.parameters.push_back({&graph, node.inputs[i]});
  rule.held = rule.parameters;
  rule.held.push_back(x);
  rule.value = (*root.function)(x, rule.parameters);
  rule.slope = jvp({rule.value}, {x}, {broadcast(graph.constant(1.0), node.shape)}).front();
  return rule;
}

}  // namespace

void refuse_second_derivative() {
  fail<ConfigError>(
      "derivative: a function called from outside comes with its gradient alone, and this asks for "
      "a second derivative: state the energy as an expression");
}

void pull_back(ReverseSweep& sweep, const std::vector<char>& active, Value y, Value g) {
  Graph& graph = *y.graph;
  const Node node = y.node();
  const auto wanted = [&](std::size_t i) {
    return active[static_cast<std::size_t>(node.inputs[i])] != 0;
  };
  const auto in = [&](std::size_t i) { return Value{&graph, node.inputs[i]}; };
  const auto give = [&](std::size_t i, Value contribution) {
    sweep.add(node.inputs[i], sum_to(contribution, in(i), node.domain));
  };
  std::visit(
      Overloaded{
          [&](const primitive::UnaryFunction& p) {
            if (const auto t = through_unary(p, in(0), y, g)) sweep.add(node.inputs[0], *t);
          },
          [&](const primitive::BinaryFunction& p) {
            for (int i = 0; i < 2; ++i)
              if (wanted(static_cast<std::size_t>(i)))
                if (const auto t = through_binary(p.function, i, in(0), in(1), y, g))
                  give(static_cast<std::size_t>(i), broadcast(*t, node.shape));
          },
          [&](const primitive::Select&) {
            const Value zero = graph.constant(0.0);
            if (wanted(1)) give(1, select(in(0), g, zero));
            if (wanted(2)) give(2, select(in(0), zero, g));
          },
          [&](const primitive::Sum&) { sweep.add(node.inputs[0], broadcast(g, in(0).shape())); },
          [&](const primitive::Max& p) {
            sweep.add(node.inputs[0], g * maximum_weights(in(0), y, p.axis));
          },
          [&](const primitive::CumulativeSum& p) {
            sweep.add(node.inputs[0], cumulative_sum(g, !p.reverse, p.exclusive));
          },
          [&](const primitive::BatchSum&) { sweep.add(node.inputs[0], g); },
          [&](const primitive::Broadcast&) {
            sweep.add(node.inputs[0], sum_to(g, in(0), kShared));
          },
          [&](const primitive::Reshape&) { sweep.add(node.inputs[0], reshape(g, in(0).shape())); },
          [&](const primitive::Transpose&) { sweep.add(node.inputs[0], transpose(g)); },
          [&](const primitive::Slice& p) {
            sweep.add(node.inputs[0], pad(g, p.start, in(0).shape().extent(p.axis), p.axis));
          },
          [&](const primitive::Pad& p) {
            sweep.add(node.inputs[0], slice(g, p.start, in(0).shape().extent(p.axis), p.axis));
          },
          [&](const primitive::Concat& p) {
            std::int64_t start = 0;
            for (std::size_t i = 0; i < node.inputs.size(); ++i) {
              const std::int64_t count = in(i).shape().extent(p.axis);
              if (wanted(i)) give(i, slice(g, start, count, p.axis));
              start += count;
            }
          },
          [&](const primitive::Take& p) {
            // Where each element is taken once, taking with the inverse index needs no zeros.
            const std::int64_t size = in(0).shape().extent(p.axis);
            std::vector<std::int32_t> back(static_cast<std::size_t>(size), -1);
            bool unique = static_cast<std::int64_t>(p.indices->size()) == size;
            for (std::size_t i = 0; i < p.indices->size(); ++i) {
              auto& entry = back[static_cast<std::size_t>((*p.indices)[i])];
              unique = unique && entry < 0;
              entry = static_cast<std::int32_t>(i);
            }
            sweep.add(node.inputs[0],
                      unique ? take(g, back, p.axis) : scatter_add(g, *p.indices, size, p.axis));
          },
          [&](const primitive::ScatterAdd& p) {
            sweep.add(node.inputs[0], take(g, *p.indices, p.axis));
          },
          [&](const primitive::Dense& p) {
            if (wanted(0))
              sweep.add(node.inputs[0], p.transposed ? outer_sum(in(1), g, node.domain)
                                                     : outer_sum(g, in(1), node.domain));
            if (wanted(1)) sweep.add(node.inputs[1], dense(in(0), g, {}, !p.transposed));
            if (node.inputs.size() > 2 && wanted(2)) give(2, g);
          },
          [&](const primitive::OuterSum&) {
            if (wanted(0)) sweep.add(node.inputs[0], dense(g, in(1)));
            if (wanted(1)) sweep.add(node.inputs[1], dense(g, in(0), {}, true));
          },
          [&](const primitive::MatMul& p) {
            const bool ta = p.transpose_left;
            const bool tb = p.transpose_right;
            if (wanted(0))
              sweep.add(node.inputs[0],
                        ta ? matmul(in(1), g, tb, true) : matmul(g, in(1), false, !tb));
            if (wanted(1))
              sweep.add(node.inputs[1],
                        tb ? matmul(g, in(0), true, ta) : matmul(in(0), g, !ta, false));
          },
          [&](const primitive::Inverse&) {
            sweep.add(node.inputs[0], -matmul(matmul(y, g, true, false), y, false, true));
          },
          [&](const primitive::LogAbsDeterminant&) {
            sweep.add(node.inputs[0], g * transpose(inverse(in(0))));
          },
          [&](const primitive::Root& p) {
            const RootRule rule = root_rule(y, p);
            const Value share = g / rule.slope;
            if (wanted(1)) give(1, share);
            std::vector<Value> moving;
            for (std::size_t i = 0; i < rule.parameters.size(); ++i)
              if (wanted(i + 2) && std::ranges::find(moving, rule.parameters[i].id, &Value::id) ==
                                       moving.end())  // each once, however often it is handed over
                moving.push_back(rule.parameters[i]);
            if (moving.empty()) return;
            const std::vector<Value> slopes = vjp({rule.value}, {-share}, moving, rule.held);
            for (std::size_t i = 0; i < moving.size(); ++i) sweep.add(moving[i].id, slopes[i]);
          },
          [&](const primitive::Call&) { refuse_second_derivative(); },
          [&](const primitive::CallValue&) {
            sweep.add(node.inputs[1], g * call_gradient(graph, node));
          },
          [&](const OneOf<primitive::StopGradient, primitive::Input, primitive::Parameter,
                          primitive::Fill, primitive::Constant, primitive::Count,
                          primitive::Uniform, primitive::Normal> auto&) {}},
      node.primitive);
}

std::optional<Value> push_forward(Value y, const std::vector<std::optional<Value>>& tangents,
                                  std::int64_t columns) {
  Graph& graph = *y.graph;
  const Node node = y.node();
  const auto in = [&](std::size_t i) { return Value{&graph, node.inputs[i]}; };
  const auto tangent = [&](std::size_t i) {
    return tangents[static_cast<std::size_t>(node.inputs[i])];
  };
  const auto wide = [&](Shape shape) {
    return columns > 1 ? Shape{shape.features, columns} : shape;
  };
  const auto zeros = [&](std::size_t i) {
    return broadcast(graph.constant(0.0), wide(in(i).shape()));
  };
  const auto or_zeros = [&](std::size_t i) { return tangent(i).value_or(zeros(i)); };
  std::optional<Value> result;
  const auto accumulate = [&](std::optional<Value> part) {
    if (part) result = result ? *result + *part : *part;
  };
  std::visit(
      Overloaded{
          [&](const primitive::UnaryFunction& p) {
            if (const auto t = tangent(0)) result = through_unary(p, in(0), y, *t);
          },
          [&](const primitive::BinaryFunction& p) {
            for (int i = 0; i < 2; ++i)
              if (const auto t = tangent(static_cast<std::size_t>(i)))
                accumulate(through_binary(p.function, i, in(0), in(1), y, *t));
          },
          [&](const primitive::Select&) {
            if (tangent(1) || tangent(2)) result = select(in(0), or_zeros(1), or_zeros(2));
          },
          [&](const primitive::Sum& p) {
            if (const auto t = tangent(0)) result = sum(*t, p.axis);
          },
          [&](const primitive::Max& p) {
            if (const auto t = tangent(0))
              result = sum(*t * maximum_weights(in(0), y, p.axis), p.axis);
          },
          [&](const primitive::CumulativeSum& p) {
            if (const auto t = tangent(0)) result = cumulative_sum(*t, p.reverse, p.exclusive);
          },
          [&](const primitive::BatchSum&) {
            if (const auto t = tangent(0)) result = batch_sum(*t, in(0).domain());
          },
          [&](const primitive::Broadcast&) {
            // Brought to the shape below.
            result = tangent(0);
          },
          [&](const primitive::Reshape&) {
            if (const auto t = tangent(0)) result = reshape(*t, node.shape);
          },
          [&](const primitive::Transpose&) {
            if (const auto t = tangent(0)) result = transpose(*t);
          },
          [&](const primitive::Slice& p) {
            if (const auto t = tangent(0))
              result = slice(*t, p.start, node.shape.extent(p.axis), p.axis);
          },
          [&](const primitive::Pad& p) {
            if (const auto t = tangent(0))
              result = pad(*t, p.start, node.shape.extent(p.axis), p.axis);
          },
          [&](const primitive::Concat& p) {
            std::vector<Value> parts;
            bool any = false;
            for (std::size_t i = 0; i < node.inputs.size(); ++i) {
              any = any || tangent(i).has_value();
              parts.push_back(or_zeros(i));
            }
            if (any) result = concat(parts, p.axis);
          },
          [&](const primitive::Take& p) {
            if (const auto t = tangent(0)) result = take(*t, *p.indices, p.axis);
          },
          [&](const primitive::ScatterAdd& p) {
            if (const auto t = tangent(0))
              result = scatter_add(*t, *p.indices, node.shape.extent(p.axis), p.axis);
          },
          [&](const primitive::Dense& p) {
            if (const auto t = tangent(0)) accumulate(dense(*t, in(1), {}, p.transposed));
            if (const auto t = tangent(1)) accumulate(dense(in(0), *t, {}, p.transposed));
            if (node.inputs.size() > 2)
              if (const auto t = tangent(2)) accumulate(*t);
          },
          [&](const primitive::OuterSum&) {
            if (const auto t = tangent(0)) accumulate(outer_sum(*t, in(1), in(0).domain()));
            if (const auto t = tangent(1)) accumulate(outer_sum(in(0), *t, in(0).domain()));
          },
          [&](const primitive::MatMul& p) {
            if (const auto t = tangent(0))
              accumulate(matmul(*t, in(1), p.transpose_left, p.transpose_right));
            if (const auto t = tangent(1))
              accumulate(matmul(in(0), *t, p.transpose_left, p.transpose_right));
          },
          [&](const primitive::Inverse&) {
            if (const auto t = tangent(0)) result = -matmul(matmul(y, *t), y);
          },
          [&](const primitive::LogAbsDeterminant&) {
            if (const auto t = tangent(0)) result = sum(transpose(inverse(in(0))) * *t);
          },
          [&](const primitive::Root& p) {
            const RootRule rule = root_rule(y, p);
            std::vector<Value> moving, along;
            for (std::size_t i = 0; i < rule.parameters.size(); ++i)
              if (const auto t = tangent(i + 2);
                  t &&
                  std::ranges::find(moving, rule.parameters[i].id, &Value::id) == moving.end()) {
                moving.push_back(rule.parameters[i]);
                along.push_back(*t);
              }
            std::optional<Value> rise = tangent(1);
            if (!moving.empty()) {
              const Value moved = jvp({rule.value}, moving, along, rule.held).front();
              rise = rise ? *rise - moved : -moved;
            }
            if (rise) result = *rise / rule.slope;
          },
          [&](const primitive::CallValue&) {
            if (const auto t = tangent(1))
              result = sum(call_gradient(graph, node) * *t, Axis::kFeatures);
          },
          // The tangent of a call's value comes from x, and nothing else may move with it.
          [&](const OneOf<primitive::Call, primitive::StopGradient, primitive::Input,
                          primitive::Parameter, primitive::Fill, primitive::Constant,
                          primitive::Count, primitive::Uniform, primitive::Normal> auto&) {}},
      node.primitive);
  if (!result) return std::nullopt;
  return broadcast(*result, wide(node.shape));
}

bool takes_columns(const Node& node) {
  if (node.domain == kShared || node.shape.items != 1) return false;
  return std::visit(
      []<typename P>(const P& p) {
        if constexpr (OneOf<P, primitive::Sum, primitive::Max, primitive::Slice, primitive::Pad,
                            primitive::Concat, primitive::Take>)
          return p.axis == Axis::kFeatures;
        else
          return OneOf<P, primitive::UnaryFunction, primitive::BinaryFunction, primitive::Select,
                       primitive::CumulativeSum, primitive::Broadcast, primitive::Dense>;
      },
      node.primitive);
}

}  // namespace thalweg::detail
