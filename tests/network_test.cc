#include "thalweg/nn/network.h"

#include <gtest/gtest.h>

#include <cmath>

#include "run_graph.h"
#include "thalweg/core/error.h"

namespace thalweg::testing {
namespace {

constexpr std::int64_t kSamples = 10000;

TEST(Network, ActivationsFollowTheirFormulas) {
  const ParameterStore parameters;
  const std::vector<double> points = {-30.0, -2.0, -0.1, 0.0, 0.3, 2.0, 30.0};
  const auto check = [&](const char* name, auto&& expected) {
    SCOPED_TRACE(name);
    Graph graph(parameters);
    const Value y = activate(activation_by_name(name), graph.input({1, 1}));
    const auto found = run_graph(graph, {y}, {points}, {7})[0];
    for (std::size_t i = 0; i < points.size(); ++i)
      EXPECT_NEAR(found[i], expected(points[i]), 1e-14 * (1.0 + std::abs(points[i])));
  };
  check("relu", [](double x) { return x > 0 ? x : 0.0; });
  check("leaky_relu", [](double x) { return x > 0 ? x : 0.01 * x; });
  check("elu", [](double x) { return x > 0 ? x : std::expm1(x); });
  check("tanh", [](double x) { return std::tanh(x); });
  check("sigmoid", [](double x) { return 1.0 / (1.0 + std::exp(-x)); });
  check("softplus",
        [](double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); });
  check("silu", [](double x) { return x / (1.0 + std::exp(-x)); });
  check("gelu", [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); });
  EXPECT_THROW(activation_by_name("swish"), ConfigError);
}

TEST(Network, DropoutScalesWhatItKeepsInTrainingOnly) {
  const ParameterStore parameters;
  Graph training(parameters, Phase::kTraining);
  const Value dropped = dropout(training.input({4, 1}), 0.25);
  const std::vector<double> ones(4 * kSamples, 1.0);
  const auto found = run_graph(training, {dropped}, {ones}, {kSamples})[0];
  double zeros = 0.0;
  for (const double value : found) {
    if (value == 0.0)
      zeros += 1.0;
    else
      ASSERT_DOUBLE_EQ(value, 1.0 / 0.75);
  }
  // The standard error is 0.0022: five of them, by chance less than once in 10^6.
  EXPECT_NEAR(zeros / (4.0 * kSamples), 0.25, 0.011);

  Graph evaluation(parameters);
  const Value x = evaluation.input({4, 1});
  EXPECT_EQ(dropout(x, 0.25), x);
  EXPECT_THROW(dropout(x, 1.0), ConfigError);
  EXPECT_THROW(dropout(x, -0.1), ConfigError);
}

TEST(Network, StartsWithinItsRangeAndAtZeroWhereAsked) {
  ParameterStore parameters;
  RandomSequence random(1, Stream::kInitialisation);
  const Mlp network(parameters, "mlp", random, 9, 3, {.hidden = {16}, .zero_output = true});
  const ResidualNetwork residual(parameters, "residual", random, 9, 3, {.zero_output = true});
  double largest = 0.0;
  for (const double value : parameters.values(parameters.find("mlp.0.weights")))
    largest = std::max(largest, std::abs(value));
  EXPECT_LE(largest, 1.0 / 3.0);
  EXPECT_GT(largest, 0.3);
  for (const char* name : {"mlp.1.weights", "mlp.1.bias", "residual.output.weights"})
    for (const double value : parameters.values(parameters.find(name))) EXPECT_EQ(value, 0.0);
}

TEST(Network, BadOptionsAreRefused) {
  ParameterStore parameters;
  RandomSequence random(1, Stream::kInitialisation);
  EXPECT_THROW(Mlp(parameters, "a", random, 0, 1, {}), ConfigError);
  EXPECT_THROW(Mlp(parameters, "b", random, 1, 1, {.hidden = {0}}), ConfigError);
  EXPECT_THROW(Mlp(parameters, "c", random, 1, 1, {.dropout = 1.0}), ConfigError);
  EXPECT_THROW(ResidualNetwork(parameters, "d", random, 1, 1, {.hidden = 0}), ConfigError);
  EXPECT_THROW(ResidualNetwork(parameters, "e", random, 1, 1, {.blocks = -1}), ConfigError);
}

}  // namespace
}  // namespace thalweg::testing
