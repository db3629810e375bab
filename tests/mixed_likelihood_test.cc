// The mixed objective: its parts, their weights, and steps by likelihood alone before it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "run_graph.h"
#include "small_model.h"
#include "thalweg/core/error.h"
#include "thalweg/objectives/maximum_likelihood.h"
#include "thalweg/objectives/mixed.h"
#include "thalweg/training/trainer.h"

namespace thalweg {
namespace {

constexpr std::int64_t kFeatures = 2;

using testing::small_model;

std::vector<double> rows_of_rings(std::int64_t rows) {
  const auto target = make_target("two_rings");
  std::vector<double> x;
  for (std::int64_t row = 0; row < rows; ++row) {
    RandomSequence random(3, Stream::kTarget, static_cast<std::uint64_t>(row));
    const std::vector<double> point = target->sample(random);
    x.insert(x.end(), point.begin(), point.end());
  }
  return x;
}

TrainingOptions mixed_training(double weight) {
  TrainingOptions options;
  options.objective = "mixed";
  options.likelihood_weight = weight;
  options.iterations = 30;
  options.batch_size = 50;
  options.annealing_steps = 10;
  options.precision = "double";
  return options;
}

// A weighted sum of two functions has the weighted sum of their gradients, whatever random numbers
// they drew. The mixed loss is therefore differentiated as a whole and compared with its own value
// at moved parameters.
TEST(MixedLikelihood, LossAndGradientsAreTheWeightedSums) {
  Model model(small_model(kFeatures), 1);
  const std::shared_ptr<const Target> target = make_target("two_rings");
  const std::vector<double> x = rows_of_rings(40), cold(23, 0.3);
  RandomSequence random(7, Stream::kEvaluation);
  for (double& value : model.parameters().flat()) value += 0.1 * random.normal();
  const auto results_at = [&](double weight) {
    Graph graph(model.parameters(), Phase::kTraining);
    const TrainingStep step = training_step(
        graph, model.flow(), MixedLikelihood(MaximumLikelihood(), ReverseKl(target), weight), 23);
    std::vector<Value> outputs{step.loss, step.non_finite};
    outputs.insert(outputs.end(), step.gradients.begin(), step.gradients.end());
    return testing::run_graph(graph, outputs, {x, cold}, {40, 23});
  };
  // The likelihood has no random numbers here: its part is known from its own graph.
  Graph graph(model.parameters(), Phase::kTraining);
  const TrainingStep likelihood = training_step(graph, model.flow(), MaximumLikelihood());
  std::vector<Value> outputs{likelihood.loss, likelihood.non_finite};
  outputs.insert(outputs.end(), likelihood.gradients.begin(), likelihood.gradients.end());
  const auto data = testing::run_graph(graph, outputs, {x}, {40});
  const auto quarter = results_at(0.25), three_quarters = results_at(0.75);
  EXPECT_EQ(quarter[1][0], 0.0);
  for (std::size_t k = 0; k < data.size(); ++k) {
    if (k == 1) continue;
    for (std::size_t i = 0; i < data[k].size(); ++i) {
      // Both weights draw the same latent samples, so the other part can be solved for.
      const double other = 1.5 * quarter[k][i] - 0.5 * three_quarters[k][i];
      EXPECT_NEAR(quarter[k][i], 0.25 * data[k][i] + 0.75 * other, 1e-11);
    }
  }
  // And the whole gradient against central differences.
  const auto& infos = model.parameters().infos();
  std::size_t tensor = 2;
  double largest = 0.0;
  for (const ParameterInfo& info : infos) {
    if (!info.trainable) continue;
    double& value = model.parameters().flat()[static_cast<std::size_t>(info.offset)];
    const double before = value, h = 1e-6;
    value = before + h;
    const double up = results_at(0.25)[0][0];
    value = before - h;
    const double down = results_at(0.25)[0][0];
    value = before;
    const double slope = (up - down) / (2.0 * h);
    EXPECT_NEAR(quarter[tensor][0], slope, 1e-5 * (1.0 + std::abs(slope))) << info.name;
    largest = std::max(largest, std::abs(slope));
    ++tensor;
  }
  EXPECT_GT(largest, 0.1);
}

std::vector<double> trained(const Model& start, const TrainingData& data,
                            const TrainingOptions& options, int threads = 1,
                            std::int64_t stop_at = 0) {
  ThreadPool pool(threads);
  Model model(start.options(), 1);
  auto trainer = std::make_unique<Trainer>(model, data, options, pool);
  for (std::int64_t step = 0; step < stop_at; ++step) trainer->step();
  const TrainerState state = trainer->state();
  Model again(start.options(), 1);
  trainer = std::make_unique<Trainer>(again, data, options, pool);
  trainer->restore(state);
  for (std::int64_t step = stop_at; step < options.iterations; ++step) trainer->step();
  return trainer->state().parameters;
}

TEST(MixedLikelihood, TheEndsOfTheWeightAreThePureObjectives) {
  const std::vector<double> x = rows_of_rings(400);
  const TrainingData data{.rows = x, .target = make_target("two_rings")};
  const Model model(small_model(kFeatures), 1);
  TrainingOptions likelihood = mixed_training(1.0);
  likelihood.objective = "maximum_likelihood";
  EXPECT_EQ(trained(model, data, mixed_training(1.0)), trained(model, data, likelihood));
  TrainingOptions reverse = mixed_training(0.0);
  reverse.objective = "reverse_kl";
  EXPECT_EQ(trained(model, {.target = data.target}, mixed_training(0.0)),
            trained(model, data, reverse));
  // As long as the likelihood's own steps last, nothing else matters.
  TrainingOptions first = mixed_training(0.3);
  first.likelihood_steps = first.iterations;
  EXPECT_EQ(trained(model, data, first), trained(model, data, likelihood));
  first.likelihood_steps = first.iterations - 1;
  EXPECT_NE(trained(model, data, first), trained(model, data, likelihood));
}

TEST(MixedLikelihood, AnyThreadsAndAResumeGiveTheSameBits) {
  const std::vector<double> x = rows_of_rings(30);  // fewer rows than latent samples
  const TrainingData data{.rows = x, .target = make_target("two_rings")};
  for (const char* base : {"normal", "mixture", "resampled"}) {
    const Model model(small_model(kFeatures, base), 1);
    TrainingOptions options = mixed_training(0.5);
    options.precision = "float";
    options.likelihood_steps = 12;
    const std::vector<double> once = trained(model, data, options);
    for (const std::int64_t stop : {5, 12, 19})
      EXPECT_EQ(trained(model, data, options, 3, stop), once) << base << ", " << stop;
  }
}

TEST(MixedLikelihood, AnnealsAfterTheStepsByLikelihoodAlone) {
  // At temperature factor 0 a reverse KL of a normal flow has no pull to the target: the loss of
  // the first mixed step shows the factor, since the flow is that of the likelihood's steps.
  const std::vector<double> x = rows_of_rings(200);
  const TrainingData data{.rows = x, .target = make_target("two_rings")};
  const auto first_mixed_loss = [&](double start, std::int64_t steps) {
    ThreadPool pool(1);
    Model model(small_model(kFeatures), 1);
    TrainingOptions options = mixed_training(0.5);
    options.likelihood_steps = 15;
    options.annealing_start = start;
    options.annealing_steps = steps;
    Trainer trainer(model, data, options, pool);
    for (int step = 0; step < 15; ++step) trainer.step();
    return trainer.step();
  };
  EXPECT_EQ(first_mixed_loss(1.0, 10), first_mixed_loss(0.2, 0));
  EXPECT_GT(std::abs(first_mixed_loss(1.0, 10) - first_mixed_loss(0.2, 10)), 0.1);
}

TEST(MixedLikelihood, TakesAutoregressiveFlowsWithDropout) {
  ThreadPool pool(1);
  ModelOptions options = small_model(kFeatures);
  options.flow.kind = "autoregressive_affine";
  options.flow.dropout = 0.1;
  Model model(options, 1);
  const std::vector<double> x = rows_of_rings(20);
  Trainer trainer(model, {.rows = x, .target = make_target("two_rings")}, mixed_training(0.5),
                  pool);
  for (int step = 0; step < 3; ++step) EXPECT_TRUE(std::isfinite(trainer.step()));
}

TEST(MixedLikelihood, RefusesWhatItCannotDo) {
  ThreadPool pool(1);
  Model model(small_model(kFeatures), 1);
  const std::vector<double> x = rows_of_rings(20);
  const TrainingData target_alone{.target = make_target("two_rings")};
  EXPECT_THROW(Trainer(model, {.rows = x}, mixed_training(0.5), pool), DataError);
  EXPECT_THROW(Trainer(model, target_alone, mixed_training(0.5), pool), DataError);
  EXPECT_THROW(Trainer(model, target_alone, mixed_training(1.5), pool), ConfigError);
  TrainingOptions negative = mixed_training(0.5);
  negative.likelihood_steps = -1;
  EXPECT_THROW(Trainer(model, target_alone, negative, pool), ConfigError);
  EXPECT_THROW(MixedLikelihood(MaximumLikelihood(), ReverseKl(target_alone.target), -0.1),
               ConfigError);
  EXPECT_THROW(ReverseKl(nullptr), ConfigError);
}

}  // namespace
}  // namespace thalweg
