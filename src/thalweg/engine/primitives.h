// The primitives: what a node of a graph can be, each with its own attributes. docs/engine.md has
// the table of what each does and its derivative rules.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "thalweg/engine/kernels/kernels.h"
#include "thalweg/engine/parameters.h"

namespace thalweg {

using kernels::Binary;
using kernels::Unary;

enum class Axis : std::uint8_t { kFeatures, kItems };

/// Batch domain of a node; kShared for what is the same for all samples.
using Domain = std::int32_t;
inline constexpr Domain kShared = -1;

/// A function of a sample that is computed outside of the engine, together with its gradient.
class OutsideFunction {
 public:
  virtual ~OutsideFunction() = default;
  /// Writes the value of each of `count` points, which are finite, and its `features` slopes;
  /// points and gradients are count x features, row-major. Called by several threads at once. What
  /// it throws ends the run of the program.
  virtual void evaluate(const double* points, std::int64_t count, std::int64_t features,
                        double* values, double* gradients) const = 0;
};

struct Value;

/// A function of x, strictly monotone, as a graph, whose inverse is wanted. It works element by
/// element: element i of the result depends on x through x_i alone, besides on the parameters.
class MonotoneFunction {
 public:
  virtual ~MonotoneFunction() = default;
  /// Of the shape of `x`. `parameters` are what root() was given. Called again, for derivatives of
  /// any order, it should build the same nodes.
  virtual Value operator()(Value x, const std::vector<Value>& parameters) const = 0;
};

/// A number that is compared by its bits: 0 and -0 differ, NaN equals itself.
struct ExactNumber {
  double value = 0.0;
  std::uint64_t bits() const { return std::bit_cast<std::uint64_t>(value); }
  bool operator==(const ExactNumber& other) const { return bits() == other.bits(); }
};

/// A list that nodes share without copying it, compared element by element.
template <typename T>
class SharedList {
 public:
  explicit SharedList(std::vector<T> elements)
      : elements_(std::make_shared<const std::vector<T>>(std::move(elements))) {}
  const std::vector<T>& operator*() const { return *elements_; }
  const std::vector<T>* operator->() const { return elements_.get(); }
  bool operator==(const SharedList& other) const { return *elements_ == *other.elements_; }

 private:
  std::shared_ptr<const std::vector<T>> elements_;
};

/// One structure a primitive. All that its value depends on besides operands, shape and domain is
/// an attribute, at most two of them: equal nodes are merged by comparing them all.
namespace primitive {

// Leaves.
struct Input {
  std::int64_t slot;
  bool operator==(const Input&) const = default;
};
struct Parameter {
  std::int32_t index;  ///< in ParameterStore::infos
  bool operator==(const Parameter&) const = default;
};
/// All elements are one number.
struct Fill {
  ExactNumber number;
  bool operator==(const Fill&) const = default;
};
struct Constant {
  SharedList<ExactNumber> elements;  ///< row-major
  bool operator==(const Constant&) const = default;
};
/// The number of samples of a domain.
struct Count {
  Domain of;
  bool operator==(const Count&) const = default;
};
struct Uniform {
  std::int64_t stream;
  bool operator==(const Uniform&) const = default;
};
struct Normal {
  std::int64_t stream;
  bool operator==(const Normal&) const = default;
};

// Elementwise.
struct UnaryFunction {
  Unary function;
  ExactNumber parameter;  ///< kPower: the exponent
  bool operator==(const UnaryFunction&) const = default;
};
struct BinaryFunction {
  Binary function;
  bool operator==(const BinaryFunction&) const = default;
};
struct Select {
  bool operator==(const Select&) const = default;
};

// Reductions.
struct Sum {
  Axis axis;
  bool operator==(const Sum&) const = default;
};
struct Max {
  Axis axis;
  bool operator==(const Max&) const = default;
};
struct CumulativeSum {
  bool reverse, exclusive;
  bool operator==(const CumulativeSum&) const = default;
};
struct BatchSum {
  bool operator==(const BatchSum&) const = default;
};

// Arrangement. The extents of the result are the node's shape.
struct Broadcast {
  bool operator==(const Broadcast&) const = default;
};
struct Reshape {
  bool operator==(const Reshape&) const = default;
};
struct Transpose {
  bool operator==(const Transpose&) const = default;
};
struct Slice {
  Axis axis;
  std::int64_t start;
  bool operator==(const Slice&) const = default;
};
struct Pad {
  Axis axis;
  std::int64_t start;
  bool operator==(const Pad&) const = default;
};
struct Concat {
  Axis axis;
  bool operator==(const Concat&) const = default;
};
struct Take {
  Axis axis;
  SharedList<std::int32_t> indices;
  bool operator==(const Take&) const = default;
};
/// Element i of the operand is added to element indices[i] of the result.
struct ScatterAdd {
  Axis axis;
  SharedList<std::int32_t> indices;
  bool operator==(const ScatterAdd&) const = default;
};

// Linear algebra.
struct Dense {
  bool transposed;  ///< use the transpose of the weights
  bool operator==(const Dense&) const = default;
};
struct OuterSum {
  bool operator==(const OuterSum&) const = default;
};
struct MatMul {
  bool transpose_left, transpose_right;
  bool operator==(const MatMul&) const = default;
};
struct Inverse {
  bool operator==(const Inverse&) const = default;
};
struct LogAbsDeterminant {
  bool operator==(const LogAbsDeterminant&) const = default;
};

struct StopGradient {
  bool operator==(const StopGradient&) const = default;
};
/// The first operand, with the derivatives of the inverse of a function at the second; the others
/// are the function's parameters.
struct Root {
  std::shared_ptr<const MonotoneFunction> function;
  bool operator==(const Root&) const = default;
};
/// Value and gradient of an outside function.
struct Call {
  std::shared_ptr<const OutsideFunction> function;
  bool operator==(const Call&) const = default;
};
/// The value of a call alone, which can be differentiated once.
struct CallValue {
  bool operator==(const CallValue&) const = default;
};

}  // namespace primitive

using Primitive =
    std::variant<primitive::Input, primitive::Parameter, primitive::Fill, primitive::Constant,
                 primitive::Count, primitive::Uniform, primitive::Normal, primitive::UnaryFunction,
                 primitive::BinaryFunction, primitive::Select, primitive::Sum, primitive::Max,
                 primitive::CumulativeSum, primitive::BatchSum, primitive::Broadcast,
                 primitive::Reshape, primitive::Transpose, primitive::Slice, primitive::Pad,
                 primitive::Concat, primitive::Take, primitive::ScatterAdd, primitive::Dense,
                 primitive::OuterSum, primitive::MatMul, primitive::Inverse,
                 primitive::LogAbsDeterminant, primitive::StopGradient, primitive::Root,
                 primitive::Call, primitive::CallValue>;

/// A function object of several lambdas, one for each primitive or group of them, for std::visit:
/// a primitive that none of them takes does not compile.
template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

/// Whether T is one of Choices, to say in a generic lambda which primitives it takes.
template <typename T, typename... Choices>
concept OneOf = (std::is_same_v<std::remove_cvref_t<T>, Choices> || ...);

}  // namespace thalweg
