// Layers of mixed columns: exact masses of cells, splines for the rest, and how they start.
#include "thalweg/transforms/column_heads.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "contract_table.h"
#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/flows/flow.h"
#include "thalweg/flows/model.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"
#include "thalweg/training/trainer.h"

namespace thalweg::testing {
namespace {

using Arrays = std::vector<std::vector<double>>;

/// A column of so many cells with these shares, all of them single values.
ColumnHead discrete(const std::vector<double>& shares) {
  ColumnHead head{{-1.0}, std::vector<bool>(shares.size(), true)};
  double sum = 0.0;
  for (const double share : shares) head.borders.push_back(2.0 * (sum += share) - 1.0);
  head.borders.back() = 1.0;
  return head;
}

double middle(const ColumnHead& head, std::size_t cell) {
  return 0.5 * (head.borders[cell] + head.borders[cell + 1]);
}

double width(const ColumnHead& head, std::size_t cell) {
  return head.borders[cell + 1] - head.borders[cell];
}

std::vector<double> normals(std::int64_t count, std::uint64_t sample, double scale = 1.0) {
  RandomSequence random(11, Stream::kEvaluation, sample);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = scale * random.normal();
  return values;
}

/// z and log density, by a standard normal, of rows of x.
template <typename T = double>
std::vector<std::vector<T>> latent_and_density(const ParameterStore& parameters,
                                               const Transform& transform, const std::vector<T>& x,
                                               const std::vector<T>& context = {}) {
  Graph graph(parameters);
  const Value input = graph.input({transform.features(), 1});
  const Value given =
      transform.context_features() > 0 ? graph.input({transform.context_features(), 1}) : Value{};
  const Mapped mapped = transform.inverse(input, given);
  const Value log_prob =
      mapped.log_det - 0.5 * sum(square(mapped.value)) -
      0.5 * std::log(2.0 * std::numbers::pi) * static_cast<double>(transform.features());
  return run_graph<T>(graph, {mapped.value + 0.0 * input, log_prob + 0.0 * sum(input)},
                      {x, context}, {static_cast<std::int64_t>(x.size()) / transform.features()});
}

/// Softmax of logits + log(width / 2), written down.
std::vector<double> masses(const ColumnHead& head, const std::vector<double>& raw) {
  std::vector<double> weights;
  for (std::size_t k = 0; k < raw.size(); ++k)
    weights.push_back(0.5 * width(head, k) * std::exp(raw[k]));
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= total;
  return weights;
}

TEST(ColumnHeads, MassesOfCellsAreProductsOfSoftmaxesAndSumToOne) {
  const std::vector<ColumnHead> heads = {discrete({0.5, 0.3, 0.2}), discrete({0.1, 0.2, 0.3, 0.4})};
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  // Without hidden layers the logits are a few numbers.
  const ColumnHeads layer(parameters, "layer", random, heads, {.network = {.hidden = {}}});
  disturb(parameters, 2.0);
  const auto matrix = parameters.values(parameters.find("layer.network.0.weights"));
  const auto bias = parameters.values(parameters.find("layer.network.0.bias"));
  const auto linear = parameters.values(parameters.find("layer.network.linear"));
  const std::size_t inputs = 2 + 3;
  const std::vector<double> first = masses(heads[0], {bias[0], bias[1], bias[2]});
  std::vector<double> x, expected, log_area;
  for (std::size_t a = 0; a < 3; ++a) {
    std::vector<double> raw;
    for (std::size_t row = 3; row < 7; ++row) {
      raw.push_back(bias[row]);
      for (std::size_t border = 0; border < a; ++border)
        raw.back() += matrix[row * inputs + border] + linear[row * inputs + border];
    }
    const std::vector<double> second = masses(heads[1], raw);
    for (std::size_t b = 0; b < 4; ++b) {
      x.push_back(middle(heads[0], a));
      x.push_back(middle(heads[1], b));
      expected.push_back(first[a] * second[b]);
      log_area.push_back(std::log(width(heads[0], a) * width(heads[1], b)));
    }
  }
  const Arrays values = latent_and_density(parameters, layer, x);
  double total = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double mass = std::exp(values[1][i] + log_area[i]);
    EXPECT_NEAR(mass, expected[i], 1e-14);
    total += mass;
  }
  EXPECT_NEAR(total, 1.0, 1e-12);
}

/// Sorts of columns in one layer: on the line, single values, a density with two atoms, a density.
std::vector<ColumnHead> mixed_heads() {
  return {discrete({0.2, 0.5, 0.3}),
          {},
          {{-1.0, -0.4, 0.2, 0.5, 1.0}, {false, true, false, true}},
          {{-1.0, 0.4, 1.0}, {false, false}},
          {},
          discrete({0.25, 0.25, 0.25, 0.25})};
}

TEST(ColumnHeads, LaterColumnsDoNotSeeNoiseInSingleCells) {
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  const std::vector<ColumnHead> heads = mixed_heads();
  const ColumnHeads layer(parameters, "layer", random, heads, {.network = {.hidden = {16, 16}}});
  disturb(parameters);
  const std::size_t columns = heads.size();
  const std::vector<double> centre = {0.0, 0.7, 0.3, 0.1, -0.4, 0.6};
  const auto effect = [&](std::size_t column, double to) {
    std::vector<double> x = centre;
    x.insert(x.end(), centre.begin(), centre.end());
    x[columns + column] = to;
    const std::vector<double> z = latent_and_density(parameters, layer, x)[0];
    std::vector<bool> moved;
    for (std::size_t i = 0; i < columns; ++i) moved.push_back(z[i] != z[columns + i]);
    return moved;
  };
  using Moved = std::vector<bool>;
  EXPECT_EQ(effect(0, 0.1), (Moved{true, false, false, false, false, false}));
  EXPECT_EQ(effect(0, 0.45), (Moved{true, true, true, true, true, true}));  // another cell
  EXPECT_EQ(effect(2, 0.4), (Moved{false, false, true, true, true, true}));
  EXPECT_EQ(effect(3, 0.2), (Moved{false, false, false, true, true, true}));
  EXPECT_EQ(effect(1, 0.8), (Moved{false, true, true, true, true, true}));
  EXPECT_EQ(effect(5, 0.7), (Moved{false, false, false, false, false, true}));
  // Within the two single cells of the third column, the last one up to its end.
  for (const auto& [from, to] : {std::pair(-0.3, 0.1), std::pair(0.6, 1.0)}) {
    std::vector<double> x = centre;
    x[2] = from;
    x.insert(x.end(), centre.begin(), centre.end());
    x[columns + 2] = to;
    const std::vector<double> z = latent_and_density(parameters, layer, x)[0];
    for (std::size_t i = 0; i < columns; ++i)
      EXPECT_EQ(z[i] != z[columns + i], i == 2) << "column " << i << " at " << from;
  }
}

TEST(ColumnHeads, OutsideOfTheCellsTheDensityIsZeroAndAtTheEndsThatOfTheCell) {
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  const ColumnHeads layer(parameters, "layer", random, {discrete({0.3, 0.7})});
  disturb(parameters);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Arrays values = latent_and_density<double>(
      parameters, layer, {-1.0, -0.7, 0.9, 1.0, 1.0000001, -3.0, nan, -0.4, 0.0});
  EXPECT_NEAR(values[1][0], values[1][1], 1e-12);
  EXPECT_NEAR(values[1][2], values[1][3], 1e-12);
  EXPECT_EQ(values[1][4], -std::numeric_limits<double>::infinity());
  EXPECT_EQ(values[1][5], -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(values[0][6]));
  EXPECT_TRUE(std::isnan(values[1][6]));
  EXPECT_NEAR(values[1][7], values[1][8], 1e-12);  // a cell holds its left border
  for (const std::size_t i : {0U, 3U}) {
    EXPECT_TRUE(std::isfinite(values[0][i]));
    EXPECT_NEAR(std::abs(values[0][i]), 11.46, 0.01);
  }
}

TEST(ColumnHeads, GivesValuesWithinTheCellsAtAnyLatentPoint) {
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  const ColumnHeads layer(parameters, "layer", random, {discrete({0.3, 0.6, 0.1})});
  // Cells of mass 0, first and last ones too.
  for (const std::size_t empty : {0U, 1U, 2U}) {
    const auto bias = parameters.values(parameters.find("layer.network.2.bias"));
    std::ranges::fill(bias, 0.0);
    bias[empty] = -2000.0;
    Graph graph(parameters);
    const Value z = graph.input({1, 1});
    const double infinity = std::numeric_limits<double>::infinity();
    const std::vector<double> latent = {-infinity, -40.0, -9.0, -1.0, 0.0, 0.6, 5.0, 9.0, infinity};
    const Arrays x = run_graph(graph, {layer.forward(z).value}, {latent}, {9});
    const std::vector<double> borders = {-1.0, -0.4, 0.8, 1.0};
    for (std::size_t i = 0; i < latent.size(); ++i) {
      EXPECT_GE(x[0][i], -1.0);
      EXPECT_LE(x[0][i], 1.0);
      EXPECT_FALSE(x[0][i] > borders[empty] + 1e-9 && x[0][i] < borders[empty + 1] - 1e-9)
          << latent[i] << " gave " << x[0][i];
      if (i > 0) {
        EXPECT_GE(x[0][i], x[0][i - 1]);
      }
    }
  }
}

TEST(ColumnHeads, ReturnInFloatToWhereTheyCameFrom) {
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  const std::vector<ColumnHead> heads = mixed_heads();
  const ColumnHeads layer(parameters, "layer", random, heads, {.network = {.hidden = {16, 16}}});
  disturb(parameters);
  Graph graph(parameters);
  const auto columns = static_cast<std::int64_t>(heads.size());
  const Value z = graph.input({columns, 1});
  const Mapped forward = layer.forward(z);
  const Mapped inverse = layer.inverse(forward.value);
  const std::vector<double> start = normals(500 * columns, 4);
  const auto results =
      run_graph<float>(graph, {inverse.value, forward.log_det + inverse.log_det, forward.value},
                       {std::vector<float>(start.begin(), start.end())}, {500});
  double worst = 0.0;
  for (std::size_t i = 0; i < start.size(); ++i)
    worst = std::max(worst, std::abs(results[0][i] - start[i]) / (1.0 + std::abs(start[i])));
  // A place near 1 is known to 6e-8, which at z = 4 is 4e-4 of the tail.
  EXPECT_LT(worst, 1e-3);
  double mean = 0.0;
  for (std::size_t i = 0; i < start.size(); ++i) mean += std::abs(results[0][i] - start[i]);
  EXPECT_LT(mean / static_cast<double>(start.size()), 1e-5);
}

TEST(ColumnHeads, StartAtAConditionalGaussian) {
  // x0 | c, a discrete x1 that follows x0's sign, and x2 | c, x0, x1 with known conditionals.
  const std::int64_t rows = 4000;
  std::vector<double> x, context, truth;
  RandomSequence random(5, Stream::kEvaluation);
  for (std::int64_t row = 0; row < rows; ++row) {
    const double c = 3.0 + 2.0 * random.normal();
    const double a = 0.3 * (c - 3.0) + 0.8 * random.normal();
    const bool high = random.uniform() < (a > 0.0 ? 0.8 : 0.2);
    const double b = 0.2 + 0.5 * a + (high ? 1.0 : -0.3) + 0.1 * c + 0.4 * random.normal();
    const double place = random.uniform();
    x.insert(x.end(), {a, high ? place : place - 1.0, b});
    context.push_back(c);
  }
  ParameterStore parameters;
  RandomSequence draws(3, Stream::kInitialisation);
  const auto layer = std::make_shared<ColumnHeads>(
      parameters, "layer", draws, std::vector<ColumnHead>{{}, discrete({0.5, 0.5}), {}},
      ColumnHeadsOptions{.context_features = 1});
  EXPECT_TRUE(layer->wants_data());
  const Flow flow(std::make_shared<Normal>(parameters, "normal", 3), {layer});
  ThreadPool pool(1);
  initialise_from_data(flow, parameters, x, context, pool);
  const std::int32_t outputs = 2 * 25 + 2;
  const auto linear = parameters.values(parameters.find("layer.network.linear"));
  const auto bias = parameters.values(parameters.find("layer.network.2.bias"));
  ASSERT_EQ(bias.size(), static_cast<std::size_t>(outputs));
  // Inputs: c, x0, indicator, x2. Standard errors are at most .026; five of them fail by chance
  // once in 10^6. The ridge shrinks by less than a thousandth.
  EXPECT_NEAR(linear[0], 0.3, 0.035);
  EXPECT_EQ(linear[1], 0.0);
  EXPECT_NEAR(bias[0], -0.9, 0.13);
  EXPECT_NEAR(bias[2], std::log(0.8), 0.06);
  EXPECT_NEAR(linear[4], 0.1, 0.025);
  EXPECT_NEAR(linear[5], 0.5, 0.05);
  EXPECT_NEAR(linear[6], 1.3, 0.08);
  EXPECT_EQ(linear[7], 0.0);
  EXPECT_NEAR(bias[1], 0.2 - 0.3, 0.09);
  EXPECT_NEAR(bias[3], std::log(0.4), 0.06);
  // The mean log density then is that of the Gaussians, with the discrete column at its marginal.
  const Arrays values = latent_and_density(parameters, *layer, x, context);
  const double entropy = 2.0 * (0.5 * std::log(2.0 * std::numbers::pi) + 0.5) + std::log(0.8) +
                         std::log(0.4) + std::log(2.0);
  double mean = 0.0;
  for (const double value : values[1]) mean += value / static_cast<double>(rows);
  EXPECT_NEAR(mean, -entropy, 5.0 * std::sqrt(1.0 / static_cast<double>(rows)) + 0.01);
  EXPECT_THROW(layer->initialise(parameters, x, {}), DataError);
  EXPECT_THROW(layer->initialise(parameters, std::span(x).first(4), context), DataError);
  x[0] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(layer->initialise(parameters, x, context), DataError);
}

TEST(ColumnHeads, StartOnFewRows) {
  for (const std::size_t rows : {1U, 3U, 12U}) {
    ParameterStore parameters;
    RandomSequence draws(3, Stream::kInitialisation);
    const ColumnHeads layer(parameters, "layer", draws, mixed_heads());
    std::vector<double> x = normals(static_cast<std::int64_t>(6 * rows), 3);
    for (double& value : x) value = std::tanh(value);
    layer.initialise(parameters, x);
    for (const double value : parameters.flat()) EXPECT_TRUE(std::isfinite(value));
    const auto mapped = latent_and_density(parameters, layer, x);
    for (const double value : mapped[1]) EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(ColumnHeads, LearnADependentTable) {
  const std::vector<ColumnHead> heads = {discrete({0.35, 0.4, 0.25}),
                                         discrete({0.3, 0.2, 0.3, 0.2})};
  const double joint[3][4] = {
      {0.25, 0.05, 0.03, 0.02}, {0.03, 0.12, 0.2, 0.05}, {0.02, 0.03, 0.07, 0.13}};
  block_kinds().add(
      {.name = "column_heads_of_the_test",
       .summary = "for a table of 3 x 4",
       .make =
           [&](const TransformRequest& request) {
             return std::make_shared<ColumnHeads>(
                 request.parameters, request.name, request.random, heads,
                 ColumnHeadsOptions{.network = {.hidden = {16}, .zero_output = true}});
           },
       .permuted = false});
  ModelOptions options;
  options.features = 2;
  options.flow.kind = "column_heads_of_the_test";
  options.flow.blocks = 1;
  options.flow.act_norm = false;
  options.base.kind = "normal";
  Model model(options, 1);
  // Rows in the very shares of the table, a hundredth each, with fresh noise.
  std::vector<double> x;
  RandomSequence random(5, Stream::kEvaluation);
  double entropy = 0.0;
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = 0; b < 4; ++b) {
      entropy -= joint[a][b] * std::log(joint[a][b]);
      for (int i = 0; i < std::lround(2000.0 * joint[a][b]); ++i) {
        x.push_back(heads[0].borders[a] + width(heads[0], a) * random.uniform());
        x.push_back(heads[1].borders[b] + width(heads[1], b) * random.uniform());
      }
    }
  TrainingOptions training;
  training.iterations = 400;
  training.batch_size = 2000;
  training.learning_rate = 0.05;
  training.schedule = "cosine";
  ThreadPool pool(2);
  Trainer trainer(model, {.rows = x}, training, pool);
  trainer.run();
  EXPECT_EQ(trainer.counters().bad_steps, 0);
  std::vector<double> middles;
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = 0; b < 4; ++b) {
      middles.push_back(middle(heads[0], a));
      middles.push_back(middle(heads[1], b));
    }
  DensityEvaluator evaluator(model, pool);
  const std::vector<double> log_prob = evaluator.log_prob(middles);
  double cross = 0.0;
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = 0; b < 4; ++b)
      cross -=
          joint[a][b] * (log_prob[4 * a + b] + std::log(width(heads[0], a) * width(heads[1], b)));
  // The training rows are the table itself, so that no sampling error is left.
  EXPECT_NEAR(cross, entropy, 1e-3);
  // Samples have these shares: within five standard errors, once in 10^6 by chance for each.
  FlowSampler sampler(model, pool, 3);
  const std::int64_t drawn = 40000;
  const std::vector<double> samples = sampler.next(drawn);
  double counts[3][4] = {};
  for (std::size_t i = 0; i < samples.size(); i += 2) {
    std::size_t cell[2] = {0, 0};
    for (std::size_t c = 0; c < 2; ++c)
      while (samples[i + c] >= heads[c].borders[cell[c] + 1] &&
             cell[c] + 2 < heads[c].borders.size())
        ++cell[c];
    counts[cell[0]][cell[1]] += 1.0;
  }
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = 0; b < 4; ++b)
      EXPECT_NEAR(counts[a][b] / drawn, joint[a][b],
                  5.0 * std::sqrt(joint[a][b] / static_cast<double>(drawn)) + 2e-3);
}

TEST(ColumnHeads, TakeAHundredColumnsOfManyCells) {
  std::vector<ColumnHead> heads;
  for (std::size_t i = 0; i < 100; ++i) {
    heads.emplace_back();
    if (i % 4 != 0)
      heads.back() = discrete(
          std::vector<double>(2 + (i * 7) % 63, 1.0 / static_cast<double>(2 + (i * 7) % 63)));
  }
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  const ColumnHeads layer(parameters, "layer", random, heads,
                          {.network = {.hidden = {32}, .zero_output = true}});
  std::vector<double> x = normals(100 * 64, 3);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (heads[i % 100].has_cells()) x[i] = std::tanh(x[i]);
  layer.initialise(parameters, x);
  const Arrays values = latent_and_density(parameters, layer, x);
  for (const double value : values[1]) EXPECT_TRUE(std::isfinite(value));
  Graph graph(parameters);
  const Value z = graph.input({100, 1});
  const Arrays back = run_graph(graph, {layer.forward(z).value}, {values[0]}, {64});
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(back[0][i], x[i], 1e-8);
}

TEST(ColumnHeads, RefuseBadHeads) {
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  const auto make = [&](const ColumnHead& head, const ColumnHeadsOptions& options = {}) {
    ColumnHeads(parameters, "layer", random, {head}, options);
  };
  EXPECT_THROW(make({{-1.0, 0.9}, {true}}), ConfigError);
  EXPECT_THROW(make({{-0.9, 1.0}, {true}}), ConfigError);
  EXPECT_THROW(make({{-1.0}, {}}), ConfigError);
  EXPECT_THROW(make({{-1.0, 0.5, 0.5, 1.0}, {true, true, true}}), ConfigError);
  EXPECT_THROW(make({{-1.0, 0.5, 0.2, 1.0}, {true, true, true}}), ConfigError);
  EXPECT_THROW(make({{-1.0, 0.0, 1.0}, {true}}), ConfigError);
  EXPECT_THROW(make({{}, {true}}), ConfigError);
  EXPECT_THROW(make({}, {.spline = {.bins = 1}}), ConfigError);
  EXPECT_THROW(make({}, {.spline = {.circular = true}}), ConfigError);
  EXPECT_THROW(ColumnHeads(parameters, "none", random, {}), ConfigError);
}

}  // namespace
}  // namespace thalweg::testing
