// Continuous layers: maps and log-determinants in closed form, the order of the integration, and
// what is said where its steps are too few.
#include "thalweg/transforms/continuous.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <string>
#include <tuple>
#include <unsupported/Eigen/MatrixFunctions>

#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/flows/model.h"

namespace thalweg {
namespace {

using testing::run_graph;
using Arrays = std::vector<std::vector<double>>;
using Function = std::function<Value(Value x, Value context)>;

/// A velocity that is a function of values; its context begins with the time.
class FunctionVelocity : public Network {
 public:
  FunctionVelocity(std::int64_t features, std::int64_t context, Function function)
      : Network("function", features, features, context), function_(std::move(function)) {}

 protected:
  Value build(Value x, Value context) const override { return function_(x, context); }

 private:
  Function function_;
};

Continuous layer_of(std::int64_t features, std::int64_t steps, const Function& function,
                    std::int64_t context = 0) {
  return Continuous(
      "layer",
      std::make_unique<FunctionVelocity>(features, Continuous::kTimeFeatures + context, function),
      {.steps = steps});
}

struct Result {
  std::vector<double> value, log_det, unsolved;
};

Result run(const Continuous& layer, const std::vector<double>& points, bool forward,
           const std::vector<double>& context = {}) {
  const ParameterStore none;
  Graph graph(none);
  const Value start = graph.input({layer.features(), 1});
  const Value given =
      layer.context_features() > 0 ? graph.input({layer.context_features(), 1}) : Value{};
  const Mapped mapped = forward ? layer.forward(start, given) : layer.inverse(start, given);
  const auto each = [&](Value v) { return v.batched() ? v : v + 0.0 * sum(start); };
  Arrays inputs{points};
  if (given.valid()) inputs.push_back(context);
  const Arrays results =
      run_graph(graph, {mapped.value, each(mapped.log_det), each(mapped.unsolved)}, inputs,
                {std::ssize(points) / layer.features()});
  return {results[0], results[1], results[2]};
}

std::vector<double> normals(std::int64_t count, double scale = 1.0) {
  RandomSequence random(5, Stream::kEvaluation);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = scale * random.normal();
  return values;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// The order by which errors fall from one number of steps to twice as many.
double order_of(double coarse, double fine) { return std::log2(coarse / fine); }

TEST(Continuous, LinearFieldIsTheMatrixExponentialToFifthOrder) {
  constexpr std::int64_t kFeatures = 3, kRows = 20;
  const Eigen::MatrixXd a{{0.3, -1.2, 0.4}, {0.9, -0.5, 0.7}, {-0.2, 0.6, 1.1}};
  std::vector<double> entries;
  for (int row = 0; row < 3; ++row)
    for (int column = 0; column < 3; ++column) entries.push_back(a(row, column));
  const auto field = [&](Value x, Value) {
    return matmul(x.graph->constant({kFeatures, kFeatures}, entries), x);
  };
  const std::vector<double> points = normals(kFeatures * kRows);
  for (const bool forward : {true, false}) {
    const Eigen::MatrixXd generator = forward ? a : Eigen::MatrixXd(-a);
    const Eigen::MatrixXd map = generator.exp();
    std::vector<double> expected;
    for (std::int64_t row = 0; row < kRows; ++row) {
      const Eigen::VectorXd y =
          map * Eigen::Map<const Eigen::VectorXd>(points.data() + row * kFeatures, kFeatures);
      expected.insert(expected.end(), y.begin(), y.end());
    }
    std::vector<double> errors;
    for (const std::int64_t steps : {8, 16, 32}) {
      const Result result = run(layer_of(kFeatures, steps, field), points, forward);
      errors.push_back(largest_difference(result.value, expected));
      for (const double log_det : result.log_det)
        EXPECT_NEAR(log_det, forward ? a.trace() : -a.trace(), 1e-12);
    }
    for (std::size_t i = 1; i < errors.size(); ++i)
      EXPECT_NEAR(order_of(errors[i - 1], errors[i]), 5.0, 0.4) << errors[i - 1];
    EXPECT_LT(errors.back(), 1e-6);
  }
}

TEST(Continuous, LogisticGrowthHasItsDivergence) {
  // dx/dt = x (1 - x): x(1) = x e / (1 - x + x e), with the derivative e / (1 - x + x e)^2.
  const auto field = [](Value x, Value) { return x * (1.0 - x); };
  const std::vector<double> points = {0.1, 0.35, 0.5, 0.8, 0.95};
  std::vector<double> there, log_det;
  for (const double x : points) {
    const double below = 1.0 - x + x * std::numbers::e;
    there.push_back(x * std::numbers::e / below);
    log_det.push_back(1.0 - 2.0 * std::log(below));
  }
  std::vector<double> errors;
  for (const std::int64_t steps : {2, 4, 8}) {
    const Continuous layer = layer_of(1, steps, field);
    const Result forward = run(layer, points, true);
    errors.push_back(largest_difference(forward.log_det, log_det));
    EXPECT_LT(largest_difference(forward.value, there), 1e-5);
    const Result back = run(layer, there, false);
    EXPECT_LT(largest_difference(back.value, points), 1e-4);
    for (std::size_t i = 0; i < points.size(); ++i) EXPECT_NEAR(back.log_det[i], -log_det[i], 1e-4);
  }
  for (std::size_t i = 1; i < errors.size(); ++i)
    EXPECT_NEAR(order_of(errors[i - 1], errors[i]), 5.0, 0.8) << errors[i - 1];
}

TEST(Continuous, TimeIsZeroAtTheLatentAndTheConditionFollowsIt) {
  // dx/dt = c x + t: x(1) = e^c x(0) + (e^c - 1 - c) / c^2.
  const auto field = [](Value x, Value context) {
    return slice(context, 3, 1) * x + slice(context, 0, 1);
  };
  const std::vector<double> points = {-1.0, 0.5, 2.0}, given = {0.7, -0.3, 1.1};
  const Continuous layer = layer_of(1, 24, field, 1);
  const Result forward = run(layer, points, true, given);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double c = given[i], factor = std::exp(c);
    EXPECT_NEAR(forward.value[i], factor * points[i] + (factor - 1.0 - c) / (c * c), 1e-8);
    EXPECT_NEAR(forward.log_det[i], c, 1e-12);
  }
  EXPECT_LT(largest_difference(run(layer, forward.value, false, given).value, points), 1e-8);

  const ParameterStore none;
  Graph graph(none);
  const Value x = graph.input({4, 1}), c = graph.input({1, 1});
  const Continuous told = layer_of(
      4, 1, [](Value, Value context) { return context; }, 1);
  const std::vector<double> features = run_graph(
      graph, {told.velocity(x, graph.constant(0.25), c) + 0.0 * x}, {normals(4), {9.0}}, {1})[0];
  const std::vector<double> expected = {0.25, std::sqrt(0.5), std::sqrt(0.5), 9.0};
  EXPECT_LT(largest_difference(features, expected), 1e-15);
}

TEST(Continuous, SaysWhereItsStepsAreTooFew) {
  const auto pull = [](double rate) { return [rate](Value x, Value) { return rate * sin(x); }; };
  const std::vector<double> points = {-2.0, 0.5, 1.0};
  for (const auto& [rate, steps, bad] :
       {std::tuple{-1.0, 8, false}, {-20.0, 4, true}, {-20.0, 60, false}}) {
    const Result result = run(layer_of(1, steps, pull(rate)), points, true);
    for (const double unsolved : result.unsolved) EXPECT_EQ(unsolved, bad ? 1.0 : 0.0) << steps;
  }
  const Result nan = run(layer_of(1, 8, pull(1.0)), {std::nan("")}, false);
  EXPECT_EQ(nan.unsolved[0], 1.0);
  // Where nothing is said, the truth is near: many steps agree to what the class promises.
  for (const double rate : {-1.0, -3.0, -6.0, -10.0, -15.0}) {
    const Result truth = run(layer_of(1, 100, pull(rate)), points, true);
    for (const std::int64_t steps : {4, 6, 8, 12, 16}) {
      const Result result = run(layer_of(1, steps, pull(rate)), points, true);
      for (std::size_t i = 0; i < points.size(); ++i) {
        if (result.unsolved[i] > 0.0) continue;
        EXPECT_NEAR(result.value[i], truth.value[i], 1e-3 * (1.0 + std::abs(truth.value[i])));
        EXPECT_NEAR(result.log_det[i], truth.log_det[i], 0.01) << rate << " " << steps;
      }
    }
  }
}

TEST(Continuous, OfParticlesTurnsAndPermutesWithThem) {
  constexpr std::int64_t kParticles = 4, kFeatures = 2 * kParticles;
  ModelOptions options;
  options.features = kFeatures;
  options.base.kind = "mean_free_normal";
  options.base.dimensions = 2;
  options.flow.kind = "continuous";
  options.flow.blocks = 1;
  options.flow.act_norm = false;
  options.flow.network = "equivariant";
  options.flow.network_blocks = 2;
  options.flow.hidden = {8};
  options.flow.steps = 4;
  Model model(options, 3);
  RandomSequence random(7, Stream::kInitialisation, 1000);
  for (double& value : model.parameters().flat()) value += 0.3 * random.normal();
  std::vector<double> x = normals(kFeatures, 1.5);
  for (std::size_t d = 0; d < 2; ++d) {
    double centre = 0.0;
    for (std::size_t i = 0; i < kParticles; ++i) centre += x[2 * i + d] / kParticles;
    for (std::size_t i = 0; i < kParticles; ++i) x[2 * i + d] -= centre;
  }
  // Turned by an angle, reflected in x, and with the particles in another order.
  const auto moved = [](const std::vector<double>& from) {
    constexpr std::array<std::size_t, kParticles> kOrder = {2, 0, 3, 1};
    const double c = std::cos(0.7), s = std::sin(0.7);
    std::vector<double> to;
    for (const std::size_t i : kOrder) {
      const double a = -from[2 * i], b = from[2 * i + 1];
      to.insert(to.end(), {c * a - s * b, s * a + c * b});
    }
    return to;
  };
  std::vector<double> both = x;
  const std::vector<double> other = moved(x);
  both.insert(both.end(), other.begin(), other.end());
  for (const bool forward : {true, false}) {
    Graph graph(model.parameters());
    const Value start = graph.input({kFeatures, 1});
    const Mapped mapped = forward ? model.flow().forward(start) : model.flow().inverse(start);
    const Arrays results = run_graph(graph, {mapped.value, mapped.log_det}, {both}, {2});
    const std::vector<double> first(results[0].begin(), results[0].begin() + kFeatures);
    const std::vector<double> second(results[0].begin() + kFeatures, results[0].end());
    EXPECT_GT(largest_difference(first, x), 1e-3);
    EXPECT_LT(largest_difference(moved(first), second), 1e-10);
    EXPECT_NEAR(results[1][0], results[1][1], 1e-10);
    EXPECT_GT(std::abs(results[1][0]), 1e-3);
  }
}

/// What a function throws, in words.
template <typename F>
std::string complaint(F function) {
  try {
    function();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "nothing";
}

TEST(Continuous, RefusesBadSettingsInOneLine) {
  const auto still = [](Value x, Value) { return 0.0 * x; };
  EXPECT_EQ(complaint([&] { layer_of(2, 0, still); }), "flow.steps: expected at least 1, got 0");
  EXPECT_EQ(
      complaint([&] { Continuous("layer", std::make_unique<FunctionVelocity>(2, 0, still)); }),
      "layer: expected a velocity with as many outputs as inputs and a context of at least 3 "
      "features for the time, got 2 to 2 and 0");
  EXPECT_EQ(complaint([&] { Continuous("layer", nullptr); }),
            "layer: expected a network for the velocity, got none");
}

}  // namespace
}  // namespace thalweg
