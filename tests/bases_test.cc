// What the contract of all bases does not say: draws, and what a resampled base stands for.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "contract_table.h"
#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/objectives/maximum_likelihood.h"
#include "thalweg/objectives/reverse_kl.h"
#include "thalweg/sampling/density_evaluator.h"

namespace thalweg::testing {
namespace {

using Arrays = std::vector<std::vector<double>>;

/// Midpoints of a side x side grid over the square of the given half width.
std::vector<double> grid(std::int64_t side, double half_width) {
  std::vector<double> points;
  const double step = 2.0 * half_width / static_cast<double>(side);
  for (std::int64_t i = 0; i < side; ++i)
    for (std::int64_t j = 0; j < side; ++j) {
      points.push_back(-half_width + step * (static_cast<double>(i) + 0.5));
      points.push_back(-half_width + step * (static_cast<double>(j) + 0.5));
    }
  return points;
}

constexpr std::int64_t kDraws = 100000;
constexpr std::int64_t kSide = 400;
constexpr double kHalfWidth = 8.0;
constexpr double kArea = (2.0 * kHalfWidth / kSide) * (2.0 * kHalfWidth / kSide);

/// The second of three classes, for bases with a context.
Value one_class(const Base& base, Graph& graph) {
  return base.context_features() > 0 ? graph.constant({2, 1}, {1.0, 0.5}) : Value{};
}

/// Log density and, of a base with a rejection step, acceptance.
Arrays on_grid(const Base& base, const ParameterStore& parameters) {
  Graph graph(parameters);
  const Value z = graph.input({2, 1});
  const Value context = one_class(base, graph);
  std::vector<Value> outputs{base.log_prob(z, context)};
  if (const Value acceptance = base.acceptance(z, context); acceptance.valid())
    outputs.push_back(acceptance);
  return run_graph(graph, outputs, {grid(kSide, kHalfWidth)}, {kSide * kSide});
}

TEST(Bases, DrawsFollowTheDensity) {
  // First and second moments and the share in the upper right quadrant (edges of cells), against
  // sums over a grid; limits of 5 standard errors are passed by chance about once in 10^5 of these
  // tests.
  for (const auto& entry : base_cases()) {
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto base = entry.make(parameters, random);
    if (base->features() != 2 || dynamic_cast<const ResampledBase*>(base.get()) != nullptr ||
        base->mean_free_dimensions() > 0)
      continue;
    SCOPED_TRACE(entry.name);
    disturb(parameters);
    const auto statistics = [](double x, double y) {
      return std::array<double, 4>{x, x * x + 0.5 * x * y, y * y, x > 0.52 && y > 0.0 ? 1.0 : 0.0};
    };
    std::array<double, 4> mean{};
    std::array<double, 4> variance{};
    const std::vector<double> points = grid(kSide, kHalfWidth);
    const Arrays densities = on_grid(*base, parameters);
    for (const bool second : {false, true})
      for (std::size_t i = 0; i < densities[0].size(); ++i) {
        const auto values = statistics(points[2 * i], points[2 * i + 1]);
        const double mass = kArea * std::exp(densities[0][i]);
        for (std::size_t k = 0; k < 4; ++k)
          (second ? variance : mean)[k] +=
              mass * (second ? (values[k] - mean[k]) * (values[k] - mean[k]) : values[k]);
      }
    Graph graph(parameters);
    const Arrays draws =
        run_graph(graph, {base->draw(graph, 0, one_class(*base, graph))}, {}, {kDraws});
    std::array<double, 4> found{};
    for (std::size_t i = 0; i < draws[0].size(); i += 2) {
      const auto values = statistics(draws[0][i], draws[0][i + 1]);
      for (std::size_t k = 0; k < 4; ++k) found[k] += values[k] / kDraws;
    }
    for (std::size_t k = 0; k < 4; ++k)
      EXPECT_NEAR(found[k], mean[k], 5.0 * std::sqrt(variance[k] / kDraws)) << "statistic " << k;
  }
}

/// A resampled base over a standard normal whose Z comes from a sum over the grid.
struct Resampled {
  explicit Resampled(std::int64_t truncation) {
    RandomSequence random(3, Stream::kInitialisation);
    base = make_resampled(parameters, random, std::make_shared<Normal>(parameters, "proposal", 2),
                          truncation, 0.5);
    disturb(parameters, 1.5);
    points = grid(kSide, kHalfWidth);
    accepted = on_grid(*base, parameters)[1];
    for (std::size_t i = 0; i < accepted.size(); ++i) z += kArea * proposal(i) * accepted[i];
    parameters.values(base->normaliser())[0] = z;
  }
  double proposal(std::size_t i) const {
    const double square = points[2 * i] * points[2 * i] + points[2 * i + 1] * points[2 * i + 1];
    return std::exp(-0.5 * square) / (2.0 * std::numbers::pi);
  }
  ParameterStore parameters;
  std::unique_ptr<ResampledBase> base;
  std::vector<double> points, accepted;
  double z = 0.0;
};

TEST(ResampledBase, DensityIsTheFormulaAndIntegratesToOne) {
  for (const std::int64_t truncation : {0, 1, 2, 5, 100, 1000000}) {
    SCOPED_TRACE(truncation);
    const Resampled model(truncation);
    const Arrays found = on_grid(*model.base, model.parameters);
    const double alpha =
        truncation == 0 ? 0.0 : std::pow(1.0 - model.z, static_cast<double>(truncation - 1));
    double integral = 0.0;
    for (std::size_t i = 0; i < found[0].size(); ++i) {
      const double expected =
          model.proposal(i) * (alpha + (1.0 - alpha) * model.accepted[i] / model.z);
      ASSERT_NEAR(std::exp(found[0][i]), expected, 1e-12);
      integral += kArea * std::exp(found[0][i]);
    }
    EXPECT_NEAR(integral, 1.0, 1e-12);
  }
}

TEST(ResampledBase, FreshProposalsEstimateZ) {
  const Resampled model(100);
  Graph graph(model.parameters);
  const Value accepted = model.base->acceptance_of_proposal(graph);
  const Arrays found = run_graph(graph, {accepted}, {}, {kDraws});
  double mean = 0.0;
  for (const double value : found[0]) mean += value / kDraws;
  // A number in [0, 1] has a deviation of at most 1/2: five standard errors or more.
  EXPECT_NEAR(mean, model.z, 5.0 * 0.5 / std::sqrt(static_cast<double>(kDraws)));
  EXPECT_GT(model.z, 0.05);
  EXPECT_LT(model.z, 0.95);
}

TEST(ResampledBase, RejectionWithTruncationSamplesTheDensity) {
  // The share of samples in a half plane; 5 standard errors, by chance less than once in 10^6.
  const Resampled model(3);
  Graph graph(model.parameters);
  const Value draw = model.base->draw(graph, 0);
  const Arrays found = run_graph(graph, {draw, model.base->acceptance(draw)}, {}, {kDraws});
  RandomSequence random(9, Stream::kAcceptance);
  double samples = 0.0;
  double inside = 0.0;
  std::int64_t number = 0;
  for (std::size_t i = 0; i < found[1].size(); ++i) {
    ++number;
    if (number < model.base->truncation() && random.uniform() >= found[1][i]) continue;
    number = 0;
    samples += 1.0;
    inside += found[0][2 * i] > 0.3 ? 1.0 : 0.0;
  }
  const Arrays densities = on_grid(*model.base, model.parameters);
  double expected = 0.0;
  double proposed = 0.0;
  for (std::size_t i = 0; i < densities[0].size(); ++i) {
    if (model.points[2 * i] <= 0.3) continue;
    expected += kArea * std::exp(densities[0][i]);
    proposed += kArea * model.proposal(i);
  }
  const double error = std::sqrt(expected * (1.0 - expected) / samples);
  EXPECT_NEAR(inside / samples, expected, 5.0 * error);
  // The test could not tell otherwise.
  EXPECT_GT(std::abs(proposed - expected), 10.0 * error);
}

TEST(ResampledBase, TrainingMovesTheAverage) {
  Resampled model(100);
  const auto step = [&](double average) {
    model.parameters.values(model.base->z_average())[0] = average;
    Graph graph(model.parameters, Phase::kTraining);
    const Value log_prob = model.base->log_prob(graph.input({2, 1}));
    EXPECT_EQ(graph.domains(), 2);
    EXPECT_EQ(graph.default_count(1), 64);
    EXPECT_EQ(graph.buffer_updates().size(), 1U);
    EXPECT_EQ(graph.buffer_updates()[0].buffer.index, model.base->z_average().index);
    const Arrays results =
        run_graph(graph, {graph.buffer_updates()[0].value, log_prob}, {{0.3, -0.2}}, {1, 64});
    return std::array<double, 2>{results[0][0], results[1][0]};
  };
  const auto first = step(0.0);
  const auto later = step(0.9);
  EXPECT_NEAR(later[0], 0.95 * 0.9 + 0.05 * first[0], 1e-14);
  // The value in use is the moved average: what an evaluation graph gives with it as average.
  model.parameters.values(model.base->normaliser())[0] = 0.0;
  model.parameters.values(model.base->z_average())[0] = later[0];
  Graph graph(model.parameters);
  const Value log_prob = model.base->log_prob(graph.input({2, 1}));
  EXPECT_NEAR(run_graph(graph, {log_prob}, {{0.3, -0.2}}, {1})[0][0], later[1], 1e-13);
  model.parameters.values(model.base->z_average())[0] = 0.0;
  EXPECT_TRUE(std::isnan(run_graph(graph, {log_prob}, {{0.3, -0.2}}, {1})[0][0]));
}

/// Loss and all gradients of a training step on two points.
struct StepResult {
  double loss = 0.0;
  std::vector<double> gradients;
};

StepResult run_step(const Graph& graph, const TrainingStep& step, std::int64_t proposals) {
  std::vector<Value> outputs{step.loss};
  outputs.insert(outputs.end(), step.gradients.begin(), step.gradients.end());
  const Arrays values =
      run_graph(graph, outputs, {{0.3, -0.2, 1.1, 0.4}, {1.0, 1.0}}, {2, proposals});
  StepResult result{values[0][0], {}};
  for (std::size_t i = 1; i < values.size(); ++i)
    result.gradients.insert(result.gradients.end(), values[i].begin(), values[i].end());
  return result;
}

TEST(ResampledBase, RejectionTermAddsTheGradientOfZ) {
  // What the term adds to loss and gradient, against Z and its derivatives from sums over the grid.
  // With 200 000 proposals and derivatives of the acceptance of size below 1/4 (last layer: sigmoid
  // slope times tanh), 5 standard errors are 0.0028; passed by chance once in 10^6.
  constexpr std::int64_t kProposals = 200000;
  constexpr double kWeight = 3.0;
  Resampled model(100);
  const ParameterId last[] = {model.parameters.find("layer.acceptance.2.weights"),
                              model.parameters.find("layer.acceptance.2.bias")};
  const Flow flow(std::shared_ptr<const Base>(model.base.get(), [](const Base*) {}), {});
  const std::shared_ptr<const Target> target = make_target("two_rings");
  for (const bool reverse : {false, true}) {
    SCOPED_TRACE(reverse);
    const auto step = [&](double weight) {
      Graph graph(model.parameters, Phase::kTraining);
      const TrainingStep nodes =
          reverse ? training_step(graph, flow, ReverseKl(target, {.rejection_weight = weight}))
                  : training_step(graph, flow, MaximumLikelihood(weight));
      EXPECT_EQ(graph.domains(), 2);  // loss and term share their proposals
      EXPECT_EQ(graph.buffer_updates().size(), 1U);
      return run_step(graph, nodes, kProposals);
    };
    const StepResult without = step(0.0), with = step(kWeight);
    EXPECT_NEAR((without.loss - with.loss) / kWeight, model.z, 2.5 / std::sqrt(kProposals));
    std::size_t place = without.gradients.size();
    for (const ParameterId id : {last[1], last[0]}) {
      const std::span<double> values = model.parameters.values(id);
      place -= values.size();
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double kept = values[i];
        const auto z_at = [&](double value) {
          values[i] = value;
          const Arrays found = on_grid(*model.base, model.parameters);
          double z = 0.0;
          for (std::size_t k = 0; k < found[1].size(); ++k)
            z += kArea * model.proposal(k) * found[1][k];
          return z;
        };
        const double slope = (z_at(kept + 1e-4) - z_at(kept - 1e-4)) / 2e-4;
        values[i] = kept;
        const double added = (without.gradients[place + i] - with.gradients[place + i]) / kWeight;
        EXPECT_NEAR(added, slope, 0.0028) << "tensor " << id.index << ", element " << i;
        if (id.index == last[1].index) {
          EXPECT_GT(std::abs(slope), 0.05);  // the test could tell
        }
      }
    }
  }
}

TEST(ResampledBase, RejectionTermWantsARejectionStep) {
  ParameterStore parameters;
  const Flow flow(std::make_shared<Normal>(parameters, "normal", 2, true), {});
  Graph graph(parameters, Phase::kTraining);
  EXPECT_NO_THROW(training_step(graph, flow, MaximumLikelihood(0.0)));
  EXPECT_THROW(training_step(graph, flow, MaximumLikelihood(1.0)), ConfigError);
  EXPECT_THROW(training_step(graph, flow, MaximumLikelihood(-1.0)), ConfigError);
  EXPECT_THROW(
      training_step(graph, flow, ReverseKl(make_target("two_rings"), {.rejection_weight = 1.0})),
      ConfigError);
}

/// The proposal's density in make_class_resampled, by its own parameters.
double class_proposal(const ParameterStore& parameters, bool conditional, std::size_t number,
                      double x, double y) {
  double log_density = -std::log(2.0 * std::numbers::pi);
  const double point[] = {x, y};
  for (std::size_t i = 0; i < 2; ++i) {
    double mean = 0.0, log_scale = 0.0;
    if (conditional) {
      mean = parameters.values(parameters.find("layer.class.means"))[3 * i + number];
      log_scale = parameters.values(parameters.find("layer.class.log_scales"))[3 * i + number];
    }
    const double standard = (point[i] - mean) * std::exp(-log_scale);
    log_density -= 0.5 * standard * standard + log_scale;
  }
  return std::exp(log_density);
}

TEST(ResampledBase, ClassesHaveNormalisersOfTheirOwn) {
  // For each class: Z by a sum over the grid; the density with it integrates to 1; fresh proposals
  // and a training step estimate it.
  for (const bool proposal : {false, true})
    for (const bool acceptance : {false, true}) {
      if (!proposal && !acceptance) continue;
      SCOPED_TRACE(fmt::format("proposal {}, acceptance {}", proposal, acceptance));
      ParameterStore parameters;
      RandomSequence random(3, Stream::kInitialisation);
      const auto base = make_class_resampled(parameters, random, proposal, acceptance);
      disturb(parameters, 1.5);
      if (proposal)  // so that all proposals lie on the grid
        for (double& value : parameters.values(parameters.find("layer.class.log_scales")))
          value *= 0.3;
      const std::vector<double> points = grid(kSide, kHalfWidth);
      std::array<double, 3> z{};
      const auto evaluate = [&](std::size_t number) {
        Graph graph(parameters);
        const Value point = graph.input({2, 1});
        const auto row = base->classes().context(static_cast<std::int64_t>(number));
        const Value context = graph.constant({2, 1}, {row.begin(), row.end()});
        return run_graph(graph, {base->log_prob(point, context), base->acceptance(point, context)},
                         {points}, {kSide * kSide});
      };
      for (std::size_t number = 0; number < 3; ++number) {
        const Arrays found = evaluate(number);
        for (std::size_t i = 0; i < found[1].size(); ++i)
          z[number] +=
              kArea * found[1][i] *
              class_proposal(parameters, proposal, number, points[2 * i], points[2 * i + 1]);
        parameters.values(base->normaliser())[number] = z[number];
      }
      EXPECT_GT(*std::ranges::max_element(z) - *std::ranges::min_element(z), 0.01);
      for (std::size_t number = 0; number < 3; ++number) {
        double integral = 0.0;
        const Arrays found = evaluate(number);
        for (const double value : found[0]) integral += kArea * std::exp(value);
        EXPECT_NEAR(integral, 1.0, 1e-9) << "class " << number;
      }
      Graph graph(parameters, Phase::kTraining);
      base->log_prob(graph.input({2, 1}), graph.input({2, 1}));
      ASSERT_EQ(graph.buffer_updates().size(), 1U);
      const Arrays step = run_graph(graph, {graph.buffer_updates()[0].value},
                                    {{0.3, -0.2}, {1.0, 0.5}}, {1, 300000});
      // Some 100 000 numbers in [0, 1] a class: 5 standard errors or more.
      for (std::size_t number = 0; number < 3; ++number)
        EXPECT_NEAR(step[0][number], z[number], 5.0 * 0.5 / std::sqrt(95000.0));
    }
}

TEST(ResampledBase, AClassWithoutADrawTakesTheMeanOfAll) {
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  const auto base = make_class_resampled(parameters, random, true, true);
  Graph graph(parameters, Phase::kTraining);
  const Value z = graph.input({2, 1}), context = graph.input({2, 1});
  const Value density = base->log_prob(z, context);
  // With two proposals one of three classes has none.
  const Arrays step = run_graph(graph, {graph.buffer_updates()[0].value, density},
                                {{0.3, -0.2}, {1.0, 0.5}}, {1, 2});
  for (const double value : step[0]) {
    EXPECT_GT(value, 0.01);
    EXPECT_LT(value, 1.0);
  }
  EXPECT_TRUE(std::isfinite(step[1][0]));
}

TEST(ResampledBase, ClassGradientsCrossTheNormaliser) {
  // The gradient of the loss on two classes by every parameter against differences, in a training
  // graph whose average is unset, so that value and gradient are of the same estimate of Z.
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  const std::shared_ptr<const Base> base = make_class_resampled(parameters, random, true, true, 20);
  disturb(parameters, 1.0);
  const Flow flow(base, {});
  Graph graph(parameters, Phase::kTraining);
  const TrainingStep step = training_step(graph, flow, MaximumLikelihood(0.7));
  std::vector<Value> outputs{step.loss};
  outputs.insert(outputs.end(), step.gradients.begin(), step.gradients.end());
  const auto run = [&] {
    return run_graph(graph, outputs, {{0.3, -0.2, 1.1, 0.4, 0.1, -0.6}, {1, 0.5, 1, -2, 1, 0.5}},
                     {3, 200});
  };
  const Arrays at = run();
  for (std::size_t k = 0; k < step.trainable.size(); ++k) {
    const std::span<double> values = parameters.values(step.trainable[k]);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double kept = values[i];
      values[i] = kept + 1e-5;
      const double above = run()[0][0];
      values[i] = kept - 1e-5;
      const double below = run()[0][0];
      values[i] = kept;
      ASSERT_NEAR(at[1 + k][i], (above - below) / 2e-5, 1e-7)
          << parameters.info(step.trainable[k]).name << ", element " << i;
    }
  }
}

TEST(ResampledBase, AFlowAsProposalIntegratesToOne) {
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  const std::shared_ptr<const Base> proposal = make_flow_base(parameters, random, "layer.proposal");
  const auto base = make_resampled(parameters, random, proposal, 100, 0.5);
  disturb(parameters, 0.6);
  const Arrays density = on_grid(*proposal, parameters);
  const Arrays accepted = on_grid(*base, parameters);
  double z = 0.0, share = 0.0;
  for (std::size_t i = 0; i < density[0].size(); ++i) {
    z += kArea * std::exp(density[0][i]) * accepted[1][i];
    share += kArea * std::exp(density[0][i]);
  }
  EXPECT_NEAR(share, 1.0, 1e-3);  // the flow's own density; the rest lies beyond the grid
  parameters.values(base->normaliser())[0] = z;
  double integral = 0.0;
  const Arrays found = on_grid(*base, parameters);
  for (const double value : found[0]) integral += kArea * std::exp(value);
  EXPECT_NEAR(integral, 1.0, 1e-3);
  Graph graph(parameters);
  const Arrays draws = run_graph(graph, {base->acceptance_of_proposal(graph)}, {}, {kDraws});
  double mean = 0.0;
  for (const double value : draws[0]) mean += value / kDraws;
  EXPECT_NEAR(mean, z, 1e-3 + 5.0 * 0.5 / std::sqrt(static_cast<double>(kDraws)));
}

TEST(ResampledBase, AFlowAsProposalHasNoDensityWhereItsLatentIsTooFarAway) {
  ModelOptions options;
  options.flow.blocks = 1;
  options.flow.hidden = {8};
  options.base.kind = "resampled";
  options.base.proposal = "flow";
  options.base.hidden = {8};
  for (const std::int64_t truncation : {0, 100}) {
    options.base.truncation = truncation;
    Model model(options, 1);
    disturb(model.parameters(), 1.5);
    model.parameters().values(model.resampled()->normaliser())[0] = 0.4;
    std::vector<double> x;
    for (int i = -200; i < 200; ++i) {
      x.push_back(0.5 * i);
      x.push_back(0.5 * ((7 * i) % 200));
    }
    ThreadPool pool(1);
    for (const Precision precision : {Precision::kFloat, Precision::kDouble}) {
      const std::vector<double> values = DensityEvaluator(model, pool, precision).log_prob(x);
      EXPECT_TRUE(std::ranges::none_of(values, [](double v) { return std::isnan(v); }));
      EXPECT_GT(std::ranges::count(values, -INFINITY), 0);
      EXPECT_TRUE(std::isfinite(values[200]));
    }
  }
}

TEST(Classes, NameTheirContext) {
  const ClassTable classes = three_classes();
  EXPECT_EQ(classes.find(std::vector<double>{1.0, -2.0}), 2);
  EXPECT_EQ(classes.find(std::vector<double>{1.0, 2.0}), std::nullopt);
  const ParameterStore parameters;
  Graph graph(parameters);
  const Arrays found = run_graph(graph, {classes.one_hot(graph.input({2, 1}))},
                                 {{1.0, -2.0, 0.0, 0.0, 1.0 + 1e-12, -2.0}}, {3});
  EXPECT_EQ(std::vector<double>(found[0].begin(), found[0].begin() + 6),
            (std::vector<double>{0, 0, 1, 1, 0, 0}));
  EXPECT_TRUE(std::isnan(found[0][6]));
  // Neighbours among large numbers are classes of their own.
  const std::vector<double> ids = {100000.0, 100001.0, std::nextafter(100001.0, 1e6)};
  const ClassTable numbered(1, ids);
  for (std::size_t i = 0; i < ids.size(); ++i)
    EXPECT_EQ(numbered.find(std::vector<double>{ids[i]}), static_cast<std::int64_t>(i));
  EXPECT_THROW(ClassTable(2, {1.0}), ConfigError);
  EXPECT_THROW(ClassTable(1, {1.0, 2.0, 1.0}), ConfigError);
  EXPECT_THROW(ClassTable(1, {NAN}), ConfigError);
  EXPECT_TRUE(ClassTable(1, {0.5, 0.5 + 1e-12, 9.0}).coincide_in_float());
  EXPECT_FALSE(ClassTable(1, {0.5, 0.5001, 9.0}).coincide_in_float());
}

TEST(Bases, BadOptionsAreNamed) {
  ParameterStore parameters;
  RandomSequence random(1, Stream::kInitialisation);
  const auto mixture = [&](GaussianMixtureOptions options) {
    GaussianMixture(parameters, "layer", random, 2, options);
  };
  EXPECT_THROW(mixture({.components = 0}), ConfigError);
  EXPECT_THROW(mixture({.scale = 0.0}), ConfigError);
  EXPECT_THROW(mixture({.location_scale = -1.0}), ConfigError);
  EXPECT_THROW(Normal(parameters, "layer", 0), ConfigError);
  int made = 0;
  const auto resample = [&](std::int64_t inputs, std::int64_t outputs, std::int64_t context,
                            ResampledBaseOptions options) {
    const std::string name = fmt::format("base{}", made++);
    auto network = std::make_unique<Mlp>(parameters, name + ".a", random, inputs, outputs,
                                         MlpOptions{.hidden = {}, .context_features = context});
    ResampledBase(parameters, name, std::make_shared<Normal>(parameters, name + ".p", 2),
                  std::move(network), options);
  };
  EXPECT_NO_THROW(resample(2, 1, 0, {}));
  EXPECT_THROW(resample(3, 1, 0, {}), ConfigError);
  EXPECT_THROW(resample(2, 2, 0, {}), ConfigError);
  EXPECT_THROW(resample(2, 1, 1, {}), ConfigError);
  EXPECT_THROW(resample(2, 1, 0, {.truncation = -1}), ConfigError);
  EXPECT_THROW(resample(2, 1, 0, {.average_rate = 0.0}), ConfigError);
  EXPECT_THROW(resample(2, 1, 0, {.training_proposals = 0}), ConfigError);
}

}  // namespace
}  // namespace thalweg::testing
