// Objective, optimizers, schedules and the trainer.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

#include "run_graph.h"
#include "small_model.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/objectives/maximum_likelihood.h"
#include "thalweg/training/checkpoint.h"
#include "thalweg/training/optimizer.h"
#include "thalweg/training/schedule.h"
#include "thalweg/training/speedometer.h"
#include "thalweg/training/trainer.h"

namespace thalweg {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> normal_rows(std::int64_t rows, std::int64_t features, std::uint64_t seed = 5) {
  std::vector<double> values(static_cast<std::size_t>(rows * features));
  RandomSequence random(seed, Stream::kEvaluation);
  for (double& value : values) value = random.normal();
  return values;
}

using testing::small_model;

TrainingOptions short_training(std::int64_t iterations, std::int64_t batch) {
  TrainingOptions options;
  options.iterations = iterations;
  options.batch_size = batch;
  options.learning_rate = 0.01;
  return options;
}

void expect_same_bits(const std::vector<double>& a, const std::vector<double>& b,
                      const std::string& what) {
  const auto same = [](double left, double right) {
    return std::bit_cast<std::uint64_t>(left) == std::bit_cast<std::uint64_t>(right);
  };
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end(), same)) << what;
}

void expect_same_state(const TrainerState& a, const TrainerState& b) {
  EXPECT_EQ(a.counters.step, b.counters.step);
  EXPECT_EQ(a.counters.optimizer_steps, b.counters.optimizer_steps);
  EXPECT_EQ(a.counters.bad_steps, b.counters.bad_steps);
  EXPECT_EQ(a.counters.returns, b.counters.returns);
  EXPECT_EQ(a.counters.best_step, b.counters.best_step);
  EXPECT_EQ(a.counters.validations_since_best, b.counters.validations_since_best);
  EXPECT_EQ(a.counters.best_validation_loss, b.counters.best_validation_loss);
  EXPECT_EQ(a.counters.smoothed_loss, b.counters.smoothed_loss);
  expect_same_bits(a.parameters, b.parameters, "parameters");
  expect_same_bits(a.first_moment, b.first_moment, "first moment");
  expect_same_bits(a.second_moment, b.second_moment, "second moment");
  expect_same_bits(a.average, b.average, "average");
  expect_same_bits(a.best, b.best, "best");
  EXPECT_EQ(a.history.interval, b.history.interval);
  ASSERT_EQ(a.history.rows.size(), b.history.rows.size());
  for (std::size_t i = 0; i < a.history.rows.size(); ++i) {
    EXPECT_EQ(a.history.rows[i].step, b.history.rows[i].step);
    // Of a bad step it is NaN.
    EXPECT_EQ(std::bit_cast<std::uint64_t>(a.history.rows[i].loss),
              std::bit_cast<std::uint64_t>(b.history.rows[i].loss));
    EXPECT_EQ(a.history.rows[i].gradient_norm, b.history.rows[i].gradient_norm);
  }
  ASSERT_EQ(a.history.validations.size(), b.history.validations.size());
  for (std::size_t i = 0; i < a.history.validations.size(); ++i)
    EXPECT_EQ(a.history.validations[i].loss, b.history.validations[i].loss);
}

/// The message of the error that `work` throws.
template <typename ErrorType, typename Work>
std::string message_of(const Work& work) {
  try {
    work();
  } catch (const ErrorType& error) {
    return error.what();
  }
  return "no error";
}

// --- Objective

TEST(MaximumLikelihood, GivesLossCountAndGradientsOfANormal) {
  ModelOptions options = small_model(1, "trainable_normal");
  options.flow.kind = "elementwise_spline";
  options.flow.blocks = 1;
  options.flow.act_norm = false;
  const Model model(options, 1);
  Graph graph(model.parameters(), Phase::kTraining);
  const TrainingStep step = training_step(graph, model.flow(), MaximumLikelihood());
  std::vector<Value> outputs{step.loss, step.non_finite};
  outputs.insert(outputs.end(), step.gradients.begin(), step.gradients.end());
  // The spline starts as the identity, so the density is the standard normal's.
  const std::vector<double> x = {0.5, -1.0, 2.0};
  const auto results = testing::run_graph(graph, outputs, {x}, {3});
  const double expected = 0.5 * std::log(2.0 * std::numbers::pi) + 0.5 * (0.25 + 1.0 + 4.0) / 3.0;
  EXPECT_NEAR(results[0][0], expected, 1e-12);
  EXPECT_EQ(results[1][0], 0.0);
  int seen = 0;
  for (std::size_t i = 0; i < step.trainable.size(); ++i) {
    const std::string& name = model.parameters().info(step.trainable[i]).name;
    if (name.ends_with("normal.mean")) {
      EXPECT_NEAR(results[2 + i][0], -(0.5 - 1.0 + 2.0) / 3.0, 1e-12);
      ++seen;
    }
    if (name.ends_with("normal.log_scale")) {
      EXPECT_NEAR(results[2 + i][0], 1.0 - 5.25 / 3.0, 1e-12);
      ++seen;
    }
  }
  EXPECT_EQ(seen, 2);
  const auto poisoned = testing::run_graph(graph, outputs, {{0.5, kNaN, 2.0, kNaN}}, {4});
  EXPECT_EQ(poisoned[1][0], 2.0);
}

// --- Optimizers

/// The update written down for one number, as in the papers.
struct ScalarOptimizer {
  OptimizerOptions options;
  double m = 0.0, v = 0.0;
  int steps = 0;
  double step(double p, double g, double rate) {
    ++steps;
    if (options.kind != "adamw") g += options.weight_decay * p;
    m = options.beta1 * m + (1.0 - options.beta1) * g;
    const double m_hat = m / (1.0 - std::pow(options.beta1, steps));
    if (options.kind == "adamax") {
      v = std::max(options.beta2 * v, std::abs(g) + options.epsilon);
      return p - rate * m_hat / v;
    }
    v = options.beta2 * v + (1.0 - options.beta2) * g * g;
    const double v_hat = v / (1.0 - std::pow(options.beta2, steps));
    const double decay = options.kind == "adamw" ? rate * options.weight_decay * p : 0.0;
    return p - decay - rate * m_hat / (std::sqrt(v_hat) + options.epsilon);
  }
};

/// Descends 0.5 curvature (p - target)^2 with a rate that changes, on tensors of several sizes.
template <typename T>
void compare_with_scalar(const OptimizerOptions& options, double tolerance) {
  ParameterStore store;
  std::vector<ParameterId> trainable;
  trainable.push_back(store.add("small", 1, 3, 2.0));
  store.add("buffer", 5, 5, 7.0, false);
  trainable.push_back(store.add("large", 300, 257, -1.0));
  ThreadPool pool(2);
  Optimizer<T> optimizer(store, trainable, options);
  std::vector<T> parameters(store.flat().begin(), store.flat().end());
  std::vector<std::vector<T>> gradients(2);
  ScalarOptimizer scalars[2] = {{options}, {options}};
  double expected[2] = {2.0, -1.0};
  const double target[2] = {0.5, 0.3};
  const double curvature[2] = {3.0, 0.2};
  for (int step = 0; step < 30; ++step) {
    const double rate = 0.1 / (1.0 + 0.1 * step);
    std::vector<std::span<const T>> spans;
    for (std::size_t i = 0; i < 2; ++i) {
      const ParameterInfo& info = store.info(trainable[i]);
      gradients[i].assign(static_cast<std::size_t>(info.size()), T(0));
      for (std::size_t k = 0; k < gradients[i].size(); ++k)
        gradients[i][k] = static_cast<T>(
            curvature[i] *
            (static_cast<double>(parameters[static_cast<std::size_t>(info.offset) + k]) -
             target[i]));
      spans.emplace_back(gradients[i]);
      // The step takes a tenth of the gradient.
      expected[i] =
          scalars[i].step(expected[i], 0.1 * curvature[i] * (expected[i] - target[i]), rate);
    }
    optimizer.step(rate, 0.1, spans, parameters.data(), pool);
    for (std::size_t i = 0; i < 2; ++i) {
      const ParameterInfo& info = store.info(trainable[i]);
      for (std::int64_t k = 0; k < info.size(); ++k)
        ASSERT_NEAR(static_cast<double>(parameters[static_cast<std::size_t>(info.offset + k)]),
                    expected[i], tolerance)
            << options.kind << " step " << step << " element " << k;
    }
  }
  const ParameterInfo& buffer = store.info(store.find("buffer"));
  for (std::int64_t k = 0; k < buffer.size(); ++k)
    EXPECT_EQ(parameters[static_cast<std::size_t>(buffer.offset + k)], T(7));
}

TEST(Optimizer, AgreesWithTheScalarFormulas) {
  for (const char* kind : {"adam", "adamw", "adamax"})
    for (const double decay : {0.0, 0.1}) {
      compare_with_scalar<double>({kind, decay, 0.9, 0.99, 1e-8}, 1e-12);
      compare_with_scalar<float>({kind, decay, 0.9, 0.99, 1e-8}, 2e-5);
    }
}

TEST(Optimizer, NormOfGradientsIsExactAndShowsWhatIsNotFinite) {
  ParameterStore store;
  std::vector<ParameterId> trainable{store.add("a", 1, 3, 0.0), store.add("b", 300, 300, 0.0)};
  Optimizer<float> optimizer(store, trainable, {});
  std::vector<float> a = {3.0F, 0.0F, 0.0F};
  std::vector<float> b(90000, 0.0F);
  b[70001] = 4.0F;
  const std::vector<std::span<const float>> spans{a, b};
  ThreadPool pool(2);
  EXPECT_EQ(optimizer.gradient_norm(spans, pool), 5.0);
  b[89999] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(optimizer.gradient_norm(spans, pool)));
  b[89999] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(optimizer.gradient_norm(spans, pool)));
}

TEST(Optimizer, RefusesOptionsOutOfRange) {
  ParameterStore store;
  const std::vector<ParameterId> trainable{store.add("a", 1, 3, 0.0)};
  const auto message = [&](const OptimizerOptions& options) {
    return message_of<ConfigError>([&] { Optimizer<double>(store, trainable, options); });
  };
  EXPECT_EQ(message({.kind = "adam_w"}),
            "training.optimizer: unknown 'adam_w'; did you mean 'adamw'?");
  EXPECT_EQ(message({.weight_decay = -1.0}), "training.weight_decay: expected at least 0, got -1");
  EXPECT_EQ(message({.beta2 = 1.0}), "training.beta2: expected a number in [0, 1), got 1");
  EXPECT_EQ(message({.epsilon = 0.0}), "training.epsilon: expected a positive number, got 0");
}

// --- Schedules

TEST(Schedule, FollowsTheClosedForms) {
  constexpr double kPi = std::numbers::pi;
  struct Case {
    ScheduleOptions options;
    std::int64_t step;
    double expected;
  };
  const Case cases[] = {
      {{.kind = "constant"}, 0, 1.0},
      {{.kind = "constant"}, 5000, 1.0},
      {{.kind = "constant", .warm_up = 10}, 0, 0.1},
      {{.kind = "constant", .warm_up = 10}, 8, 0.9},
      {{.kind = "constant", .warm_up = 10}, 9, 1.0},
      {{.kind = "constant", .warm_up = 10}, 10, 1.0},
      {{.kind = "step", .decay_factor = 0.1, .decay_every = 100}, 99, 1.0},
      {{.kind = "step", .decay_factor = 0.1, .decay_every = 100}, 100, 0.1},
      {{.kind = "step", .decay_factor = 0.1, .decay_every = 100}, 250, 0.01},
      {{.kind = "step", .decay_factor = 0.5, .milestones = {10, 30}}, 9, 1.0},
      {{.kind = "step", .decay_factor = 0.5, .milestones = {10, 30}}, 10, 0.5},
      {{.kind = "step", .decay_factor = 0.5, .milestones = {10, 30}}, 30, 0.25},
      {{.kind = "exponential", .decay_factor = 0.5, .decay_every = 100}, 0, 1.0},
      {{.kind = "exponential", .decay_factor = 0.5, .decay_every = 100}, 50, std::sqrt(0.5)},
      {{.kind = "exponential", .decay_factor = 0.5, .decay_every = 100}, 300, 0.125},
      {{.kind = "cosine"}, 0, 1.0},
      {{.kind = "cosine"}, 500, 0.5},
      {{.kind = "cosine"}, 250, 0.5 * (1.0 + std::cos(kPi / 4.0))},
      {{.kind = "cosine", .final_factor = 0.2}, 1000, 0.2},
      {{.kind = "cosine", .final_factor = 0.2}, 5000, 0.2},
      {{.kind = "cosine", .warm_up = 200}, 600, 0.5},
      {{.kind = "one_cycle"}, 0, 0.04},
      {{.kind = "one_cycle"}, 150, 0.52},
      {{.kind = "one_cycle"}, 300, 1.0},
      {{.kind = "one_cycle"}, 650, 0.5},
      {{.kind = "one_cycle", .final_factor = 0.1}, 1000, 0.1},
  };
  for (const Case& entry : cases)
    EXPECT_NEAR(Schedule(entry.options, 1000).factor(entry.step), entry.expected, 1e-12)
        << entry.options.kind << " at step " << entry.step;
}

TEST(Schedule, RefusesOptionsOutOfRange) {
  const auto message = [](const ScheduleOptions& options) {
    return message_of<ConfigError>([&] { Schedule(options, 10); });
  };
  EXPECT_EQ(
      message({.kind = "cosin"}),
      "training.schedule: expected one of constant, step, exponential, cosine, one_cycle, got "
      "'cosin'; did you mean 'cosine'?");
  EXPECT_EQ(message({.warm_up = -1}), "training.warm_up: expected at least 0, got -1");
  EXPECT_EQ(message({.decay_factor = 0.0}),
            "training.decay_factor: expected a number in (0, 1], got 0");
  EXPECT_EQ(message({.decay_every = 0}), "training.decay_every: expected at least 1, got 0");
  EXPECT_EQ(message({.milestones = {5, 5}}),
            "training.milestones: expected increasing steps of at least 1, got 5 after 5");
}

// --- Trainer

TEST(Trainer, FitsANormalToItsClosedForm) {
  // With all their weights at 0, couplings can only learn a constant shift and scale, so the flow
  // is a normal with free means and variances.
  ModelOptions options = small_model(2, "trainable_normal");
  options.flow.act_norm = false;
  Model model(options, 1);
  for (const ParameterInfo& info : model.parameters().infos())
    if (info.name.find("coupling") != std::string::npos)
      std::fill_n(model.parameters().flat().begin() + info.offset, info.size(), 0.0);
  std::vector<double> x = normal_rows(1000, 2);
  for (std::size_t row = 0; row < 1000; ++row) {
    x[2 * row] = 3.0 + 0.5 * x[2 * row];
    x[2 * row + 1] = -1.0 + 2.0 * x[2 * row + 1];
  }
  double mean[2] = {};
  double variance[2] = {};
  for (std::size_t i = 0; i < x.size(); ++i) mean[i % 2] += x[i] / 1000.0;
  for (std::size_t i = 0; i < x.size(); ++i)
    variance[i % 2] += (x[i] - mean[i % 2]) * (x[i] - mean[i % 2]) / 1000.0;
  double expected = std::log(2.0 * std::numbers::pi) + 1.0;
  for (const double value : variance) expected += 0.5 * std::log(value);
  ThreadPool pool(1);
  TrainingOptions training = short_training(3000, 1000);
  training.schedule = "cosine";
  training.precision = "double";
  training.learning_rate = 0.02;
  Trainer trainer(model, {.rows = x, .validation_rows = x}, training, pool);
  EXPECT_EQ(trainer.run(), StopReason::kIterations);
  EXPECT_NEAR(trainer.validation_loss(), expected, 1e-8);
  EXPECT_EQ(trainer.counters().step, 3000);
  EXPECT_EQ(trainer.history().rows.size(), 3000U);
}

/// Options under which everything that a state holds is in use.
TrainingOptions full_training() {
  TrainingOptions options = short_training(40, 37);
  options.weight_average = 0.9;
  options.clip_norm = 1.0;
  options.weight_decay = 1e-3;
  options.schedule = "cosine";
  options.warm_up = 5;
  options.validation_interval = 4;
  options.checkpoint_interval = 5;
  options.patience = 1000;
  return options;
}

ModelOptions full_model() {
  ModelOptions options = small_model(3, "resampled");
  options.columns.resize(3);
  options.columns[1].integer = true;
  options.columns[1].scale = 3.0;
  return options;
}

std::vector<double> full_rows(std::int64_t rows, std::uint64_t seed) {
  std::vector<double> x = normal_rows(rows, 3, seed);
  for (std::size_t i = 1; i < x.size(); i += 3) x[i] = std::floor(3.0 * x[i]);
  return x;
}

TEST(Trainer, GivesTheSameBitsForAnyNumberOfThreads) {
  const std::vector<double> x = full_rows(150, 1);
  const std::vector<double> held_out = full_rows(50, 2);
  for (const char* precision : {"float", "double"}) {
    std::vector<TrainerState> states;
    for (const int threads : {1, 2, 3}) {
      Model model(full_model(), 3);
      ThreadPool pool(threads);
      TrainingOptions options = full_training();
      options.precision = precision;
      Trainer trainer(model, {.rows = x, .validation_rows = held_out}, options, pool);
      trainer.run();
      states.push_back(trainer.state());
    }
    EXPECT_EQ(states[0].counters.bad_steps, 0);
    EXPECT_EQ(states[0].history.validations.size(), 10U);
    expect_same_state(states[0], states[1]);
    expect_same_state(states[0], states[2]);
  }
}

TEST(Trainer, ResumesToTheSameBits) {
  const std::vector<double> x = full_rows(150, 1);
  const std::vector<double> held_out = full_rows(50, 2);
  const TrainingData data{.rows = x, .validation_rows = held_out};
  ThreadPool pool(2);
  Model whole(full_model(), 3);
  Trainer reference(whole, data, full_training(), pool);
  reference.run();
  for (const std::int64_t stop : {1, 4, 11, 39}) {
    Model first(full_model(), 3);
    Trainer interrupted(first, data, full_training(), pool);
    const auto reason = interrupted.run(
        {.progress = [stop](const TrainingProgress& now) { return now.step < stop; }});
    EXPECT_EQ(reason, StopReason::kCallback);
    EXPECT_EQ(interrupted.counters().step, stop);
    Model second(full_model(), 3);
    Trainer resumed(second, data, full_training(), pool);
    resumed.restore(interrupted.state());
    EXPECT_EQ(resumed.run(), StopReason::kIterations);
    expect_same_state(reference.state(), resumed.state());
    const auto flat = second.parameters().flat();
    const auto expected = whole.parameters().flat();
    EXPECT_TRUE(std::equal(flat.begin(), flat.end(), expected.begin()));
  }
}

TEST(Trainer, SkipsAndCountsBatchesThatAreNotFinite) {
  std::vector<double> x = normal_rows(100, 2);
  x[2 * 42] = kNaN;
  Model model(small_model(2), 1);
  ThreadPool pool(1);
  TrainingOptions options = short_training(40, 10);
  Trainer trainer(model, {.rows = x}, options, pool);
  EXPECT_EQ(trainer.run(), StopReason::kIterations);
  // 40 batches of 10 are 4 epochs of 100 rows: the bad row comes up once in each.
  EXPECT_EQ(trainer.counters().bad_steps, 4);
  EXPECT_EQ(trainer.counters().non_finite, 4);
  EXPECT_EQ(trainer.counters().optimizer_steps, 36);
  std::int64_t bad = 0;
  for (const HistoryRow& row : trainer.history().rows) {
    bad += row.bad_steps;
    EXPECT_EQ(std::isnan(row.loss), row.bad_steps == 1);
  }
  EXPECT_EQ(bad, 4);
  for (const double value : model.parameters().flat()) EXPECT_TRUE(std::isfinite(value));
}

TEST(Trainer, StopsAfterTooManyBadStepsInARow) {
  std::vector<double> x = normal_rows(10, 2);
  x[3] = kNaN;
  Model model(small_model(2), 1);
  ThreadPool pool(1);
  TrainingOptions options = short_training(100, 10);
  options.max_bad_steps = 3;
  Trainer trainer(model, {.rows = x}, options, pool);
  const std::string message = message_of<NumericalError>([&] { trainer.run(); });
  EXPECT_NE(message.find("4 steps in a row were not finite (step 4: loss nan"), std::string::npos)
      << message;
  EXPECT_NE(message.find("1 of 10 log densities"), std::string::npos) << message;
  EXPECT_EQ(trainer.counters().optimizer_steps, 0);
  for (const double value : model.parameters().flat()) EXPECT_TRUE(std::isfinite(value));
}

TEST(Trainer, GoesBackToItsBestStepWhereNoBatchIsFiniteAnyMore) {
  const std::vector<double> x = normal_rows(100, 2);
  ThreadPool pool(1);
  TrainingOptions options = short_training(400, 10);
  options.max_bad_steps = 3;
  options.validation_interval = 10;
  const TrainingData data{.rows = x, .validation_rows = x};
  const auto lost_state = [&](Model& model) {
    Trainer before(model, data, options, pool);
    before.run({.progress = [](const TrainingProgress& now) { return now.step < 40; }});
    TrainerState state = before.state();
    EXPECT_FALSE(state.best.empty());
    std::ranges::fill(state.parameters, kNaN);
    return state;
  };
  Model model(small_model(2), 1);
  const TrainerState lost = lost_state(model);
  Trainer trainer(model, data, options, pool);
  trainer.restore(lost);
  std::vector<double> rates;
  EXPECT_EQ(trainer.run({.progress =
                             [&](const TrainingProgress& now) {
                               rates.push_back(now.learning_rate);
                               return true;
                             }}),
            StopReason::kIterations);
  EXPECT_EQ(trainer.counters().bad_steps, 4);
  EXPECT_EQ(trainer.counters().returns, 1);
  EXPECT_EQ(trainer.counters().optimizer_steps, 356);
  EXPECT_NEAR(rates[4], 0.005 * options.learning_rate, 1e-12);
  EXPECT_NEAR(rates.back(), 0.5 * options.learning_rate, 1e-12);
  for (const double value : model.parameters().flat()) EXPECT_TRUE(std::isfinite(value));

  // The state in between goes on to the same bits.
  Model other(small_model(2), 1);
  Trainer first(other, data, options, pool);
  first.restore(lost);
  first.run({.progress = [](const TrainingProgress& now) { return now.step < 60; }});
  const TemporaryFolder folder;
  save_checkpoint(folder.path("state"), other.parameters(), first.state());
  Trainer second(other, data, options, pool);
  second.restore(load_checkpoint(folder.path("state"), other.parameters()));
  second.run();
  expect_same_state(trainer.state(), second.state());

  // Not for ever: four times after 4 bad steps each, then an error.
  std::vector<double> spoilt = x;
  for (std::size_t i = 0; i < spoilt.size(); i += 2) spoilt[i] = kNaN;
  Model third(small_model(2), 1);
  Trainer hopeless(third, {.rows = spoilt, .validation_rows = x}, options, pool);
  hopeless.restore(lost);
  const std::string message = message_of<NumericalError>([&] { hopeless.run(); });
  EXPECT_NE(message.find("4 steps in a row were not finite (step 60"), std::string::npos)
      << message;
  EXPECT_EQ(hopeless.counters().returns, 4);
}

TEST(Trainer, ValidatesOnAsManyRowsAsAskedFor) {
  const std::vector<double> x = normal_rows(100, 2);
  std::vector<double> third;  // rows 0, 33 and 66
  for (const std::size_t row : {0, 33, 66}) third.insert(third.end(), {x[2 * row], x[2 * row + 1]});
  Model model(small_model(2), 1);
  ThreadPool pool(1);
  TrainingOptions options = short_training(1, 2);
  options.precision = "double";
  const double expected =
      Trainer(model, {.rows = x, .validation_rows = third}, options, pool).validation_loss();
  options.validation_rows = 3;
  EXPECT_EQ(Trainer(model, {.rows = x, .validation_rows = x}, options, pool).validation_loss(),
            expected);
  options.validation_rows = 100;
  const double whole =
      Trainer(model, {.rows = x, .validation_rows = x}, options, pool).validation_loss();
  options.validation_rows = 0;
  EXPECT_EQ(Trainer(model, {.rows = x, .validation_rows = x}, options, pool).validation_loss(),
            whole);
  EXPECT_NE(whole, expected);
}

TEST(Trainer, EachEpochTakesEachRowOnce) {
  // The base's mean has gradient -mean(x) on the first steps of a tiny learning rate, so the
  // losses tell which rows were taken: their sum over an epoch is that of all rows.
  const std::vector<double> x = normal_rows(103, 2);
  Model model(small_model(2), 1);
  ThreadPool pool(1);
  TrainingOptions options = short_training(206, 2);
  options.learning_rate = 1e-300;
  options.precision = "double";
  options.initialise_from_data = false;
  Trainer trainer(model, {.rows = x, .validation_rows = x}, options, pool);
  const double all = trainer.validation_loss();
  double sum = 0.0;
  std::vector<double> losses;
  for (int step = 0; step < 103; ++step) {
    losses.push_back(trainer.step());
    sum += losses.back();
  }
  EXPECT_NEAR(sum / 103.0, all, 1e-10);  // two epochs of 103 rows in batches of 2
  std::sort(losses.begin(), losses.end());
  EXPECT_EQ(std::adjacent_find(losses.begin(), losses.end()), losses.end());
}

TEST(Trainer, NoiseOfEvenlySpacedColumnsIsFreshAndInside) {
  // A bounded column [0, 2) has infinite log density at both ends, so noise that reached a whole
  // number at either end would show as bad steps.
  ModelOptions options;
  options.features = 1;
  options.flow.kind = "elementwise_spline";
  options.flow.blocks = 1;
  options.columns.resize(1);
  options.columns[0].integer = true;
  options.columns[0].lower = 0.0;
  options.columns[0].upper = 2.0;
  std::vector<double> x(64);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i % 2);
  Model model(options, 1);
  ThreadPool pool(1);
  TrainingOptions training = short_training(50, 64);
  training.learning_rate = 1e-30;
  Trainer trainer(model, {.rows = x}, training, pool);
  const double first = trainer.step();
  EXPECT_NE(trainer.step(), first);
  trainer.run();
  EXPECT_EQ(trainer.counters().bad_steps, 0);
}

TEST(Trainer, TrainsOnAGeneratorWithAResampledBase) {
  ThreadPool pool(2);
  const SampleGenerator generator = [](std::uint64_t first, std::int64_t count, double* out) {
    for (std::int64_t row = 0; row < count; ++row) {
      RandomSequence random(1, Stream::kTarget, first + static_cast<std::uint64_t>(row));
      const double side = random.uniform() < 0.5 ? -2.0 : 2.0;
      out[2 * row] = side + 0.3 * random.normal();
      out[2 * row + 1] = random.normal();
    }
  };
  Model model(small_model(2, "resampled"), 1);
  Trainer trainer(model, {.generator = generator}, short_training(200, 130), pool);
  const double first = trainer.step();
  EXPECT_EQ(trainer.run(), StopReason::kIterations);
  EXPECT_LT(trainer.counters().smoothed_loss, first - 0.2);
  EXPECT_EQ(trainer.counters().bad_steps, 0);
  EXPECT_GT(model.parameters().values(model.resampled()->z_average())[0], 0.0);
}

TEST(Trainer, KeepsTheBestAndStopsWithoutProgress) {
  const std::vector<double> x = normal_rows(20, 2, 1);
  const std::vector<double> held_out = normal_rows(200, 2, 2);
  Model model(small_model(2), 1);
  ThreadPool pool(1);
  TrainingOptions options = short_training(5000, 20);
  options.learning_rate = 0.05;
  options.validation_interval = 5;
  options.patience = 3;
  Trainer trainer(model, {.rows = x, .validation_rows = held_out}, options, pool);
  EXPECT_EQ(trainer.run(), StopReason::kPatience);
  const TrainerCounters& counters = trainer.counters();
  EXPECT_EQ(counters.validations_since_best, 3);
  EXPECT_EQ(counters.step, counters.best_step + 15);
  for (const ValidationRow& row : trainer.history().validations)
    EXPECT_GE(row.loss, counters.best_validation_loss);
  // The model holds the best parameters: a new trainer finds their loss.
  TrainingOptions none = options;
  none.initialise_from_data = false;
  Trainer check(model, {.rows = x, .validation_rows = held_out}, none, pool);
  EXPECT_EQ(check.validation_loss(), counters.best_validation_loss);
  EXPECT_EQ(trainer.run(), StopReason::kPatience);
}

TEST(Trainer, AverageIsThatOfTheFormula) {
  const std::vector<double> x = normal_rows(64, 2);
  Model model(small_model(2), 1);
  ThreadPool pool(1);
  TrainingOptions options = short_training(20, 64);
  options.weight_average = 0.5;
  options.precision = "double";
  Trainer trainer(model, {.rows = x}, options, pool);
  std::vector<double> average;
  for (int step = 1; step <= 20; ++step) {
    trainer.step();
    const std::vector<double> now = trainer.state().parameters;
    if (average.empty()) average = now;
    const double decay = std::min(0.5, (step - 1.0) / (step + 8.0));
    for (std::size_t i = 0; i < now.size(); ++i)
      average[i] = decay * average[i] + (1.0 - decay) * now[i];
  }
  const std::vector<double> got = trainer.state().average;
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], average[i], 1e-13);
  trainer.update_model();
  EXPECT_EQ(model.parameters().flat()[0], got[0]);
}

TEST(Trainer, ClipsTheGradient) {
  // Adamax with beta1 = beta2 = 0 moves by rate * g / (|g| + epsilon); with an epsilon much larger
  // than g the move is the clipped gradient times rate / epsilon.
  const std::vector<double> x = normal_rows(64, 2);
  Model model(small_model(2), 1);
  ThreadPool pool(1);
  TrainingOptions options = short_training(1, 64);
  options.precision = "double";
  options.optimizer = "adamax";
  options.beta1 = 0.0;
  options.beta2 = 0.0;
  options.epsilon = 1e9;
  options.learning_rate = 1e9;
  options.clip_norm = 1e-3;
  options.initialise_from_data = false;
  const std::vector<double> before(model.parameters().flat().begin(),
                                   model.parameters().flat().end());
  Trainer trainer(model, {.rows = x}, options, pool);
  trainer.step();
  const std::vector<double> after = trainer.state().parameters;
  double square = 0.0;
  for (std::size_t i = 0; i < after.size(); ++i)
    square += (after[i] - before[i]) * (after[i] - before[i]);
  EXPECT_GT(trainer.history().rows[0].gradient_norm, 1e-3);
  EXPECT_NEAR(std::sqrt(square), 1e-3, 1e-8);
}

TEST(Trainer, StopsWhenTheTimeIsUp) {
  const std::vector<double> x = normal_rows(64, 2);
  Model model(small_model(2), 1);
  ThreadPool pool(1);
  TrainingOptions options = short_training(1'000'000'000, 64);
  options.time_budget = 0.05;
  Trainer trainer(model, {.rows = x}, options, pool);
  EXPECT_EQ(trainer.run(), StopReason::kTimeBudget);
  EXPECT_GT(trainer.counters().step, 0);
}

TEST(Trainer, ScheduleAndAnnealingEndWithTheTime) {
  // A clock by which a step takes 0.1 s: 100 of the 1000 steps are possible.
  const std::vector<double> x = normal_rows(64, 2);
  for (const bool in_options : {true, false}) {
    Model model(small_model(2), 1);
    ThreadPool pool(1);
    TrainingOptions options = short_training(1000, 64);
    options.schedule = "cosine";
    options.final_factor = 0.0;
    if (in_options) options.time_budget = 10.0;
    Trainer trainer(model, {.rows = x}, options, pool);
    std::vector<TrainingProgress> steps;
    TrainingCallbacks callbacks;
    callbacks.progress = [&](const TrainingProgress& progress) {
      steps.push_back(progress);
      return true;
    };
    callbacks.clock = [&] { return 0.1 * static_cast<double>(trainer.counters().step); };
    if (!in_options) callbacks.time_budget = 10.0;
    EXPECT_EQ(trainer.run(callbacks), StopReason::kTimeBudget);
    EXPECT_TRUE(trainer.shortened());
    ASSERT_EQ(steps.size(), 100U);
    for (std::size_t i = 1; i < steps.size(); ++i) {
      EXPECT_GE(steps[i].place, steps[i - 1].place);
      // From a twentieth of the time on, a step is worth ten.
      if (i >= 5) {
        EXPECT_NEAR(static_cast<double>(steps[i].place), 10.0 * static_cast<double>(i), 1.0);
      }
    }
    // What anneals over half of the steps has done so for half of the time.
    EXPECT_GE(steps[50].place, 499);
    const double pi = std::numbers::pi;
    EXPECT_NEAR(steps.back().learning_rate,
                options.learning_rate * 0.5 * (1.0 + std::cos(pi * 0.99)), 1e-3 * 1e-3);
  }
}

TEST(Trainer, LeavesOutValidationsThatGoBeyondTheTime) {
  const std::vector<double> x = normal_rows(64, 2);
  for (const double expected : {0.0, 8.05, 9.5}) {
    Model model(small_model(2), 1);
    ThreadPool pool(1);
    TrainingOptions options = short_training(1000, 64);
    options.validation_interval = 10;
    Trainer trainer(model, {.rows = x, .validation_rows = x}, options, pool);
    // A step takes 0.1 s, a validation is said to take so long, and then takes nothing.
    TrainingCallbacks callbacks{.time_budget = 10.0, .validation_seconds = expected};
    callbacks.clock = [&] { return 0.1 * static_cast<double>(trainer.counters().step); };
    EXPECT_EQ(trainer.run(callbacks), StopReason::kTimeBudget);
    EXPECT_EQ(trainer.history().validations.size(), expected > 9.0 ? 0U : 10U) << expected;
  }
}

TEST(Trainer, TimeThatSufficesChangesNothing) {
  const std::vector<double> x = normal_rows(256, 2);
  std::vector<std::vector<double>> results;
  for (const double budget : {0.0, 3.0}) {
    Model model(small_model(2), 1);
    ThreadPool pool(1);
    TrainingOptions options = short_training(20, 64);
    options.schedule = "cosine";
    options.time_budget = budget;
    Trainer trainer(model, {.rows = x}, options, pool);
    TrainingCallbacks callbacks;
    callbacks.clock = [&] { return 0.1 * static_cast<double>(trainer.counters().step); };
    EXPECT_EQ(trainer.run(callbacks), StopReason::kIterations);
    EXPECT_FALSE(trainer.shortened());
    results.emplace_back(model.parameters().flat().begin(), model.parameters().flat().end());
  }
  EXPECT_EQ(results[0], results[1]);
}

TEST(Trainer, RefusesWhatDoesNotFit) {
  ThreadPool pool(1);
  const std::vector<double> x = normal_rows(8, 2);
  const auto message = [&]<typename ErrorType>(ErrorType*, const TrainingOptions& options,
                                               const TrainingData& data) {
    return message_of<ErrorType>([&] {
      Model model(small_model(2), 1);
      Trainer(model, data, options, pool);
    });
  };
  const auto config = [&](const TrainingOptions& options) {
    return message(static_cast<ConfigError*>(nullptr), options, {.rows = x});
  };
  EXPECT_EQ(config({.batch_size = 0}), "training.batch_size: expected at least 1, got 0");
  EXPECT_EQ(config({.learning_rate = -1.0}),
            "training.learning_rate: expected a positive number, got -1");
  EXPECT_EQ(config({.weight_average = 1.0}),
            "training.weight_average: expected a number in [0, 1), got 1");
  EXPECT_EQ(config({.validation_interval = 0}),
            "training.validation_interval: expected at least 1, got 0");
  EXPECT_EQ(config({.precision = "half"}),
            "training.precision: expected float or double, got 'half'");
  EXPECT_EQ(config({.time_budget = kNaN}), "training.time_budget: expected at least 0, got nan");
  EXPECT_EQ(message(static_cast<DataError*>(nullptr), {}, {}),
            "training data: expected at least one row, got none (an energy alone wants "
            "training.objective=reverse_kl)");
  const std::vector<double> odd(7, 0.0);
  EXPECT_EQ(message(static_cast<ShapeError*>(nullptr), {}, {.rows = odd}),
            "training data: expected rows of 2 values, got 7 values");
  Model model(small_model(2), 1);
  Trainer trainer(model, {.rows = x}, {}, pool);
  TrainerState state = trainer.state();
  state.parameters.pop_back();
  EXPECT_THROW(trainer.restore(state), DataError);
}

TEST(History, MergesRowsOfLongRuns) {
  History history;
  for (std::int64_t step = 1; step <= 10000; ++step)
    history.add(step, step % 4 != 0, static_cast<double>(step), 0.1, static_cast<double>(step),
                step % 4 == 0 ? 2 : 0);
  EXPECT_EQ(history.interval, 4);
  EXPECT_EQ(history.rows.size(), 2500U);
  EXPECT_EQ(history.rows[0].step, 4);
  EXPECT_NEAR(history.rows[0].loss, 2.0, 1e-12);  // of steps 1, 2, 3
  EXPECT_EQ(history.rows[0].gradient_norm, 3.0);
  EXPECT_EQ(history.rows[0].bad_steps, 1);
  EXPECT_EQ(history.rows[0].non_finite, 2);
  EXPECT_EQ(history.rows.back().step, 10000);
}

// Ten steps a second, and a pause of ten seconds after each hundred: five a second in the mean.
TEST(Speedometer, CountsPausesByTheirShare) {
  Speedometer speedometer;
  EXPECT_NEAR(speedometer.rate(1, 0.1), 10.0, 1e-9);
  for (std::int64_t step = 2; step <= 3000; ++step) {
    const double now = 0.1 * static_cast<double>(step) + 10.0 * static_cast<double>(step / 100);
    const double rate = speedometer.rate(step, now);
    const double truth = now < 9.0 ? 10.0 : 5.0, tolerance = now < 9.0     ? 1e-9
                                                             : now > 500.0 ? 0.5
                                                                           : 1.8;
    if (now >= 9.0 && now <= 100.0) continue;
    EXPECT_NEAR(rate, truth, tolerance) << step;
  }
}

}  // namespace
}  // namespace thalweg
