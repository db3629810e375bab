// What the contract of all transforms does not say: formulas, starts, limits and refusals.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "contract_table.h"
#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg::testing {
namespace {

using Arrays = std::vector<std::vector<double>>;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> normals(std::int64_t count, double scale = 1.0) {
  RandomSequence random(5, Stream::kEvaluation);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = scale * random.normal();
  return values;
}

/// Value and log-determinant, forward or inverse, of a transform without context.
Arrays apply(const Transform& transform, const ParameterStore& parameters, bool forward,
             const std::vector<double>& points) {
  Graph graph(parameters);
  const Value input = graph.input({transform.features(), 1});
  const Mapped mapped = forward ? transform.forward(input) : transform.inverse(input);
  return run_graph(graph, {mapped.value, mapped.log_det + 0.0 * sum(input)}, {points},
                   {static_cast<std::int64_t>(points.size()) / transform.features()});
}

template <typename Make>
void expect_config_error(const Make& make, const std::string& part) {
  try {
    make();
    ADD_FAILURE() << "expected a ConfigError with '" << part << "'";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("layer"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Transforms, StartAsTheIdentity) {
  ParameterStore parameters;
  RandomSequence random(1, Stream::kInitialisation);
  std::vector<std::unique_ptr<Transform>> transforms;
  transforms.push_back(std::make_unique<AffineCoupling>(parameters, "exp", random, 4));
  transforms.push_back(std::make_unique<AffineCoupling>(
      parameters, "tanh", random, 4, AffineCouplingOptions{.scale_map = ScaleMap::kTanh}));
  transforms.push_back(std::make_unique<SplineCoupling>(parameters, "spline", random, 4));
  transforms.push_back(std::make_unique<ElementwiseSpline>(parameters, "elementwise", random, 4));
  transforms.push_back(std::make_unique<LULinear>(parameters, "lu", 4));
  transforms.push_back(std::make_unique<ActNorm>(parameters, "norm", 4));
  transforms.push_back(std::make_unique<AffineConstant>(parameters, "affine", random, 4));
  const std::vector<double> points = normals(200, 2.0);
  for (const auto& transform : transforms)
    for (const bool forward : {true, false}) {
      SCOPED_TRACE(transform->name());
      const Arrays mapped = apply(*transform, parameters, forward, points);
      for (std::size_t i = 0; i < points.size(); ++i) ASSERT_NEAR(mapped[0][i], points[i], 1e-13);
      for (const double log_det : mapped[1]) ASSERT_NEAR(log_det, 0.0, 1e-13);
    }
}

TEST(Transforms, ScaleMapsFollowTheirFormulas) {
  // A network without hidden layers and weights: its bias is [t; s] = [0.3; 0.7].
  const double t = 0.3;
  const double s = 0.7;
  const double amplitude = std::exp(-1.0);
  const std::vector<std::pair<ScaleMap, std::array<double, 2>>> expected = {
      {ScaleMap::kExp, {2.0 * std::exp(s) + t, s}},
      {ScaleMap::kSigmoid,
       {(2.0 - t) * (1.0 + std::exp(-s - 2.0)), std::log1p(std::exp(-s - 2.0))}},
      {ScaleMap::kTanh, {2.0 * std::exp(amplitude * std::tanh(s)) + t, amplitude * std::tanh(s)}},
      {ScaleMap::kNone, {2.0 + t, 0.0}}};
  for (const auto& [map, values] : expected) {
    ParameterStore parameters;
    RandomSequence random(1, Stream::kInitialisation);
    const AffineCoupling coupling(
        parameters, "layer", random, 2,
        {.scale_map = map,
         .conditioner = network_factory<Mlp>({.hidden = {}, .zero_output = true})});
    const auto bias = parameters.values(parameters.find("layer.conditioner.0.bias"));
    bias[0] = t;
    if (bias.size() > 1) bias[1] = s;
    const Arrays mapped = apply(coupling, parameters, true, {-1.0, 2.0});
    EXPECT_DOUBLE_EQ(mapped[0][0], -1.0);
    EXPECT_NEAR(mapped[0][1], values[0], 1e-14);
    EXPECT_NEAR(mapped[1][0], values[1], 1e-14);
  }
  EXPECT_EQ(scale_map_by_name("sigmoid"), ScaleMap::kSigmoid);
  EXPECT_THROW(scale_map_by_name("cube"), ConfigError);
}

TEST(Transforms, ActNormStandardisesTheDataItStartsFrom) {
  ParameterStore parameters;
  const ActNorm norm(parameters, "layer", 3);
  EXPECT_TRUE(norm.wants_data());
  std::vector<double> x = normals(3000);
  for (std::size_t row = 0; row < 1000; ++row) {
    x[3 * row] = 5.0 + 0.01 * x[3 * row];
    x[3 * row + 1] = -1e4 + 300.0 * x[3 * row + 1];
    x[3 * row + 2] = 2.5;  // constant: the floor of the scale keeps it finite
  }
  norm.initialise(parameters, x);
  const Arrays z = apply(norm, parameters, false, x);
  for (std::size_t column = 0; column < 3; ++column) {
    double mean = 0.0;
    double square = 0.0;
    for (std::size_t row = 0; row < 1000; ++row) {
      mean += z[0][3 * row + column] / 1000.0;
      square += z[0][3 * row + column] * z[0][3 * row + column] / 1000.0;
    }
    EXPECT_NEAR(mean, 0.0, 1e-9);
    EXPECT_NEAR(square, column == 2 ? 0.0 : 1.0, 1e-9);
  }
  x[4] = std::nan("");
  EXPECT_THROW(norm.initialise(parameters, x), DataError);
  EXPECT_THROW(norm.initialise(parameters, {}), DataError);
  EXPECT_THROW(norm.initialise(parameters, std::span<const double>(x).first(4)), DataError);
}

TEST(Transforms, BoundedColumnsStayInsideAndExactFarOut) {
  const ParameterStore parameters;
  const BoundedColumns bounded("layer", {{.low = -1.0, .high = 2.0}, {.low = 0.1}, {.high = -0.3}});
  for (const double z : {-1e300, -800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0, 1e300}) {
    SCOPED_TRACE(z);
    const Arrays mapped = apply(bounded, parameters, true, {z, z, z});
    EXPECT_GE(mapped[0][0], -1.0);
    EXPECT_LE(mapped[0][0], 2.0);
    EXPECT_GE(mapped[0][1], 0.1);
    EXPECT_LE(mapped[0][2], -0.3);
  }
  // log(3 sigmoid(z) sigmoid(-z)) + z - z to full accuracy where x itself has rounded to the bound.
  const Arrays far = apply(bounded, parameters, true, {50.0, 1.0, 1.0});
  EXPECT_NEAR(far[1][0], std::log(3.0) - 50.0 - 2.0 * std::log1p(std::exp(-50.0)), 1e-13);
  const Arrays edge = apply(bounded, parameters, false, {2.0, 0.1, -0.3});
  EXPECT_EQ(edge[0][0], kInfinity);
  EXPECT_EQ(edge[0][1], -kInfinity);
  EXPECT_EQ(edge[0][2], kInfinity);
  const Arrays beyond = apply(bounded, parameters, false, {2.1, 0.0, 0.0});
  for (const double z : beyond[0]) EXPECT_TRUE(std::isnan(z));
}

TEST(Transforms, SplineIsMonotoneAndFiniteEverywhere) {
  ParameterStore parameters;
  RandomSequence random(1, Stream::kInitialisation);
  const ElementwiseSpline spline(parameters, "layer", random, 1,
                                 {.spline = {.bins = 5, .bound = 2.0}});
  // Strong parameters: bins at their smallest, steep and flat slopes.
  disturb(parameters, 8.0);
  std::vector<double> points;
  for (int i = -3000; i <= 3000; ++i) points.push_back(i * 1e-3);
  for (const bool forward : {false, true}) {
    SCOPED_TRACE(forward ? "forward" : "inverse");
    Graph graph(parameters);
    const Value input = graph.input({1, 1});
    const Mapped mapped = forward ? spline.forward(input) : spline.inverse(input);
    const Value gradient = vjp({mapped.value}, {}, {input}).front();
    const Value log_det_gradient = vjp({mapped.log_det}, {}, {input}).front();
    std::vector<double> all = points;
    for (const double extra : {-kInfinity, kInfinity, -1e300, 1e300, 2.0, -2.0,
                               std::nextafter(2.0, 3.0), std::nextafter(2.0, 1.0)})
      all.push_back(extra);
    const Arrays results =
        run_graph(graph, {mapped.value, mapped.log_det, gradient, log_det_gradient}, {all},
                  {static_cast<std::int64_t>(all.size())});
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (std::isfinite(all[i])) {
        ASSERT_TRUE(std::isfinite(results[0][i])) << all[i];
      }
      ASSERT_TRUE(std::isfinite(results[1][i])) << all[i];
      ASSERT_TRUE(std::isfinite(results[3][i])) << all[i];
      ASSERT_GT(results[2][i], 0.0) << all[i];
      ASSERT_NEAR(std::log(results[2][i]), results[1][i], 1e-6) << all[i];
      if (std::abs(all[i]) > 2.0) {
        ASSERT_EQ(results[0][i], all[i]);
      }
      if (i > 0 && i < points.size()) {
        ASSERT_GT(results[0][i], results[0][i - 1]) << all[i];
      }
    }
    const Arrays nan = apply(spline, parameters, forward, {std::nan("")});
    EXPECT_TRUE(std::isnan(nan[0][0]));
  }
}

TEST(Transforms, SplineRoundTripsAtStrongParameters) {
  ParameterStore parameters;
  RandomSequence random(1, Stream::kInitialisation);
  const ElementwiseSpline spline(parameters, "layer", random, 3, {.spline = {.bins = 8}});
  disturb(parameters, 6.0);
  const std::vector<double> points = normals(1500, 2.0);
  const Arrays z = apply(spline, parameters, false, points);
  const Arrays x = apply(spline, parameters, true, z[0]);
  // Slopes down to 1e-6 stretch the rounding of z by as much.
  for (std::size_t i = 0; i < points.size(); ++i) EXPECT_NEAR(x[0][i], points[i], 1e-9);
}

TEST(Transforms, LUFactorsGiveTheMatrix) {
  ParameterStore parameters;
  const LULinear linear(parameters, "layer", 2, {1, 0});
  const auto factors = parameters.values(parameters.find("layer.factors"));
  factors[0] = std::log(2.0);  // U's diagonal 2, 3; above 5; L's below 7
  factors[1] = 5.0;
  factors[2] = 7.0;
  factors[3] = std::log(3.0);
  const Arrays z = apply(linear, parameters, false, {1.0, 10.0});
  // L U = [[2, 5], [14, 38]]; then the two are swapped.
  EXPECT_NEAR(z[0][0], 394.0, 1e-11);
  EXPECT_NEAR(z[0][1], 52.0, 1e-12);
  EXPECT_NEAR(z[1][0], std::log(6.0), 1e-14);
}

TEST(Transforms, PermutationOrders) {
  EXPECT_EQ(reversed_order(3), (std::vector<std::int32_t>{2, 1, 0}));
  EXPECT_EQ(swapped_halves_order(5), (std::vector<std::int32_t>{3, 4, 0, 1, 2}));
  RandomSequence random(1, Stream::kInitialisation);
  auto order = random_order(60, random);
  EXPECT_NO_THROW(inverse_order("layer", order));
  EXPECT_NE(order, random_order(60, random));
}

TEST(Transforms, BadOptionsAreNamed) {
  ParameterStore parameters;
  RandomSequence random(1, Stream::kInitialisation);
  const auto couple = [&](std::int64_t features, const AffineCouplingOptions& options) {
    return [=, &parameters, &random]() {
      AffineCoupling(parameters, "layer", random, features, options);
    };
  };
  expect_config_error(couple(1, {}), "at least 2 features");
  expect_config_error(couple(3, {.mask = {true, false}}), "mask of 3 entries");
  expect_config_error(couple(2, {.mask = {true, true}}), "must move some and keep some");
  expect_config_error(couple(2, {.swap = true, .mask = {true, false}}), "not both");
  expect_config_error([&] { Permutation(parameters, "layer.a", {0, 0}); }, "each of 0 to 1 once");
  expect_config_error([&] { Permutation(parameters, "layer.b", {}); }, "at least 1 feature");
  expect_config_error([&] { LULinear(parameters, "layer", 3, {1, 0}); }, "order of 3");
  expect_config_error(
      [&] {
        AffineConstant(parameters, "layer", random, 2, {.scale = {1.0, 0.0}});
      },
      "positive");
  expect_config_error([&] { AffineConstant(parameters, "layer", random, 2, {.mean = {1.0}}); },
                      "2 values");
  expect_config_error([] { BoundedColumns("layer", {{.low = 1.0, .high = 1.0}}); }, "column 0");
  expect_config_error([] { BoundedColumns("layer", {{.low = -1e308, .high = 1e308}}); },
                      "too wide");
  const auto spline = [&](SplineOptions options) {
    return [=, &parameters, &random] {
      ElementwiseSpline(parameters, "layer", random, 1, {.spline = options});
    };
  };
  expect_config_error(spline({.bins = 1}), "2 spline bins");
  expect_config_error(spline({.bound = 0.0}), "spline bound");
  expect_config_error(spline({.bins = 4, .smallest = 0.25}), "smallest spline bin");
}

}  // namespace
}  // namespace thalweg::testing
