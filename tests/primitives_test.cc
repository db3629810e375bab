// Every primitive on values of hundreds of items: the value against a plain loop in double, jvp
// against differences of that loop, and vjp against jvp. A primitive without a row fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "primitive_coverage.h"
#include "primitive_rows_elementwise.h"
#include "primitive_rows_items.h"
#include "run_graph.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg::testing {
namespace {

std::vector<Row> all_rows() {
  std::vector<Row> rows = other_elementwise_rows();
  add_unary_rows(rows);
  add_binary_rows(rows);
  add_reduction_rows(rows);
  add_arrangement_rows(rows);
  add_linear_rows(rows);
  return rows;
}

/// Numbers of every operand: one matrix a sample, or one alone for a shared operand.
using Data = std::vector<std::vector<Matrix>>;

Data drawn(const std::vector<Operand>& operands, std::int64_t count, std::uint64_t number,
           bool direction) {
  Data data(operands.size());
  for (std::size_t o = 0; o < operands.size(); ++o) {
    RandomSequence random(number, Stream::kTarget, o);
    std::int64_t index = 0;
    for (std::int64_t s = 0; s < (operands[o].batched ? count : 1); ++s) {
      Matrix& matrix = data[o].emplace_back(operands[o].shape);
      for (double& element : matrix.elements)
        element = direction ? random.normal() : operands[o].draw(random, index++);
    }
  }
  return data;
}

std::vector<double> flat(const std::vector<Matrix>& samples) {
  std::vector<double> result;
  for (const Matrix& sample : samples)
    result.insert(result.end(), sample.elements.begin(), sample.elements.end());
  return result;
}

/// The truth at data + step * direction.
std::vector<double> truth_at(const Row& row, const Data& data, const Data& direction, double step,
                             std::int64_t count, bool batched) {
  std::vector<double> result;
  for (std::int64_t s = 0; s < (batched || row.summed ? count : 1); ++s) {
    std::vector<Matrix> operands;
    for (std::size_t o = 0; o < data.size(); ++o) {
      const std::size_t sample = row.operands[o].batched ? static_cast<std::size_t>(s) : 0;
      Matrix& moved = operands.emplace_back(data[o][sample]);
      if (row.operands[o].moves && step != 0.0)
        for (std::size_t i = 0; i < moved.elements.size(); ++i)
          moved.elements[i] += step * direction[o][sample].elements[i];
    }
    const Matrix value = row.truth(operands, {s, count});
    if (row.summed && s > 0)
      std::transform(value.elements.begin(), value.elements.end(), result.begin(), result.begin(),
                     std::plus<>());
    else
      result.insert(result.end(), value.elements.begin(), value.elements.end());
  }
  return result;
}

/// Differences of fourth order: their error is step^4 f^(5) / 30, and rounding 1e-16 / step.
std::vector<double> slope_of_truth(const Row& row, const Data& data, const Data& direction,
                                   std::int64_t count, bool batched) {
  constexpr double kStep = 3e-4;
  const auto at = [&](double step) { return truth_at(row, data, direction, step, count, batched); };
  const auto near = at(kStep), far = at(2 * kStep), below = at(-kStep), far_below = at(-2 * kStep);
  std::vector<double> result;
  for (std::size_t i = 0; i < near.size(); ++i)
    result.push_back((8 * (near[i] - below[i]) - (far[i] - far_below[i])) / (12 * kStep));
  return result;
}

/// |got - expected| against the largest of them all: sums cancel.
template <typename T>
void expect_close(const std::string& what, const std::vector<T>& got,
                  const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  double scale = 1.0;
  for (const double value : expected) scale = std::max(scale, std::abs(value));
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(static_cast<double>(got[i]), expected[i], tolerance * scale)
        << what << ", element " << i;
}

class Primitives : public ::testing::TestWithParam<Row> {};

/// Values and derivatives of one row; what the program works in is double or float.
template <typename T>
void check(const Row& row, std::int64_t count, std::int64_t lanes, double tolerance,
           double slope_tolerance) {
  const Data data = drawn(row.operands, count, 1, false);
  const Data direction = drawn(row.operands, count, 2, true);
  ParameterStore store;
  std::vector<ParameterId> ids;
  for (std::size_t o = 0; o < row.operands.size(); ++o)
    if (!row.operands[o].batched)
      ids.push_back(store.add(std::to_string(o), row.operands[o].shape.features,
                              row.operands[o].shape.items, data[o][0].elements));
  Graph graph(store);
  Values operands, directions;
  std::vector<std::vector<T>> inputs;
  const auto feed = [&](const std::vector<double>& numbers) {
    inputs.emplace_back(numbers.begin(), numbers.end());
  };
  std::size_t shared = 0;
  for (std::size_t o = 0; o < row.operands.size(); ++o) {
    const Operand& operand = row.operands[o];
    operands.push_back(operand.batched ? graph.input(operand.shape)
                                       : graph.parameter(ids[shared++]));
    if (operand.batched) feed(flat(data[o]));
    directions.push_back(operand.batched ? graph.input(operand.shape)
                                         : graph.constant(operand.shape, direction[o][0].elements));
    if (operand.batched) feed(flat(direction[o]));
  }
  const Value y = row.build(graph, operands);
  RandomSequence random(3, Stream::kTarget);
  std::vector<double> weights(
      static_cast<std::size_t>(y.shape().size() * (y.batched() ? count : 1)));
  for (double& weight : weights) weight = random.normal();
  const Value cotangent = y.batched() ? graph.input(y.shape()) : graph.constant(y.shape(), weights);
  if (y.batched()) feed(weights);

  Values outputs = {y, jvp({y}, operands, directions)[0]};
  const Values gradients = vjp({y}, {cotangent}, operands);
  outputs.insert(outputs.end(), gradients.begin(), gradients.end());
  const auto results = run_graph<T>(graph, outputs, inputs, {count}, 1, lanes);

  // A derivative that came out shared is the same for each sample.
  const auto for_samples = [&](const std::vector<T>& values, std::size_t size) {
    std::vector<T> result;
    while (result.size() < size) result.insert(result.end(), values.begin(), values.end());
    return result;
  };
  const auto expected = truth_at(row, data, direction, 0.0, count, y.batched());
  const auto slope = slope_of_truth(row, data, direction, count, y.batched());
  expect_close("value", results[0], expected, tolerance);
  expect_close("jvp", for_samples(results[1], slope.size()), slope, slope_tolerance);

  // cotangent . (J v) = (cotangent J) . v; an element that is wrong by itself stands out, since the
  // tolerance is far below what one of the 30 000 terms adds.
  double forward = 0.0, backward = 0.0, scale = 1.0;
  for (std::size_t i = 0; i < slope.size(); ++i) {
    forward += weights[i] * slope[i];
    scale += std::abs(weights[i] * slope[i]);
  }
  for (std::size_t o = 0; o < operands.size(); ++o) {
    const std::vector<double> along = flat(direction[o]);
    const std::vector<T> gradient = for_samples(results[2 + o], along.size());
    for (std::size_t i = 0; i < along.size(); ++i)
      backward += static_cast<double>(gradient[i]) * along[i];
  }
  EXPECT_NEAR(backward, forward, slope_tolerance * scale) << "vjp";
}

TEST_P(Primitives, OfHundredsOfItemsFollowThePlainLoop) {
  // Tiles of 16 lanes: one with 1 sample; two and one with 5 samples. Of 64: one and one with 36.
  for (const auto& [count, lanes] : {std::pair{1, 16}, {37, 16}, {100, 64}}) {
    SCOPED_TRACE(std::to_string(count) + " samples");
    check<double>(GetParam(), count, lanes, 1e-12, 1e-9);
  }
  check<float>(GetParam(), 37, 64, 2e-5, 2e-5);
}

INSTANTIATE_TEST_SUITE_P(Table, Primitives, ::testing::ValuesIn(all_rows()),
                         [](const auto& row) { return row.param.name; });

TEST(PrimitiveTable, HasEveryPrimitive) {
  PrimitiveCoverage coverage;
  for (const Row& row : all_rows()) {
    ParameterStore store;
    for (std::size_t o = 0; o < row.operands.size(); ++o)
      store.add(std::to_string(o), row.operands[o].shape.features, row.operands[o].shape.items,
                1.0);
    Graph graph(store);
    Values operands;
    for (std::size_t o = 0; o < row.operands.size(); ++o)
      operands.push_back(row.operands[o].batched
                             ? graph.input(row.operands[o].shape)
                             : graph.parameter(ParameterId{static_cast<std::int32_t>(o)}));
    row.build(graph, operands);
    coverage.add(graph);
  }
  EXPECT_EQ(coverage.missing(), std::set<std::string>{});
}

TEST(PrimitiveCoverage, ListsWhatNoGraphHad) {
  PrimitiveCoverage coverage;
  const std::size_t all = coverage.missing().size();
  EXPECT_EQ(all, std::variant_size_v<Primitive> + unary_truths().size() + binary_truths().size());
  ParameterStore store;
  Graph graph(store);
  exp(graph.input({2, 1}));
  coverage.add(graph);
  EXPECT_EQ(coverage.missing().size(), all - 3);  // an input, a function of one operand, exp
  EXPECT_EQ(coverage.missing().count("thalweg::kernels::Unary::kExp"), 0U);
  EXPECT_EQ(coverage.missing().count("thalweg::kernels::Unary::kLog"), 1U);
  EXPECT_EQ(coverage.missing().count("thalweg::primitive::Dense"), 1U);
}

}  // namespace
}  // namespace thalweg::testing
