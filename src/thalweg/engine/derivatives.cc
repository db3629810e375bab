#include "thalweg/engine/derivatives.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <optional>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

/// Derivative of an elementwise function at `x` with value `y`, or nothing where it is zero.
std::optional<Value> slope(const Node& node, Value x, Value y) {
  switch (node.unary) {
    case Unary::kCopy:
      return x.graph->constant(1.0);
    case Unary::kNegate:
      return x.graph->constant(-1.0);
    case Unary::kAbs:
      return sign(x);
    case Unary::kSquare:
      return 2.0 * x;
    case Unary::kSqrt:
      return 0.5 * reciprocal(y);
    case Unary::kReciprocal:
      return -square(y);
    case Unary::kExp:
      return y;
    case Unary::kExpm1:
      return y + 1.0;
    case Unary::kLog:
      return reciprocal(x);
    case Unary::kLog1p:
      return reciprocal(x + 1.0);
    case Unary::kSoftplus:
      return sigmoid(x);
    case Unary::kSin:
      return cos(x);
    case Unary::kCos:
      return -sin(x);
    case Unary::kErf:
      return (2.0 * std::numbers::inv_sqrtpi) * exp(-square(x));
    case Unary::kPower:
      return node.number * power(x, node.number - 1.0);
    default:
      return std::nullopt;
  }
}

/// What a change `t` of the operand, or a cotangent `t` of the result, becomes: the rule is the
/// same, t times the slope.
std::optional<Value> through_unary(const Node& node, Value x, Value y, Value t) {
  switch (node.unary) {
    case Unary::kNegate:
      return -t;
    case Unary::kCopy:
      return t;
    case Unary::kRelu:  // y > 0 where x > 0, so x itself need not be kept
      return binary(Binary::kMultiplyStep, t, y);
    case Unary::kTanh:
      return binary(Binary::kMultiplyTanhSlope, t, y);
    case Unary::kSigmoid:
      return binary(Binary::kMultiplySigmoidSlope, t, y);
    default: {
      const auto derivative = slope(node, x, y);
      if (!derivative) return std::nullopt;
      return t * *derivative;
    }
  }
}

/// The same for operand `which` of a function of two operands; not yet summed over broadcast
/// extents.
std::optional<Value> through_binary(const Node& node, int which, Value a, Value b, Value y,
                                    Value t) {
  const bool first = which == 0;
  switch (node.binary) {
    case Binary::kAdd:
      return t;
    case Binary::kSubtract:
      return first ? t : -t;
    case Binary::kMultiply:
      return t * (first ? b : a);
    case Binary::kDivide:
      return first ? t / b : -(t * (y / b));
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
    default:
      return std::nullopt;
  }
}

/// Weights of the elements that attain a maximum; ties share equally.
Value maximum_weights(Value a, Value y, Axis axis) {
  const Value mask = equal(a, y);
  return mask / sum(mask, axis);
}

std::int64_t extent(const Shape& shape, Axis axis) {
  return axis == Axis::kFeatures ? shape.features : shape.items;
}

/// The cotangents gathered so far, each of the shape of its node.
class ReverseSweep {
 public:
  ReverseSweep(Graph& graph, NodeId last)
      : graph_(graph), cotangents_(static_cast<std::size_t>(last) + 1) {}

  void add(NodeId id, Value cotangent) {
    auto& entry = cotangents_[static_cast<std::size_t>(id)];
    const Value value = broadcast(cotangent, graph_.node(id).shape);
    entry = entry ? *entry + value : value;
  }

  const std::optional<Value>& at(NodeId id) const {
    return cotangents_[static_cast<std::size_t>(id)];
  }

 private:
  Graph& graph_;
  std::vector<std::optional<Value>> cotangents_;
};

/// Which nodes up to `last` depend on one of `roots`.
std::vector<char> dependents(const Graph& graph, const std::vector<Value>& roots, NodeId last) {
  std::vector<char> active(static_cast<std::size_t>(last) + 1, 0);
  for (const Value& root : roots)
    if (root.id <= last) active[static_cast<std::size_t>(root.id)] = 1;
  for (NodeId id = 0; id <= last; ++id) {
    if (active[static_cast<std::size_t>(id)]) continue;
    const Node& node = graph.node(id);
    if (node.op == Op::kStopGradient) continue;
    for (const NodeId input : node.inputs)
      if (active[static_cast<std::size_t>(input)]) active[static_cast<std::size_t>(id)] = 1;
  }
  return active;
}

/// Which nodes up to `last` one of `outputs` needs.
std::vector<char> ancestors(const Graph& graph, const std::vector<Value>& outputs, NodeId last) {
  std::vector<char> needed(static_cast<std::size_t>(last) + 1, 0);
  for (const Value& output : outputs) needed[static_cast<std::size_t>(output.id)] = 1;
  for (NodeId id = last; id >= 0; --id)
    if (needed[static_cast<std::size_t>(id)])
      for (const NodeId input : graph.node(id).inputs) needed[static_cast<std::size_t>(input)] = 1;
  return needed;
}

bool depends_on_batch_sum(Value value) {
  const Graph& graph = *value.graph;
  std::vector<char> seen(static_cast<std::size_t>(value.id) + 1, 0);
  std::vector<NodeId> pending{value.id};
  while (!pending.empty()) {
    const NodeId id = pending.back();
    pending.pop_back();
    if (seen[static_cast<std::size_t>(id)]) continue;
    seen[static_cast<std::size_t>(id)] = 1;
    const Node& node = graph.node(id);
    if (node.op == Op::kBatchSum || node.op == Op::kOuterSum) return true;
    pending.insert(pending.end(), node.inputs.begin(), node.inputs.end());
  }
  return false;
}

[[noreturn]] void refuse_second_derivative() {
  fail<ConfigError>(
      "derivative: a function called from outside comes with its gradient alone, and this asks for "
      "a second derivative: state the energy as an expression");
}

/// The gradient that comes with a call's value.
Value call_gradient(Graph& graph, const Node& value) {
  const Value whole{&graph, value.inputs[0]};
  return slice(whole, 1, whole.features() - 1);
}

/// Adds the contributions of one node's cotangent `g` to its inputs.
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
  switch (node.op) {
    case Op::kUnary:
      if (const auto t = through_unary(node, in(0), y, g)) sweep.add(node.inputs[0], *t);
      break;
    case Op::kBinary:
      for (int i = 0; i < 2; ++i)
        if (wanted(static_cast<std::size_t>(i)))
          if (const auto t = through_binary(node, i, in(0), in(1), y, g))
            give(static_cast<std::size_t>(i), broadcast(*t, node.shape));
      break;
    case Op::kSelect: {
      const Value zero = graph.constant(0.0);
      if (wanted(1)) give(1, select(in(0), g, zero));
      if (wanted(2)) give(2, select(in(0), zero, g));
      break;
    }
    case Op::kSum:
      sweep.add(node.inputs[0], broadcast(g, in(0).shape()));
      break;
    case Op::kMax:
      sweep.add(node.inputs[0], g * maximum_weights(in(0), y, node.axis));
      break;
    case Op::kCumulativeSum:
      sweep.add(node.inputs[0], cumulative_sum(g, !node.flag, node.second_flag));
      break;
    case Op::kBatchSum:
      sweep.add(node.inputs[0], g);
      break;
    case Op::kBroadcast:
      sweep.add(node.inputs[0], sum_to(g, in(0), kShared));
      break;
    case Op::kReshape:
      sweep.add(node.inputs[0], reshape(g, in(0).shape()));
      break;
    case Op::kTranspose:
      sweep.add(node.inputs[0], transpose(g));
      break;
    case Op::kSlice:
      sweep.add(node.inputs[0], pad(g, node.integer, extent(in(0).shape(), node.axis), node.axis));
      break;
    case Op::kPad:
      sweep.add(node.inputs[0],
                slice(g, node.integer, extent(in(0).shape(), node.axis), node.axis));
      break;
    case Op::kConcat: {
      std::int64_t start = 0;
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const std::int64_t count = extent(in(i).shape(), node.axis);
        if (wanted(i)) give(i, slice(g, start, count, node.axis));
        start += count;
      }
      break;
    }
    case Op::kTake: {
      // The transpose of taking is taking with the inverse index where each element is taken once,
      // else a sum of pads.
      const std::int64_t size = extent(in(0).shape(), node.axis);
      std::vector<std::int32_t> back(static_cast<std::size_t>(size), -1);
      bool unique = static_cast<std::int64_t>(node.indices->size()) == size;
      for (std::size_t i = 0; i < node.indices->size(); ++i) {
        auto& entry = back[static_cast<std::size_t>((*node.indices)[i])];
        unique = unique && entry < 0;
        entry = static_cast<std::int32_t>(i);
      }
      if (unique) {
        sweep.add(node.inputs[0], take(g, back, node.axis));
      } else {
        for (std::size_t i = 0; i < node.indices->size(); ++i)
          sweep.add(node.inputs[0], pad(slice(g, static_cast<std::int64_t>(i), 1, node.axis),
                                        (*node.indices)[i], size, node.axis));
      }
      break;
    }
    case Op::kDense:
      if (wanted(0))
        sweep.add(node.inputs[0],
                  node.flag ? outer_sum(in(1), g, node.domain) : outer_sum(g, in(1), node.domain));
      if (wanted(1)) sweep.add(node.inputs[1], dense(in(0), g, {}, !node.flag));
      if (node.inputs.size() > 2 && wanted(2)) give(2, g);
      break;
    case Op::kOuterSum:
      if (wanted(0)) sweep.add(node.inputs[0], dense(g, in(1)));
      if (wanted(1)) sweep.add(node.inputs[1], dense(g, in(0), {}, true));
      break;
    case Op::kMatMul: {
      const bool ta = node.flag;
      const bool tb = node.second_flag;
      if (wanted(0))
        sweep.add(node.inputs[0], ta ? matmul(in(1), g, tb, true) : matmul(g, in(1), false, !tb));
      if (wanted(1))
        sweep.add(node.inputs[1], tb ? matmul(g, in(0), true, ta) : matmul(in(0), g, !ta, false));
      break;
    }
    case Op::kInverse:
      sweep.add(node.inputs[0], -matmul(matmul(y, g, true, false), y, false, true));
      break;
    case Op::kCall:
      refuse_second_derivative();
    case Op::kCallValue:
      sweep.add(node.inputs[1], g * call_gradient(graph, node));
      break;
    case Op::kStopGradient:
    case Op::kInput:
    case Op::kParameter:
    case Op::kConstant:
    case Op::kCount:
    case Op::kUniform:
    case Op::kNormal:
      break;
  }
}

/// Tangent of node `y`, or nothing where it is zero.
std::optional<Value> push_forward(Value y, const std::vector<std::optional<Value>>& tangents) {
  Graph& graph = *y.graph;
  const Node node = y.node();
  const auto in = [&](std::size_t i) { return Value{&graph, node.inputs[i]}; };
  const auto tangent = [&](std::size_t i) {
    return tangents[static_cast<std::size_t>(node.inputs[i])];
  };
  const auto zeros = [&](std::size_t i) { return broadcast(graph.constant(0.0), in(i).shape()); };
  const auto or_zeros = [&](std::size_t i) { return tangent(i).value_or(zeros(i)); };
  std::optional<Value> result;
  const auto accumulate = [&](std::optional<Value> part) {
    if (part) result = result ? *result + *part : *part;
  };
  switch (node.op) {
    case Op::kUnary:
      if (const auto t = tangent(0)) result = through_unary(node, in(0), y, *t);
      break;
    case Op::kBinary:
      for (int i = 0; i < 2; ++i)
        if (const auto t = tangent(static_cast<std::size_t>(i)))
          accumulate(through_binary(node, i, in(0), in(1), y, *t));
      break;
    case Op::kSelect:
      if (tangent(1) || tangent(2)) result = select(in(0), or_zeros(1), or_zeros(2));
      break;
    case Op::kSum:
      if (const auto t = tangent(0)) result = sum(*t, node.axis);
      break;
    case Op::kMax:
      if (const auto t = tangent(0))
        result = sum(*t * maximum_weights(in(0), y, node.axis), node.axis);
      break;
    case Op::kCumulativeSum:
      if (const auto t = tangent(0)) result = cumulative_sum(*t, node.flag, node.second_flag);
      break;
    case Op::kBatchSum:
      if (const auto t = tangent(0)) result = batch_sum(*t, in(0).domain());
      break;
    case Op::kBroadcast:
      result = tangent(0);  // brought to the shape below
      break;
    case Op::kReshape:
      if (const auto t = tangent(0)) result = reshape(*t, node.shape);
      break;
    case Op::kTranspose:
      if (const auto t = tangent(0)) result = transpose(*t);
      break;
    case Op::kSlice:
      if (const auto t = tangent(0))
        result = slice(*t, node.integer, extent(node.shape, node.axis), node.axis);
      break;
    case Op::kPad:
      if (const auto t = tangent(0))
        result = pad(*t, node.integer, extent(node.shape, node.axis), node.axis);
      break;
    case Op::kConcat: {
      std::vector<Value> parts;
      bool any = false;
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        any = any || tangent(i).has_value();
        parts.push_back(or_zeros(i));
      }
      if (any) result = concat(parts, node.axis);
      break;
    }
    case Op::kTake:
      if (const auto t = tangent(0)) result = take(*t, *node.indices, node.axis);
      break;
    case Op::kDense:
      if (const auto t = tangent(0)) accumulate(dense(*t, in(1), {}, node.flag));
      if (const auto t = tangent(1)) accumulate(dense(in(0), *t, {}, node.flag));
      if (node.inputs.size() > 2)
        if (const auto t = tangent(2)) accumulate(*t);
      break;
    case Op::kOuterSum:
      if (const auto t = tangent(0)) accumulate(outer_sum(*t, in(1), in(0).domain()));
      if (const auto t = tangent(1)) accumulate(outer_sum(in(0), *t, in(0).domain()));
      break;
    case Op::kMatMul:
      if (const auto t = tangent(0)) accumulate(matmul(*t, in(1), node.flag, node.second_flag));
      if (const auto t = tangent(1)) accumulate(matmul(in(0), *t, node.flag, node.second_flag));
      break;
    case Op::kInverse:
      if (const auto t = tangent(0)) result = -matmul(matmul(y, *t), y);
      break;
    case Op::kCall:  // its value's tangent comes from x, and nothing else may move with it
      break;
    case Op::kCallValue:
      if (const auto t = tangent(1)) result = sum(call_gradient(graph, node) * *t, Axis::kFeatures);
      break;
    case Op::kStopGradient:
    case Op::kInput:
    case Op::kParameter:
    case Op::kConstant:
    case Op::kCount:
    case Op::kUniform:
    case Op::kNormal:
      break;
  }
  if (!result) return std::nullopt;
  return broadcast(*result, node.shape);
}

void check_pairs(const char* name, const char* what, const std::vector<Value>& values,
                 const std::vector<Value>& others) {
  if (values.size() != others.size())
    fail<ShapeError>("{}: expected {} {}, got {}", name, values.size(), what, others.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i].shape() != others[i].shape())
      fail<ShapeError>("{}: {} number {} is {} x {}, its value {} x {}", name, what, i,
                       others[i].features(), others[i].items(), values[i].features(),
                       values[i].items());
}

}  // namespace

std::vector<Value> vjp(const std::vector<Value>& outputs, const std::vector<Value>& cotangents,
                       const std::vector<Value>& wrt) {
  if (outputs.empty()) fail<ShapeError>("vjp: expected at least one output, got none");
  Graph& graph = *outputs.front().graph;
  if (!cotangents.empty()) check_pairs("vjp", "cotangents", outputs, cotangents);
  NodeId last = 0;
  for (const Value& output : outputs) last = std::max(last, output.id);
  const std::vector<char> active = dependents(graph, wrt, last);
  ReverseSweep sweep(graph, last);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (active[static_cast<std::size_t>(outputs[i].id)])
      sweep.add(outputs[i].id, cotangents.empty() ? graph.constant(1.0) : cotangents[i]);

  std::vector<std::optional<Value>> deferred(wrt.size());
  for (NodeId id = last; id >= 0; --id) {
    if (!active[static_cast<std::size_t>(id)] || !sweep.at(id)) continue;
    const Value y{&graph, id};
    const Value g = *sweep.at(id);
    // The cotangent of a batch sum that itself waits for a sum over the batch would force a
    // second pass. The sum being scalar, its gradient is that cotangent times the gradient with
    // unit seed, which the first pass can already take.
    if (y.node().op == Op::kBatchSum && y.shape().size() == 1 && depends_on_batch_sum(g)) {
      const std::vector<Value> parts = vjp({Value{&graph, y.node().inputs[0]}}, {}, wrt);
      for (std::size_t i = 0; i < wrt.size(); ++i) {
        const Value part = g * parts[i];
        deferred[i] = deferred[i] ? *deferred[i] + part : part;
      }
      continue;
    }
    pull_back(sweep, active, y, g);
  }

  std::vector<Value> result;
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    std::optional<Value> value = wrt[i].id <= last ? sweep.at(wrt[i].id) : std::nullopt;
    if (deferred[i]) value = value ? *value + *deferred[i] : *deferred[i];
    result.push_back(value ? *value : broadcast(graph.constant(0.0), wrt[i].shape()));
  }
  return result;
}

std::vector<Value> jvp(const std::vector<Value>& outputs, const std::vector<Value>& inputs,
                       const std::vector<Value>& tangents) {
  if (outputs.empty()) fail<ShapeError>("jvp: expected at least one output, got none");
  check_pairs("jvp", "tangents", inputs, tangents);
  Graph& graph = *outputs.front().graph;
  NodeId last = 0;
  for (const Value& output : outputs) last = std::max(last, output.id);
  const std::vector<char> active = dependents(graph, inputs, last);
  std::vector<std::optional<Value>> moving(static_cast<std::size_t>(last) + 1);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].id <= last) {
      auto& entry = moving[static_cast<std::size_t>(inputs[i].id)];
      entry = entry ? *entry + tangents[i] : tangents[i];
    }
  const std::vector<char> needed = ancestors(graph, outputs, last);
  for (NodeId id = 0; id <= last; ++id) {
    const auto index = static_cast<std::size_t>(id);
    if (!active[index] || !needed[index] || moving[index]) continue;
    const Node& node = graph.node(id);
    if (node.op != Op::kCallValue && node.op != Op::kStopGradient)
      for (const NodeId input : node.inputs)
        if (active[static_cast<std::size_t>(input)] && graph.node(input).op == Op::kCall)
          refuse_second_derivative();
    moving[index] = push_forward({&graph, id}, moving);
  }
  std::vector<Value> result;
  for (const Value& output : outputs)
    result.push_back(moving[static_cast<std::size_t>(output.id)].value_or(
        broadcast(graph.constant(0.0), output.shape())));
  return result;
}

std::vector<Value> gradient(Value scalar, const std::vector<Value>& wrt) {
  if (scalar.shape().size() != 1)
    fail<ShapeError>("gradient: expected a 1 x 1 value, got {} x {}", scalar.features(),
                     scalar.items());
  return vjp({scalar}, {}, wrt);
}

}  // namespace thalweg
