// Models built from options: what each choice of flow makes.
#include "thalweg/flows/model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>

#include "contract_table.h"
#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/training/trainer.h"

namespace thalweg {
namespace {

ModelOptions options_of(const std::string& kind, std::int64_t features) {
  ModelOptions options;
  options.features = features;
  options.flow.kind = kind;
  options.flow.blocks = 2;
  options.flow.hidden = {8};
  return options;
}

std::string message_of(const ModelOptions& options) {
  try {
    const Model model(options, 1);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Model, ResidualNetworksConditionCouplings) {
  for (const char* kind : {"real_nvp", "spline"}) {
    SCOPED_TRACE(kind);
    ModelOptions options = options_of(kind, 3);
    options.flow.network = "residual";
    options.flow.network_blocks = 3;
    options.flow.dropout = 0.2;
    const Model model(options, 1);
    std::int64_t blocks = 0;
    for (const ParameterInfo& info : model.parameters().infos())
      if (info.name.ends_with(".second.weights")) {
        EXPECT_EQ(info.rows, 8);
        EXPECT_EQ(info.columns, 8);
        ++blocks;
      }
    EXPECT_EQ(blocks, 2 * 3);  // Two couplings of three blocks.
    // Starts as the identity: the density of x is the base's.
    Graph graph(model.parameters());
    const auto values = testing::run_graph(graph, {model.flow().log_prob(graph.input({3, 1}))},
                                           {{0.5, -1, 2}}, {1});
    EXPECT_NEAR(values[0][0], -1.5 * std::log(2.0 * std::numbers::pi) - 0.5 * 5.25, 1e-12);
    // In training, dropout bites only once the last layer has left 0, so it is seen by its draw.
    Graph training(model.parameters(), Phase::kTraining);
    model.flow().log_prob(training.input({3, 1}));
    EXPECT_GT(training.size(), graph.size());
  }
}

TEST(Model, ResidualNetworksNeedOneWidth) {
  ModelOptions options = options_of("real_nvp", 3);
  options.flow.network = "residual";
  options.flow.hidden = {32, 32};
  EXPECT_EQ(message_of(options),
            "flow.hidden: expected one width, as [64], of the residual network, got 2 widths: set "
            "the depth by flow.network_blocks");
  options.flow.hidden = {32};
  options.flow.network_blocks = 0;
  EXPECT_EQ(message_of(options), "flow.network_blocks: expected at least 1, got 0");
  options.flow.network = "transformer";
  EXPECT_EQ(
      message_of(options),
      "flow.network: expected one of mlp, residual, residual_mlp, equivariant, got 'transformer'");
}

TEST(Model, ParticleTypesAreOneOfEachParticle) {
  ModelOptions options = options_of("free_form", 6);
  options.flow.network = "equivariant";
  options.flow.hidden = {8};
  options.flow.act_norm = false;
  options.flow.particle_types = {0, 1};
  options.base.kind = "mean_free_normal";
  options.base.dimensions = 2;
  EXPECT_EQ(message_of(options),
            "flow.particle_types: expected a type for each of 3 particles, got 2");
}

ModelOptions periodic_options() {
  ModelOptions options = options_of("spline", 3);
  options.flow.blocks = 3;
  options.flow.act_norm = false;
  options.columns = {{.name = "phi", .lower = -180.0, .upper = 180.0, .periodic = true},
                     {.name = "length", .lower = 0.0, .mean = 0.2, .scale = 0.3},
                     {.name = "hour", .lower = 0.0, .upper = 24.0, .periodic = true}};
  return options;
}

TEST(Model, PeriodicColumnsWrapAround) {
  Model model(periodic_options(), 1);
  testing::disturb(model.parameters(), 0.3);
  Graph graph(model.parameters());
  const Value x = graph.input({3, 1});
  const Value log_prob = model.flow().log_prob(x);
  const auto density = [&](const std::vector<double>& points) {
    return testing::run_graph(graph, {log_prob}, {points},
                              {static_cast<std::int64_t>(points.size() / 3)})[0];
  };
  const double gap = 1e-9;
  const std::vector<double> same =
      density({100.0, 1.5, 3.0, -260.0, 1.5, 51.0, 180.0 - gap, 1.5, 7.0, -180.0 + gap, 1.5, 7.0,
               20.0, 0.7, 24.0 - gap, 20.0, 0.7, 0.0 + gap});
  for (std::size_t i = 0; i < same.size(); i += 2) EXPECT_NEAR(same[i], same[i + 1], 1e-6);
  // One turn of each angle and the length hold all the mass: midpoint rule, the length by its
  // logarithm.
  const int steps = 48, lengths = 120;
  std::vector<double> points;
  std::vector<double> weights;
  for (int i = 0; i < steps; ++i)
    for (int j = 0; j < lengths; ++j)
      for (int k = 0; k < steps; ++k) {
        const double length = std::exp(0.2 + 0.3 * (12.0 * (j + 0.5) / lengths - 6.0));
        points.insert(points.end(),
                      {360.0 * (i + 0.5) / steps - 180.0, length, 24.0 * (k + 0.5) / steps});
        weights.push_back((360.0 / steps) * (24.0 / steps) * length * 0.3 * 12.0 / lengths);
      }
  const std::vector<double> values = density(points);
  double total = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) total += weights[i] * std::exp(values[i]);
  EXPECT_NEAR(total, 1.0, 2e-3);
  // Samples stay within the turn.
  Graph drawing(model.parameters());
  const Mapped sample = model.flow().forward(model.flow().base().draw(drawing, 0));
  const auto drawn = testing::run_graph(drawing, {sample.value}, {}, {2000})[0];
  for (std::size_t i = 0; i < drawn.size(); i += 3) {
    EXPECT_LE(std::abs(drawn[i]), 180.0 * (1.0 + 1e-12));
    EXPECT_GT(drawn[i + 1], 0.0);
    EXPECT_GE(drawn[i + 2], -1e-12);
    EXPECT_LE(drawn[i + 2], 24.0 * (1.0 + 1e-12));
  }
}

TEST(Model, LearnsADensityAcrossTheSeam) {
  // A von Mises density of concentration 4 around the seam.
  ModelOptions options = options_of("elementwise_spline", 1);
  options.flow.act_norm = false;
  options.columns = {{.name = "phi", .lower = -180.0, .upper = 180.0, .periodic = true}};
  Model model(options, 1);
  TrainingData data;
  data.generator = [](std::uint64_t first, std::int64_t count, double* out) {
    for (std::int64_t i = 0; i < count; ++i) {
      RandomSequence random(4, Stream::kTarget, first + static_cast<std::uint64_t>(i));
      double angle = 0.0;
      do {
        angle = std::numbers::pi * (2.0 * random.uniform() - 1.0);
      } while (random.uniform() > std::exp(4.0 * (std::cos(angle) - 1.0)));
      angle += angle > 0.0 ? -std::numbers::pi : std::numbers::pi;
      out[i] = angle * 180.0 / std::numbers::pi;
    }
  };
  TrainingOptions training;
  training.iterations = 400;
  training.batch_size = 512;
  training.learning_rate = 2e-2;
  ThreadPool pool(1);
  Trainer trainer(model, data, training, pool);
  trainer.run();
  Graph graph(model.parameters());
  const Value log_prob = model.flow().log_prob(graph.input({1, 1}));
  std::vector<double> points;
  const int steps = 720;
  for (int i = 0; i < steps; ++i) points.push_back(360.0 * (i + 0.5) / steps - 180.0);
  const auto learned = testing::run_graph(graph, {log_prob}, {points}, {steps})[0];
  double divergence = 0.0;
  for (int i = 0; i < steps; ++i) {
    const double angle = points[static_cast<std::size_t>(i)] * std::numbers::pi / 180.0;
    // 360 I0(4), the modified Bessel function.
    const double truth = -4.0 * std::cos(angle) - std::log(360.0 * std::cyl_bessel_i(0.0, 4.0));
    divergence +=
        (360.0 / steps) * std::exp(truth) * (truth - learned[static_cast<std::size_t>(i)]);
  }
  EXPECT_GT(divergence, 0.0);
  EXPECT_LT(divergence, 0.005);  // Measured 0.0021.
}

TEST(Model, SaysWhatPeriodicColumnsNeed) {
  const auto message = [](auto change) {
    ModelOptions options = periodic_options();
    change(options);
    return message_of(options);
  };
  EXPECT_EQ(message([](ModelOptions&) {}), "no error");
  EXPECT_EQ(message([](ModelOptions& o) { o.flow.kind = "real_nvp"; }),
            "flow.kind: expected spline or elementwise_spline or smooth or elementwise_smooth or "
            "logistic or elementwise_logistic where columns are periodic, got real_nvp");
  EXPECT_EQ(
      message([](ModelOptions& o) { o.flow.permutation = "reverse"; }),
      "flow.permutation: expected swap or lu or none where columns are periodic, got reverse");
  EXPECT_EQ(message([](ModelOptions& o) { o.flow.act_norm = true; }),
            "flow.act_norm: expected false where columns are periodic, got true");
  EXPECT_EQ(message([](ModelOptions& o) { o.flow.heads = true; }),
            "flow.heads: expected false for the periodic column 'phi', which would no longer be a "
            "circle, got true");
  EXPECT_EQ(message([](ModelOptions& o) {
              o.flow.kind = "real_nvp";
              o.columns[0].knots = {-3.0, 0.0, 3.0};
              o.columns[0].scores = {-1.0, 0.0, 1.0};
            }),
            "flow.heads: expected true for the periodic column 'phi', beside texts or masses, got "
            "false");
  EXPECT_EQ(message([](ModelOptions& o) { o.base.conditional = "proposal"; }),
            "base.conditional: expected none where columns are periodic, got proposal");
  EXPECT_EQ(message([](ModelOptions& o) { o.base.kind = "mixture"; }),
            "base.kind: expected normal or resampled where columns are periodic, got mixture");
  EXPECT_EQ(
      message([](ModelOptions& o) { o.columns[0].upper = INFINITY; }),
      "columns: 'phi' is periodic and needs the lower and upper bound between which it wraps");
}

TEST(Model, AutoregressiveFlowsLearnAConditionalDensity) {
  // x1 is normal and x2 normal around x1^2 with deviation 1/2: one affine layer can hold it.
  const auto draw = [](std::uint64_t sample, double* out) {
    RandomSequence random(4, Stream::kTarget, sample);
    out[0] = random.normal();
    out[1] = out[0] * out[0] + 0.5 * random.normal();
  };
  const double log_two_pi = std::log(2.0 * std::numbers::pi);
  for (const char* kind : {"autoregressive_affine", "autoregressive_spline"}) {
    SCOPED_TRACE(kind);
    ModelOptions options = options_of(kind, 2);
    options.flow.hidden = {32, 32};
    options.flow.permutation = "reverse";
    options.flow.activation = "tanh";
    Model model(options, 1);
    TrainingData data;
    data.generator = [&](std::uint64_t first, std::int64_t count, double* out) {
      for (std::int64_t i = 0; i < count; ++i)
        draw(first + static_cast<std::uint64_t>(i), out + 2 * i);
    };
    TrainingOptions training;
    training.iterations = 600;
    training.batch_size = 256;
    training.learning_rate = 5e-3;
    ThreadPool pool(1);
    Trainer trainer(model, data, training, pool);
    trainer.run();
    Graph graph(model.parameters());
    const Value x = graph.input({2, 1});
    const Mapped back = model.flow().inverse(x);
    const auto there = model.flow().forward(back.value);
    const std::int64_t rows = 20000;
    std::vector<double> points(static_cast<std::size_t>(2 * rows));
    for (std::int64_t i = 0; i < rows; ++i)
      draw(1'000'000'000 + static_cast<std::uint64_t>(i), points.data() + 2 * i);
    const auto values =
        testing::run_graph(graph, {model.flow().log_prob(x), there.value}, {points}, {rows});
    double divergence = 0.0;
    for (std::size_t i = 0; i < values[0].size(); ++i) {
      const double a = points[2 * i], b = 2.0 * (points[2 * i + 1] - a * a);
      divergence += (-log_two_pi + std::log(2.0) - 0.5 * (a * a + b * b) - values[0][i]) /
                    static_cast<double>(rows);
      EXPECT_NEAR(values[1][2 * i + 1], points[2 * i + 1], 1e-8);
    }
    EXPECT_LT(divergence, 0.05);
    EXPECT_GT(divergence, -0.01);
  }
}

TEST(Model, ConditionsOfAnyUnitsMeanTheSame) {
  ModelOptions options;
  options.context_features = 1;
  options.flow.blocks = 2;
  options.context_columns = {{.name = "kelvin", .mean = 300.0, .scale = 20.0}};
  Model raw(options, 3);
  options.context_columns = {{.name = "standard"}};
  Model standard(options, 3);
  for (Model* model : {&raw, &standard}) testing::disturb(model->parameters());
  const std::vector<double> x = {0.3, -0.4, 1.2, 0.1, -0.7, 0.9};
  ThreadPool pool(1);
  const auto log_prob = [&](const Model& model, const std::vector<double>& context) {
    return DensityEvaluator(model, pool, Precision::kDouble).log_prob(x, context);
  };
  const std::vector<double> found = log_prob(raw, {280.0, 300.0, 340.0});
  const std::vector<double> expected = log_prob(standard, {-1.0, 0.0, 2.0});
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(found[i], expected[i], 1e-12);
  EXPECT_NE(found[0], log_prob(raw, {281.0, 300.0, 340.0})[0]);
}

TEST(Model, AutoregressiveFlowsTakeOneColumnAndPerceptronsOnly) {
  ModelOptions options = options_of("autoregressive_spline", 1);
  EXPECT_EQ(message_of(options), "no error");
  options.flow.network = "residual";
  EXPECT_EQ(message_of(options),
            "flow.network: expected mlp for autoregressive_spline, got 'residual'");
}

}  // namespace
}  // namespace thalweg
