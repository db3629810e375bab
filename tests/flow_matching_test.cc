// Flow matching: its loss and optimum in closed form, densities of what it learns, pairs, resuming.
#include "thalweg/objectives/flow_matching.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <string>

#include "run_graph.h"
#include "thalweg/bases/normal.h"
#include "thalweg/core/error.h"
#include "thalweg/flows/model.h"
#include "thalweg/objectives/maximum_likelihood.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/training/trainer.h"
#include "thalweg/transforms/continuous.h"

namespace thalweg {
namespace {

using testing::run_graph;

/// A velocity that is a function of x and its context, which begins with the time.
class FunctionVelocity : public Network {
 public:
  FunctionVelocity(std::int64_t features, std::function<Value(Value, Value)> function)
      : Network("function", features, features, Continuous::kTimeFeatures),
        function_(std::move(function)) {}

 protected:
  Value build(Value x, Value context) const override { return function_(x, context); }

 private:
  std::function<Value(Value, Value)> function_;
};

constexpr double kMean = 1.5, kDeviation = 0.4;

/// The best velocity from a standard normal to one of that mean and deviation, by independent
/// pairs: E[x1 - x0 | x, t] with x1 - x0 and x jointly normal.
Value best_velocity(Value x, Value context) {
  const Value t = slice(context, 0, 1);
  const double variance = kDeviation * kDeviation;
  const Value covariance = variance * t - (1.0 - t);
  return kMean + covariance / (square(1.0 - t) + variance * square(t)) * (x - kMean * t);
}

ModelOptions small_continuous(std::int64_t features = 2) {
  ModelOptions options;
  options.features = features;
  options.flow.kind = "continuous";
  options.flow.blocks = 1;
  options.flow.act_norm = false;
  options.flow.hidden = {32, 32};
  options.flow.activation = "silu";
  return options;
}

TrainingOptions short_training(std::int64_t iterations) {
  TrainingOptions options;
  options.objective = "flow_matching";
  options.iterations = iterations;
  options.batch_size = 256;
  options.learning_rate = 5e-3;
  options.schedule = "cosine";
  options.weight_average = 0.99;
  options.precision = "double";
  return options;
}

TEST(FlowMatching, LossOfTheBestVelocityIsTheVarianceThatIsLeft) {
  ParameterStore parameters;
  const auto base = std::make_shared<Normal>(parameters, "base", 2, true);
  const ParameterId of_velocity = parameters.add("velocity", 1, 1, 0.0);
  const Flow flow(base, {std::make_shared<Continuous>(
                            "layer", std::make_unique<FunctionVelocity>(2, best_velocity))});
  Graph graph(parameters, Phase::kTraining);
  const TrainingStep step = training_step(graph, flow, FlowMatching());
  constexpr std::int64_t kSamples = 400000;
  RandomSequence random(5, Stream::kTarget);
  std::vector<double> rows(2 * kSamples);
  for (double& value : rows) value = kMean + kDeviation * random.normal();
  std::vector<Value> outputs{step.loss, step.non_finite};
  outputs.insert(outputs.end(), step.gradients.begin(), step.gradients.end());
  const auto results = run_graph(graph, outputs, {rows}, {kSamples});
  // Variance of x1 - x0 less what x explains, in the mean over t by Simpson's rule.
  const double variance = kDeviation * kDeviation;
  const auto left = [&](double t) {
    const double covariance = variance * t - (1.0 - t);
    return 1.0 + variance - covariance * covariance / ((1.0 - t) * (1.0 - t) + variance * t * t);
  };
  double expected = 0.0;
  constexpr int kParts = 1000;
  for (int i = 0; i <= kParts; ++i)
    expected += left(static_cast<double>(i) / kParts) *
                (i == 0 || i == kParts ? 1.0
                 : i % 2 == 1          ? 4.0
                                       : 2.0) /
                (3.0 * kParts);
  // The squared error of a row has a deviation below 2: by chance 5 standard errors off once in
  // 10^6.
  EXPECT_NEAR(results[0][0], expected, 5.0 * 2.0 / std::sqrt(static_cast<double>(kSamples)));
  EXPECT_EQ(results[1][0], 0.0);
  // The base does not learn, so that no optimizer has its parameters.
  ASSERT_EQ(step.trainable.size(), 1U);
  EXPECT_EQ(step.trainable[0].index, of_velocity.index);
}

TEST(FlowMatching, BestVelocityIsTheDensityItCameFrom) {
  ParameterStore parameters;
  const Flow flow(
      std::make_shared<Normal>(parameters, "base", 1, false),
      {std::make_shared<Continuous>("layer", std::make_unique<FunctionVelocity>(1, best_velocity),
                                    ContinuousOptions{.steps = 40})});
  Graph graph(parameters);
  const Value x = graph.input({1, 1});
  const std::vector<double> points = {0.3, 1.2, 1.5, 1.9, 2.9};
  const auto found = run_graph(graph, {flow.log_prob(x)}, {points}, {5});
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double z = (points[i] - kMean) / kDeviation;
    EXPECT_NEAR(found[0][i],
                -0.5 * z * z - std::log(kDeviation) - 0.5 * std::log(2 * std::numbers::pi), 1e-6);
  }
}

/// Two normals, one wide and one narrow, which a coupling would join by a bridge.
void two_heaps(std::uint64_t first, std::int64_t count, double* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    RandomSequence random(9, Stream::kTarget, first + static_cast<std::uint64_t>(i));
    const bool left = random.uniform() < 0.5;
    *out++ = (left ? -1.5 : 1.5) + (left ? 0.3 : 0.6) * random.normal();
    *out++ = (left ? 0.5 : -0.5) + 0.5 * random.normal();
  }
}

double log_density(double a, double b) {
  const auto normal = [](double x, double mean, double deviation) {
    const double z = (x - mean) / deviation;
    return std::exp(-0.5 * z * z) / (deviation * std::sqrt(2.0 * std::numbers::pi));
  };
  return std::log(0.5 * normal(a, -1.5, 0.3) * normal(b, 0.5, 0.5) +
                  0.5 * normal(a, 1.5, 0.6) * normal(b, -0.5, 0.5));
}

TEST(FlowMatching, LearnsADensityThatIntegratesToOne) {
  ThreadPool pool(2);
  Model model(small_continuous(), 3);
  std::vector<double> rows(4000);
  two_heaps(1000000, 2000, rows.data());
  double truth = 0.0;
  for (std::size_t row = 0; row < 2000; ++row)
    truth += log_density(rows[2 * row], rows[2 * row + 1]) / 2000.0;
  DensityEvaluator evaluator(model, pool, Precision::kDouble);
  const auto mean = [&] {
    double sum = 0.0;
    for (const double value : evaluator.log_prob(rows)) sum += value / 2000.0;
    return sum;
  };
  const double before = mean();
  Trainer trainer(model, {.generator = two_heaps}, short_training(1500), pool);
  trainer.run();
  EXPECT_EQ(trainer.counters().bad_steps, 0);
  EXPECT_GT(mean(), before + 0.5);
  EXPECT_NEAR(mean(), truth, 0.1);
  EXPECT_EQ(evaluator.unsolved(), 0);
  const int half = 100;
  const double step = 6.0 / half;
  std::vector<double> points;
  for (int i = -half; i <= half; ++i)
    for (int j = -half; j <= half; ++j) points.insert(points.end(), {step * i, step * j});
  double integral = 0.0;
  for (const double value : evaluator.log_prob(points)) integral += step * step * std::exp(value);
  EXPECT_NEAR(integral, 1.0, 2e-3);
}

TEST(FlowMatching, LeavesEveryPartOfTheBaseAlone) {
  ThreadPool pool(1);
  ModelOptions options = small_continuous();
  options.context_features = 1;
  options.base.classes = {0.0, 1.0};
  options.base.kind = "mixture";
  options.base.conditional = "proposal";
  Model model(options, 3);
  const auto of_base = [&] {
    std::vector<double> values;
    for (std::size_t i = 0; i < model.parameters().infos().size(); ++i)
      if (model.parameters().infos()[i].name.starts_with("base."))
        for (const double value : model.parameters().values({static_cast<std::int32_t>(i)}))
          values.push_back(value);
    return values;
  };
  const std::vector<double> before = of_base();
  ASSERT_FALSE(before.empty());
  TrainingOptions training = short_training(3);
  training.weight_decay = 0.1;
  const std::vector<double> rows = {0.5, -0.5, 1.0, 0.2}, context = {0.0, 1.0};
  Trainer(model, {.rows = rows, .context = context}, training, pool).run();
  EXPECT_EQ(of_base(), before);
}

TEST(Classes, ThatFloatTakesForEachOtherAreTrainedInDouble) {
  ThreadPool pool(1);
  ModelOptions options = small_continuous();
  options.flow.kind = "real_nvp";
  options.context_features = 1;
  options.context_columns = {{.name = "code", .mean = 3e8, .scale = 5e8}};
  options.base.classes = {0.0, 1.0, 1e9};
  options.base.conditional = "proposal";
  Model model(options, 3);
  EXPECT_TRUE(classes_need_double(model));
  EXPECT_EQ(precision_of_moves(model, Precision::kFloat), Precision::kDouble);
  const std::vector<double> rows = {0.5, -0.5, 1.0, 0.2}, context = {0.0, 1.0};
  TrainingOptions training;
  training.iterations = 2;
  EXPECT_THROW(Trainer(model, {.rows = rows, .context = context}, training, pool), ConfigError);
  training.precision = "double";
  Trainer(model, {.rows = rows, .context = context}, training, pool).run();
}

TEST(FlowMatching, StepTakesNoIntegral) {
  std::vector<NodeId> sizes;
  for (const std::int64_t steps : {1, 500}) {
    ModelOptions options = small_continuous();
    options.flow.steps = steps;
    const Model model(options, 3);
    Graph graph(model.parameters(), Phase::kTraining);
    training_step(graph, model.flow(), FlowMatching());
    sizes.push_back(graph.size());
  }
  EXPECT_EQ(sizes[0], sizes[1]);
}

/// Mean squared distance of draws and rows in the inputs of training: |x1 - x0|^2 is the loss of a
/// velocity that is 0, as it is in the first step.
double first_loss(const std::string& pairing) {
  ThreadPool pool(2);
  Model model(small_continuous(), 3);
  TrainingOptions options = short_training(1);
  options.pairing = pairing;
  Trainer trainer(model, {.generator = two_heaps}, options, pool);
  return trainer.step();
}

TEST(FlowMatching, OptimalTransportShortensThePaths) {
  EXPECT_LT(first_loss("optimal_transport"), 0.6 * first_loss("independent"));
}

void expect_same(const TrainerState& a, const TrainerState& b) {
  EXPECT_EQ(a.parameters, b.parameters);
  EXPECT_EQ(a.average, b.average);
  EXPECT_EQ(a.counters.step, b.counters.step);
}

TEST(FlowMatching, ResumesToTheSameBitsWithAnyNumberOfThreads) {
  for (const char* pairing : {"independent", "optimal_transport"})
    for (const char* precision : {"float", "double"}) {
      TrainingOptions options = short_training(12);
      options.pairing = pairing;
      options.precision = precision;
      ThreadPool one(1), two(2);
      Model first(small_continuous(), 3), second(small_continuous(), 3),
          third(small_continuous(), 3);
      const TrainingData data{.generator = two_heaps};
      Trainer whole(first, data, options, one);
      whole.run();
      Trainer begun(second, data, options, two);
      for (int step = 0; step < 5; ++step) begun.step();
      Trainer resumed(third, data, options, two);
      resumed.restore(begun.state());
      resumed.run();
      expect_same(whole.state(), resumed.state());
    }
}

TEST(FlowMatching, LearnsByTheConditionAndPairsWithinIt) {
  // Two classes with means far apart. If draws were exchanged between them, those on the right
  // would go to the right class, and both would learn a part of the normal only.
  ThreadPool pool(2);
  ModelOptions model_options = small_continuous(1);
  model_options.context_features = 1;
  Model model(model_options, 3);
  std::vector<double> rows, context;
  RandomSequence random(4, Stream::kTarget);
  for (int row = 0; row < 4000; ++row) {
    const double side = row % 2 == 0 ? -1.0 : 1.0;
    rows.push_back(3.0 * side + 0.7 * random.normal());
    context.push_back(side);
  }
  TrainingOptions options = short_training(800);
  options.pairing = "optimal_transport";
  Trainer trainer(model, {.rows = rows, .context = context}, options, pool);
  trainer.run();
  DensityEvaluator evaluator(model, pool, Precision::kDouble);
  const std::vector<double> density = evaluator.log_prob(rows, context);
  double mean = 0.0;
  for (const double value : density) mean += value / 4000.0;
  const double truth = -0.5 - std::log(0.7) - 0.5 * std::log(2.0 * std::numbers::pi);
  EXPECT_NEAR(mean, truth, 0.05);
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

std::string complaint_of(const ModelOptions& options, Pairing pairing = Pairing::kIndependent) {
  const Model model(options, 3);
  Graph graph(model.parameters(), Phase::kTraining);
  return complaint([&] { training_step(graph, model.flow(), FlowMatching(pairing)); });
}

TEST(FlowMatching, RefusesWhatItCannotTrain) {
  ModelOptions options = small_continuous();
  EXPECT_EQ(complaint_of(options), "nothing");
  EXPECT_EQ(complaint_of(options, Pairing::kEquivariant),
            "training.pairing: equivariant takes a base of particles, base.kind = "
            "\"mean_free_normal\", got 'base.normal': set training.pairing = "
            "\"optimal_transport\"");
  EXPECT_EQ(complaint([] { pairing_by_name("nearest"); }),
            "training.pairing: expected one of independent, optimal_transport, equivariant, got "
            "'nearest'");
  options.base.kind = "resampled";
  EXPECT_NE(complaint_of(options).find("expected a base without a rejection step"),
            std::string::npos);
  options = small_continuous();
  options.flow.act_norm = true;
  EXPECT_NE(complaint_of(options).find("takes a flow of one continuous layer alone, got "
                                       "'flow.0.act_norm' besides"),
            std::string::npos)
      << complaint_of(options);
  options = small_continuous();
  options.flow.blocks = 2;
  EXPECT_NE(complaint_of(options).find("'flow.1.continuous' besides"), std::string::npos)
      << complaint_of(options);
  options = small_continuous();
  options.flow.kind = "real_nvp";
  EXPECT_NE(complaint_of(options).find("flow_matching takes a flow of one continuous layer"),
            std::string::npos);
  options.flow.kind = "none";
  options.base.kind = "trainable_normal";
  EXPECT_NE(complaint_of(options).find("needs a flow with a continuous layer"), std::string::npos);
}

TEST(FlowMatching, ContinuousFlowsCanLearnByLikelihoodToo) {
  ThreadPool pool(2);
  ModelOptions options = small_continuous();
  options.flow.hidden = {8};
  options.flow.steps = 2;
  Model model(options, 3);
  TrainingOptions training = short_training(30);
  training.objective = "maximum_likelihood";
  Trainer trainer(model, {.generator = two_heaps}, training, pool);
  const double first = trainer.step();
  trainer.run();
  EXPECT_LT(trainer.counters().smoothed_loss, first);
}

}  // namespace
}  // namespace thalweg
