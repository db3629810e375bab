// Masked networks see what they may see, and autoregressive transforms are triangular.
#include "thalweg/transforms/autoregressive.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "contract_table.h"
#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg::testing {
namespace {

constexpr std::int64_t kFeatures = 4;

std::vector<double> points(std::int64_t count) {
  RandomSequence random(3, Stream::kEvaluation);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = random.normal();
  return values;
}

/// d outputs[row] / d x[column] of one sample; `context` has two elements.
std::vector<std::vector<double>> jacobian(Graph& graph, Value output, Value x) {
  std::vector<Value> rows;
  for (std::int64_t row = 0; row < output.features(); ++row)
    rows.push_back(vjp({slice(output, row, 1)}, {}, {x})[0] + 0.0 * x);
  return run_graph(graph, rows, {points(x.features()), points(2)}, {1});
}

TEST(MaskedMlp, OutputsSeeJustTheFeaturesBefore) {
  const std::int64_t each = 3;
  for (const std::vector<std::int64_t>& hidden :
       std::vector<std::vector<std::int64_t>>{{}, {6}, {16, 12, 17}})
    for (const std::int64_t context : {0, 2}) {
      SCOPED_TRACE(fmt::format("{} hidden layers, context {}", hidden.size(), context));
      ParameterStore parameters;
      RandomSequence random(5, Stream::kInitialisation);
      const MaskedMlp network(
          parameters, "layer", random, kFeatures, each,
          {.hidden = hidden, .activation = Activation::kTanh, .context_features = context});
      Graph graph(parameters);
      const Value x = graph.input({kFeatures, 1});
      const Value given = graph.input({2, 1});
      const Value seen = context > 0 ? given : Value{};
      const Value output = network(x, seen);
      const auto derivatives = jacobian(graph, output, x);
      for (std::int64_t row = 0; row < each * kFeatures; ++row)
        for (std::int64_t column = 0; column < kFeatures; ++column) {
          const double value =
              derivatives[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
          if (column < row % kFeatures) {
            EXPECT_GT(std::abs(value), 1e-8) << row << " by " << column;
          } else {
            EXPECT_EQ(value, 0.0) << row << " by " << column;
          }
        }
      if (context > 0) {  // All outputs see the context.
        for (const auto& row : [&] {
               std::vector<Value> rows;
               for (std::int64_t i = 0; i < output.features(); ++i)
                 rows.push_back(vjp({slice(output, i, 1)}, {}, {given})[0] + 0.0 * given);
               return run_graph(graph, rows, {points(kFeatures), points(2)}, {1});
             }())
          for (const double value : row) EXPECT_GT(std::abs(value), 1e-8);
      }
      // Feature by feature it gives the same.
      std::vector<Value> outputs{output};
      for (std::int64_t i = 0; i < kFeatures; ++i)
        outputs.push_back(network.outputs_of(graph, i, i > 0 ? slice(x, 0, i) : Value{}, seen) +
                          0.0 * sum(x));
      const auto values = run_graph(graph, outputs, {points(5 * kFeatures), points(10)}, {5});
      for (std::size_t sample = 0; sample < 5; ++sample)
        for (std::size_t i = 0; i < kFeatures; ++i)
          for (std::size_t k = 0; k < each; ++k)
            EXPECT_NEAR(values[1 + i][sample * each + k],
                        values[0][sample * each * kFeatures + k * kFeatures + i], 1e-13);
      EXPECT_THROW(network.outputs_of(graph, kFeatures, x, seen), ShapeError);
      EXPECT_THROW(network.outputs_of(graph, 1, {}, seen), ShapeError);
      EXPECT_THROW(network.outputs_of(graph, 1, x, seen), ShapeError);
    }
}

TEST(MaskedMlp, KnowsTheOwnersOfInputsAndOutputs) {
  // Features 0, 1, 2 and 3 have 2, 1, 0 and 3 inputs, and outputs in an order of their own.
  const std::vector<std::int32_t> inputs = {0, 0, 1, 3, 3, 3};
  const std::vector<std::int32_t> outputs = {3, 0, 1, 1, 2, 3, 0};
  const auto count = static_cast<std::int64_t>(inputs.size());
  for (const bool linear : {false, true})
    for (const std::int64_t context : {0, 2})
      for (const std::vector<std::int64_t>& hidden :
           std::vector<std::vector<std::int64_t>>{{}, {12, 13}}) {
        ParameterStore parameters;
        RandomSequence random(5, Stream::kInitialisation);
        const MaskedMlp network(
            parameters, "layer", random, MaskedLayout{kFeatures, inputs, outputs, linear},
            {.hidden = hidden, .activation = Activation::kTanh, .context_features = context});
        EXPECT_EQ(network.linear_weights().has_value(), linear);
        disturb(parameters);
        Graph graph(parameters);
        const Value x = graph.input({count, 1});
        const Value given = graph.input({2, 1});
        const Value seen = context > 0 ? given : Value{};
        const Value output = network(x, seen);
        const auto derivatives = jacobian(graph, output, x);
        for (std::size_t row = 0; row < outputs.size(); ++row)
          for (std::size_t column = 0; column < inputs.size(); ++column)
            EXPECT_EQ(derivatives[row][column] != 0.0, inputs[column] < outputs[row])
                << row << " by " << column;
        std::vector<Value> parts{output};
        for (std::int64_t i = 0; i < kFeatures; ++i) {
          const std::int64_t before = network.inputs_before(i);
          EXPECT_EQ(before, std::ranges::count_if(inputs, [&](auto owner) { return owner < i; }));
          parts.push_back(
              network.outputs_of(graph, i, before > 0 ? slice(x, 0, before) : Value{}, seen) +
              0.0 * sum(x));
        }
        const auto values = run_graph(graph, parts, {points(5 * count), points(10)}, {5});
        for (std::size_t sample = 0; sample < 5; ++sample)
          for (std::size_t i = 0; i < kFeatures; ++i) {
            std::size_t own = 0;
            const std::size_t each = values[1 + i].size() / 5;
            for (std::size_t row = 0; row < outputs.size(); ++row)
              if (outputs[row] == static_cast<std::int32_t>(i)) {
                EXPECT_NEAR(values[1 + i][sample * each + own++],
                            values[0][sample * outputs.size() + row], 1e-13);
              }
            EXPECT_EQ(own, each);
          }
      }
  ParameterStore parameters;
  RandomSequence random(5, Stream::kInitialisation);
  for (const MaskedLayout& bad : {MaskedLayout{2, {0, 2}, {0, 1}}, MaskedLayout{2, {1, 0}, {0, 1}},
                                  MaskedLayout{2, {0, 1}, {0, -1}}, MaskedLayout{2, {}, {0, 1}}})
    EXPECT_THROW(MaskedMlp(parameters, "bad", random, bad, {}), ConfigError);
}

TEST(Autoregressive, IsTriangularWithTheLogDeterminantOfItsDiagonal) {
  for (const AutoregressiveMap map : {AutoregressiveMap::kAffine, AutoregressiveMap::kSpline}) {
    ParameterStore parameters;
    RandomSequence random(5, Stream::kInitialisation);
    const Autoregressive transform(parameters, "layer", random, kFeatures,
                                   {.map = map, .network = {.hidden = {16, 16}}});
    disturb(parameters);
    for (const bool forward : {true, false}) {
      Graph graph(parameters);
      const Value x = graph.input({kFeatures, 1});
      graph.input({2, 1});
      const Mapped mapped = forward ? transform.forward(x) : transform.inverse(x);
      const auto derivatives = jacobian(graph, mapped.value, x);
      double log_det = 0.0;
      for (std::size_t row = 0; row < kFeatures; ++row) {
        for (std::size_t column = row + 1; column < kFeatures; ++column)
          EXPECT_EQ(derivatives[row][column], 0.0);
        EXPECT_GT(derivatives[row][row], 0.0);
        log_det += std::log(derivatives[row][row]);
      }
      const auto values =
          run_graph(graph, {mapped.log_det + 0.0 * sum(x)}, {points(kFeatures), points(2)}, {1});
      EXPECT_NEAR(values[0][0], log_det, 1e-12);
    }
  }
}

TEST(Autoregressive, StartsAsTheIdentity) {
  for (const AutoregressiveMap map : {AutoregressiveMap::kAffine, AutoregressiveMap::kSpline}) {
    ParameterStore parameters;
    RandomSequence random(5, Stream::kInitialisation);
    const Autoregressive transform(parameters, "layer", random, kFeatures, {.map = map});
    Graph graph(parameters);
    const Value x = graph.input({kFeatures, 1});
    const Mapped mapped = transform.inverse(x);
    const auto start = points(20 * kFeatures);
    const auto values =
        run_graph(graph, {mapped.value, transform.forward(x).value, mapped.log_det + 0.0 * sum(x)},
                  {start}, {20});
    for (std::size_t i = 0; i < start.size(); ++i) {
      EXPECT_NEAR(values[0][i], start[i], 1e-14);
      EXPECT_NEAR(values[1][i], start[i], 1e-14);
    }
    for (const double value : values[2]) EXPECT_NEAR(value, 0.0, 1e-13);
  }
}

TEST(Autoregressive, RefusesBadOptions) {
  ParameterStore parameters;
  RandomSequence random(5, Stream::kInitialisation);
  const auto make = [&](const AutoregressiveOptions& options) {
    Autoregressive(parameters, "layer", random, 2, options);
  };
  EXPECT_THROW(make({.map = AutoregressiveMap::kSpline, .spline = {.bins = 1}}), ConfigError);
  EXPECT_THROW(make({.map = AutoregressiveMap::kSpline, .spline = {.circular = true}}),
               ConfigError);
  EXPECT_THROW(make({.network = {.hidden = {0}}}), ConfigError);
  EXPECT_THROW(make({.network = {.dropout = 1.0}}), ConfigError);
}

}  // namespace
}  // namespace thalweg::testing
