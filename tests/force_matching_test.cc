// Force matching: forces against differences of log densities, the loss against its definition, its
// gradient against differences, and what it refuses.
#include "thalweg/objectives/force_matching.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "run_graph.h"
#include "small_model.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/flows/model.h"
#include "thalweg/sampling/column_map.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/targets/expression.h"
#include "thalweg/training/trainer.h"

namespace thalweg {
namespace {

using testing::run_graph;

/// Bounded, half-bounded, unbounded and periodic columns under smooth maps, off its start.
Model smooth_model(const std::string& kind) {
  ModelOptions options;
  options.features = 4;
  options.flow.kind = kind;
  options.flow.blocks = 2;
  options.flow.hidden = {8};
  options.flow.activation = "tanh";
  options.flow.act_norm = false;
  if (kind == "smooth") options.base.kind = "uniform";
  options.columns = {{.name = "a", .lower = 2.0, .upper = 5.0},
                     {.name = "b", .lower = 0.0, .mean = 0.1, .scale = 0.7},
                     {.name = "c", .mean = -1.0, .scale = 2.0},
                     {.name = "d", .lower = -180.0, .upper = 180.0, .periodic = true}};
  Model model(options, 1);
  RandomSequence random(5, Stream::kInitialisation);
  // On the line what is far out has energies that no difference can be taken of.
  const double away = kind == "smooth" ? 0.8 : 0.2;
  for (std::size_t i = 0; i < model.parameters().infos().size(); ++i)
    if (model.parameters().infos()[i].trainable)
      for (double& value : model.parameters().values({static_cast<std::int32_t>(i)}))
        value += away * random.normal();
  return model;
}

std::vector<double> points_of(std::int64_t rows) {
  RandomSequence random(3, Stream::kEvaluation);
  std::vector<double> x;
  for (std::int64_t row = 0; row < rows; ++row)
    x.insert(x.end(), {2.0 + 3.0 * random.uniform(), std::exp(0.5 * random.normal()),
                       -1.0 + 2.0 * random.normal(), 360.0 * random.uniform() - 180.0});
  return x;
}

std::shared_ptr<const Target> energy() {
  return make_expression_target("0.5*(a - 3)^2 + b + 0.1*c^2*(1 + 0.2*cos(d*pi/180))",
                                {"a", "b", "c", "d"});
}

class SmoothForces : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Kinds, SmoothForces, ::testing::Values("smooth", "logistic"),
                         [](const auto& kind) { return kind.param; });

TEST_P(SmoothForces, ComparesForcesInTheUnitsOfTheData) {
  const Model model = smooth_model(GetParam());
  ThreadPool pool(1);
  const std::int64_t rows = 40;
  const std::vector<double> x = points_of(rows), y = ColumnMap(model, pool).to_layers(x);
  Graph graph(model.parameters());
  const Value input = graph.input({4, 1});
  const auto found = run_graph(graph,
                               {flow_forces(model.flow(), input, model.layers()),
                                target_forces(model.flow(), *energy(), input, model.layers())},
                               {y}, {rows});
  DensityEvaluator evaluator(model, pool, Precision::kDouble);
  for (std::size_t column = 0; column < 4; ++column) {
    const double h = column == 3 ? 1e-4 : 1e-6;
    std::vector<double> up = x, down = x;
    for (std::size_t i = column; i < x.size(); i += 4) {
      up[i] += h;
      down[i] -= h;
    }
    const std::vector<double> above = evaluator.log_prob(up), below = evaluator.log_prob(down);
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
      const double slope = (above[row] - below[row]) / (2.0 * h);
      const double* at = x.data() + 4 * row;
      const double angle = at[3] * std::numbers::pi / 180.0;
      const double true_force[] = {
          3.0 - at[0], -1.0, -0.2 * at[2] * (1.0 + 0.2 * std::cos(angle)),
          0.02 * at[2] * at[2] * std::sin(angle) * std::numbers::pi / 180.0};
      EXPECT_NEAR(found[0][4 * row + column], slope, 1e-6 * (1.0 + std::abs(slope)));
      EXPECT_NEAR(found[1][4 * row + column], true_force[column], 1e-12);
    }
  }
}

TEST_P(SmoothForces, LossIsTheWeightedSumAndItsGradientIsRight) {
  Model model = smooth_model(GetParam());
  ThreadPool pool(1);
  const std::int64_t rows = 30, samples = 20;
  const std::vector<double> x = points_of(rows);
  std::vector<double> log_det;
  const std::vector<double> y = ColumnMap(model, pool).to_layers(x, &log_det);
  const std::vector<double> ones(static_cast<std::size_t>(samples), 1.0);
  const auto at = [&](const ForceMatchingOptions& options) {
    Graph graph(model.parameters(), Phase::kTraining);
    StepBuilder builder(graph, model.flow(), samples, model.layers(), true);
    const TrainingStep step = training_step(builder, ForceMatching(energy(), options));
    std::vector<Value> outputs{step.loss, step.non_finite};
    outputs.insert(outputs.end(), step.gradients.begin(), step.gradients.end());
    std::vector<std::vector<double>> inputs{y, log_det};
    std::vector<std::int64_t> counts{rows};
    if (options.energy_weight > 0.0) {
      inputs.push_back(ones);
      counts.push_back(samples);
    }
    return run_graph(graph, outputs, inputs, counts);
  };
  // The force's part against its definition, and the likelihood's against the evaluator.
  Graph graph(model.parameters());
  const Value input = graph.input({4, 1});
  const auto pair = run_graph(graph,
                              {flow_forces(model.flow(), input, model.layers()),
                               target_forces(model.flow(), *energy(), input, model.layers())},
                              {y}, {rows});
  double error = 0.0, likelihood = 0.0;
  for (std::size_t i = 0; i < pair[0].size(); ++i)
    error += std::pow(pair[0][i] - pair[1][i], 2) / static_cast<double>(rows);
  DensityEvaluator evaluator(model, pool, Precision::kDouble);
  for (const double value : evaluator.log_prob(x)) likelihood -= value / static_cast<double>(rows);
  EXPECT_NEAR(at({.force_weight = 1.0})[0][0], error, 1e-11 * error);
  EXPECT_NEAR(at({.force_weight = 0.25})[0][0], 0.25 * error + 0.75 * likelihood, 1e-10);
  const double third = at({.force_weight = 0.25, .energy_weight = 0.5})[0][0];
  const double half = at({.force_weight = 0.25, .energy_weight = 0.25})[0][0];
  const double divergence = 4.0 * (third - half) + likelihood;
  EXPECT_NEAR(third, 0.25 * error + 0.25 * likelihood + 0.5 * divergence, 1e-10);

  // Through the numeric inverse (reverse KL) and the forces' own derivatives.
  const ForceMatchingOptions all{.force_weight = 0.25, .energy_weight = 0.5};
  const auto analytic = at(all);
  EXPECT_EQ(analytic[1][0], 0.0);
  std::size_t tensor = 2;
  double largest = 0.0;
  for (const ParameterInfo& info : model.parameters().infos()) {
    if (!info.trainable) continue;
    for (const std::int64_t element : {std::int64_t{0}, info.size() / 2}) {
      double& value = model.parameters().flat()[static_cast<std::size_t>(info.offset + element)];
      const double before = value, h = 1e-5;
      value = before + h;
      const double up = at(all)[0][0];
      value = before - h;
      const double down = at(all)[0][0];
      value = before;
      const double slope = (up - down) / (2.0 * h);
      EXPECT_NEAR(analytic[tensor][static_cast<std::size_t>(element)], slope,
                  2e-6 * (1.0 + std::abs(slope)))
          << info.name << ", element " << element;
      largest = std::max(largest, std::abs(slope));
    }
    ++tensor;
  }
  EXPECT_GT(largest, 0.1);
}

TEST_P(SmoothForces, ARowCountsOnceAmongThoseThatAreNotFinite) {
  const Model model = smooth_model(GetParam());
  ThreadPool pool(1);
  std::vector<double> log_det;
  std::vector<double> y = ColumnMap(model, pool).to_layers(points_of(5), &log_det);
  y[0] = y[9] = NAN;  // of the first and the third row
  for (const double weight : {0.25, 1.0}) {
    Graph graph(model.parameters(), Phase::kTraining);
    StepBuilder builder(graph, model.flow(), 1, model.layers(), true);
    const TrainingStep step =
        training_step(builder, ForceMatching(energy(), {.force_weight = weight}));
    std::vector<std::vector<double>> inputs{y};
    if (weight < 1.0) inputs.push_back(log_det);
    EXPECT_EQ(run_graph(graph, {step.non_finite}, inputs, {5})[0][0], 2.0);
  }
}

TEST(ForceMatching, VanishesForTheRightDensityAlone) {
  ModelOptions options = testing::small_model(2);
  options.flow.activation = "tanh";
  options.flow.act_norm = false;
  const Model model(options, 1);  // the identity on a standard normal
  const std::vector<double> x{0.3, -1.2, 2.0, 0.1, -0.7, 0.9};
  const auto loss = [&](const char* expression) {
    Graph graph(model.parameters(), Phase::kTraining);
    const TrainingStep step = training_step(
        graph, model.flow(),
        ForceMatching(make_expression_target(expression, {"x", "y"}), {.force_weight = 1.0}));
    return run_graph(graph, {step.loss}, {x}, {3})[0][0];
  };
  EXPECT_NEAR(loss("0.5*(x^2 + y^2) + 17"), 0.0, 1e-24);
  EXPECT_NEAR(loss("0.5*(x^2 + y^2) + 0.2*x"), 0.04, 1e-12);
}

TEST(ForceMatching, EnergiesMayComeAfterThePointsAlone) {
  const std::vector<double> x = points_of(40);
  const auto trained = [&](double energy_weight, std::int64_t first_steps) {
    Model model = smooth_model("smooth");
    ThreadPool pool(1);
    TrainingOptions options;
    options.objective = "force_matching";
    options.force_weight = 0.1;
    options.energy_weight = energy_weight;
    options.likelihood_steps = first_steps;
    options.iterations = 4;
    options.batch_size = 20;
    Trainer trainer(model, {.rows = x, .target = energy()}, options, pool);
    for (std::int64_t step = 0; step < options.iterations; ++step) trainer.step();
    return trainer.state().parameters;
  };
  EXPECT_EQ(trained(0.5, 4), trained(0.0, 0));
  EXPECT_NE(trained(0.5, 3), trained(0.5, 4));
  EXPECT_NE(trained(0.5, 3), trained(0.5, 0));
  EXPECT_THROW(trained(0.5, -1), ConfigError);
}

TEST(ForceMatching, RefusesFlowsWithoutForces) {
  const auto target =
      std::shared_ptr<const Target>(make_expression_target("x^2 + y^2", {"x", "y"}));
  const auto refused = [&](const ModelOptions& options) {
    const Model model(options, 1);
    Graph graph(model.parameters(), Phase::kTraining);
    training_step(graph, model.flow(), ForceMatching(target, {}));
  };
  EXPECT_NO_THROW(refused(testing::small_model(2)));
  ModelOptions options = testing::small_model(2);
  options.context_features = 1;
  EXPECT_THROW(refused(options), ConfigError);
  options = testing::small_model(2);
  options.stochastic.kinds = {"metropolis"};
  options.stochastic.energy = "learned";
  EXPECT_THROW(refused(options), ConfigError);
  options = testing::small_model(2);
  options.flow.kind = "residual";
  EXPECT_NO_THROW(refused(options));
  options.flow.log_det = "series";
  EXPECT_THROW(refused(options), ConfigError);
  options = testing::small_model(3);
  EXPECT_THROW(refused(options), ShapeError);
  EXPECT_THROW(ForceMatching(nullptr, {}), ConfigError);
  EXPECT_THROW(ForceMatching(target, {.force_weight = 0.0}), ConfigError);
  EXPECT_THROW(ForceMatching(target, {.force_weight = 0.6, .energy_weight = 0.5}), ConfigError);
}

}  // namespace
}  // namespace thalweg
