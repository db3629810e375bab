// The contracts that every network, transform, base and target of the table keeps.
#include <gtest/gtest.h>

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "contract_table.h"
#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg::testing {
namespace {

using Arrays = std::vector<std::vector<double>>;
using Values = std::vector<Value>;

std::vector<double> normals(std::int64_t count, std::uint64_t sample, double scale = 1.0) {
  RandomSequence random(11, Stream::kEvaluation, sample);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = scale * random.normal();
  return values;
}

std::vector<std::int64_t> counts_for(const Graph& graph, std::int64_t samples) {
  std::vector<std::int64_t> counts{samples};
  for (Domain domain = 1; domain < graph.domains(); ++domain)
    counts.push_back(graph.default_count(domain));
  return counts;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double total = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) total += a[i] * b[i];
  return total;
}

/// Slots of the graph in check_derivatives: x, its tangent and, if there is one, the context.
using Build = std::function<Value(Graph& graph, Value x, Value context)>;

/// Compares, for the sum over samples of what `build` gives (1 x 1), the gradient by x and by all
/// trainable parameters with its directional derivative forward and by differences, and the product
/// of the second derivative with a direction, which jvp of vjp gives, with differences of the
/// gradient.
void check_derivatives(ParameterStore& parameters, std::int64_t features,
                       std::int64_t context_features, const std::vector<double>& x,
                       const Build& build, Phase phase = Phase::kEvaluation, double step = 1e-5) {
  const auto samples = static_cast<std::int64_t>(x.size()) / features;
  Graph graph(parameters, phase);
  const Value input = graph.input({features, 1});
  const Value along = graph.input({features, 1});
  const Value context = context_features > 0 ? graph.input({context_features, 1}) : Value{};
  const Value scalar = batch_sum(build(graph, input, context));

  Values leaves{input};
  Values tangents{along};
  Arrays directions;
  std::vector<ParameterId> ids;
  for (std::size_t i = 0; i < parameters.infos().size(); ++i) {
    const ParameterInfo& info = parameters.infos()[i];
    if (!info.trainable) continue;
    ids.push_back({static_cast<std::int32_t>(i)});
    directions.push_back(normals(info.size(), 100 + i, 1.0 / std::sqrt(info.columns)));
    leaves.push_back(graph.parameter(ids.back()));
    tangents.push_back(graph.constant({info.rows, info.columns}, directions.back()));
  }
  const Values gradients = vjp({scalar}, {}, leaves);
  const Values products = jvp(gradients, leaves, tangents);
  Values outputs{scalar, jvp({scalar}, leaves, tangents).front()};
  for (const Values& part : {gradients, products})
    for (std::size_t i = 0; i < part.size(); ++i)
      outputs.push_back(i == 0 && !part[i].batched()
                            ? part[i] + 0.0 * input  // one value for each sample, shared or not
                            : part[i]);

  const std::vector<double> tangent = normals(samples * features, 1);
  const std::vector<double> contexts =
      normals(samples * std::max<std::int64_t>(1, context_features), 2);
  const auto run = [&](double by) {
    std::vector<double> moved = x;
    for (std::size_t i = 0; i < x.size(); ++i) moved[i] += by * tangent[i];
    const std::vector<double> kept(parameters.flat().begin(), parameters.flat().end());
    for (std::size_t p = 0; p < ids.size(); ++p)
      for (std::size_t i = 0; i < directions[p].size(); ++i)
        parameters.values(ids[p])[i] += by * directions[p][i];
    Arrays result =
        run_graph(graph, outputs, {moved, tangent, contexts}, counts_for(graph, samples));
    std::copy(kept.begin(), kept.end(), parameters.flat().begin());
    return result;
  };
  const Arrays at = run(0.0);
  const Arrays before = run(-step);
  const Arrays after = run(step);

  const double forward = at[1][0];
  double reverse = dot(at[2], tangent);
  for (std::size_t p = 0; p < ids.size(); ++p) reverse += dot(at[3 + p], directions[p]);
  const double size = 1.0 + std::abs(at[0][0]) + std::abs(forward);
  EXPECT_NEAR(forward, reverse, 1e-10 * size);
  EXPECT_NEAR(forward, (after[0][0] - before[0][0]) / (2.0 * step), 1e-6 * size);
  const std::size_t count = leaves.size();
  double largest = 1.0;
  for (std::size_t leaf = 0; leaf < count; ++leaf)
    for (const double value : at[2 + count + leaf]) largest = std::max(largest, std::abs(value));
  for (std::size_t leaf = 0; leaf < count; ++leaf)
    for (std::size_t i = 0; i < at[2 + leaf].size(); ++i)
      ASSERT_NEAR(at[2 + count + leaf][i],
                  (after[2 + leaf][i] - before[2 + leaf][i]) / (2.0 * step), 1e-6 * largest)
          << "second derivative, leaf " << leaf << ", element " << i;
}

/// `points`, brought to (0, 1) for what is made for that.
template <typename T>
std::vector<double> points_of(const Case<T>& entry, std::vector<double> points) {
  if (entry.unit_interval)
    for (double& point : points) point = 0.5 + 0.45 * std::tanh(point);
  return points;
}

/// Samples whose neighbourhood finite differences can use.
constexpr std::int64_t kSamples = 37;

TEST(NetworkContract, ShapesAndDerivatives) {
  for (const auto& entry : network_cases()) {
    SCOPED_TRACE(entry.name);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto network = entry.make(parameters, random);
    {
      Graph graph(parameters);
      EXPECT_THROW((*network)(graph.input({network->inputs() + 1, 1})), ShapeError);
      EXPECT_THROW((*network)(Value{}), ShapeError);
      const Value x = graph.input({network->inputs(), 4});
      if (network->context_features() > 0) {
        EXPECT_THROW((*network)(x), ShapeError);
        EXPECT_THROW((*network)(x, graph.input({network->context_features(), 1})), ShapeError);
        const Value y = (*network)(x, graph.input({network->context_features(), 4}));
        EXPECT_EQ(y.shape(), (Shape{network->outputs(), 4}));
      } else {
        EXPECT_THROW((*network)(x, x), ShapeError);
        EXPECT_EQ((*network)(x).shape(), (Shape{network->outputs(), 4}));
      }
    }
    check_derivatives(parameters, network->inputs(), network->context_features(),
                      normals(kSamples * network->inputs(), 5),
                      [&](Graph&, Value x, Value context) {
                        const Value y = (*network)(x, context);
                        return sum(y * sin(y));
                      });
  }
}

TEST(TransformContract, RoundTrip) {
  for (const auto& entry : transform_cases()) {
    SCOPED_TRACE(entry.name);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto transform = entry.make(parameters, random);
    if (transform->stochastic()) continue;  // see PathWeightsAverageToOne
    disturb(parameters);
    const std::int64_t features = transform->features();
    Graph graph(parameters);
    const Value z = graph.input({features, 1});
    const Value context = transform->context_features() > 0
                              ? graph.input({transform->context_features(), 1})
                              : Value{};
    const Mapped forward = transform->forward(z, context);
    const Mapped inverse = transform->inverse(forward.value, context);
    EXPECT_EQ(forward.value.shape(), (Shape{features, 1}));
    EXPECT_EQ(inverse.value.shape(), (Shape{features, 1}));
    EXPECT_EQ(forward.log_det.shape(), (Shape{1, 1}));
    EXPECT_EQ(inverse.log_det.shape(), (Shape{1, 1}));
    const std::int64_t samples = 200;
    const std::vector<double> start = points_of(entry, normals(samples * features, 4, 1.5));
    const Arrays results = run_graph(
        graph, {inverse.value, forward.log_det + inverse.log_det + 0.0 * sum(z)},
        {start, normals(samples * std::max<std::int64_t>(1, transform->context_features()), 2)},
        {samples});
    for (std::size_t i = 0; i < start.size(); ++i) {
      const double off = results[0][i] - start[i];
      ASSERT_NEAR(entry.circular ? std::remainder(off, 2.0 * std::numbers::pi) : off, 0.0,
                  1e-9 * (1.0 + std::abs(start[i])));
    }
    for (const double total : results[1])
      ASSERT_NEAR(total, 0.0, 1e-9 * static_cast<double>(features));
  }
}

TEST(TransformContract, LogDeterminantIsThatOfTheJacobian) {
  for (const auto& entry : transform_cases()) {
    SCOPED_TRACE(entry.name);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto transform = entry.make(parameters, random);
    if (transform->stochastic()) continue;
    disturb(parameters);
    const std::int64_t features = transform->features();
    const std::int64_t context_features = transform->context_features();
    for (const bool is_forward : {true, false}) {
      SCOPED_TRACE(is_forward ? "forward" : "inverse");
      std::vector<double> centre = points_of(entry, normals(features, 6));
      const std::vector<double> contexts = normals(std::max<std::int64_t>(1, context_features), 2);
      Graph graph(parameters);
      const Value input = graph.input({features, 1});
      const Value context = context_features > 0 ? graph.input({context_features, 1}) : Value{};
      const Mapped mapped =
          is_forward ? transform->forward(input, context) : transform->inverse(input, context);
      if (!is_forward) {
        Graph outward(parameters);
        const Value z = outward.input({features, 1});
        const Value same = context_features > 0 ? outward.input({context_features, 1}) : Value{};
        centre =
            run_graph(outward, {transform->forward(z, same).value}, {centre, contexts}, {1})[0];
      }
      // Rows: the centre, then each feature moved up and down.
      const double step = 1e-5;
      const std::int64_t rows = 1 + 2 * features;
      std::vector<double> points;
      std::vector<double> row_contexts;
      for (std::int64_t row = 0; row < rows; ++row) {
        std::vector<double> point = centre;
        if (row > 0) point[static_cast<std::size_t>((row - 1) / 2)] += row % 2 == 1 ? step : -step;
        points.insert(points.end(), point.begin(), point.end());
        row_contexts.insert(row_contexts.end(), contexts.begin(), contexts.end());
      }
      const Arrays results = run_graph(graph, {mapped.value, mapped.log_det + 0.0 * sum(input)},
                                       {points, row_contexts}, {rows});
      Eigen::MatrixXd jacobian(features, features);
      for (std::int64_t column = 0; column < features; ++column)
        for (std::int64_t row = 0; row < features; ++row)
          jacobian(row, column) =
              (results[0][static_cast<std::size_t>((1 + 2 * column) * features + row)] -
               results[0][static_cast<std::size_t>((2 + 2 * column) * features + row)]) /
              (2.0 * step);
      const double expected = Eigen::PartialPivLU<Eigen::MatrixXd>(jacobian)
                                  .matrixLU()
                                  .diagonal()
                                  .cwiseAbs()
                                  .array()
                                  .log()
                                  .sum();
      EXPECT_NEAR(results[1][0], expected, 1e-6 * static_cast<double>(features));
    }
  }
}

TEST(TransformContract, PathWeightsAverageToOne) {
  // The density that a normal latent and a stochastic layer give x is estimated without bias, so it
  // integrates to 1; so does the latent density that its reverse gives. Monte Carlo from a normal
  // of deviation 3, 40 000 points: by chance a mean is 5 of its standard errors off once in 10^6.
  const double deviation = 3.0;
  const std::int64_t samples = 40000;
  for (const auto& entry : transform_cases()) {
    SCOPED_TRACE(entry.name);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto transform = entry.make(parameters, random);
    if (!transform->stochastic()) continue;
    disturb(parameters, 0.2);
    const std::int64_t features = transform->features();
    const std::int64_t context_features = transform->context_features();
    Graph graph(parameters);
    const Value start = graph.input({features, 1});
    const Value context = context_features > 0 ? graph.input({context_features, 1}) : Value{};
    const auto weight = [&](const Mapped& mapped) {
      return exp(mapped.log_det - 0.5 * sum(square(mapped.value), Axis::kFeatures) +
                 0.5 * sum(square(start), Axis::kFeatures) / (deviation * deviation) +
                 static_cast<double>(features) * std::log(deviation));
    };
    const Arrays weights = run_graph(
        graph,
        {weight(transform->inverse(start, context)), weight(transform->forward(start, context))},
        {normals(samples * features, 9, deviation),
         normals(samples * std::max<std::int64_t>(1, context_features), 2)},
        {samples});
    for (const std::vector<double>& values : weights) {
      double mean = 0.0, square = 0.0;
      for (const double value : values) {
        mean += value / static_cast<double>(samples);
        square += value * value / static_cast<double>(samples);
      }
      const double error = std::sqrt((square - mean * mean) / static_cast<double>(samples));
      EXPECT_NEAR(mean, 1.0, 5.0 * error);
      EXPECT_LT(error, 0.1);
    }
  }
}

TEST(TransformContract, RefusesWrongShapesByName) {
  for (const auto& entry : transform_cases()) {
    SCOPED_TRACE(entry.name);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto transform = entry.make(parameters, random);
    const std::int64_t features = transform->features();
    const std::int64_t context_features = transform->context_features();
    Graph graph(parameters);
    const Value good = graph.input({features, 1});
    const Value context = context_features > 0 ? graph.input({context_features, 1}) : Value{};
    for (const Value& bad : {graph.input({features + 1, 1}), graph.input({features, 2}), Value{}}) {
      EXPECT_THROW(transform->forward(bad, context), ShapeError);
      EXPECT_THROW(transform->inverse(bad, context), ShapeError);
    }
    const Value wrong = graph.input({context_features + 1, 1});
    EXPECT_THROW(transform->forward(good, wrong), ShapeError);
    if (context_features > 0) {
      EXPECT_THROW(transform->inverse(good), ShapeError);
    }
    try {
      transform->forward(graph.input({features + 1, 1}), context);
    } catch (const ShapeError& error) {
      EXPECT_NE(std::string(error.what()).find("layer: forward"), std::string::npos)
          << error.what();
    }
  }
}

TEST(TransformContract, Derivatives) {
  for (const auto& entry : transform_cases()) {
    SCOPED_TRACE(entry.name);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto transform = entry.make(parameters, random);
    disturb(parameters);
    const std::int64_t features = transform->features();
    const std::int64_t context_features = transform->context_features();
    const auto score = [&](const Mapped& mapped) {
      return sum(sin(mapped.value)) + mapped.log_det * 0.7 + square(mapped.log_det) * 0.01;
    };
    const std::vector<double> z = points_of(entry, normals(kSamples * features, 8, 0.8));
    // Maps of [0, 1] bend within tenths of it.
    const double step = entry.unit_interval ? 2e-6 : 1e-5;
    // Random moves have derivatives in training graphs.
    const Phase phase = transform->stochastic() ? Phase::kTraining : Phase::kEvaluation;
    {
      SCOPED_TRACE("forward");
      check_derivatives(
          parameters, features, context_features, z,
          [&](Graph&, Value x, Value context) {
            return score(transform->forward(x, context)) + 0.0 * sum(x);
          },
          phase, step);
    }
    SCOPED_TRACE("inverse");
    Graph graph(parameters);
    const Value start = graph.input({features, 1});
    const Value context = context_features > 0 ? graph.input({context_features, 1}) : Value{};
    const std::vector<double> contexts =
        normals(kSamples * std::max<std::int64_t>(1, context_features), 2);
    const Arrays x =
        run_graph(graph, {transform->forward(start, context).value}, {z, contexts}, {kSamples});
    check_derivatives(
        parameters, features, context_features, x[0],
        [&](Graph&, Value point, Value given) {
          return score(transform->inverse(point, given)) + 0.0 * sum(point);
        },
        phase, step);
  }
}

TEST(BaseContract, ShapesAndDerivatives) {
  for (const auto& entry : base_cases()) {
    SCOPED_TRACE(entry.name);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto base = entry.make(parameters, random);
    disturb(parameters);
    const std::int64_t features = base->features();
    {
      Graph graph(parameters);
      const Value z = graph.input({features, 1});
      const Value context = base_context(*base, z);
      for (const Value& bad : {graph.input({features + 1, 1}), graph.input({features, 2}), Value{}})
        EXPECT_THROW(base->log_prob(bad, context), ShapeError);
      const Value wrong = graph.input({base->context_features() + 1, 1});
      EXPECT_THROW(base->log_prob(z, wrong), ShapeError);
      EXPECT_THROW(base->draw(graph, 0, wrong), ShapeError);
      EXPECT_THROW(base->acceptance_rate(graph, wrong), ShapeError);
      EXPECT_EQ(base->log_prob(z, context).shape(), (Shape{1, 1}));
      EXPECT_EQ(base->draw(graph, 0, context).shape(), (Shape{features, 1}));
      const bool rejects =
          base->truncation() > 0 || dynamic_cast<const ResampledBase*>(base.get()) != nullptr;
      EXPECT_EQ(base->acceptance(z, context).valid(), rejects);
      EXPECT_EQ(base->acceptance_rate(graph, context).valid(), rejects);
    }
    std::vector<double> points = normals(kSamples * features, 5);
    if (entry.unit_interval)
      for (double& point : points) point = 0.5 + 0.45 * std::tanh(point);
    check_derivatives(parameters, features, 0, points, [&](Graph&, Value z, Value) {
      return base->log_prob(z, base_context(*base, z));
    });
  }
}

TEST(BaseContract, DensitiesIntegrateToOne) {
  for (const auto& entry : base_cases()) {
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto base = entry.make(parameters, random);
    // The normaliser of a resampled base has a test of its own.
    if (base->features() > 2 || dynamic_cast<const ResampledBase*>(base.get())) continue;
    if (base->mean_free_dimensions() > 0) continue;  // of a subspace: see particles_test.cc
    if (entry.unit_interval) continue;  // ends at points of the grid: see bases_test.cc
    SCOPED_TRACE(entry.name);
    disturb(parameters);
    const double step = 0.05;
    const int half = 240;
    std::vector<double> points;
    for (int i = -half; i <= half; ++i)
      for (int j = -half; j <= half; ++j) {
        if (base->features() == 1 && j != 0) continue;
        points.push_back(step * i);
        if (base->features() == 2) points.push_back(step * j);
      }
    Graph graph(parameters);
    const Value z = graph.input({base->features(), 1});
    const Value context =
        base->context_features() > 0 ? graph.constant({2, 1}, {1.0, 0.5}) : Value{};
    const Value log_prob = base->log_prob(z, context);
    const auto count = static_cast<std::int64_t>(points.size()) / base->features();
    const Arrays values = run_graph(graph, {log_prob}, {points}, {count});
    double integral = 0.0;
    for (const double value : values[0])
      integral += std::exp(value) * std::pow(step, base->features());
    // Kinks, as of relu, cost the sum digits.
    EXPECT_NEAR(integral, 1.0, entry.name.starts_with("kind_") ? 1e-4 : 1e-9);
  }
}

TEST(TargetContract, ShapesAndDerivatives) {
  for (const auto& entry : target_cases()) {
    SCOPED_TRACE(entry.name);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto target = entry.make(parameters, random);
    EXPECT_EQ(target->name(), entry.name);
    Graph graph(parameters);
    EXPECT_THROW(target->log_density(graph.input({target->features() + 1, 1})), ShapeError);
    EXPECT_THROW(target->log_density(Value{}), ShapeError);
    check_derivatives(parameters, target->features(), 0, normals(kSamples * target->features(), 5),
                      [&](Graph&, Value x, Value) { return target->log_density(x); });
  }
}

}  // namespace
}  // namespace thalweg::testing
