// The numeric inverse of a monotone function: its value, and its derivatives against closed forms.
#include "thalweg/transforms/find_root.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg::testing {
namespace {

using Values = std::vector<Value>;

/// x^3 + a x with a > 0, whose root is known.
class Cubic : public MonotoneFunction {
 public:
  Value operator()(Value x, const std::vector<Value>& parameters) const override {
    return x * square(x) + parameters.at(0) * x;
  }
  /// sqrt(4 a / 3) sinh(asinh(y sqrt(27 / (4 a^3))) / 3).
  static double root(double y, double a) {
    return std::sqrt(4.0 * a / 3.0) *
           std::sinh(std::asinh(y * std::sqrt(27.0 / (4.0 * a * a * a))) / 3.0);
  }
};

struct Points {
  std::vector<double> y, a;
};
Points points(std::int64_t count) {
  RandomSequence random(5, Stream::kEvaluation);
  Points result;
  for (std::int64_t i = 0; i < count; ++i) {
    result.y.push_back(20.0 * random.uniform() - 10.0);
    result.a.push_back(0.3 + 2.0 * random.uniform());
  }
  return result;
}

constexpr std::int64_t kPoints = 37;

TEST(FindRoot, IsTheKnownRootHoweverTheIntervalIsDivided) {
  const auto [y, a] = points(kPoints);
  const ParameterStore none;
  for (const std::int64_t bins : {2, 3, 16, 100}) {
    Graph graph(none);
    const Value given = graph.input({1, 1}), factor = graph.input({1, 1});
    const Value x = find_root(std::make_shared<const Cubic>(), given, {factor},
                              graph.constant(-5.0), graph.constant(5.0), {.bins = bins});
    const auto found = run_graph(graph, {x}, {y, a}, {kPoints});
    std::vector<float> single_y(y.begin(), y.end()), single_a(a.begin(), a.end());
    const auto single = run_graph<float>(graph, {x}, {single_y, single_a}, {kPoints});
    for (std::size_t i = 0; i < y.size(); ++i) {
      EXPECT_NEAR(found[0][i], Cubic::root(y[i], a[i]), 4e-15) << bins << " bins, y = " << y[i];
      EXPECT_NEAR(static_cast<double>(single[0][i]), Cubic::root(y[i], a[i]), 2e-6);
    }
  }
}

TEST(FindRoot, StandsAtTheEndsOfItsInterval) {
  // x^3 + a x on [0, 1], at both ends; Newton's steps would leave it.
  const ParameterStore none;
  Graph graph(none);
  const Value y = graph.input({1, 1});
  const Value x = find_root(std::make_shared<const Cubic>(), y, {graph.constant(0.5)},
                            graph.constant(0.0), graph.constant(1.0));
  const auto found = run_graph(graph, {x}, {{0.0, 1e-300, 1.5, 1.5 - 1e-15}}, {4});
  EXPECT_EQ(found[0][0], 0.0);
  EXPECT_NEAR(found[0][1], 0.0, 1e-16);
  EXPECT_EQ(found[0][2], 1.0);
  EXPECT_NEAR(found[0][3], 1.0, 1e-15);
}

// With x' = 1 / f', x'' = -f'' / f'^3 and x''' = (3 f''^2 - f' f''') / f'^5.
TEST(FindRoot, HasTheFirstThreeDerivativesOfTheInverse) {
  const auto [y, a] = points(kPoints);
  const ParameterStore none;
  for (const bool forward : {false, true}) {
    Graph graph(none);
    const Value given = graph.input({1, 1}), factor = graph.input({1, 1});
    const Value one = broadcast(graph.constant(1.0), {1, 1});
    const auto slope = [&](Value of, Value by) {
      return forward ? jvp({of}, {by}, {one})[0] : vjp({of}, {}, {by})[0];
    };
    const Value x = find_root(std::make_shared<const Cubic>(), given, {factor},
                              graph.constant(-5.0), graph.constant(5.0));
    const Value first = slope(x, given), second = slope(first, given);
    // And by the parameter: dx/da = -x / f', of which the derivative by y is known, too.
    const Value by_factor = slope(x, factor);
    const auto found = run_graph(graph,
                                 {first, second, slope(second, given), by_factor,
                                  slope(by_factor, given), slope(first, factor)},
                                 {y, a}, {kPoints});
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double at = Cubic::root(y[i], a[i]), f1 = 3.0 * at * at + a[i], f2 = 6.0 * at;
      const double relative = 1e-12;
      EXPECT_NEAR(found[0][i], 1.0 / f1, relative / f1);
      EXPECT_NEAR(found[1][i], -f2 / std::pow(f1, 3), relative * (1.0 + 1.0 / std::pow(f1, 3)));
      EXPECT_NEAR(found[2][i], (3.0 * f2 * f2 - f1 * 6.0) / std::pow(f1, 5),
                  relative * (1.0 + 1.0 / std::pow(f1, 5)) * 10.0);
      EXPECT_NEAR(found[3][i], -at / f1, relative);
      const double mixed = -1.0 / (f1 * f1) + at * f2 / std::pow(f1, 3);
      EXPECT_NEAR(found[4][i], mixed, relative * (1.0 + 1.0 / std::pow(f1, 3)));
      EXPECT_NEAR(found[5][i], mixed, relative * (1.0 + 1.0 / std::pow(f1, 3)));
    }
  }
}

TEST(FindRoot, TakesAParameterThatAllSamplesShare) {
  // d/da of a sum over samples of x(y; a), which is minus the sum of x / f'.
  const auto [y, unused] = points(kPoints);
  ParameterStore store;
  const ParameterId id = store.add("a", 1, 1, 0.7);
  Graph graph(store);
  const Value given = graph.input({1, 1}), factor = graph.parameter(id);
  const Value x = find_root(std::make_shared<const Cubic>(), given, {factor}, graph.constant(-5.0),
                            graph.constant(5.0));
  const Value slope = gradient(batch_sum(x), {factor})[0];
  const auto found = run_graph(graph, {slope, gradient(slope, {factor})[0]}, {y}, {kPoints});
  double first = 0.0, second = 0.0;
  for (const double value : y) {
    const double at = Cubic::root(value, 0.7), f1 = 3.0 * at * at + 0.7;
    first -= at / f1;
    // d/da (-x / f') = -x_a / f' + x (6 x x_a + 1) / f'^2 with x_a = -x / f'.
    const double by_a = -at / f1;
    second += -by_a / f1 + at * (6.0 * at * by_a + 1.0) / (f1 * f1);
  }
  EXPECT_NEAR(found[0][0], first, 1e-11);
  EXPECT_NEAR(found[1][0], second, 1e-10);
}

TEST(FindRoot, IsNoNumberWhereSomethingIsNone) {
  const ParameterStore none;
  Graph graph(none);
  const Value y = graph.input({1, 1}), factor = graph.input({1, 1});
  const Value x = find_root(std::make_shared<const Cubic>(), y, {factor}, graph.constant(0.0),
                            graph.constant(1.0));
  const auto found = run_graph(graph, {x}, {{NAN, 0.5, 0.5}, {0.5, NAN, 0.5}}, {3});
  EXPECT_TRUE(std::isnan(found[0][0]));
  EXPECT_TRUE(std::isnan(found[0][1]));
  EXPECT_NEAR(found[0][2], Cubic::root(0.5, 0.5), 1e-15);
}

/// x + p0 + p1.
class TwoShifts : public MonotoneFunction {
 public:
  Value operator()(Value x, const std::vector<Value>& parameters) const override {
    return x + parameters.at(0) + parameters.at(1);
  }
};

TEST(FindRoot, CountsAParameterOnceThatIsHandedOverTwice) {
  const ParameterStore none;
  Graph graph(none);
  const Value y = graph.input({1, 1}), p = graph.input({1, 1});
  const Value x = find_root(std::make_shared<const TwoShifts>(), y, {p, p}, graph.constant(-9.0),
                            graph.constant(9.0));
  const Value one = graph.constant(1.0);
  const auto found = run_graph(
      graph, {x, gradient(batch_sum(x), {p})[0], jvp({x}, {p}, {broadcast(one, p.shape())})[0]},
      {{1.0}, {0.25}}, {1});
  EXPECT_NEAR(found[0][0], 0.5, 1e-14);
  EXPECT_EQ(found[1][0], -2.0);
  EXPECT_EQ(found[2][0], -2.0);
}

TEST(FindRoot, SearchesSeveralAtOnce) {
  // Rows of items, each with its own parameter.
  const auto [y, a] = points(3 * kPoints);
  const ParameterStore none;
  for (const std::int64_t bins : {2, 5}) {
    Graph graph(none);
    const Value given = graph.input({1, 3}), factor = graph.input({1, 3});
    const Value x = find_root(std::make_shared<const Cubic>(), given, {factor},
                              graph.constant(-5.0), graph.constant(5.0), {.bins = bins});
    const auto found = run_graph(graph, {x}, {y, a}, {kPoints});
    for (std::size_t i = 0; i < y.size(); ++i)
      EXPECT_NEAR(found[0][i], Cubic::root(y[i], a[i]), 4e-15);
  }
}

TEST(FindRoot, RefusesWhatCannotBe) {
  const ParameterStore none;
  Graph graph(none);
  const Value y = graph.input({1, 2});
  const auto cubic = std::make_shared<const Cubic>();
  const Value low = graph.constant(0.0), high = graph.constant(1.0);
  EXPECT_THROW(find_root(cubic, y, {high}, low, high, {.bins = 1}), ConfigError);
  EXPECT_THROW(find_root(cubic, y, {high}, low, high, {.newton_steps = -1}), ConfigError);
  EXPECT_THROW(root(cubic, graph.input({1, 3}), y, {high}), ShapeError);
  EXPECT_THROW(root(nullptr, y, y), ShapeError);
  EXPECT_THROW(root(cubic, low, high, {graph.input({1, 1})}), ShapeError);
}

}  // namespace
}  // namespace thalweg::testing
