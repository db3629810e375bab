// Free-form layers: the estimator of the gradient, the three densities, and the loss.
#include "thalweg/objectives/free_form.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "run_graph.h"
#include "thalweg/bases/normal.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/flows/free_form_flow.h"
#include "thalweg/flows/model.h"
#include "thalweg/metrics/free_form_check.h"
#include "thalweg/objectives/maximum_likelihood.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/training/trainer.h"
#include "thalweg/training/validator.h"
#include "thalweg/transforms/affine_coupling.h"
#include "thalweg/transforms/free_form.h"

namespace thalweg {
namespace {

using testing::run_graph;
using Arrays = std::vector<std::vector<double>>;
using Values = std::vector<Value>;

std::vector<double> normals(std::int64_t count, std::uint64_t seed = 5, double scale = 1.0) {
  RandomSequence random(seed, Stream::kEvaluation);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = scale * random.normal();
  return values;
}

/// A network that is a function of values.
class FunctionNetwork : public Network {
 public:
  FunctionNetwork(std::int64_t inputs, std::int64_t outputs, std::function<Value(Value)> function)
      : Network("function", inputs, outputs, 0), function_(std::move(function)) {}

 protected:
  Value build(Value x, Value) const override { return function_(x); }

 private:
  std::function<Value(Value)> function_;
};

std::unique_ptr<Network> network(std::int64_t features, std::function<Value(Value)> function) {
  return std::make_unique<FunctionNetwork>(features, features, std::move(function));
}

constexpr FreeFormOptions kPlain = {.global_skip = false};

/// Couplings of 8 features, whose inverse is an encoder and whose forward map is its decoder.
struct Couplings {
  explicit Couplings(std::int64_t features = 8) {
    AffineCouplingOptions options;
    options.conditioner = network_factory<Mlp>(
        {.hidden = {6}, .activation = Activation::kTanh, .zero_output = false});
    std::vector<std::shared_ptr<const Transform>> layers;
    for (const char* name : {"first", "second"}) {
      layers.push_back(
          std::make_shared<AffineCoupling>(parameters, name, random, features, options));
      options.swap = true;
    }
    flow = std::make_shared<Flow>(std::make_shared<Normal>(parameters, "base", features), layers);
    layer = std::make_unique<FreeForm>(
        "layer", network(features, [this](Value x) { return flow->inverse(x).value; }),
        network(features, [this](Value z) { return flow->forward(z).value; }), kPlain);
  }

  Values leaves(Graph& graph) const {
    Values result;
    for (std::size_t i = 0; i < parameters.infos().size(); ++i)
      if (parameters.infos()[i].trainable)
        result.push_back(graph.parameter({static_cast<std::int32_t>(i)}));
    return result;
  }

  ParameterStore parameters;
  RandomSequence random{3, Stream::kInitialisation};
  std::shared_ptr<Flow> flow;
  std::unique_ptr<FreeForm> layer;
};

std::vector<double> joined(const Arrays& arrays, std::size_t first = 0) {
  std::vector<double> result;
  for (std::size_t i = first; i < arrays.size(); ++i)
    result.insert(result.end(), arrays[i].begin(), arrays[i].end());
  return result;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// The gradient of the mean of `of` by all parameters of the couplings, at fixed points.
std::vector<double> gradient_of(const Couplings& couplings, std::int64_t samples,
                                const std::function<Value(Value)>& of, std::uint64_t seed = 1) {
  Graph graph(couplings.parameters);
  const Value x = graph.input({8, 1});
  const Value scalar = batch_mean(of(x));
  return joined(run_graph(graph, gradient(scalar, couplings.leaves(graph)), {normals(8 * samples)},
                          {samples}, seed));
}

/// `count` probes in all of `features` dimensions.
Value probes_of(Graph& graph, std::int64_t features, std::int64_t count) {
  ParameterStore store;
  return orthogonal_probes(graph, 0, Normal(store, "base", features, false), {}, count);
}

TEST(FreeFormEstimator, WithAsManyProbesAsFeaturesIsTheGradientOfTheLogDeterminant) {
  const Couplings couplings;
  const auto exact =
      gradient_of(couplings, 50, [&](Value x) { return couplings.flow->inverse(x).log_det; });
  const auto estimated = gradient_of(couplings, 50, [&](Value x) {
    return couplings.layer->estimate(x, {}, probes_of(*x.graph, 8, 8)).log_det;
  });
  EXPECT_LT(largest_difference(exact, estimated), 1e-10);
}

TEST(FreeFormEstimator, OfOneProbeHasTheGradientForItsMean) {
  // 200 estimates at the same 50 points with probes of their own. Each of the parameters is 6 of
  // its standard errors off by chance once in 10^8, one of all of them once in 10^5.
  const Couplings couplings;
  const auto exact =
      gradient_of(couplings, 50, [&](Value x) { return couplings.flow->inverse(x).log_det; });
  std::vector<double> sum(exact.size()), squares(exact.size());
  constexpr int kEstimates = 200;
  for (int i = 0; i < kEstimates; ++i) {
    const auto estimate = gradient_of(
        couplings, 50,
        [&](Value x) {
          return couplings.layer->estimate(x, {}, probes_of(*x.graph, 8, 1)).log_det;
        },
        static_cast<std::uint64_t>(i + 1));
    for (std::size_t p = 0; p < exact.size(); ++p) {
      sum[p] += estimate[p] / kEstimates;
      squares[p] += estimate[p] * estimate[p] / kEstimates;
    }
  }
  double spread = 0.0;
  for (std::size_t p = 0; p < exact.size(); ++p) {
    const double error = std::sqrt(std::max(0.0, squares[p] - sum[p] * sum[p]) / kEstimates);
    EXPECT_LE(std::abs(sum[p] - exact[p]), 6.0 * error + 1e-12) << "parameter " << p;
    spread = std::max(spread, error);
  }
  EXPECT_GT(spread, 1e-4);  // or nothing was random
}

TEST(FreeFormEstimator, OfLinearMapsIsTheInverseTransposed) {
  // f(x) = A x and g(z) = A^-1 z: the gradient of log|det A| is A^-T, by hand.
  ParameterStore store;
  const ParameterId id = store.add("a", 2, 2, std::vector<double>{2.0, 1.0, -1.0, 3.0});
  const FreeForm layer(
      "layer", network(2, [&](Value x) { return dense(x.graph->parameter(id), x); }),
      network(2, [&](Value z) { return dense(inverse(z.graph->parameter(id)), z); }), kPlain);
  Graph graph(store);
  const Value x = graph.input({2, 1});
  const auto estimate = layer.estimate(x, {}, probes_of(graph, 2, 2));
  const auto result =
      run_graph(graph,
                {gradient(batch_mean(estimate.log_det), {graph.parameter(id)})[0],
                 batch_mean(estimate.reconstruction), batch_mean(layer.inverse(x).log_det)},
                {normals(2 * 37)}, {37});
  const std::vector<double> expected = {3.0 / 7.0, 1.0 / 7.0, -1.0 / 7.0, 2.0 / 7.0};
  EXPECT_LT(largest_difference(result[0], expected), 1e-12);
  EXPECT_NEAR(result[1][0], 0.0, 1e-20);
  EXPECT_NEAR(result[2][0], std::log(7.0), 1e-12);
}

TEST(FreeFormEstimator, PushedIsAlgorithmOne) {
  // v^T J_f by a reverse derivative times stop(J_g v), with networks that do not invert each other.
  ParameterStore store;
  RandomSequence random(4, Stream::kInitialisation);
  const MlpOptions options = {.hidden = {7, 5}, .activation = Activation::kTanh};
  const FreeForm layer("layer", std::make_unique<Mlp>(store, "f", random, 4, 4, options),
                       std::make_unique<Mlp>(store, "g", random, 4, 4, options));
  Graph graph(store);
  const Value x = graph.input({4, 1}), v = graph.input({4, 1});
  const auto estimate = layer.estimate(x, {}, v);
  const Value z = layer.encode(x);
  const Value v1 = vjp({z}, {v}, {x})[0];
  const Value v2 = jvp({layer.decode(z)}, {z}, {v})[0];
  const Value published = sum(stop_gradient(v2) * v1);
  Values leaves;
  for (std::size_t i = 0; i < store.infos().size(); ++i)
    leaves.push_back(graph.parameter({static_cast<std::int32_t>(i)}));
  Values outputs = gradient(batch_mean(estimate.log_det), leaves);
  const Values others = gradient(batch_mean(published), leaves);
  outputs.push_back(batch_mean(estimate.log_det));
  outputs.insert(outputs.end(), others.begin(), others.end());
  outputs.push_back(batch_mean(published));
  Arrays results = run_graph(graph, outputs, {normals(4 * 37, 5), normals(4 * 37, 6)}, {37});
  const auto half = static_cast<std::ptrdiff_t>(results.size() / 2);
  const Arrays pushed(results.begin(), results.begin() + half),
      rest(results.begin() + half, results.end());
  EXPECT_LT(largest_difference(joined(pushed), joined(rest)), 1e-13);
}

TEST(FreeFormEstimator, ProbesAreOrthogonalAndOfUnitCovariance) {
  ParameterStore store;
  Graph graph(store);
  const Value v = probes_of(graph, 5, 3);
  const Value first = slice(v, 0, 1, Axis::kItems);
  // Means over 20 000 samples of products of components, of variance at most 2: 0.06 is 6 standard
  // errors.
  const auto results = run_graph(
      graph, {matmul(v, v, true, false), outer_sum(first, first) / graph.count()}, {}, {20000});
  for (std::size_t i = 0; i < results[0].size(); ++i)
    ASSERT_NEAR(results[0][i], i % 9 % 4 == 0 ? 5.0 : 0.0, 1e-11);
  for (std::size_t i = 0; i < 25; ++i) EXPECT_NEAR(results[1][i], i % 6 == 0 ? 1.0 : 0.0, 0.06);
}

TEST(JvpColumns, AreSeveralJvpsSideBySide) {
  ParameterStore store;
  RandomSequence random(4, Stream::kInitialisation);
  const auto residual = network_factory<ResidualNetwork>(
      {.hidden = 6, .activation = Activation::kGelu})(store, "n", random, 3, 4, 0);
  Graph graph(store);
  const Value x = graph.input({3, 1}), directions = graph.input({3, 2});
  // The second passes through items, which directions cannot share.
  const Value vector = concat({(*residual)(x), max(x, Axis::kFeatures), cumulative_sum(tanh(x)),
                               take(select(step(x), square(x), x), {2, 0, 2})});
  const Value bent = sum(square(reshape(vector, {1, vector.features()})), Axis::kItems) * x;
  Values outputs;
  for (const Value& y : {vector, bent}) {
    outputs.push_back(jvp_columns(y, x, directions));
    Values parts;
    for (std::int64_t i = 0; i < 2; ++i)
      parts.push_back(jvp({y}, {x}, {slice(directions, i, 1, Axis::kItems)})[0]);
    outputs.push_back(concat(parts, Axis::kItems));
    EXPECT_EQ(outputs.back().shape(), outputs[outputs.size() - 2].shape());
  }
  const auto results = run_graph(graph, outputs, {normals(3 * 37, 5), normals(6 * 37, 6)}, {37});
  EXPECT_LT(largest_difference(results[0], results[1]), 1e-13);
  EXPECT_LT(largest_difference(results[2], results[3]), 1e-12);
  EXPECT_THROW(jvp_columns(vector, x, graph.input({2, 2})), ShapeError);
}

TEST(FreeForm, DensitiesAgreeWhereTheDecoderInvertsTheEncoder) {
  const Couplings couplings;
  Graph graph(couplings.parameters);
  const Value x = graph.input({8, 1});
  const Mapped exact = couplings.layer->inverse(x);
  const Mapped decoder = couplings.layer->inverse_by(FreeFormDensity::kDecoder, x);
  const Mapped encoder = couplings.layer->inverse_by(FreeFormDensity::kEncoder, x);
  const Mapped truth = couplings.flow->inverse(x);
  const auto results = run_graph(graph,
                                 {truth.log_det, exact.log_det, decoder.log_det, encoder.log_det,
                                  truth.value, exact.value, exact.unsolved},
                                 {normals(8 * 100)}, {100});
  for (const std::size_t way : {1, 2, 3})
    EXPECT_LT(largest_difference(results[0], results[way]), 1e-10) << way;
  EXPECT_LT(largest_difference(results[4], results[5]), 1e-10);
  for (const double value : results[6]) EXPECT_EQ(value, 0.0);
}

TEST(FreeForm, CountsPointsThatTheDecoderDoesNotReach) {
  // g(z) = z^2 + 1 with an encoder that knows nothing: x below 1 has no z, x above has, and so has
  // its density the slope there, 2 sqrt(x - 1).
  ParameterStore store;
  const FreeForm layer("layer", network(1, [](Value x) { return 0.1 * x + 1.0; }),
                       network(1, [](Value z) { return square(z) + 1.0; }), kPlain);
  Graph graph(store);
  const Value x = graph.input({1, 1});
  const Mapped mapped = layer.inverse(x);
  const std::vector<double> points = {-3.0, 0.5, 1.5, 5.0, 50.0};
  const auto results =
      run_graph(graph, {mapped.value, mapped.log_det, mapped.unsolved}, {points}, {5});
  for (std::size_t i = 0; i < points.size(); ++i) {
    SCOPED_TRACE(points[i]);
    EXPECT_TRUE(std::isfinite(results[0][i]));
    EXPECT_TRUE(std::isfinite(results[1][i]));
    EXPECT_EQ(results[2][i], points[i] < 1.0 ? 1.0 : 0.0);
    if (points[i] < 1.0) continue;
    EXPECT_NEAR(std::abs(results[0][i]), std::sqrt(points[i] - 1.0), 1e-9);
    EXPECT_NEAR(results[1][i], -std::log(2.0 * std::sqrt(points[i] - 1.0)), 1e-9);
  }
}

ModelOptions small_free_form(std::int64_t features) {
  ModelOptions options;
  options.features = features;
  options.flow.kind = "free_form";
  options.flow.blocks = 1;
  options.flow.act_norm = false;
  options.flow.hidden = {16, 16};
  options.flow.activation = "tanh";
  return options;
}

/// Moves what starts at 0, so that encoder and decoder are far from each other.
void disturb(Model& model, double scale) {
  RandomSequence random(7, Stream::kInitialisation, 1000);
  for (double& value : model.parameters().flat()) value += scale * random.normal();
}

TEST(FreeForm, ExactDensityOfAnyEncoderIntegratesToOne) {
  ThreadPool pool(1);
  Model model(small_free_form(2), 3);
  disturb(model, 0.12);
  const int half = 200;
  const double step = 8.0 / half;
  std::vector<double> points;
  for (int i = -half; i <= half; ++i)
    for (int j = -half; j <= half; ++j) points.insert(points.end(), {step * i, step * j});
  const FreeFormCheck check = check_free_form(model, points, {}, 1, pool);
  double exact = 0.0, decoder = 0.0;
  for (std::size_t row = 0; row < check.exact.size(); ++row) {
    exact += step * step * std::exp(check.exact[row]);
    decoder += step * step * std::exp(check.decoder[row]);
  }
  EXPECT_EQ(check.unsolved(), 0);
  EXPECT_NEAR(exact, 1.0, 1e-4);
  EXPECT_GT(std::abs(decoder - 1.0), 1e-2);  // as published it is no density here
  EXPECT_GT(check.reconstruction, 0.1);
  DensityEvaluator evaluator(model, pool, Precision::kDouble);
  EXPECT_LT(largest_difference(evaluator.log_prob(points), check.exact), 1e-10);
  EXPECT_EQ(evaluator.unsolved(), 0);
}

TEST(FreeForm, OfManyFeaturesIsSolvedByTheEncoderWithExactSlopes) {
  // Above 16 features no Newton step is part of the search.
  constexpr std::int64_t kFeatures = 20, kRows = 50;
  Model model(small_free_form(kFeatures), 3);
  disturb(model, 0.02);
  const Flow& flow = model.flow();
  Graph graph(model.parameters());
  const Value z = graph.input({kFeatures, 1});
  const Mapped there = flow.forward(z);
  const Mapped back = flow.inverse(there.value);
  const auto round = run_graph(graph,
                               {there.value, there.log_det, back.value, back.log_det, back.unsolved,
                                sqrt(sum(square(flow.inverse(z).value - z)))},
                               {normals(kFeatures * kRows)}, {kRows});
  EXPECT_LT(largest_difference(round[2], normals(kFeatures * kRows)), 1e-6);
  for (std::size_t row = 0; row < static_cast<std::size_t>(kRows); ++row) {
    EXPECT_NEAR(round[3][row], -round[1][row], 1e-6);
    EXPECT_EQ(round[4][row], 0.0);
    EXPECT_GT(round[5][row], 0.05);  // far from the identity
  }

  Graph slopes(model.parameters());
  const Value x = slopes.input({kFeatures, 1}), direction = slopes.input({kFeatures, 1});
  const auto log_density = [&](Value at) {
    const Mapped latent = flow.inverse(at);
    return flow.log_base(latent.value, {}) + latent.log_det;
  };
  constexpr double kStep = 1e-4;
  const auto found = run_graph(
      slopes,
      {sum(gradient(log_density(x), {x})[0] * direction),
       (log_density(x + kStep * direction) - log_density(x - kStep * direction)) / (2.0 * kStep)},
      {round[0], normals(kFeatures * kRows, 6)}, {kRows, kRows});
  EXPECT_LT(largest_difference(found[0], found[1]), 1e-4);
}

/// A ring of radius 2 with a gap.
void ring(std::uint64_t first, std::int64_t count, double* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    RandomSequence random(9, Stream::kTarget, first + static_cast<std::uint64_t>(i));
    const double angle = 5.0 * random.uniform(), radius = 2.0 + 0.3 * random.normal();
    *out++ = radius * std::cos(angle);
    *out++ = radius * std::sin(angle);
  }
}

TrainingOptions short_training() {
  TrainingOptions options;
  options.objective = "free_form";
  options.iterations = 400;
  options.batch_size = 256;
  options.learning_rate = 3e-3;
  options.precision = "double";
  return options;
}

TEST(FreeFormLoss, LearnsARingWithDensitiesThatAgree) {
  ThreadPool pool(1);
  Model model(small_free_form(2), 3);
  std::vector<double> rows(2000);
  ring(1000000, 1000, rows.data());
  const FreeFormCheck before = check_free_form(model, rows, {}, 1, pool);
  Trainer trainer(model, {.generator = ring}, short_training(), pool);
  trainer.run();
  const FreeFormCheck after = check_free_form(model, rows, {}, 1, pool);
  const auto mean = [](const std::vector<double>& values) {
    double sum = 0.0;
    for (const double value : values) sum += value / static_cast<double>(values.size());
    return sum;
  };
  EXPECT_GT(mean(after.exact), mean(before.exact) + 0.5);
  EXPECT_LE(after.unsolved(), 10);
  EXPECT_LT(after.reconstruction, 0.2);
  EXPECT_NEAR(mean(after.decoder), mean(after.exact), 0.2);
  EXPECT_EQ(trainer.counters().bad_steps, 0);
}

// g(z) is bounded without the skip, so that the row far away has no z: its density is a makeshift,
// which must not make a validation, or the mass that a model covers, better than it is: the least
// density of the others stands in.
TEST(FreeFormLoss, AMakeshiftIsNotBetterThanTheLeastDensity) {
  ThreadPool pool(1);
  ModelOptions options = small_free_form(2);
  options.flow.global_skip = false;
  const Model model(options, 3);
  std::vector<double> rows(20), z(20);
  ring(0, 10, z.data());
  DensityEvaluator evaluator(model, pool, Precision::kDouble);
  rows = evaluator.to_data(z);
  const std::vector<double> known = evaluator.log_prob(rows);
  ASSERT_EQ(evaluator.unsolved(), 0);
  rows.insert(rows.end(), {1e3, 1e3});
  const std::vector<double> all = evaluator.log_prob(rows), sure = evaluator.certain_log_prob(rows);
  EXPECT_EQ(evaluator.unsolved(), 1);
  EXPECT_TRUE(std::isfinite(all.back()));
  EXPECT_GT(std::abs(all.back() - std::ranges::min(known)), 0.1);
  EXPECT_EQ(sure.back(), std::ranges::min(known));
  for (std::size_t row = 0; row < known.size(); ++row) EXPECT_EQ(sure[row], all[row]);
  TrainingOptions training = short_training();
  Validator validator(model, {.validation_rows = rows, .generator = ring}, training, pool);
  double sum = std::ranges::min(known);
  for (const double value : known) sum += value;
  EXPECT_NEAR(validator.loss(model.parameters().flat()), -sum / 11.0, 1e-9 * std::abs(sum));
  const std::vector<double> lost = {1e3, 1e3};
  Validator of_lost(model, {.validation_rows = lost, .generator = ring}, training, pool);
  EXPECT_EQ(of_lost.loss(model.parameters().flat()), INFINITY);
}

TEST(FreeFormLoss, SkipsAStepThatIsNotFinite) {
  ThreadPool pool(1);
  Model model(small_free_form(2), 3);
  const auto sometimes = [](std::uint64_t first, std::int64_t count, double* out) {
    ring(first, count, out);
    if (first / 256 == 3) out[5] = NAN;
  };
  TrainingOptions options = short_training();
  options.iterations = 8;
  Trainer trainer(model, {.generator = sometimes}, options, pool);
  for (int step = 0; step < 8; ++step) {
    const std::vector<double> kept = trainer.state().parameters;
    trainer.step();
    EXPECT_EQ(trainer.state().parameters == kept, step == 3) << step;
  }
  EXPECT_EQ(trainer.counters().bad_steps, 1);
}

TEST(FreeFormLoss, OfCouplingsBesidesTakesTheirLogDeterminants) {
  // Where encoder and decoder invert each other and there are as many probes as features, the
  // gradient is that of maximum likelihood, whatever the layers around and the base.
  Couplings inner(2);
  ParameterStore& store = inner.parameters;
  auto outer = std::make_shared<AffineCoupling>(
      store, "outer", inner.random, 2,
      AffineCouplingOptions{
          .conditioner = network_factory<Mlp>({.hidden = {4}, .activation = Activation::kTanh})});
  const auto base = std::make_shared<Normal>(store, "other", 2, true);
  const std::shared_ptr<const FreeForm> layer = std::move(inner.layer);
  const Flow free(base, {layer, outer});
  std::vector<std::shared_ptr<const Transform>> all = inner.flow->transforms();
  all.push_back(outer);
  const Flow plain(base, all);
  Graph graph(store, Phase::kTraining), reference(store, Phase::kTraining);
  const TrainingStep step =
      training_step(graph, free, FreeFormLoss({.reconstruction_weight = 3.0, .probes = 2}));
  const TrainingStep exact = training_step(reference, plain, MaximumLikelihood());
  const std::vector<double> rows = normals(2 * 37);
  const auto got = joined(run_graph(graph, step.gradients, {rows}, {37}));
  const auto expected = joined(run_graph(reference, exact.gradients, {rows}, {37}));
  EXPECT_LT(largest_difference(got, expected), 1e-10);
}

TEST(FreeFormLoss, WeightGrowsByEqualFactors) {
  const FreeFormLoss loss(
      {.reconstruction_weight = 100.0, .reconstruction_start = 1.0, .reconstruction_steps = 10});
  EXPECT_DOUBLE_EQ(loss.reconstruction_weight(0), 1.0);
  EXPECT_NEAR(loss.reconstruction_weight(5), 10.0, 1e-12);
  EXPECT_DOUBLE_EQ(loss.reconstruction_weight(10), 100.0);
  EXPECT_DOUBLE_EQ(loss.reconstruction_weight(99), 100.0);
  EXPECT_DOUBLE_EQ(FreeFormLoss({.reconstruction_weight = 7.0}).reconstruction_weight(0), 7.0);
}

/// What a function throws, in words.
template <typename Function>
std::string complaint(Function function) {
  try {
    function();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "nothing";
}

TEST(FreeForm, RefusesBadSettingsInOneLine) {
  const auto weight = [](double value) {
    return complaint([&] { FreeFormLoss({.reconstruction_weight = value}); });
  };
  EXPECT_EQ(weight(0.0), "training.reconstruction_weight: expected a positive number, got 0");
  EXPECT_EQ(weight(-1.0), "training.reconstruction_weight: expected a positive number, got -1");
  EXPECT_EQ(weight(std::nan("")),
            "training.reconstruction_weight: expected a positive number, got nan");
  EXPECT_EQ(complaint([] { FreeFormLoss({.probes = 0}); }),
            "training.probes: expected at least 1, got 0");
  EXPECT_NE(complaint([] { FreeFormLoss({.noise = -1.0}); }).find("training.noise"),
            std::string::npos);
  Model model(small_free_form(2), 3);
  Graph graph(model.parameters(), Phase::kTraining);
  EXPECT_NE(complaint([&] {
              training_step(graph, model.flow(), FreeFormLoss({.probes = 3}));
            }).find("training.probes: expected 1 to 2, the number of columns, got 3"),
            std::string::npos);
  // No other objective moves the encoder.
  EXPECT_NE(complaint([&] {
              training_step(graph, model.flow(), MaximumLikelihood());
            }).find("expected free_form for a flow with the free-form layer"),
            std::string::npos);
  const std::string sizes = complaint([] {
    FreeForm("layer", network(3, [](Value x) { return x; }), network(2, [](Value x) { return x; }));
  });
  EXPECT_NE(sizes.find("an encoder and a decoder of equal dimension, got 3 to 3 and 2 to 2"),
            std::string::npos)
      << sizes;
  EXPECT_NE(complaint([] {
              FreeForm("layer", nullptr, network(2, [](Value x) { return x; }));
            }).find("expected an encoder and a decoder, got no encoder"),
            std::string::npos);
  ModelOptions coupling = small_free_form(2);
  coupling.flow.kind = "real_nvp";
  Model other(coupling, 3);
  Graph second(other.parameters(), Phase::kTraining);
  EXPECT_NE(complaint([&] {
              training_step(second, other.flow(), FreeFormLoss());
            }).find("needs a flow with a free-form layer"),
            std::string::npos);
}

}  // namespace
}  // namespace thalweg
