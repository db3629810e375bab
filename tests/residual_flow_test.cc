// The residual flow: bounds, inverses, log-determinants and their series estimate.
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "contract_table.h"
#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/flows/model.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/training/trainer.h"
#include "thalweg/transforms/residual.h"

namespace thalweg::testing {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// A normal number is further out than this with probability 6.8e-6.
constexpr double kFarOut = 4.5;

std::vector<double> normals(std::int64_t count, std::uint64_t sample, double scale = 1.0) {
  RandomSequence random(21, Stream::kEvaluation, sample);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = scale * random.normal();
  return values;
}

double largest_singular_value(const std::vector<double>& values, std::int64_t rows,
                              std::int64_t columns) {
  const Eigen::Map<const Matrix> matrix(values.data(), rows, columns);
  return Eigen::JacobiSVD<Eigen::MatrixXd>(matrix).singularValues()(0);
}

struct Estimate {
  double mean = 0.0, error = 0.0;
};

Estimate estimate(const std::vector<double>& values) {
  Estimate result;
  const auto count = static_cast<double>(values.size());
  for (const double value : values) result.mean += value / count;
  double variance = 0.0;
  for (const double value : values) variance += std::pow(value - result.mean, 2) / (count - 1.0);
  result.error = std::sqrt(variance / count);
  return result;
}

/// Makes networks about as steep as their bounds allow: J is nearly a rotation times the bound,
/// where the biases keep the activations steep.
void steepen(ParameterStore& parameters) {
  for (std::size_t i = 0; i < parameters.infos().size(); ++i) {
    const ParameterInfo& info = parameters.infos()[i];
    const auto values = parameters.values({static_cast<std::int32_t>(i)});
    const std::vector<double> random = normals(info.rows * info.rows, 500 + i);
    if (info.name.ends_with(".bias"))
      for (std::size_t row = 0; row < values.size(); ++row) values[row] = 3.0 + random[row];
    if (!info.name.ends_with(".weights")) continue;
    Eigen::Map<Matrix> matrix(values.data(), info.rows, info.columns);
    matrix = 3.0 * Matrix::Identity(info.rows, info.columns);
    if (info.rows < info.columns)
      matrix = Matrix(Eigen::HouseholderQR<Matrix>(
                          Eigen::Map<const Matrix>(random.data(), info.rows, info.rows))
                          .householderQ()) *
               matrix;
  }
}

/// Layers that differ only in how they find the log-determinant, with their parameters.
struct Layer {
  ParameterStore parameters;
  std::unique_ptr<Residual> residual;

  Layer(std::int64_t features, ResidualOptions options, ResidualLogDet log_det) {
    RandomSequence random(5, Stream::kInitialisation);
    options.log_det = log_det;
    residual = std::make_unique<Residual>(parameters, "layer", random, features, options);
    steepen(parameters);
  }
};

TEST(ResidualFlow, BoundsSingularValuesWhateverTheWeights) {
  const double lipschitz = 0.9;
  const double layer_bound = std::cbrt(lipschitz);
  for (const double scale : {1e-9, 1e-3, 0.3, 4.0, 1e4}) {
    SCOPED_TRACE(scale);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const LipschitzMlp network(parameters, "layer", random, 2, 3,
                               {.hidden = {40, 24}, .lipschitz = lipschitz});
    for (std::size_t i = 0; i < parameters.infos().size(); ++i) {
      const ParameterInfo& info = parameters.infos()[i];
      if (!info.name.ends_with(".weights")) continue;
      const std::vector<double> weights = normals(info.size(), i, scale);
      std::copy(weights.begin(), weights.end(),
                parameters.values({static_cast<std::int32_t>(i)}).begin());
    }
    // Two equal largest singular values, the hard case for a power iteration.
    const auto last = parameters.values(parameters.find("layer.2.weights"));
    std::fill(last.begin(), last.end(), 0.0);
    last[0] = last[25] = scale;
    Graph graph(parameters);
    const std::vector<Value> dense = network.weights(graph).dense;
    const auto values = run_graph(graph, dense, {}, {0});
    double product = 1.0;
    for (std::size_t i = 0; i < dense.size(); ++i) {
      const ParameterId id = parameters.find(fmt::format("layer.{}.weights", i));
      const auto raw = parameters.values(id);
      const double before =
          largest_singular_value({raw.begin(), raw.end()}, dense[i].features(), dense[i].items());
      const double after = largest_singular_value(values[i], dense[i].features(), dense[i].items());
      EXPECT_LE(after, layer_bound * (1.0 + 1e-12));
      EXPECT_LE(after, before * (1.0 + 1e-12));
      EXPECT_GE(after, std::min(before, layer_bound) * (1.0 - 1e-3));
      product *= after;
    }
    EXPECT_LE(product, lipschitz * (1.0 + 1e-12));
  }
}

TEST(ResidualFlow, PairsOfPointsKeepTheBound) {
  const double lipschitz = 0.9;
  for (const Phase phase : {Phase::kEvaluation, Phase::kTraining}) {
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const LipschitzMlp network(parameters, "layer", random, 2, 2,
                               {.hidden = {16, 16}, .lipschitz = lipschitz});
    steepen(parameters);
    Graph graph(parameters, phase);
    const Value x = graph.input({2, 1});
    const Value y = graph.input({2, 1});
    const Value ratio = sqrt(sum(square(network(x) - network(y))) / sum(square(x - y)));
    std::vector<Value> outputs{ratio};
    for (const BufferUpdate& update : graph.buffer_updates()) outputs.push_back(update.value);
    EXPECT_EQ(graph.buffer_updates().size(), phase == Phase::kTraining ? 3U : 0U);
    const std::int64_t samples = 4000;
    const std::vector<double> from = normals(2 * samples, 1, 2.0);
    std::vector<double> to = normals(2 * samples, 2, 2.0);
    for (std::size_t i = 0; i < to.size() / 2; ++i) to[i] = from[i] + 1e-3 * to[i];
    // The buffers need some steps to find the singular vectors.
    std::vector<std::vector<double>> values;
    for (int step = 0; step < 20; ++step) {
      values = run_graph(graph, outputs, {from, to}, {samples});
      for (std::size_t i = 1; i < outputs.size(); ++i)
        std::copy(values[i].begin(), values[i].end(),
                  parameters.values(graph.buffer_updates()[i - 1].buffer).begin());
    }
    const double largest = *std::max_element(values[0].begin(), values[0].end());
    EXPECT_LE(largest, lipschitz * (phase == Phase::kTraining ? 1.001 : 1.0));
    EXPECT_GT(largest, 0.6) << "the test should use the freedom that the bound leaves";
  }
}

TEST(ResidualFlow, WeightsOfZeroKeepTheirBuffersAndFiniteDerivatives) {
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  const Residual layer(parameters, "layer", random, 2, {.hidden = {4}});
  const auto weights = parameters.values(parameters.find("layer.network.1.weights"));
  std::fill(weights.begin(), weights.end(), 0.0);
  for (const Phase phase : {Phase::kEvaluation, Phase::kTraining}) {
    Graph graph(parameters, phase);
    const Mapped mapped = layer.inverse(graph.input({2, 1}));
    std::vector<Value> outputs =
        gradient(batch_sum(sum(mapped.value) + mapped.log_det),
                 {graph.parameter(parameters.find("layer.network.0.weights")),
                  graph.parameter(parameters.find("layer.network.1.weights"))});
    for (const BufferUpdate& update : graph.buffer_updates()) outputs.push_back(update.value);
    const auto values = run_graph(graph, outputs, {normals(20, 1)}, {10});
    for (const auto& value : values)
      for (const double number : value) EXPECT_TRUE(std::isfinite(number));
    if (phase == Phase::kEvaluation) continue;
    const auto kept = parameters.values(parameters.find("layer.network.1.singular_vector"));
    EXPECT_EQ(values[3], std::vector<double>(kept.begin(), kept.end()));
  }
}

TEST(ResidualFlow, LogDeterminantOfManyFeaturesIsThatOfTheJacobian) {
  const std::int64_t features = 20;
  const Layer layer(features, {.hidden = {24}}, ResidualLogDet::kExact);
  Graph graph(layer.parameters);
  const Value x = graph.input({features, 1});
  const Mapped mapped = layer.residual->inverse(x);
  const double step = 1e-5;
  const std::vector<double> centre = normals(features, 3);
  std::vector<double> points;
  for (std::int64_t row = 0; row < 2 * features; ++row) {
    std::vector<double> point = centre;
    point[static_cast<std::size_t>(row / 2)] += row % 2 == 0 ? step : -step;
    points.insert(points.end(), point.begin(), point.end());
  }
  points.insert(points.end(), centre.begin(), centre.end());
  const auto values =
      run_graph(graph, {mapped.value, mapped.log_det}, {points}, {2 * features + 1});
  const Eigen::Map<const Matrix> z(values[0].data(), 2 * features + 1, features);
  Eigen::MatrixXd jacobian(features, features);
  for (std::int64_t column = 0; column < features; ++column)
    jacobian.col(column) = (z.row(2 * column) - z.row(2 * column + 1)) / (2.0 * step);
  EXPECT_NEAR(values[1].back(), std::log(jacobian.determinant()), 1e-7);
  EXPECT_GT(std::abs(values[1].back()), 0.1);
}

TEST(ResidualFlow, SeriesIsUnbiased) {
  // Chance of failing: 12 tests at kFarOut, below 1e-4.
  const std::int64_t features = 4;
  const std::int64_t samples = 40000;
  for (const double lipschitz : {0.5, 0.8, 0.9}) {
    SCOPED_TRACE(lipschitz);
    const ResidualOptions options{.hidden = {16, 16}, .lipschitz = lipschitz};
    const Layer exact(features, options, ResidualLogDet::kExact);
    const Layer series(features, options, ResidualLogDet::kSeries);
    for (std::uint64_t point = 0; point < 4; ++point) {
      const std::vector<double> x = normals(features, 100 + point);
      const auto log_det = [&](const Layer& layer, std::int64_t count) {
        Graph graph(layer.parameters, Phase::kTraining);
        const Mapped mapped = layer.residual->inverse(graph.input({features, 1}));
        std::vector<double> rows;
        for (std::int64_t i = 0; i < count; ++i) rows.insert(rows.end(), x.begin(), x.end());
        return run_graph(graph, {mapped.log_det}, {rows}, {count}, 77 + point)[0];
      };
      const Estimate found = estimate(log_det(series, samples));
      const double truth = log_det(exact, 1)[0];
      EXPECT_LT(found.error, 0.02);
      EXPECT_NEAR(found.mean, truth, kFarOut * found.error);
    }
  }
}

TEST(ResidualFlow, RandomTruncationKeepsTheWeightOfLateTerms) {
  // With J = -c I the probes have no variance, so what is left is the truncation's: log det is
  // d log(1 - c). Chance of failing 6.8e-6.
  const std::int64_t features = 2;
  const double lipschitz = 0.9;
  Layer layer(features, {.hidden = {}, .lipschitz = lipschitz}, ResidualLogDet::kSeries);
  const auto weights = layer.parameters.values(layer.parameters.find("layer.network.0.weights"));
  const std::vector<double> chosen = {-3.0, 0.0, 0.0, -3.0};
  std::copy(chosen.begin(), chosen.end(), weights.begin());
  Graph graph(layer.parameters, Phase::kTraining);
  const Mapped mapped = layer.residual->inverse(graph.input({features, 1}));
  const std::int64_t samples = 40000;
  const Estimate found =
      estimate(run_graph(graph, {mapped.log_det}, {normals(features * samples, 9)}, {samples})[0]);
  EXPECT_GT(found.error, 1e-4);
  EXPECT_LT(found.error, 1e-2);
  // Above the truth by what the series leaves out: at most 1e-3 a feature.
  EXPECT_NEAR(found.mean, features * std::log(1.0 - lipschitz),
              kFarOut * found.error + 1e-3 * features);
}

TEST(ResidualFlow, GradientOfTheSeriesIsUnbiased) {
  // Chance of failing: 6 tests at kFarOut, 4e-5.
  const std::int64_t features = 4;
  const std::int64_t samples = 256;
  const int batches = 200;
  const ResidualOptions options{.hidden = {16, 16}, .lipschitz = 0.9};
  Layer exact(features, options, ResidualLogDet::kExact);
  Layer series(features, options, ResidualLogDet::kSeries);
  const std::vector<double> x = normals(features * samples, 300);
  // Gradients with respect to the weights, the biases and betas, and x, each along one direction.
  const auto slopes = [&](const Layer& layer, std::uint64_t seed) {
    Graph graph(layer.parameters, Phase::kTraining);
    const Value input = graph.input({features, 1});
    std::vector<Value> leaves{input};
    std::vector<std::string> names{"x"};
    for (std::size_t i = 0; i < layer.parameters.infos().size(); ++i)
      if (layer.parameters.infos()[i].trainable) {
        leaves.push_back(graph.parameter({static_cast<std::int32_t>(i)}));
        names.push_back(layer.parameters.infos()[i].name);
      }
    const auto gradients = gradient(batch_mean(layer.residual->inverse(input).log_det), leaves);
    const auto values = run_graph(graph, gradients, {x}, {samples}, seed);
    std::vector<double> result(6, 0.0);
    for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
      const auto direction = normals(static_cast<std::int64_t>(values[leaf].size()), 400 + leaf);
      double slope = 0.0;
      for (std::size_t i = 0; i < direction.size(); ++i) slope += direction[i] * values[leaf][i];
      const std::size_t group = leaf == 0                            ? 0
                                : names[leaf].ends_with("0.weights") ? 1
                                : names[leaf].ends_with("1.weights") ? 2
                                : names[leaf].ends_with("2.weights") ? 3
                                : names[leaf].ends_with(".bias")     ? 4
                                                                     : 5;
      result[group] += slope;
    }
    return result;
  };
  const std::vector<double> truth = slopes(exact, 0);
  std::vector<std::vector<double>> found(truth.size());
  for (int batch = 0; batch < batches; ++batch) {
    const auto values = slopes(series, 1000 + static_cast<std::uint64_t>(batch));
    for (std::size_t group = 0; group < truth.size(); ++group)
      found[group].push_back(values[group]);
  }
  double largest = 0.0;
  for (const double slope : truth) largest = std::max(largest, std::abs(slope));
  for (std::size_t group = 0; group < truth.size(); ++group) {
    SCOPED_TRACE(group);
    const Estimate mean = estimate(found[group]);
    EXPECT_NEAR(mean.mean, truth[group], kFarOut * mean.error);
    EXPECT_LT(mean.error, 0.03 * largest);
  }
}

/// Largest |inverse(forward(z)) - z| / (1 + |z|), and of the log-determinants.
double round_trip_error(const Model& model, Precision precision) {
  ThreadPool pool(1);
  DensityEvaluator evaluator(model, pool, precision);
  std::vector<double> there, back;
  const std::vector<double> z = normals(2000 * model.flow().features(), 30);
  const std::vector<double> found =
      evaluator.to_latent(evaluator.to_data(z, {}, &there), {}, &back);
  double largest = 0.0;
  for (std::size_t i = 0; i < z.size(); ++i)
    largest = std::max(largest, std::abs(found[i] - z[i]) / (1.0 + std::abs(z[i])));
  for (std::size_t i = 0; i < there.size(); ++i)
    largest = std::max(largest, std::abs(there[i] + back[i]) / (1.0 + std::abs(back[i])));
  return largest;
}

TEST(ResidualFlow, RoundTrips) {
  ModelOptions options;
  options.flow.kind = "residual";
  options.flow.act_norm = false;
  for (const std::int64_t features : {1, 2, 6})
    for (const bool steep : {false, true}) {
      SCOPED_TRACE(fmt::format("{} features{}", features, steep ? ", steep" : ""));
      options.features = features;
      // Steep layers are one at a time, since a chain of them magnifies what rounding does to x.
      options.flow.blocks = steep ? 1 : 8;
      Model model(options, 3);
      if (steep)
        steepen(model.parameters());
      else
        disturb(model.parameters(), 2.0);
      EXPECT_LT(round_trip_error(model, Precision::kFloat), 1e-5);
      EXPECT_LT(round_trip_error(model, Precision::kDouble), 1e-12);
    }
}

TEST(ResidualFlow, DensitiesOfManyColumnsAreExact) {
  ModelOptions options;
  options.features = 130;
  options.flow.kind = "residual";
  options.flow.blocks = 1;
  options.flow.hidden = {16};
  Model model(options, 1);
  steepen(model.parameters());
  ThreadPool pool(1);
  const std::vector<double> row = normals(130, 7);
  std::vector<double> rows;
  for (int i = 0; i < 4; ++i) rows.insert(rows.end(), row.begin(), row.end());
  const std::vector<double> found =
      DensityEvaluator(model, pool, Precision::kDouble).log_prob(rows);
  for (const double value : found) EXPECT_EQ(value, found[0]);
}

TEST(ResidualFlow, ManyFeaturesUseTheSeriesForTheInverseToo) {
  const std::int64_t features = 130;
  const std::int64_t samples = 20;
  const Layer layer(features, {.hidden = {30}, .lipschitz = 0.7}, ResidualLogDet::kAutomatic);
  Graph graph(layer.parameters);
  const Value z = graph.input({features, 1});
  const Value tangent = graph.input({features, 1});
  const Value x = layer.residual->forward(z).value;
  const Value back = layer.residual->inverse(x).value;
  const auto at = normals(features * samples, 40);
  const auto along = normals(features * samples, 41);
  const auto values =
      run_graph(graph, {back, jvp({back}, {z}, {tangent})[0]}, {at, along}, {samples});
  for (std::size_t i = 0; i < at.size(); ++i) {
    ASSERT_NEAR(values[0][i], at[i], 1e-10);
    ASSERT_NEAR(values[1][i], along[i], 1e-5);
  }
}

TEST(ResidualFlow, LearnsADensity) {
  ModelOptions options;
  options.features = 2;
  options.flow.kind = "residual";
  options.flow.blocks = 4;
  options.flow.hidden = {16, 16};
  Model model(options, 1);
  ThreadPool pool(1);
  const auto target = make_target("two_rings");
  TrainingData data;
  data.generator = [&](std::uint64_t first, std::int64_t count, double* out) {
    for (std::int64_t i = 0; i < count; ++i) {
      RandomSequence random(4, Stream::kTarget, first + static_cast<std::uint64_t>(i));
      const std::vector<double> sample = target->sample(random);
      std::copy(sample.begin(), sample.end(), out + 2 * i);
    }
  };
  TrainingOptions training;
  training.iterations = 400;
  training.batch_size = 256;
  training.learning_rate = 5e-3;
  Trainer trainer(model, data, training, pool);
  trainer.run();
  EXPECT_EQ(trainer.counters().bad_steps, 0);
  const auto& rows = trainer.history().rows;
  const auto mean_loss = [&](std::size_t begin, std::size_t end) {
    double sum = 0.0;
    for (std::size_t i = begin; i < end; ++i) sum += rows[i].loss;
    return sum / static_cast<double>(end - begin);
  };
  EXPECT_LT(mean_loss(rows.size() - 20, rows.size()), mean_loss(0, 20) - 0.2);
  DensityEvaluator density(model, pool);
  std::vector<double> points;
  const double step = 0.04;
  for (int i = -150; i <= 150; ++i)
    for (int j = -150; j <= 150; ++j) points.insert(points.end(), {step * i, step * j});
  double integral = 0.0;
  for (const double log_prob : density.log_prob(points)) integral += std::exp(log_prob);
  EXPECT_NEAR(integral * step * step, 1.0, 1e-2);
  EXPECT_LT(round_trip_error(model, Precision::kFloat), 1e-5);
  EXPECT_LT(round_trip_error(model, Precision::kDouble), 1e-12);
}

TEST(ResidualFlow, RefusesWhatIsNoContraction) {
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  for (const double lipschitz : {0.0, 1.0, -0.5, static_cast<double>(NAN)})
    EXPECT_THROW(Residual(parameters, "layer", random, 2, {.lipschitz = lipschitz}), ConfigError);
  EXPECT_THROW(Residual(parameters, "layer", random, 2, {.hidden = {0}}), ConfigError);
  EXPECT_THROW(residual_log_det_by_name("sometimes"), ConfigError);
}

}  // namespace
}  // namespace thalweg::testing
