// Every primitive, in the variations that derivative rules and kernels tell apart, against
// libtorch: values, first derivatives, and second and third ones where there are any.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "../primitive_coverage.h"
#include "../scaled_growth.h"
#include "check.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg::oracle {
namespace {

using Values = std::vector<Value>;

/// A graph in the making, with parameters drawn from the row's range.
class Bench {
 public:
  explicit Bench(std::function<double(RandomSequence&)> draw)
      : graph_(store_), draw_(std::move(draw)) {}

  Graph& graph() { return graph_; }
  Value in(std::int64_t features, std::int64_t items = 1, Domain domain = 0) {
    return graph_.input({features, items}, domain);
  }
  Value parameter(std::int64_t rows, std::int64_t columns = 1, bool trainable = true) {
    std::vector<double> values(static_cast<std::size_t>(rows * columns));
    for (double& value : values) value = draw_(random_);
    return graph_.parameter(
        store_.add(fmt::format("p{}", store_.infos().size()), rows, columns, values, trainable));
  }

 private:
  ParameterStore store_;
  Graph graph_;
  std::function<double(RandomSequence&)> draw_;
  RandomSequence random_{3, Stream::kInitialisation};
};

using Draw = std::function<double(RandomSequence&)>;

double normal(RandomSequence& random) { return random.normal(); }
/// Clear of 0, where there are poles.
double positive(RandomSequence& random) { return 0.5 + random.uniform(); }
/// Clear of 0 and 1, where quantiles are steep.
double probability(RandomSequence& random) { return 0.15 + 0.7 * random.uniform(); }
double signed_unit(RandomSequence& random) {
  return positive(random) * (random.uniform() < 0.5 ? -1.0 : 1.0);
}
double wide(RandomSequence& random) { return 6.0 * random.normal(); }
/// Few values, so that elements tie.
double digit(RandomSequence& random) { return std::floor(3.0 * random.uniform()) - 1.0; }

struct Row {
  std::string name;
  std::function<Values(Bench&)> build;
  int order = 3;
  bool smooth = true;
  Draw draw = normal;
  double float_tolerance = 1e-4;
};

std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

/// A function of one operand on batched and shared values, with and without items.
Row unary_row(const std::string& name, Unary function, Draw draw = normal, bool smooth = true,
              double parameter = 0.0) {
  return {name,
          [=](Bench& b) {
            const Value w = b.parameter(2, 3);
            return Values{unary(function, b.in(3), parameter),
                          unary(function, b.in(2, 3), parameter), unary(function, w, parameter)};
          },
          3, smooth, std::move(draw)};
}

/// A function of two operands on the patterns of broadcasting, batched and shared.
Row binary_row(const std::string& name, Binary function, Draw draw = normal, bool smooth = true) {
  return {name,
          [=](Bench& b) {
            const auto apply = [=](Value x, Value y) { return binary(function, x, y); };
            return Values{apply(b.in(2, 3), b.in(2, 3)),
                          apply(b.in(2, 3), b.parameter(2, 1)),
                          apply(b.parameter(2, 3), b.in(1, 1)),
                          apply(b.parameter(1, 3), b.parameter(2, 1)),
                          apply(b.in(2, 1), b.in(1, 3)),
                          apply(b.parameter(1, 1), b.in(2, 3)),
                          apply(b.in(4), b.in(1)),
                          apply(b.in(4), b.parameter(4))};
          },
          3, smooth, std::move(draw)};
}

/// Every pair of extents (full or 1) and kinds (batched or shared).
void add_broadcast_rows(std::vector<Row>& rows) {
  const std::vector<Shape> shapes = {{2, 3}, {1, 3}, {2, 1}, {1, 1}};
  for (const bool a_shared : {false, true})
    for (const bool b_shared : {false, true})
      for (const Shape a : shapes)
        for (const Shape c : shapes) {
          const auto describe = [](Shape shape, bool shared) {
            return fmt::format("{}{}{}", shared ? "shared" : "batched", shape.features,
                               shape.items);
          };
          rows.push_back(
              {fmt::format("broadcast_{}_{}", describe(a, a_shared), describe(c, b_shared)),
               [=](Bench& b) {
                 const auto make = [&](Shape shape, bool shared) {
                   return shared ? b.parameter(shape.features, shape.items)
                                 : b.in(shape.features, shape.items);
                 };
                 const Value x = make(a, a_shared);
                 const Value y = make(c, b_shared);
                 return Values{x * y, x - y, x / (1.5 + square(y))};
               },
               2, false});
        }
}

std::vector<Row> elementwise_rows() {
  std::vector<Row> rows = {
      unary_row("copy", Unary::kCopy),
      unary_row("negate", Unary::kNegate),
      unary_row("abs", Unary::kAbs, signed_unit, false),
      unary_row("square", Unary::kSquare),
      unary_row("sqrt", Unary::kSqrt, positive),
      unary_row("reciprocal", Unary::kReciprocal, signed_unit, false),
      unary_row("exp", Unary::kExp),
      unary_row("expm1", Unary::kExpm1),
      unary_row("log", Unary::kLog, positive),
      unary_row("log1p", Unary::kLog1p, positive),
      unary_row("tanh", Unary::kTanh),
      unary_row("tanh_wide", Unary::kTanh, wide, false),
      unary_row("sigmoid", Unary::kSigmoid),
      unary_row("sigmoid_wide", Unary::kSigmoid, wide, false),
      unary_row("softplus", Unary::kSoftplus),
      unary_row("softplus_wide", Unary::kSoftplus, wide, false),
      unary_row("relu", Unary::kRelu, normal, false),
      unary_row("relu_at_zero", Unary::kRelu, digit, false),
      unary_row("step", Unary::kStep, normal, false),
      unary_row("sign", Unary::kSign, digit, false),
      unary_row("sin", Unary::kSin),
      unary_row("cos", Unary::kCos),
      unary_row("erf", Unary::kErf),
      unary_row("normal_cdf", Unary::kNormalCdf),
      unary_row("normal_quantile", Unary::kNormalQuantile, probability),
      unary_row("floor", Unary::kFloor, wide, false),
      unary_row("power_2_5", Unary::kPower, positive, true, 2.5),
      unary_row("power_minus_1", Unary::kPower, positive, true, -1.0),
      unary_row("is_finite", Unary::kIsFinite, normal, false),

      binary_row("add", Binary::kAdd),
      binary_row("subtract", Binary::kSubtract),
      binary_row("multiply", Binary::kMultiply),
      binary_row("divide", Binary::kDivide, positive),
      binary_row("maximum", Binary::kMax, normal, false),
      binary_row("maximum_of_ties", Binary::kMax, digit, false),
      binary_row("minimum", Binary::kMin, normal, false),
      binary_row("minimum_of_ties", Binary::kMin, digit, false),
      binary_row("less", Binary::kLess, digit, false),
      binary_row("less_equal", Binary::kLessEqual, digit, false),
      binary_row("equal", Binary::kEqual, digit, false),
      binary_row("multiply_step", Binary::kMultiplyStep, digit, false),
      binary_row("multiply_tanh_slope", Binary::kMultiplyTanhSlope),
      binary_row("multiply_sigmoid_slope", Binary::kMultiplySigmoidSlope),
      binary_row("atan2", Binary::kAtan2, positive),

      {"select_full",
       [](Bench& b) {
         return Values{select(less(b.in(2, 3), b.in(2, 3)), square(b.in(2, 3)), exp(b.in(2, 3)))};
       },
       3, false},
      {"select_broadcast",
       [](Bench& b) {
         const Value x = b.in(2, 3), w = b.parameter(2, 1), v = b.parameter(1, 3);
         return Values{select(less(b.in(1), b.in(1)), x * x, w), select(step(w), v * v, x),
                       select(step(x), w * w, v * v), select(step(v), b.in(2), b.in(1))};
       },
       3, false},
      {"select_shared",
       [](Bench& b) {
         return Values{
             select(step(b.parameter(2, 3)), square(b.parameter(2, 1)), b.parameter(1, 3))};
       },
       3, false},
      {"select_same_operand",
       [](Bench& b) {
         const Value x = b.in(3);
         return Values{select(step(x), x, exp(x))};
       },
       3, false},
      {"clamp", [](Bench& b) { return Values{clamp(square(b.in(3)), 0.1, 1.2)}; }, 3, false},
      {"log_sigmoid",
       [](Bench& b) {
         return Values{log_sigmoid(b.in(3)), log_sigmoid(b.in(3, 2))};
       }},
      {"operand_twice",
       [](Bench& b) {
         const Value x = b.in(3);
         return Values{x * x, x / (x + 3.0), x + x, x - x};
       },
       3, true, positive},
      {"scalars_of_the_host",
       [](Bench& b) {
         const Value x = b.in(3, 2);
         return Values{2.0 - x, x - 2.0, 3.0 / x, x / 3.0, 2.0 * x,
                       x * 1.0, 0.0 + x, 0.0 - x, -1.0 * x};
       },
       3, true, positive},
      {"constants",
       [](Bench& b) {
         Graph& g = b.graph();
         const Value c = g.constant({2, 3}, {1, -2, 3, 0.5, 0, 7});
         return Values{c * b.in(2, 3), b.in(2) + g.constant({1, 3}, {1, 2, 3}),
                       c * b.parameter(1, 1), c + g.constant({2, 1}, {4, 4}),
                       g.constant(2.0) * g.constant(3.0)};
       }},
      {"stop_gradient",
       [](Bench& b) {
         const Value x = b.in(3), w = b.parameter(3);
         return Values{stop_gradient(exp(x) * w) * x * w, stop_gradient(w) * w * w,
                       stop_gradient(x)};
       },
       3, false},
  };
  add_broadcast_rows(rows);
  return rows;
}

std::vector<Row> arrangement_rows() {
  return {
      {"sum_features",
       [](Bench& b) {
         return Values{square(sum(b.in(5), Axis::kFeatures)),
                       square(sum(b.in(2, 3), Axis::kFeatures)),
                       square(sum(b.parameter(2, 3), Axis::kFeatures))};
       }},
      {"sum_items",
       [](Bench& b) {
         return Values{square(sum(b.in(1, 5), Axis::kItems)), square(sum(b.in(2, 3), Axis::kItems)),
                       square(sum(b.parameter(2, 3), Axis::kItems))};
       }},
      {"sum_all",
       [](Bench& b) {
         return Values{exp(sum(b.in(2, 2))), exp(sum(b.parameter(2, 2)))};
       }},
      {"max_features",
       [](Bench& b) {
         return Values{square(max(b.in(5), Axis::kFeatures)),
                       square(max(b.in(3, 4), Axis::kFeatures)),
                       square(max(b.parameter(3, 2), Axis::kFeatures))};
       },
       3, false},
      {"max_items",
       [](Bench& b) {
         return Values{square(max(b.in(3, 4), Axis::kItems)),
                       square(max(b.parameter(3, 2), Axis::kItems))};
       },
       3, false},
      {"max_of_ties",
       [](Bench& b) {
         return Values{square(max(b.in(6), Axis::kFeatures)), square(max(b.in(2, 6), Axis::kItems)),
                       square(max(b.parameter(6, 2), Axis::kFeatures))};
       },
       3, false, digit},
      {"cumulative_sum",
       [](Bench& b) {
         return Values{square(cumulative_sum(b.in(5))), square(cumulative_sum(b.in(4, 3))),
                       square(cumulative_sum(b.parameter(4, 2)))};
       }},
      {"cumulative_sum_reverse",
       [](Bench& b) {
         return Values{square(cumulative_sum(b.in(5), true)),
                       square(cumulative_sum(b.parameter(4, 2), true))};
       }},
      {"cumulative_sum_exclusive",
       [](Bench& b) {
         return Values{square(cumulative_sum(b.in(4, 3), false, true)),
                       square(cumulative_sum(b.parameter(4), false, true)),
                       square(cumulative_sum(b.in(1), false, true))};
       }},
      {"cumulative_sum_reverse_exclusive",
       [](Bench& b) {
         return Values{square(cumulative_sum(b.in(4, 3), true, true)),
                       square(cumulative_sum(b.parameter(4), true, true))};
       }},
      {"softmax",
       [](Bench& b) {
         return Values{softmax(b.in(4)), softmax(b.in(3, 2)), softmax(b.in(2, 3), Axis::kItems),
                       softmax(b.parameter(3, 2)), softmax(b.parameter(2, 3), Axis::kItems)};
       }},
      {"softmax_wide",
       [](Bench& b) {
         return Values{softmax(b.in(4)), log_softmax(b.in(3, 2))};
       },
       3, false, wide},
      {"log_softmax",
       [](Bench& b) {
         return Values{log_softmax(b.in(4)), log_softmax(b.in(2, 3), Axis::kItems),
                       log_softmax(b.parameter(3, 2))};
       }},
      {"log_sum_exp",
       [](Bench& b) {
         return Values{log_sum_exp(b.in(4)), log_sum_exp(b.in(2, 3), Axis::kItems),
                       log_sum_exp(b.parameter(3, 2)), log_sum_exp(b.in(3) + b.parameter(3, 2))};
       }},

      {"broadcast",
       [](Bench& b) {
         return Values{square(broadcast(b.in(1), {4, 1})), square(broadcast(b.in(2), {2, 3})),
                       square(broadcast(b.in(1, 3), {2, 3})), square(broadcast(b.in(1), {2, 3})),
                       square(broadcast(b.parameter(1, 3), {2, 3}))};
       }},
      {"reshape",
       [](Bench& b) {
         return Values{exp(reshape(b.in(6), {2, 3})), exp(reshape(b.in(2, 3), {3, 2})),
                       exp(reshape(b.parameter(2, 3), {6, 1})),
                       cumulative_sum(reshape(exp(b.in(2, 6)), {4, 3}))};
       }},
      {"transpose",
       [](Bench& b) {
         return Values{exp(transpose(b.in(2, 3))), exp(transpose(b.parameter(2, 3))),
                       transpose(b.in(4)), transpose(exp(transpose(b.in(3, 2)))),
                       cumulative_sum(transpose(exp(b.in(5, 4))))};
       }},
      {"slice",
       [](Bench& b) {
         const Value x = b.in(5), y = b.in(4, 5), w = b.parameter(4, 3);
         return Values{exp(slice(x, 1, 3)),
                       exp(slice(x, 0, 2)),
                       slice(x, 4, 1),
                       exp(slice(y, 1, 2)),
                       exp(slice(y, 2, 3, Axis::kItems)),
                       slice(slice(y, 1, 2), 1, 2, Axis::kItems),
                       exp(slice(w, 1, 2)),
                       exp(slice(w, 1, 1, Axis::kItems))};
       }},
      {"pad",
       [](Bench& b) {
         return Values{exp(pad(b.in(2), 1, 5)), exp(pad(b.in(2, 2), 0, 3, Axis::kItems)),
                       exp(pad(b.in(2, 2), 2, 4)), exp(pad(b.parameter(2, 2), 1, 3)),
                       exp(pad(b.parameter(2, 2), 1, 4, Axis::kItems))};
       }},
      {"concat",
       [](Bench& b) {
         const Value x = b.in(2), w = b.parameter(3);
         return Values{exp(concat({x, b.in(1), x})), exp(concat({x, w, w})), exp(concat({w, x})),
                       exp(concat({b.in(2, 3), b.in(1, 3)})), exp(concat({w, b.parameter(1)}))};
       }},
      {"concat_items",
       [](Bench& b) {
         const Value x = b.in(2, 3), w = b.parameter(2, 2);
         return Values{exp(concat({x, b.in(2, 1), x}, Axis::kItems)),
                       exp(concat({w, x}, Axis::kItems)),
                       exp(concat({w, b.parameter(2, 1)}, Axis::kItems))};
       }},
      {"concat_of_slices",
       [](Bench& b) {
         const Value x = b.in(6);
         const Value low = slice(x, 0, 3), high = slice(x, 3, 3);
         return Values{exp(concat({high, low})), concat({low, high * tanh(low)})};
       }},
      {"take_permutation",
       [](Bench& b) {
         return Values{exp(take(b.in(4), {2, 0, 3, 1})),
                       exp(take(b.in(2, 3), {2, 0, 1}, Axis::kItems)),
                       exp(take(b.in(3, 2), {2, 0, 1})), exp(take(b.parameter(3, 2), {1, 2, 0}))};
       }},
      {"take_duplicates",
       [](Bench& b) {
         return Values{exp(take(b.in(4), {2, 2, 0, 2, 1, 1})),
                       exp(take(b.in(2, 3), {2, 0, 2, 2}, Axis::kItems)),
                       exp(take(b.parameter(3, 2), {1, 1, 1})),
                       exp(take(b.parameter(2, 3), {0, 0, 2, 1}, Axis::kItems))};
       }},
      {"scatter_add",
       [](Bench& b) {
         return Values{exp(scatter_add(b.in(2, 5), {2, 0, 2, 3, 0}, 4, Axis::kItems)),
                       exp(scatter_add(b.in(4, 2), {1, 1, 0, 1}, 2)),
                       exp(scatter_add(b.parameter(2, 3), {1, 1, 0}, 2, Axis::kItems))};
       }},
      {"messages",
       [](Bench& b) {
         const std::vector<std::int32_t> to = {0, 0, 1, 1, 2, 2}, from = {1, 2, 0, 2, 0, 1};
         const Value x = b.in(2, 3);
         const Value apart = take(x, to, Axis::kItems) - take(x, from, Axis::kItems);
         const Value message = tanh(dense(b.parameter(3, 2), apart, b.parameter(3)));
         const Value gate = sigmoid(sum(square(apart), Axis::kFeatures));
         return Values{exp(scatter_add(message * gate, to, 3, Axis::kItems)),
                       sum(message, Axis::kItems),
                       tanh(scatter_add(apart * gate, from, 3, Axis::kItems))};
       }},
      {"take_some",
       [](Bench& b) {
         return Values{exp(take(b.in(5), {3})), exp(take(b.in(5), {4, 1})),
                       exp(take(b.in(2, 4), {3, 0}, Axis::kItems)),
                       exp(take(b.parameter(5), {0, 4}))};
       }},
      {"pairwise_differences",
       [](Bench& b) {
         const Value x = b.in(2, 4);
         const Value d =
             take(x, {0, 0, 0, 1, 1, 2}, Axis::kItems) - take(x, {1, 2, 3, 2, 3, 3}, Axis::kItems);
         return Values{sum(exp(-sum(square(d), Axis::kFeatures)))};
       }},
  };
}

std::vector<Row> linear_rows() {
  return {
      {"dense", [](Bench& b) { return Values{tanh(dense(b.parameter(3, 4), b.in(4)))}; }},
      {"dense_bias",
       [](Bench& b) { return Values{tanh(dense(b.parameter(3, 4), b.in(4), b.parameter(3)))}; }},
      {"dense_items",
       [](Bench& b) { return Values{tanh(dense(b.parameter(3, 4), b.in(4, 2), b.parameter(3)))}; }},
      {"dense_transposed",
       [](Bench& b) { return Values{tanh(dense(b.parameter(4, 3), b.in(4), {}, true))}; }},
      {"dense_transposed_bias_items",
       [](Bench& b) {
         return Values{tanh(dense(b.parameter(4, 3), b.in(4, 5), b.parameter(3), true))};
       }},
      {"dense_shared_input",
       [](Bench& b) {
         return Values{tanh(dense(b.parameter(3, 4), b.parameter(4, 2), b.parameter(3))),
                       tanh(dense(b.parameter(4, 3), b.parameter(4, 2), {}, true))};
       }},
      {"dense_one_wide",
       [](Bench& b) {
         return Values{tanh(dense(b.parameter(1, 1), b.in(1), b.parameter(1))),
                       tanh(dense(b.parameter(1, 3), b.in(3))),
                       tanh(dense(b.parameter(3, 1), b.in(1)))};
       }},
      {"dense_large",
       [](Bench& b) {
         const Value w = 0.1 * b.parameter(70, 33);
         return Values{dense(0.1 * b.parameter(17, 70), tanh(dense(w, b.in(33), b.parameter(70))))};
       },
       2, false},
      {"dense_computed_weights",
       [](Bench& b) {
         const Value w = b.parameter(3, 3);
         return Values{dense(exp(w), tanh(dense(w, b.in(3), {}, true)), square(b.parameter(3)))};
       }},
      {"dense_weights_twice",
       [](Bench& b) {
         const Value w = b.parameter(3, 3);
         return Values{tanh(dense(w, tanh(dense(w, b.in(3)))))};
       }},
      {"dense_of_slice_and_pad",
       [](Bench& b) {
         const Value x = b.in(6);
         return Values{tanh(dense(b.parameter(3, 2), slice(x, 2, 2))),
                       tanh(dense(b.parameter(2, 5), pad(slice(x, 0, 3), 1, 5)))};
       }},
      {"outer_sum", [](Bench& b) { return Values{tanh(outer_sum(b.in(3), b.in(2)))}; }},
      {"outer_sum_items", [](Bench& b) { return Values{outer_sum(exp(b.in(3, 4)), b.in(2, 4))}; }},
      {"outer_sum_same",
       [](Bench& b) {
         const Value x = b.in(3, 2);
         return Values{outer_sum(x, x)};
       }},
      {"outer_sum_shared",
       [](Bench& b) {
         const Value w = b.parameter(3, 2), x = b.in(2, 2);
         return Values{outer_sum(w, x), outer_sum(x, w), outer_sum(w, b.parameter(2, 2))};
       }},
      {"outer_sum_large", [](Bench& b) { return Values{outer_sum(tanh(b.in(40)), b.in(37))}; }, 2,
       false},
      {"outer_sum_large_items",
       [](Bench& b) { return Values{outer_sum(b.in(40, 3), b.in(37, 3))}; }, 1, false},
      {"matmul",
       [](Bench& b) {
         const Value a = b.parameter(2, 3), c = b.parameter(3, 4);
         return Values{tanh(matmul(a, c))};
       }},
      {"matmul_transpose_left",
       [](Bench& b) {
         return Values{tanh(matmul(b.parameter(3, 2), b.parameter(3, 4), true, false))};
       }},
      {"matmul_transpose_right",
       [](Bench& b) {
         return Values{tanh(matmul(b.parameter(2, 3), b.parameter(4, 3), false, true))};
       }},
      {"matmul_transpose_both",
       [](Bench& b) {
         return Values{tanh(matmul(b.parameter(3, 2), b.parameter(4, 3), true, true))};
       }},
      {"matmul_same",
       [](Bench& b) {
         const Value a = b.parameter(3, 3);
         return Values{matmul(a, a), matmul(a, a, true, false), matmul(a, a, false, true)};
       }},
      {"inverse",
       [](Bench& b) {
         const Value a = 2.0 * b.graph().constant({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}) +
                         0.3 * tanh(b.parameter(3, 3));
         return Values{inverse(a), dense(inverse(a), b.in(3))};
       }},
      {"inverse_batched",
       [](Bench& b) {
         const Value a =
             2.0 * b.graph().constant({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}) + 0.3 * tanh(b.in(3, 3));
         return Values{inverse(a), matmul(inverse(a), b.in(3, 2))};
       }},
      {"log_abs_determinant",
       [](Bench& b) {
         const Value w = b.parameter(3, 3);
         const Value a =
             2.0 * b.graph().constant({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}) + 0.3 * tanh(b.in(3, 3));
         return Values{log_abs_determinant(a * (2.0 + tanh(b.in(1)))), log_abs_determinant(w),
                       log_abs_determinant(b.in(1, 1) + 5.0)};
       }},
      {"matmul_batched",
       [](Bench& b) {
         const Value x = b.in(2, 3), y = b.in(3, 4), w = b.parameter(3, 4), v = b.parameter(2, 3);
         return Values{tanh(matmul(x, y)),
                       tanh(matmul(x, w)),
                       tanh(matmul(v, y)),
                       matmul(transpose(x), y, true, false),
                       matmul(x, transpose(y), false, true),
                       matmul(transpose(x), transpose(w), true, true),
                       matmul(transpose(v), transpose(y), true, true),
                       matmul(x, x, true, false)};
       }},
      {"inverse_of_one", [](Bench& b) { return Values{inverse(b.parameter(1, 1))}; }, 3, true,
       positive},
      {"root",
       [](Bench& b) {
         const auto growth = std::make_shared<const thalweg::testing::ScaledGrowth>();
         const auto inverse_of = [&](Value y, Value a) {
           return root(growth, log1p(y * exp(-a)), y, {a});
         };
         const Value y = b.in(1, 3), a = b.in(1, 3), w = b.parameter(1, 3);
         return Values{inverse_of(y, a), inverse_of(y, w), inverse_of(exp(w), b.parameter(1, 3))};
       },
       3, true, positive},
      {"lu_layer",
       [](Bench& b) {
         const Value lower = b.graph().constant({3, 3}, {0, 0, 0, 1, 0, 0, 1, 1, 0});
         const Value identity = b.graph().constant({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1});
         const Value l = lower * b.parameter(3, 3) + identity;
         const Value u = transpose(lower) * b.parameter(3, 3) + identity * exp(b.parameter(3));
         return Values{dense(matmul(l, u), b.in(3), b.parameter(3)),
                       sum(log(abs(sum(identity * u))))};
       },
       2, false},
  };
}

/// Values that couple the samples, and samples of several domains.
std::vector<Row> batch_rows() {
  return {
      {"batch_sum",
       [](Bench& b) {
         return Values{square(batch_sum(b.in(3))), batch_sum(exp(b.in(2, 3))),
                       batch_sum(b.in(1) * b.parameter(3))};
       }},
      {"batch_sum_of_shared",
       [](Bench& b) {
         const Value w = b.parameter(2, 3);
         return Values{batch_sum(exp(w)), batch_mean(exp(w)), batch_sum(w + b.in(2))};
       }},
      {"batch_mean",
       [](Bench& b) {
         const Value x = b.in(2), w = b.parameter(2);
         return Values{log(batch_mean(exp(x))), batch_mean(exp(x * w)),
                       batch_mean(w * exp(w) + 0.0 * x)};
       }},
      {"count",
       [](Bench& b) {
         Graph& g = b.graph();
         return Values{g.count() * b.in(2), b.in(2) / g.count(), b.parameter(2) * g.count()};
       }},
      {"batch_mean_used_by_each_sample",
       [](Bench& b) {
         const Value x = b.in(1), y = b.in(3);
         return Values{y * log(batch_mean(exp(x)))};
       }},
      {"standardised_by_the_batch",
       [](Bench& b) {
         const Value x = b.in(1) * b.parameter(1);
         const Value centred = x - batch_mean(x);
         return Values{centred * reciprocal(sqrt(1.0 + batch_mean(square(centred)))) + x};
       }},
      {"two_domains",
       [](Bench& b) {
         const Domain other = b.graph().add_domain();
         const Value w = b.parameter(3);
         const Value x = b.in(3), y = b.in(3, 1, other);
         return Values{exp(x * w), exp(y * w), batch_mean(tanh(y * w), other) * x,
                       outer_sum(y, exp(y), other), b.graph().count(other) * x};
       }},
      {"random_nodes",
       [](Bench& b) {
         Graph& g = b.graph();
         const Domain other = g.add_domain();
         const Value w = b.parameter(3);
         return Values{w * g.normal({3, 1}) + b.in(3), exp(w * g.uniform({3, 2})), g.normal({3, 3}),
                       batch_mean(w * g.normal({3, 1}, other), other), g.uniform({1, 1}, other)};
       }},
      {"resampled_base_likelihood",
       [](Bench& b) {
         Graph& g = b.graph();
         const Domain fresh = g.add_domain();
         const Value w1 = b.parameter(5, 2), b1 = b.parameter(5), w2 = b.parameter(1, 5),
                     b2 = b.parameter(1);
         const Value average = exp(b.parameter(1, 1, false));
         const auto acceptance = [&](Value z) {
           return sigmoid(dense(w2, tanh(dense(w1, z, b1)), b2));
         };
         const Value estimate = batch_mean(acceptance(g.normal({2, 1}, fresh)), fresh);
         const Value z = estimate - stop_gradient(estimate) + average;
         constexpr double rest = 0.01;
         const Value x = b.in(2);
         const Value likelihood =
             log(rest + (1.0 - rest) * acceptance(x) / z) - 0.5 * sum(square(x), Axis::kFeatures);
         return Values{likelihood, batch_mean(likelihood), estimate};
       },
       2, false},
      {"free_form_loss",
       [](Bench& b) {
         const Value w = b.parameter(3, 3), v = b.parameter(3, 3), x = b.in(3);
         const Value direction = b.graph().normal({3, 1});
         const Value z = tanh(dense(w, x));
         const Value decoded = tanh(dense(v, z));
         const Value pulled = vjp({z}, {direction}, {x})[0];
         const Value pushed = jvp({decoded}, {z}, {direction})[0];
         return Values{sum(pulled * stop_gradient(pushed)), sum(square(decoded - x))};
       },
       2, false},
      {"force_matching",
       [](Bench& b) {
         const Value w = b.parameter(4, 3), v = b.parameter(1, 4), x = b.in(3), wanted = b.in(3);
         const Value energy = dense(v, softplus(dense(w, x)));
         const Value force = -gradient(energy, {x})[0];
         return Values{batch_mean(sum(square(force - wanted)))};
       },
       2, false},
      {"gradients_with_unit_cotangents",
       [](Bench& b) {
         const Value w = b.parameter(3), m = b.parameter(3, 2), x = b.in(2);
         const Value y = dense(m, x, w) + w * sum(x);
         const Values g = vjp({y}, {}, {w, m, x});
         return Values{g[0], g[1], square(g[2]), vjp({w + sum(x)}, {}, {w})[0]};
       },
       2, false},
  };
}

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  for (const auto& part : {elementwise_rows(), arrangement_rows(), linear_rows(), batch_rows()})
    rows.insert(rows.end(), part.begin(), part.end());
  return rows;
}

class Primitive : public ::testing::TestWithParam<Row> {};

TEST_P(Primitive, MatchesOracle) {
  const Row& row = GetParam();
  Bench bench(row.draw);
  const Values outputs = row.build(bench);
  CheckOptions options;
  options.batches = {1, 37, 100};
  options.draw = [&row](std::int64_t, RandomSequence& random) { return row.draw(random); };
  options.order = row.order;
  options.smooth = row.smooth;
  options.float_tolerance = row.float_tolerance;
  expect_matches_oracle(bench.graph(), outputs, options);
}

INSTANTIATE_TEST_SUITE_P(Table, Primitive, ::testing::ValuesIn(all_rows()),
                         [](const auto& row) { return row.param.name; });

TEST(PrimitiveTable, HasEveryPrimitive) {
  thalweg::testing::PrimitiveCoverage coverage;
  for (const Row& row : all_rows()) {
    Bench bench(row.draw);
    row.build(bench);
    coverage.add(bench.graph());
  }
  // libtorch cannot call a function from outside; tests/primitives_test.cc has these two.
  const std::set<std::string> unknown_to_torch = {"thalweg::primitive::Call",
                                                  "thalweg::primitive::CallValue"};
  EXPECT_EQ(coverage.missing(), unknown_to_torch);
}

}  // namespace
}  // namespace thalweg::oracle
