// The graph: mathematics of one sample, written once, as nodes in single-assignment form.
//
// A value has `features x items` elements. It is either batched, one value a sample of a batch
// domain, or shared, one value for all samples (parameters and what is computed from them alone).
// Operations infer which: any batched operand makes the result batched, except batch_sum and
// outer_sum, whose results are shared. Operands of one operation must belong to one domain. Extents
// of 1 are broadcast by elementwise operations. Equal nodes are merged when they are made, and
// shapes are checked there: ShapeError names the scope, the operation and the shapes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "thalweg/engine/primitives.h"

namespace thalweg {

/// Elements of a value: a vector is features x 1, a particle system features x particles, a shared
/// matrix rows x columns.
struct Shape {
  std::int64_t features = 1, items = 1;
  std::int64_t size() const { return features * items; }
  std::int64_t& extent(Axis axis) { return axis == Axis::kFeatures ? features : items; }
  std::int64_t extent(Axis axis) const { return axis == Axis::kFeatures ? features : items; }
  bool operator==(const Shape&) const = default;
};

using NodeId = std::int32_t;

/// One node. Reading the attributes of a primitive that it is not throws std::bad_variant_access.
struct Node {
  Primitive primitive;
  Shape shape;
  Domain domain = kShared;
  std::vector<NodeId> inputs;
  bool operator==(const Node&) const = default;

  template <typename P>
  bool is() const {
    return std::holds_alternative<P>(primitive);
  }
  bool is(Unary function) const {
    const auto* found = std::get_if<primitive::UnaryFunction>(&primitive);
    return found != nullptr && found->function == function;
  }
  bool is(Binary function) const {
    const auto* found = std::get_if<primitive::BinaryFunction>(&primitive);
    return found != nullptr && found->function == function;
  }
  template <typename P>
  const P& as() const {
    return std::get<P>(primitive);
  }
};

class Graph;

/// A handle on a node of a graph. Cheap to copy; valid as long as its graph.
struct Value {
  Graph* graph = nullptr;
  NodeId id = -1;
  bool valid() const { return graph != nullptr; }
  const Node& node() const;
  Shape shape() const { return node().shape; }
  std::int64_t features() const { return node().shape.features; }
  std::int64_t items() const { return node().shape.items; }
  Domain domain() const { return node().domain; }
  bool batched() const { return node().domain != kShared; }
  bool operator==(const Value&) const = default;
};

/// A buffer that takes a new value after each training step (a moving average, say).
struct BufferUpdate {
  ParameterId buffer;
  Value value;
};

/// What a graph is built for: layers with noise or running estimates (dropout, a resampled base)
/// differ.
enum class Phase : std::uint8_t { kEvaluation, kTraining };

/// Holds the nodes. Nodes are only added, and each comes after its inputs. Not thread safe; not
/// copyable.
class Graph {
 public:
  /// `parameters` gives the shapes of parameter nodes and must outlive the graph.
  explicit Graph(const ParameterStore& parameters, Phase phase = Phase::kEvaluation)
      : parameters_(&parameters), phase_(phase) {}
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// Adds a batch domain and gives its number; domain 0 is the usual one, of the data. A layer that
  /// draws samples of its own states with `default_count` how many it wants in a step (0: no wish).
  Domain add_domain(std::int64_t default_count = 0);
  Domain domains() const { return static_cast<Domain>(default_counts_.size()); }
  std::int64_t default_count(Domain domain) const {
    return default_counts_[static_cast<std::size_t>(domain)];
  }

  /// A batched value that is handed over at run time; slots number the inputs in order of creation.
  Value input(Shape shape, Domain domain = 0);
  /// A parameter or buffer of the store, shared.
  Value parameter(ParameterId id);
  Value constant(double value);
  /// A shared matrix of constants, row-major.
  Value constant(Shape shape, std::vector<double> values);
  /// The number of samples in a domain, shared 1 x 1.
  Value count(Domain domain = 0);
  /// Fresh random numbers for every sample, counter-based; each call has a stream of its own.
  Value uniform(Shape shape, Domain domain = 0);
  Value normal(Shape shape, Domain domain = 0);

  /// Registers that `buffer` takes `value` (shared, same shape) after a training step.
  void update_buffer(ParameterId buffer, Value value);
  const std::vector<BufferUpdate>& buffer_updates() const { return updates_; }

  const Node& node(NodeId id) const { return nodes_[static_cast<std::size_t>(id)]; }
  NodeId size() const { return static_cast<NodeId>(nodes_.size()); }
  const ParameterStore& parameters() const { return *parameters_; }
  Phase phase() const { return phase_; }
  /// Number of input slots, and the node of each.
  const std::vector<NodeId>& inputs() const { return inputs_; }

  /// Adds a node, or finds the equal one. For the functions below; layers do not need it.
  Value add(Node node);

  /// Names used in error messages, as "flow / coupling 3".
  std::string scope() const;

 private:
  friend class ScopeName;
  const ParameterStore* parameters_;
  Phase phase_;
  std::vector<Node> nodes_;
  std::unordered_multimap<std::uint64_t, NodeId> table_;
  std::vector<NodeId> inputs_;
  std::vector<BufferUpdate> updates_;
  std::vector<std::string> scopes_;
  std::vector<std::int64_t> default_counts_{0};
  std::int64_t streams_ = 0;
};

/// Names what is built while it lives, for error messages.
class ScopeName {
 public:
  ScopeName(Graph& graph, std::string name) : graph_(&graph) {
    graph.scopes_.push_back(std::move(name));
  }
  ~ScopeName() { graph_->scopes_.pop_back(); }
  ScopeName(const ScopeName&) = delete;
  ScopeName& operator=(const ScopeName&) = delete;

 private:
  Graph* graph_;
};

inline const Node& Value::node() const { return graph->node(id); }

// --- Elementwise. Broadcasts extents of 1.
// -----------------------------------------------------------------------------

Value operator+(Value a, Value b);
Value operator-(Value a, Value b);
Value operator*(Value a, Value b);
Value operator/(Value a, Value b);
Value operator+(Value a, double b);
Value operator-(Value a, double b);
Value operator*(Value a, double b);
Value operator/(Value a, double b);
Value operator+(double a, Value b);
Value operator-(double a, Value b);
Value operator*(double a, Value b);
Value operator/(double a, Value b);
Value operator-(Value a);

Value unary(Unary function, Value a, double parameter = 0.0);
Value binary(Binary function, Value a, Value b);

Value abs(Value a);
Value square(Value a);
Value sqrt(Value a);
Value reciprocal(Value a);
Value exp(Value a);
Value expm1(Value a);
Value log(Value a);
Value log1p(Value a);
Value tanh(Value a);
Value sigmoid(Value a);
Value softplus(Value a);     ///< log(1 + exp(a))
Value log_sigmoid(Value a);  ///< -softplus(-a)
Value relu(Value a);
Value step(Value a);  ///< 1 where a > 0, else 0; derivative 0
Value sign(Value a);
Value sin(Value a);
Value cos(Value a);
Value erf(Value a);
Value normal_cdf(Value a);       ///< of the standard normal, accurate in the lower tail
Value normal_quantile(Value a);  ///< its inverse: -inf at 0, inf at 1, NaN outside
Value floor(Value a);
Value power(Value a, double exponent);  ///< a > 0
Value is_finite(Value a);
Value maximum(Value a, Value b);
Value minimum(Value a, Value b);
Value less(Value a, Value b);        ///< 1 where a < b, else 0; derivative 0
Value less_equal(Value a, Value b);  ///< 1 where a <= b, else 0; derivative 0
Value equal(Value a, Value b);
/// The angle in [-pi, pi] whose sine and cosine are as y and x, times one length above 0. Its
/// derivatives are not finite where both are 0.
Value atan2(Value y, Value x);
Value select(Value condition, Value a, Value b);  ///< condition != 0 ? a : b, elementwise
/// Limits a to [low, high]; the derivative is 0 outside.
Value clamp(Value a, double low, double high);

// --- Reductions and arrangement
// ------------------------------------------------------------------------------------

Value sum(Value a, Axis axis);
Value sum(Value a);  ///< over features and items
Value max(Value a, Axis axis);
Value softmax(Value a, Axis axis = Axis::kFeatures);
Value log_softmax(Value a, Axis axis = Axis::kFeatures);
Value log_sum_exp(Value a, Axis axis = Axis::kFeatures);
/// Running sum along the features; `exclusive` leaves out the element itself, `reverse` starts from
/// the end.
Value cumulative_sum(Value a, bool reverse = false, bool exclusive = false);
/// Sum over the samples of `domain`, shared. Of a shared value: that value times the number of
/// samples.
Value batch_sum(Value a, Domain domain = 0);
Value batch_mean(Value a, Domain domain = 0);

Value broadcast(Value a, Shape shape);
Value reshape(Value a, Shape shape);  ///< elements in row-major order (features, items)
Value transpose(Value a);             ///< swaps features and items
Value slice(Value a, std::int64_t start, std::int64_t count, Axis axis = Axis::kFeatures);
/// Zeros of extent `extent` along the axis, with `a` placed at `start`.
Value pad(Value a, std::int64_t start, std::int64_t extent, Axis axis = Axis::kFeatures);
Value concat(const std::vector<Value>& parts, Axis axis = Axis::kFeatures);
/// Element i of the result is element indices[i] of `a` along the axis.
Value take(Value a, std::vector<std::int32_t> indices, Axis axis = Axis::kFeatures);
/// Element j of the result, of `extent` elements along the axis, is the sum of the elements i of
/// `a` with indices[i] = j: the transpose of take, and a segment sum.
Value scatter_add(Value a, std::vector<std::int32_t> indices, std::int64_t extent,
                  Axis axis = Axis::kFeatures);

// --- Linear algebra
// -------------------------------------------------------------------------------------------------

/// weights (outputs x inputs, shared) times x (inputs x items) [+ bias (outputs x 1, shared)];
/// `transposed` uses weights^T.
Value dense(Value weights, Value x, Value bias = {}, bool transposed = false);
/// Sum over samples and items of a b^T, shared (a.features x b.features): the gradient of a dense
/// layer's weights.
Value outer_sum(Value a, Value b, Domain domain = 0);
/// Product of matrices, each transposed if asked; batched operands have a matrix a sample.
Value matmul(Value a, Value b, bool transpose_a = false, bool transpose_b = false);
/// The shared identity of size x size.
Value identity_matrix(Graph& graph, std::int64_t size);
/// Inverse of a square matrix, shared or one a sample, by elimination with pivots in double in any
/// program; a singular one gives values that are not finite.
Value inverse(Value a);
/// log|det a| of a square matrix, 1 x 1, shared or one a sample, in double as inverse(); -inf for a
/// singular one. Its derivative is that of inverse(): not finite there.
Value log_abs_determinant(Value a);

/// The value itself; its derivative is 0.
Value stop_gradient(Value a);

/// The x with function(x, parameters) = y: `found`, which was looked for by any means and is taken
/// as it is, with the derivatives of the inverse function, dx = (dy - df by the parameters) /
/// f'(x). The rule being one in x itself, derivatives of any order are right, as far as `found` is.
/// Throws ShapeError unless found, y and the function's value have one shape and batch domain.
Value root(std::shared_ptr<const MonotoneFunction> function, Value found, Value y,
           const std::vector<Value>& parameters = {});

/// The value of `function` at `x` (batched, features x 1), 1 x 1 a sample, in double in any
/// program; NaN at a point that is not finite. It has one derivative: asked for a second one, vjp
/// and jvp throw ConfigError.
Value call(std::shared_ptr<const OutsideFunction> function, Value x);

/// `a` summed to what `like` is: over broadcast extents, and over the samples of `domain` if `like`
/// is shared and the operation it entered was batched in `domain`. The transpose of broadcasting,
/// for derivative rules.
Value sum_to(Value a, Value like, Domain domain);

}  // namespace thalweg
