// Models with stochastic layers: where the layers stand, what they move by, and what is refused.
#include <gtest/gtest.h>

#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/flows/model.h"
#include "thalweg/metrics/importance.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"
#include "thalweg/targets/expression.h"
#include "thalweg/training/trainer.h"

namespace thalweg {
namespace {

ModelOptions small_model() {
  ModelOptions options;
  options.flow.blocks = 6;
  options.flow.hidden = {8};
  options.flow.act_norm = false;
  options.stochastic.kinds = {"metropolis", "mala"};
  options.stochastic.every = 2;
  options.stochastic.moves.steps = 3;
  options.stochastic.moves.step_size = 0.2;
  return options;
}

std::shared_ptr<const Target> target_named(const char* name) { return make_target(name); }

std::vector<std::string> moves_of(const Model& model) {
  std::vector<std::string> names;
  for (const auto& transform : model.flow().transforms())
    if (transform->stochastic()) names.push_back(transform->name());
  return names;
}

TEST(StochasticModel, HasALayerAfterEachGroupOfBlocks) {
  ModelOptions options = small_model();
  const Model model(options, 1, target_named("double_well"));
  EXPECT_EQ(moves_of(model),
            (std::vector<std::string>{"flow.1.moves", "flow.3.moves", "flow.5.moves"}));
  EXPECT_TRUE(model.flow().stochastic());
  EXPECT_EQ(model.flow().transforms().back()->name(), "flow.5.moves");
  options.stochastic.prior_layer = true;
  EXPECT_EQ(Model(options, 1, target_named("double_well")).flow().transforms().front()->name(),
            "flow.prior.moves");
  options.stochastic.moves.trainable = true;
  const Model trainable(options, 1, target_named("double_well"));
  EXPECT_EQ(trainable.parameters().trainable_count(), model.parameters().trainable_count() + 4);
}

// Of a flow of moves alone, log P(back) - log P(forth) of a path is its change of energy: here the
// sum over layers of u_lambda(end) - u_lambda(start). With one layer it shows lambda.
TEST(StochasticModel, LayersGoFromTheBaseToTheTarget) {
  ThreadPool pool(1);
  const auto target = target_named("double_well");
  const auto energy = [](const std::vector<double>& x, std::size_t row, double lambda) {
    const double a = x[2 * row], b = x[2 * row + 1];
    return (1.0 - lambda) * 0.5 * (a * a + b * b) +
           lambda * (-0.5 * a - 6.0 * a * a + a * a * a * a + 0.5 * b * b);
  };
  const std::vector<double> z = {0.5, -1.0, 1.0, 0.2, -0.3, 0.7};
  for (const double lambda : {0.0, 0.3, 1.0}) {
    ModelOptions options = small_model();
    options.flow.kind = "none";
    options.flow.blocks = 1;
    options.stochastic.every = 1;
    options.stochastic.kinds = {"metropolis"};
    options.stochastic.lambda = {lambda};
    Model model(options, 1, target);
    DensityEvaluator evaluator(model, pool, Precision::kDouble);
    std::vector<double> log_ratio;
    const std::vector<double> x = evaluator.to_data(z, {}, &log_ratio);
    EXPECT_NE(x, z);
    for (std::size_t row = 0; row < 3; ++row)
      EXPECT_NEAR(log_ratio[row], energy(x, row, lambda) - energy(z, row, lambda), 1e-12);
  }
}

// Theorem 1 of Wu, Koehler, Noe 2020 through columns that are shifted, scaled and bounded: the
// energy of the layers is that of the inner coordinates.
TEST(StochasticModel, WeightsAreExactBehindColumnMaps) {
  ThreadPool pool(2);
  const std::shared_ptr<const Target> target = make_expression_target("0.5*(x - 3)^2 + 2*y");
  ModelOptions options = small_model();
  options.columns = {{.name = "x", .mean = 2.5, .scale = 1.5},
                     {.name = "y", .lower = 0.0, .mean = -1.5, .scale = 1.8}};
  for (const char* kind : {"metropolis", "langevin", "inertial", "mala", "hmc"}) {
    options.stochastic.kinds = {kind};
    options.stochastic.moves.step_size = std::string(kind) == "langevin" ? 0.02 : 0.2;
    const Model model(options, 1, target);
    std::vector<double> log_weights, x_values, y_values;
    constexpr std::int64_t kRows = 20000;
    const std::vector<double> x =
        FlowSampler(model, pool, 3, Precision::kDouble).next(kRows, {}, &log_weights);
    for (std::size_t row = 0; row < static_cast<std::size_t>(kRows); ++row) {
      x_values.push_back(x[2 * row]);
      y_values.push_back(x[2 * row + 1]);
      ASSERT_GT(y_values.back(), 0.0);
      log_weights[row] =
          -(0.5 * std::pow(x_values.back() - 3.0, 2) + 2.0 * y_values.back()) - log_weights[row];
    }
    // sqrt(2 pi) times 1/2, and the means 3 and 1/2. Five standard errors: each of the fixed seeds
    // fails by chance once in a million.
    const ImportanceEstimate estimate = importance_estimate(smoothed_weights(log_weights));
    EXPECT_GT(estimate.effective_share, 0.05) << kind;
    EXPECT_NEAR(estimate.log_integral, std::log(std::sqrt(2.0 * M_PI) / 2.0),
                5.0 * estimate.log_integral_error)
        << kind;
    const WeightedMean mean_x = weighted_mean(smoothed_weights(log_weights), x_values);
    const WeightedMean mean_y = weighted_mean(smoothed_weights(log_weights), y_values);
    EXPECT_NEAR(mean_x.value, 3.0, 5.0 * mean_x.error) << kind;
    EXPECT_NEAR(mean_y.value, 0.5, 5.0 * mean_y.error) << kind;
  }
}

TEST(StochasticModel, TrainsByTheMixedObjectiveToTheSameBits) {
  TrainingData data;
  data.target = target_named("double_well");
  data.generator = [target = data.target](std::uint64_t first, std::int64_t count, double* out) {
    for (std::int64_t row = 0; row < count; ++row) {
      RandomSequence random(1, Stream::kTarget, first + static_cast<std::uint64_t>(row));
      for (const double value : target->sample(random)) *out++ = value;
    }
  };
  TrainingOptions training;
  training.objective = "mixed";
  training.iterations = 12;
  training.likelihood_steps = 5;
  training.batch_size = 70;
  const auto trained = [&](int threads, std::int64_t stop_at) {
    ThreadPool pool(threads);
    ModelOptions options = small_model();
    options.stochastic.moves.trainable = true;
    Model model(options, 1, data.target), again(options, 1, data.target);
    Trainer first(model, data, training, pool);
    for (std::int64_t step = 0; step < stop_at; ++step) first.step();
    Trainer second(again, data, training, pool);
    second.restore(first.state());
    second.run();
    EXPECT_EQ(second.counters().bad_steps, 0);
    return second.state().parameters;
  };
  const std::vector<double> once = trained(1, 0);
  EXPECT_EQ(trained(2, 0), once);
  EXPECT_EQ(trained(3, 5), once);
  EXPECT_EQ(trained(1, 8), once);
}

TEST(StochasticModel, RefusesWhatItCannotDo) {
  const auto message = [](const std::function<void(ModelOptions&)>& change,
                          const char* target = "double_well") {
    ModelOptions options = small_model();
    change(options);
    try {
      Model(options, 1, target == nullptr ? nullptr : target_named(target));
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  const auto expect = [](const std::string& got, const char* part) {
    EXPECT_NE(got.find(part), std::string::npos) << got;
  };
  expect(message([](ModelOptions&) {}, nullptr), "needs a target");
  expect(message([](ModelOptions& o) { o.features = 3; }), "expected a target of 3 columns");
  expect(message([](ModelOptions& o) { o.stochastic.every = 4; }), "divisor of flow.blocks");
  expect(message([](ModelOptions& o) { o.stochastic.lambda = {0.5}; }), "expected 3 numbers");
  expect(message([](ModelOptions& o) { o.stochastic.energy = "prior"; }), "stochastic.energy");
  expect(message([](ModelOptions& o) { o.stochastic.kinds = {"gibbs"}; }), "gibbs");
  expect(message([](ModelOptions& o) { o.context_features = 1; }), "condition");
  ModelOptions learned = small_model();
  learned.stochastic.energy = "learned";
  EXPECT_NO_THROW(Model(learned, 1));
}

}  // namespace
}  // namespace thalweg
