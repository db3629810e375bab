// Equal nodes are merged, and what makes nodes equal.
#include "thalweg/engine/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "small_graph.h"

namespace thalweg {
namespace {

using Fixture = testing::SmallGraph;
using Values = std::vector<Value>;

class Ramp : public OutsideFunction {
 public:
  void evaluate(const double* points, std::int64_t count, std::int64_t features, double* values,
                double* gradients) const override {
    for (std::int64_t i = 0; i < count; ++i) values[i] = points[i * features];
    std::fill_n(gradients, count * features, 0.0);
  }
};

TEST(Graph, MergesEqualNodes) {
  Fixture f;
  const auto ramp = std::make_shared<const Ramp>();
  const auto build = [&] {
    Graph& g = f.graph;
    const Value m = g.constant({2, 2}, {1, 2, 3, 4});
    return Values{exp(f.x) * f.y,
                  f.y * exp(f.x),
                  power(f.x, 2.5),
                  select(f.x, f.y, f.z),
                  sum(f.x, Axis::kFeatures),
                  max(f.x, Axis::kFeatures),
                  cumulative_sum(f.x, true, false),
                  batch_sum(f.x),
                  broadcast(f.x, {4, 3}),
                  reshape(f.x, {2, 2}),
                  transpose(broadcast(f.x, {4, 3})),
                  slice(f.x, 1, 2),
                  pad(f.x, 1, 7),
                  concat({f.x, f.y}),
                  take(f.x, {2, 0, 1}),
                  dense(f.square, f.x, f.bias),
                  outer_sum(f.x, f.y),
                  matmul(m, m),
                  inverse(m),
                  log_abs_determinant(m),
                  stop_gradient(f.x),
                  call(ramp, f.x),
                  g.constant(0.5),
                  m,
                  g.count(),
                  g.parameter(f.bias_id),
                  g.constant({1, 2}, {std::nan(""), 1.0})};
  };
  const Values first = build();
  const NodeId size = f.graph.size();
  EXPECT_EQ(build(), first);
  EXPECT_EQ(f.graph.size(), size);
}

/// Nodes that differ by one attribute alone, in each that a primitive has.
TEST(Graph, KeepsNodesApartThatDifferInAnyAttribute) {
  Fixture f;
  Graph& g = f.graph;
  const Domain other = g.add_domain();
  const Value square_value = broadcast(f.x, {4, 4});
  const Value m = g.constant({2, 2}, {1, 2, 3, 4});
  const std::vector<std::pair<Value, Value>> pairs = {
      {g.input({4, 1}), g.input({4, 1})},
      {f.square, g.parameter(f.store.add("another", 4, 4, 0.0))},
      {g.constant(0.0), g.constant(-0.0)},
      {g.constant({1, 2}, {0.0, 1.0}), g.constant({1, 2}, {-0.0, 1.0})},
      {g.constant({1, 2}, {1.0, 2.0}), g.constant({2, 1}, {1.0, 2.0})},
      {g.count(0), g.count(other)},
      {g.uniform({2, 1}), g.uniform({2, 1})},
      {g.normal({2, 1}), g.normal({2, 1})},
      {exp(f.x), expm1(f.x)},
      {power(f.x, 2.0), power(f.x, 3.0)},
      {less(f.x, f.y), less_equal(f.x, f.y)},
      {f.x - f.y, f.y - f.x},
      {sum(square_value, Axis::kFeatures), sum(square_value, Axis::kItems)},
      {max(square_value, Axis::kFeatures), max(square_value, Axis::kItems)},
      {cumulative_sum(f.x, false, false), cumulative_sum(f.x, true, false)},
      {cumulative_sum(f.x, false, false), cumulative_sum(f.x, false, true)},
      {slice(square_value, 1, 2), slice(square_value, 2, 2)},
      {slice(square_value, 1, 2), slice(square_value, 1, 2, Axis::kItems)},
      {pad(f.x, 1, 7), pad(f.x, 2, 7)},
      {pad(square_value, 1, 7), pad(square_value, 1, 7, Axis::kItems)},
      {concat({f.x, f.y}), concat({f.x, f.y}, Axis::kItems)},
      {take(square_value, {0, 2, 1}), take(square_value, {0, 2, 3})},
      {take(square_value, {0, 2, 1}), take(square_value, {0, 2, 1}, Axis::kItems)},
      {dense(f.square, f.x), dense(f.square, f.x, {}, true)},
      {matmul(m, m), matmul(m, m, true, false)},
      {matmul(m, m), matmul(m, m, false, true)},
      {call(std::make_shared<const Ramp>(), f.x), call(std::make_shared<const Ramp>(), f.x)},
  };
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    EXPECT_NE(pairs[i].first.id, pairs[i].second.id) << "pair " << i;
    // The hash alone would keep them apart as well.
    EXPECT_FALSE(pairs[i].first.node() == pairs[i].second.node()) << "pair " << i;
  }
}

TEST(Node, RefusesAttributesOfAnotherPrimitive) {
  Fixture f;
  const Value part = slice(f.x, 1, 2);
  EXPECT_EQ(part.node().as<primitive::Slice>().start, 1);
  EXPECT_THROW(part.node().as<primitive::Pad>(), std::bad_variant_access);
}

}  // namespace
}  // namespace thalweg
