#include "thalweg/engine/graph.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

std::string describe(const Node& node) {
  return fmt::format("{} x {} ({})", node.shape.features, node.shape.items,
                     node.domain == kShared ? "shared" : "batched");
}

template <typename... Args>
[[noreturn]] void shape_fail(const Graph& graph, fmt::format_string<Args...> format,
                             Args&&... args) {
  const std::string where = graph.scope();
  fail<ShapeError>("{}{}{}", where, where.empty() ? "" : ": ",
                   fmt::format(format, std::forward<Args>(args)...));
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15ULL + (hash << 6) + (hash >> 2);
  return hash * 0xff51afd7ed558ccdULL;
}

std::uint64_t hash_of(const Node& node) {
  std::uint64_t hash = static_cast<std::uint64_t>(node.op);
  for (const NodeId input : node.inputs) hash = mix(hash, static_cast<std::uint64_t>(input) + 1);
  hash = mix(hash, static_cast<std::uint64_t>(node.shape.features));
  hash = mix(hash, static_cast<std::uint64_t>(node.shape.items));
  hash = mix(hash, static_cast<std::uint64_t>(node.domain + 1));
  hash = mix(
      hash, static_cast<std::uint64_t>(node.unary) * 256 + static_cast<std::uint64_t>(node.binary));
  hash = mix(hash, static_cast<std::uint64_t>(node.axis) * 4 + (node.flag ? 2U : 0U) +
                       (node.second_flag ? 1U : 0U));
  hash = mix(hash, static_cast<std::uint64_t>(node.integer));
  hash = mix(hash, std::bit_cast<std::uint64_t>(node.number));
  if (node.data)
    for (const double value : *node.data) hash = mix(hash, std::bit_cast<std::uint64_t>(value));
  if (node.indices)
    for (const std::int32_t value : *node.indices)
      hash = mix(hash, static_cast<std::uint64_t>(value));
  return mix(hash, reinterpret_cast<std::uintptr_t>(node.function.get()));
}

bool same_bits(const std::shared_ptr<const std::vector<double>>& a,
               const std::shared_ptr<const std::vector<double>>& b) {
  if (!a || !b) return a == b;
  return std::equal(a->begin(), a->end(), b->begin(), b->end(), [](double x, double y) {
    return std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y);
  });
}

bool same_indices(const std::shared_ptr<const std::vector<std::int32_t>>& a,
                  const std::shared_ptr<const std::vector<std::int32_t>>& b) {
  return (!a || !b) ? a == b : *a == *b;
}

bool equal_nodes(const Node& a, const Node& b) {
  return a.op == b.op && a.inputs == b.inputs && a.shape == b.shape && a.domain == b.domain &&
         a.unary == b.unary && a.binary == b.binary && a.axis == b.axis && a.flag == b.flag &&
         a.second_flag == b.second_flag && a.integer == b.integer &&
         std::bit_cast<std::uint64_t>(a.number) == std::bit_cast<std::uint64_t>(b.number) &&
         same_bits(a.data, b.data) && same_indices(a.indices, b.indices) &&
         a.function == b.function;
}

Graph& graph_of(Value a, const char* operation) {
  if (!a.valid()) fail<ShapeError>("{}: an operand is empty: pass a value of a graph", operation);
  return *a.graph;
}

/// Domain of an operation on `operands`; refuses a mixture of graphs or of domains.
Domain common_domain(const char* operation, std::initializer_list<Value> operands) {
  Domain domain = kShared;
  const Graph* graph = nullptr;
  for (const Value& value : operands) {
    if (graph == nullptr) graph = &graph_of(value, operation);
    if (value.graph != graph)
      fail<ShapeError>("{}: operands belong to different graphs", operation);
    if (value.domain() == kShared) continue;
    if (domain != kShared && domain != value.domain())
      shape_fail(*graph,
                 "{}: operands belong to batch domains {} and {}: sum one over its samples first",
                 operation, domain, value.domain());
    domain = value.domain();
  }
  return domain;
}

std::int64_t broadcast_extent(const Graph& graph, const char* operation, const Node& a,
                              const Node& b, std::int64_t x, std::int64_t y) {
  if (x == y || y == 1) return x;
  if (x == 1) return y;
  shape_fail(graph, "{}: shapes {} and {} do not fit: extents must be equal or 1", operation,
             describe(a), describe(b));
}

Shape broadcast_shape(const char* operation, Value a, Value b) {
  const Node& x = a.node();
  const Node& y = b.node();
  return {broadcast_extent(*a.graph, operation, x, y, x.shape.features, y.shape.features),
          broadcast_extent(*a.graph, operation, x, y, x.shape.items, y.shape.items)};
}

/// The number of a constant whose elements are all the same.
const double* uniform_constant(Value a) {
  const Node& node = a.node();
  return node.op == Op::kConstant && !node.data ? &node.number : nullptr;
}

bool is_constant(Value a, double number) {
  const double* value = uniform_constant(a);
  return value != nullptr && *value == number;
}

Value filled(Graph& graph, Shape shape, double number) {
  Node node;
  node.op = Op::kConstant;
  node.shape = shape;
  node.number = number;
  return graph.add(std::move(node));
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
  }
  return "binary";
}

std::int64_t& extent(Shape& shape, Axis axis) {
  return axis == Axis::kFeatures ? shape.features : shape.items;
}

Node derived(Op op, Value a) {
  Node node;
  node.op = op;
  node.shape = a.shape();
  node.domain = a.domain();
  node.inputs = {a.id};
  return node;
}

}  // namespace

std::string Graph::scope() const { return fmt::format("{}", fmt::join(scopes_, " / ")); }

Value Graph::add(Node node) {
  const std::uint64_t hash = hash_of(node);
  const auto range = table_.equal_range(hash);
  for (auto entry = range.first; entry != range.second; ++entry)
    if (equal_nodes(nodes_[static_cast<std::size_t>(entry->second)], node))
      return {this, entry->second};
  const auto id = static_cast<NodeId>(nodes_.size());
  nodes_.push_back(std::move(node));
  table_.emplace(hash, id);
  return {this, id};
}

Domain Graph::add_domain(std::int64_t default_count) {
  default_counts_.push_back(default_count);
  return domains() - 1;
}

Value Graph::input(Shape shape, Domain domain) {
  if (shape.features < 1 || shape.items < 1 || domain < 0 || domain >= domains())
    shape_fail(
        *this,
        "input: expected extents of at least 1 and a domain below {}, got {} x {} in domain {}",
        domains(), shape.features, shape.items, domain);
  Node node;
  node.op = Op::kInput;
  node.shape = shape;
  node.domain = domain;
  node.integer = static_cast<std::int64_t>(inputs_.size());
  const Value value = add(std::move(node));
  inputs_.push_back(value.id);
  return value;
}

Value Graph::parameter(ParameterId id) {
  const ParameterInfo& info = parameters_->info(id);
  Node node;
  node.op = Op::kParameter;
  node.shape = {info.rows, info.columns};
  node.integer = id.index;
  return add(std::move(node));
}

Value Graph::constant(double value) { return filled(*this, {1, 1}, value); }

Value Graph::constant(Shape shape, std::vector<double> values) {
  if (shape.features < 1 || shape.items < 1 ||
      static_cast<std::int64_t>(values.size()) != shape.size())
    shape_fail(*this, "constant: expected {} x {} values, got {}", shape.features, shape.items,
               values.size());
  if (std::all_of(values.begin(), values.end(),
                  [&](double value) { return value == values.front(); }) &&
      !std::signbit(values.front()))
    return filled(*this, shape, values.front());
  Node node;
  node.op = Op::kConstant;
  node.shape = shape;
  node.data = std::make_shared<const std::vector<double>>(std::move(values));
  return add(std::move(node));
}

Value Graph::count(Domain domain) {
  Node node;
  node.op = Op::kCount;
  node.integer = domain;
  return add(std::move(node));
}

Value Graph::uniform(Shape shape, Domain domain) {
  Node node;
  node.op = Op::kUniform;
  node.shape = shape;
  node.domain = domain;
  node.integer = streams_++;
  return add(std::move(node));
}

Value Graph::normal(Shape shape, Domain domain) {
  Node node;
  node.op = Op::kNormal;
  node.shape = shape;
  node.domain = domain;
  node.integer = streams_++;
  return add(std::move(node));
}

void Graph::update_buffer(ParameterId buffer, Value value) {
  const ParameterInfo& info = parameters_->info(buffer);
  if (value.batched() || value.shape() != Shape{info.rows, info.columns})
    shape_fail(*this, "buffer '{}': expected a shared value of {} x {}, got {}", info.name,
               info.rows, info.columns, describe(value.node()));
  updates_.push_back({buffer, value});
}

Value unary(Unary function, Value a, double parameter) {
  Graph& graph = graph_of(a, "elementwise function");
  const Node& input = a.node();
  if (function == Unary::kNegate && input.op == Op::kUnary && input.unary == Unary::kNegate)
    return {&graph, input.inputs[0]};
  if (function == Unary::kNegate)
    if (const double* value = uniform_constant(a)) return filled(graph, a.shape(), -*value);
  Node node = derived(Op::kUnary, a);
  node.unary = function;
  node.number = parameter;
  return graph.add(std::move(node));
}

namespace {

/// The sum of two values padded to neighbouring places is their concatenation, padded: no zeros to
/// fill and add.
std::optional<Value> sum_of_pads(Value a, Value b) {
  const Node& first = a.node();
  const Node& second = b.node();
  if (first.op != Op::kPad || second.op != Op::kPad || first.axis != second.axis ||
      first.shape != second.shape)
    return std::nullopt;
  const Value left{a.graph, first.inputs[0]};
  const Value right{a.graph, second.inputs[0]};
  Shape left_shape = left.shape();
  Shape right_shape = right.shape();
  Shape whole = first.shape;
  const Axis axis = first.axis;
  if (first.integer + extent(left_shape, axis) == second.integer)
    return pad(concat({left, right}, axis), first.integer, extent(whole, axis), axis);
  if (second.integer + extent(right_shape, axis) == first.integer)
    return pad(concat({right, left}, axis), second.integer, extent(whole, axis), axis);
  return std::nullopt;
}

}  // namespace

Value binary(Binary function, Value a, Value b) {
  const char* name = name_of(function);
  Node node;
  node.domain = common_domain(name, {a, b});
  node.shape = broadcast_shape(name, a, b);
  const bool keeps_a = a.shape() == node.shape && a.domain() == node.domain;
  const bool keeps_b = b.shape() == node.shape && b.domain() == node.domain;
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
      break;
    default:
      break;
  }
  if (function <= Binary::kDivide && uniform_constant(a) && uniform_constant(b))
    return filled(*a.graph, node.shape, fold(function, *uniform_constant(a), *uniform_constant(b)));
  if (function == Binary::kAdd)
    if (const auto joined = sum_of_pads(a, b)) return *joined;
  const bool commutes = function == Binary::kAdd || function == Binary::kMultiply;
  if (commutes && b.id < a.id) std::swap(a, b);
  node.op = Op::kBinary;
  node.binary = function;
  node.inputs = {a.id, b.id};
  return a.graph->add(std::move(node));
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
Value floor(Value a) { return unary(Unary::kFloor, a); }
Value power(Value a, double exponent) { return unary(Unary::kPower, a, exponent); }
Value is_finite(Value a) { return unary(Unary::kIsFinite, a); }
Value maximum(Value a, Value b) { return binary(Binary::kMax, a, b); }
Value minimum(Value a, Value b) { return binary(Binary::kMin, a, b); }
Value less(Value a, Value b) { return binary(Binary::kLess, a, b); }
Value less_equal(Value a, Value b) { return binary(Binary::kLessEqual, a, b); }
Value equal(Value a, Value b) { return binary(Binary::kEqual, a, b); }

Value clamp(Value a, double low, double high) {
  return minimum(maximum(a, a.graph->constant(low)), a.graph->constant(high));
}

Value select(Value condition, Value a, Value b) {
  Node node;
  node.op = Op::kSelect;
  node.domain = common_domain("select", {condition, a, b});
  const Graph& graph = *a.graph;
  const Shape shape = broadcast_shape("select", a, b);
  const Node& flag = condition.node();
  node.shape = {
      broadcast_extent(graph, "select", a.node(), flag, shape.features, flag.shape.features),
      broadcast_extent(graph, "select", a.node(), flag, shape.items, flag.shape.items)};
  node.inputs = {condition.id, a.id, b.id};
  return a.graph->add(std::move(node));
}

Value sum(Value a, Axis axis) {
  Graph& graph = graph_of(a, "sum");
  Node node = derived(Op::kSum, a);
  if (extent(node.shape, axis) == 1) return a;
  extent(node.shape, axis) = 1;
  node.axis = axis;
  return graph.add(std::move(node));
}

Value sum(Value a) { return sum(sum(a, Axis::kFeatures), Axis::kItems); }

Value max(Value a, Axis axis) {
  Graph& graph = graph_of(a, "max");
  Node node = derived(Op::kMax, a);
  if (extent(node.shape, axis) == 1) return a;
  extent(node.shape, axis) = 1;
  node.axis = axis;
  return graph.add(std::move(node));
}

Value log_sum_exp(Value a, Axis axis) {
  // An infinite maximum (all elements -inf, or one +inf) must not give inf - inf.
  const Value highest = max(a, axis);
  const Value shift = stop_gradient(select(is_finite(highest), highest, a.graph->constant(0.0)));
  return shift + log(sum(exp(a - shift), axis));
}

Value log_softmax(Value a, Axis axis) { return a - log_sum_exp(a, axis); }

Value softmax(Value a, Axis axis) {
  const Value weights = exp(a - stop_gradient(max(a, axis)));
  return weights * reciprocal(sum(weights, axis));
}

Value cumulative_sum(Value a, bool reverse, bool exclusive) {
  Graph& graph = graph_of(a, "cumulative_sum");
  Node node = derived(Op::kCumulativeSum, a);
  node.flag = reverse;
  node.second_flag = exclusive;
  return graph.add(std::move(node));
}

Value batch_sum(Value a, Domain domain) {
  Graph& graph = graph_of(a, "batch_sum");
  if (!a.batched()) return a * graph.count(domain);
  if (a.domain() != domain)
    shape_fail(graph, "batch_sum: expected a value of domain {}, got one of domain {}", domain,
               a.domain());
  // One negation of the sum instead of one of every sample.
  if (a.node().op == Op::kUnary && a.node().unary == Unary::kNegate)
    return -batch_sum({&graph, a.node().inputs[0]}, domain);
  Node node = derived(Op::kBatchSum, a);
  node.domain = kShared;
  return graph.add(std::move(node));
}

Value batch_mean(Value a, Domain domain) { return batch_sum(a, domain) / a.graph->count(domain); }

Value broadcast(Value a, Shape shape) {
  Graph& graph = graph_of(a, "broadcast");
  if (a.shape() == shape) return a;
  if ((a.features() != 1 && a.features() != shape.features) ||
      (a.items() != 1 && a.items() != shape.items))
    shape_fail(graph, "broadcast: cannot bring {} to {} x {}", describe(a.node()), shape.features,
               shape.items);
  if (const double* value = uniform_constant(a)) return filled(graph, shape, *value);
  Node node = derived(Op::kBroadcast, a);
  node.shape = shape;
  return graph.add(std::move(node));
}

Value reshape(Value a, Shape shape) {
  Graph& graph = graph_of(a, "reshape");
  if (a.shape() == shape) return a;
  if (a.shape().size() != shape.size() || shape.features < 1)
    shape_fail(graph, "reshape: cannot bring {} to {} x {}", describe(a.node()), shape.features,
               shape.items);
  Node node = derived(Op::kReshape, a);
  node.shape = shape;
  return graph.add(std::move(node));
}

Value transpose(Value a) {
  Graph& graph = graph_of(a, "transpose");
  if (a.features() == 1 || a.items() == 1) return reshape(a, {a.items(), a.features()});
  if (a.node().op == Op::kTranspose) return {&graph, a.node().inputs[0]};
  Node node = derived(Op::kTranspose, a);
  std::swap(node.shape.features, node.shape.items);
  return graph.add(std::move(node));
}

Value slice(Value a, std::int64_t start, std::int64_t count, Axis axis) {
  Graph& graph = graph_of(a, "slice");
  Node node = derived(Op::kSlice, a);
  std::int64_t& size = extent(node.shape, axis);
  if (start < 0 || count < 1 || start + count > size)
    shape_fail(graph, "slice: cannot take {} from {} of {}", count, start, describe(a.node()));
  if (count == size) return a;
  size = count;
  node.axis = axis;
  node.integer = start;
  return graph.add(std::move(node));
}

Value pad(Value a, std::int64_t start, std::int64_t size, Axis axis) {
  Graph& graph = graph_of(a, "pad");
  Node node = derived(Op::kPad, a);
  std::int64_t& count = extent(node.shape, axis);
  if (start < 0 || start + count > size)
    shape_fail(graph, "pad: cannot place {} at {} of {}", describe(a.node()), start, size);
  if (count == size) return a;
  count = size;
  node.axis = axis;
  node.integer = start;
  return graph.add(std::move(node));
}

Value concat(const std::vector<Value>& parts, Axis axis) {
  if (parts.empty()) fail<ShapeError>("concat: expected at least one part, got none");
  Graph& graph = graph_of(parts.front(), "concat");
  if (parts.size() == 1) return parts.front();
  const Axis other = axis == Axis::kFeatures ? Axis::kItems : Axis::kFeatures;
  Node node = derived(Op::kConcat, parts.front());
  node.inputs.clear();
  node.axis = axis;
  std::int64_t total = 0;
  for (const Value& part : parts) {
    Shape shape = part.shape();
    if (extent(shape, other) != extent(node.shape, other))
      shape_fail(graph, "concat: parts {} and {} do not fit", describe(parts.front().node()),
                 describe(part.node()));
    if (node.domain == kShared) node.domain = part.domain();
    if (part.batched() && part.domain() != node.domain)
      shape_fail(graph, "concat: parts belong to batch domains {} and {}", part.domain(),
                 node.domain);
    total += extent(shape, axis);
    node.inputs.push_back(part.id);
  }
  extent(node.shape, axis) = total;
  return graph.add(std::move(node));
}

Value take(Value a, std::vector<std::int32_t> indices, Axis axis) {
  Graph& graph = graph_of(a, "take");
  Node node = derived(Op::kTake, a);
  std::int64_t& size = extent(node.shape, axis);
  bool identity = static_cast<std::int64_t>(indices.size()) == size;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= size)
      shape_fail(graph, "take: index {} is outside of {}", indices[i], describe(a.node()));
    identity = identity && indices[i] == static_cast<std::int32_t>(i);
  }
  if (indices.empty()) shape_fail(graph, "take: expected at least one index, got none");
  if (identity) return a;
  size = static_cast<std::int64_t>(indices.size());
  node.axis = axis;
  node.indices = std::make_shared<const std::vector<std::int32_t>>(std::move(indices));
  return graph.add(std::move(node));
}

Value dense(Value weights, Value x, Value bias, bool transposed) {
  Graph& graph = graph_of(x, "dense");
  if (weights.batched() || (bias.valid() && bias.batched()))
    shape_fail(graph, "dense: weights and bias must be shared, got batched ones");
  const std::int64_t inputs = transposed ? weights.features() : weights.items();
  const std::int64_t outputs = transposed ? weights.items() : weights.features();
  if (x.features() != inputs)
    shape_fail(graph, "dense: weights for {} inputs, got {}", inputs, describe(x.node()));
  if (bias.valid() && bias.shape() != Shape{outputs, 1})
    shape_fail(graph, "dense: expected a bias of {} x 1, got {}", outputs, describe(bias.node()));
  if (!x.batched()) {
    const Value product = matmul(weights, x, transposed, false);
    return bias.valid() ? product + bias : product;
  }
  Node node = derived(Op::kDense, x);
  node.shape.features = outputs;
  node.inputs = {weights.id, x.id};
  if (bias.valid()) node.inputs.push_back(bias.id);
  node.flag = transposed;
  return graph.add(std::move(node));
}

Value outer_sum(Value a, Value b, Domain domain) {
  Graph& graph = graph_of(a, "outer_sum");
  const Domain found = common_domain("outer_sum", {a, b});
  if (a.items() != b.items())
    shape_fail(graph, "outer_sum: items of {} and {} differ", describe(a.node()),
               describe(b.node()));
  if (found != kShared && found != domain)
    shape_fail(graph, "outer_sum: expected values of domain {}, got domain {}", domain, found);
  if (!a.batched()) return matmul(a, batch_sum(b, domain), false, true);
  if (!b.batched()) return matmul(batch_sum(a, domain), b, false, true);
  Node node;
  node.op = Op::kOuterSum;
  node.shape = {a.features(), b.features()};
  node.inputs = {a.id, b.id};
  return graph.add(std::move(node));
}

Value matmul(Value a, Value b, bool transpose_a, bool transpose_b) {
  Graph& graph = graph_of(a, "matmul");
  if (a.batched() || b.batched())
    shape_fail(graph, "matmul: operands must be shared: use dense for batched ones");
  const std::int64_t depth = transpose_a ? a.features() : a.items();
  if (depth != (transpose_b ? b.items() : b.features()))
    shape_fail(graph, "matmul: {}{} and {}{} do not fit", describe(a.node()),
               transpose_a ? " transposed" : "", describe(b.node()),
               transpose_b ? " transposed" : "");
  Node node;
  node.op = Op::kMatMul;
  node.shape = {transpose_a ? a.items() : a.features(), transpose_b ? b.features() : b.items()};
  node.inputs = {a.id, b.id};
  node.flag = transpose_a;
  node.second_flag = transpose_b;
  return graph.add(std::move(node));
}

Value inverse(Value a) {
  Graph& graph = graph_of(a, "inverse");
  if (a.batched() || a.features() != a.items())
    shape_fail(graph, "inverse: expected a shared square matrix, got {}", describe(a.node()));
  return graph.add(derived(Op::kInverse, a));
}

Value stop_gradient(Value a) {
  Graph& graph = graph_of(a, "stop_gradient");
  if (a.node().op == Op::kStopGradient || a.node().op == Op::kConstant) return a;
  return graph.add(derived(Op::kStopGradient, a));
}

Value call(std::shared_ptr<const OutsideFunction> function, Value x) {
  Graph& graph = graph_of(x, "call");
  if (!function || !x.batched() || x.items() != 1)
    shape_fail(graph, "call: expected a function and a batched vector, got {}{}",
               function ? "" : "no function and ", describe(x.node()));
  Node node = derived(Op::kCall, x);
  node.shape = {1 + x.features(), 1};
  node.function = std::move(function);
  Node value = derived(Op::kCallValue, graph.add(std::move(node)));
  value.shape = {1, 1};
  value.inputs.push_back(x.id);
  return graph.add(std::move(value));
}

Value sum_to(Value a, Value like, Domain domain) {
  const Shape shape = like.shape();
  if (a.features() != 1 && shape.features == 1) a = sum(a, Axis::kFeatures);
  if (a.items() != 1 && shape.items == 1) a = sum(a, Axis::kItems);
  if (!like.batched() && domain != kShared) a = batch_sum(a, domain);
  return broadcast(a, shape);
}

}  // namespace thalweg
