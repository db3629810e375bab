#include "thalweg/nn/equivariant_graph_network.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numbers>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "run_graph.h"
#include "thalweg/bases/mean_free_normal.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/flows/model.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/transforms/free_form.h"

namespace thalweg::testing {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

EquivariantGraphNetworkOptions options_of(std::int64_t particles, std::int64_t dimensions,
                                          std::int64_t context = 0) {
  EquivariantGraphNetworkOptions options;
  options.particles = particles;
  options.dimensions = dimensions;
  options.layers = 2;
  options.hidden = 6;
  options.context_features = context;
  return options;
}

/// A network whose weights are large enough to matter.
struct Fixture {
  explicit Fixture(const EquivariantGraphNetworkOptions& given)
      : options(given), network(store, "net", random, options) {
    std::mt19937 engine(3);
    std::vector<double> flat(store.flat().begin(), store.flat().end());
    for (double& value : flat) value = std::normal_distribution(0.0, 0.7)(engine);
    std::copy(flat.begin(), flat.end(), store.flat().begin());
  }

  template <typename T = double>
  std::vector<T> run(const std::vector<T>& x, const std::vector<T>& context = {}) const {
    Graph graph(store);
    const Value in = graph.input({options.particles * options.dimensions, 1});
    const Value c =
        options.context_features > 0 ? graph.input({options.context_features, 1}) : Value{};
    const Value out = network(in, c);
    std::vector<std::vector<T>> inputs{x};
    if (c.valid()) inputs.push_back(context);
    const auto samples = static_cast<std::int64_t>(x.size()) / in.features();
    return run_graph<T>(graph, {out}, inputs, {samples})[0];
  }

  MatrixXd matrix(const std::string& name) const {
    const ParameterInfo& info = store.info(store.find("net." + name));
    return Eigen::Map<const Eigen::Matrix<double, -1, -1, Eigen::RowMajor>>(
        store.flat().data() + info.offset, info.rows, info.columns);
  }

  EquivariantGraphNetworkOptions options;
  ParameterStore store;
  RandomSequence random{1, Stream::kInitialisation, 0};
  EquivariantGraphNetwork network;
};

double sigmoid_of(double x) { return 1.0 / (1.0 + std::exp(-x)); }
VectorXd silu(const VectorXd& x) {
  return x.unaryExpr([](double v) { return v * sigmoid_of(v); });
}

/// The formulas of the class, particle by particle, of those whose `species` are given.
std::vector<double> plain(const Fixture& f, const std::vector<double>& flat,
                          const VectorXd& context, const std::vector<double>& species = {}) {
  const std::int64_t dimensions = f.options.dimensions;
  const std::int64_t count = std::ssize(flat) / dimensions;
  std::vector<VectorXd> x, h;
  for (std::int64_t i = 0; i < count; ++i) {
    x.push_back(Eigen::Map<const VectorXd>(flat.data() + i * dimensions, dimensions));
    h.push_back(f.matrix("input.weights") * context + f.matrix("input.bias"));
    if (!f.options.types.empty())
      h.back() += f.matrix("types").col(f.options.types[static_cast<std::size_t>(i)]);
    for (std::size_t k = 0; k < f.options.species.size(); ++k)
      if (species[static_cast<std::size_t>(i)] == static_cast<double>(f.options.species[k]))
        h.back() += f.matrix("species").col(static_cast<Eigen::Index>(k));
  }
  const std::vector<VectorXd> start = x;
  const auto at = [](auto& list, std::int64_t i) -> auto& {
    return list[static_cast<std::size_t>(i)];
  };
  for (std::int64_t layer = 0; layer < f.options.layers; ++layer) {
    const std::vector<VectorXd> here = x;
    const auto square_distance = [&](const std::vector<VectorXd>& v, std::int64_t i,
                                     std::int64_t j) {
      return (at(v, i) - at(v, j)).squaredNorm();
    };
    const auto pair = [&](const std::string& part, std::int64_t i, std::int64_t j) {
      const VectorXd e{{square_distance(here, i, j), square_distance(start, i, j)}};
      const VectorXd first =
          f.matrix(part + ".receiver") * at(h, i) + f.matrix(part + ".sender") * at(h, j) +
          f.matrix(part + ".distances.weights") * e + f.matrix(part + ".distances.bias");
      return silu(f.matrix(part + ".second.weights") * silu(first) +
                  f.matrix(part + ".second.bias"));
    };
    for (std::int64_t k = 0; k < f.options.message_blocks; ++k) {
      const std::string part = fmt::format("{}.message{}", layer, k);
      std::vector<VectorXd> next = h;
      for (std::int64_t i = 0; i < count; ++i) {
        VectorXd both(2 * f.options.hidden);
        both << at(h, i), VectorXd::Zero(f.options.hidden);
        for (std::int64_t j = 0; j < count; ++j) {
          if (j == i) continue;
          const VectorXd m = pair(part, i, j);
          const double gate =
              (f.matrix(part + ".gate.weights") * m)(0) + f.matrix(part + ".gate.bias")(0, 0);
          both.tail(f.options.hidden) += m * sigmoid_of(gate) / 100.0;
        }
        at(next, i) +=
            f.matrix(part + ".update_second.weights") *
                silu(f.matrix(part + ".update.weights") * both + f.matrix(part + ".update.bias")) +
            f.matrix(part + ".update_second.bias");
      }
      h = next;
    }
    const std::string part = fmt::format("{}.pull", layer);
    for (std::int64_t i = 0; i < count; ++i)
      for (std::int64_t j = 0; j < count; ++j) {
        if (j == i) continue;
        const double strength = (f.matrix(part + ".output") * pair(part, i, j))(0);
        at(x, i) += (at(here, i) - at(here, j)) * strength /
                    (std::sqrt(square_distance(here, i, j) + 1e-8) + 1.0) / 100.0;
      }
  }
  VectorXd mean = VectorXd::Zero(dimensions);
  for (std::int64_t i = 0; i < count; ++i) mean += (at(x, i) - at(start, i)) / count;
  std::vector<double> result;
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t d = 0; d < dimensions; ++d)
      result.push_back(at(x, i)(d) - at(start, i)(d) - mean(d));
  return result;
}

std::vector<double> normal_numbers(std::size_t count, unsigned seed = 7) {
  std::mt19937 engine(seed);
  std::vector<double> numbers(count);
  for (double& number : numbers) number = std::normal_distribution()(engine);
  return numbers;
}

TEST(EquivariantGraphNetwork, FollowsItsFormulas) {
  for (const std::int64_t context : {0, 2}) {
    const Fixture f(options_of(5, 3, context));
    const std::vector<double> x = normal_numbers(15), c = normal_numbers(2, 8);
    const auto found = f.run(x, context > 0 ? c : std::vector<double>{});
    const auto expected = plain(f, x,
                                context > 0 ? VectorXd(Eigen::Map<const VectorXd>(c.data(), 2))
                                            : VectorXd(VectorXd::Ones(1)));
    double moved = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], 1e-12);
      moved = std::max(moved, std::abs(found[i]));
    }
    EXPECT_GT(moved, 1e-3);
  }
}

// Of the widths and depths that papers use, alone and beside their derivatives.
TEST(EquivariantGraphNetwork, OfFullWidthFollowsItsFormulas) {
  constexpr std::int64_t kRows = 20;
  const auto energy = [](const std::vector<double>& y) {
    return std::inner_product(y.begin(), y.end(), y.begin(), 0.0);
  };
  for (const std::int64_t particles : {4, 13})
    for (const bool derivatives : {false, true}) {
      SCOPED_TRACE(fmt::format("{} particles{}", particles, derivatives ? ", derivatives" : ""));
      EquivariantGraphNetworkOptions options = options_of(particles, 2);
      options.layers = 4;
      options.hidden = 64;
      Fixture f(options);
      for (double& value : f.store.flat()) value *= 0.2;
      const auto pull = f.store.values(f.store.find("net.0.pull.output"));
      const std::int64_t width = 2 * particles;
      const std::vector<double> x = normal_numbers(static_cast<std::size_t>(kRows * width));
      const std::vector<double> direction = normal_numbers(static_cast<std::size_t>(width), 5);
      Graph graph(f.store, derivatives ? Phase::kTraining : Phase::kEvaluation);
      const Value in = graph.input({width, 1});
      const Value out = f.network(in, {});
      std::vector<Value> outputs = {out};
      if (derivatives) {
        outputs.push_back(vjp({sum(square(out))}, {}, {in})[0]);
        outputs.push_back(gradient(batch_mean(sum(square(out))),
                                   {graph.parameter(f.store.find("net.0.pull.output"))})[0]);
      }
      const auto found = run_graph<double>(graph, outputs, {x}, {kRows});
      double moved = 0.0, slope = 0.0;
      for (std::int64_t row = 0; row < kRows; ++row) {
        const auto at = [&](double along) {
          std::vector<double> own(x.begin() + row * width, x.begin() + (row + 1) * width);
          for (std::size_t i = 0; i < own.size(); ++i) own[i] += along * direction[i];
          return plain(f, own, VectorXd::Ones(1));
        };
        const std::vector<double> expected = at(0.0);
        for (std::size_t i = 0; i < expected.size(); ++i) {
          const double value = found[0][static_cast<std::size_t>(row * width) + i];
          ASSERT_NEAR(value, expected[i], 1e-11 * (1.0 + std::abs(expected[i]))) << "row " << row;
          moved = std::max(moved, std::abs(value));
        }
        if (!derivatives) continue;
        constexpr double kStep = 1e-5;
        const double difference = (energy(at(kStep)) - energy(at(-kStep))) / (2.0 * kStep);
        const double found_slope = std::inner_product(direction.begin(), direction.end(),
                                                      found[1].begin() + row * width, 0.0);
        EXPECT_NEAR(found_slope, difference, 1e-6 * (1.0 + std::abs(difference))) << "row " << row;
        const double kept = pull[7];
        std::array<double, 2> ends{};
        for (const std::size_t end : {0U, 1U}) {
          pull[7] = kept + (end == 0 ? -kStep : kStep);
          ends.at(end) = energy(at(0.0));
        }
        pull[7] = kept;
        slope += (ends[1] - ends[0]) / (2.0 * kStep) / kRows;
      }
      EXPECT_GT(moved, 1e-3);
      if (!derivatives) continue;
      EXPECT_NEAR(found[2][7], slope, 1e-6 * (1.0 + std::abs(slope)));
    }
}

TEST(EquivariantGraphNetwork, OfSeveralTypesFollowsItsFormulas) {
  for (const std::int64_t context : {0, 2}) {
    EquivariantGraphNetworkOptions options = options_of(5, 3, context);
    options.types = {2, 0, 2, 1, 0};
    const Fixture f(options);
    const std::vector<double> x = normal_numbers(15), c = normal_numbers(2, 8);
    const std::vector<double> given = context > 0 ? c : std::vector<double>{};
    const std::vector<double> found = f.run(x, given);
    const auto expected = plain(f, x,
                                context > 0 ? VectorXd(Eigen::Map<const VectorXd>(c.data(), 2))
                                            : VectorXd(VectorXd::Ones(1)));
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-12);
    // Particles 0 and 2 are alike, 0 and 1 are not.
    for (const std::size_t other : {2U, 1U}) {
      const auto exchanged = [&](std::vector<double> rows) {
        std::swap_ranges(rows.begin(), rows.begin() + 3,
                         rows.begin() + static_cast<std::ptrdiff_t>(3 * other));
        return rows;
      };
      const std::vector<double> there = exchanged(f.run(exchanged(x), given));
      double difference = 0.0;
      for (std::size_t i = 0; i < x.size(); ++i)
        difference = std::max(difference, std::abs(there[i] - found[i]));
      if (other == 2U)
        EXPECT_LT(difference, 1e-12);
      else
        EXPECT_GT(difference, 1e-3);
    }
  }
}

// Rows of one width with 2 to 6 particles of their own species.
TEST(EquivariantGraphNetwork, OfSpeciesFollowsTheFormulasOfTheParticlesThatAreThere) {
  constexpr std::size_t kParticles = 6;
  const std::vector<std::vector<double>> rows = {
      {1, 6, 8, 1, 1, 6}, {0, 8, 0, 1, 0, 0}, {6, 6, 6, 0, 0, 0}, {1, 0, 6, 1, 8, 0}};
  for (const std::int64_t globals : {0, 2}) {
    EquivariantGraphNetworkOptions options = options_of(kParticles, 3, kParticles + globals);
    options.species = {1, 6, 8};
    const Fixture f(options);
    for (const std::vector<double>& species : rows) {
      std::vector<double> x = normal_numbers(3 * kParticles), context = normal_numbers(2, 8);
      context.resize(static_cast<std::size_t>(globals));
      const VectorXd given = globals > 0
                                 ? VectorXd(Eigen::Map<const VectorXd>(context.data(), globals))
                                 : VectorXd(VectorXd::Ones(1));
      context.insert(context.end(), species.begin(), species.end());
      std::vector<double> there, kinds;
      for (std::size_t i = 0; i < kParticles; ++i) {
        if (species[i] == 0.0) continue;
        kinds.push_back(species[i]);
        there.insert(there.end(), &x[3 * i], &x[3 * i] + 3);
      }
      const std::vector<double> found = f.run(x, context), expected = plain(f, there, given, kinds);
      std::size_t next = 0;
      for (std::size_t i = 0; i < x.size(); ++i)
        EXPECT_NEAR(found[i], species[i / 3] == 0.0 ? 0.0 : expected[next++], 1e-12);
      EXPECT_EQ(next, expected.size());
    }
  }
}

/// What a rotation with a reflection, a shift and an exchange of particles make of positions.
template <typename T>
std::vector<T> moved(const std::vector<T>& x, std::int64_t particles, bool shift) {
  const MatrixXd random = Eigen::Map<const MatrixXd>(normal_numbers(9, 4).data(), 3, 3);
  MatrixXd turn = Eigen::HouseholderQR<MatrixXd>(random).householderQ();
  turn.col(0) *= turn.determinant() > 0 ? -1.0 : 1.0;  // a reflection as well
  std::vector<T> result(x.size());
  for (std::size_t row = 0; row < x.size(); row += static_cast<std::size_t>(3 * particles))
    for (std::int64_t i = 0; i < particles; ++i) {
      const auto from = row + static_cast<std::size_t>(3 * i);
      const auto to = row + static_cast<std::size_t>(3 * ((i * 2 + 1) % particles));
      const Eigen::Vector3d y = turn * Eigen::Vector3d(x[from], x[from + 1], x[from + 2]) +
                                (shift ? 1.0 : 0.0) * Eigen::Vector3d(0.7, -1.1, 0.4);
      for (std::size_t d = 0; d < 3; ++d) result[to + d] = static_cast<T>(y(static_cast<int>(d)));
    }
  return result;
}

template <typename T>
void expect_equivariance(double tolerance) {
  constexpr std::int64_t kParticles = 13;
  const Fixture f(options_of(kParticles, 3));
  const std::vector<double> numbers = normal_numbers(37 * 3 * kParticles);
  const std::vector<T> x(numbers.begin(), numbers.end());
  const auto there = f.run<T>(moved(x, kParticles, true));
  const auto expected = moved(f.run<T>(x), kParticles, false);
  for (std::size_t i = 0; i < x.size(); ++i)
    ASSERT_NEAR(there[i], expected[i], tolerance * (1.0 + std::abs(expected[i]))) << i;
}

TEST(EquivariantGraphNetwork, TurnsReflectsAndPermutesWithItsInput) {
  expect_equivariance<double>(1e-12);
  expect_equivariance<float>(1e-5);
}

// A row with places for more particles has the density, the latent point and the gradients of
// training of the row without these places, by a model with the same parameters.
TEST(EquivariantFlow, OfSpeciesKnowsNoEmptyPlaces) {
  const auto model_of = [](const char* kind, std::int64_t particles) {
    ModelOptions options;
    options.features = 3 * particles;
    options.context_features = particles;
    options.base.kind = "mean_free_normal";
    options.base.dimensions = 3;
    options.flow.kind = kind;
    options.flow.steps = 4;
    options.flow.network = "equivariant";
    options.flow.network_blocks = 2;
    options.flow.hidden = {8};
    options.flow.blocks = 1;
    options.flow.act_norm = false;
    options.flow.species = {1, 6};
    auto model = std::make_unique<Model>(options, 1);
    std::mt19937 engine(3);
    for (double& value : model->parameters().flat())
      value = std::normal_distribution(0.0, 0.4)(engine);
    return model;
  };
  const std::vector<std::size_t> places = {0, 2, 3};  // of five
  ThreadPool pool(2);
  for (const char* kind : {"free_form", "continuous"}) {
    SCOPED_TRACE(kind);
    const auto wide = model_of(kind, 5), narrow = model_of(kind, 3);
    ASSERT_EQ(wide->parameters().flat().size(), narrow->parameters().flat().size());
    std::vector<double> rows, padded(45, 0.0), species, padded_species(15, 0.0);
    rows = normal_numbers(27);
    for (std::size_t row = 0; row < 3; ++row)
      for (std::size_t d = 0; d < 3; ++d) {
        double* x = &rows[9 * row];
        const double centre = (x[d] + x[3 + d] + x[6 + d]) / 3.0;
        for (std::size_t i = 0; i < 3; ++i) x[3 * i + d] -= centre;
      }
    for (std::size_t row = 0; row < 3; ++row)
      for (std::size_t i = 0; i < 3; ++i) {
        species.push_back(i == row ? 6.0 : 1.0);
        padded_species[5 * row + places[i]] = species.back();
        for (std::size_t d = 0; d < 3; ++d)
          padded[15 * row + 3 * places[i] + d] = rows[9 * row + 3 * i + d];
      }
    DensityEvaluator of_wide(*wide, pool, Precision::kDouble);
    DensityEvaluator of_narrow(*narrow, pool, Precision::kDouble);
    const std::vector<double> found = of_wide.log_prob(padded, padded_species),
                              expected = of_narrow.log_prob(rows, species);
    EXPECT_EQ(of_wide.unsolved() + of_narrow.unsolved(), 0);
    for (std::size_t row = 0; row < 3; ++row) EXPECT_NEAR(found[row], expected[row], 1e-9);
    const std::vector<double> moved_wide = of_wide.to_data(padded, padded_species),
                              moved_narrow = of_narrow.to_data(rows, species);
    for (std::size_t row = 0; row < 3; ++row)
      for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t d = 0; d < 3; ++d)
          EXPECT_NEAR(moved_wide[15 * row + 3 * places[i] + d], moved_narrow[9 * row + 3 * i + d],
                      1e-10);
    for (const std::size_t empty : {1U, 4U}) EXPECT_EQ(moved_wide[3 * empty], 0.0);
  }
}

// Draws and probes of rows with different numbers of particles, by moments: 20 000 samples have
// errors of at most 1 % of the variances, 6 of which are allowed.
TEST(EquivariantFlow, OfSpeciesDrawsInTheSubspaceOfThoseThatAreThere) {
  const MeanFreeNormal base("base", 12, 3, 4);
  ParameterStore store;
  Graph graph(store);
  const Value context = graph.input({4, 1});
  const Value draw = base.draw(graph, 0, context);
  const Value probe = orthogonal_probes(graph, 0, base, context, 2);
  const Value product = matmul(probe, probe, true, false);
  constexpr std::int64_t kRows = 20000;
  std::vector<double> species;
  for (std::int64_t row = 0; row < kRows; ++row)
    species.insert(species.end(), {1.0, 0.0, 6.0, row % 2 == 0 ? 0.0 : 8.0});
  const auto found =
      run_graph<double>(graph, {draw, product, base.log_prob(draw, context)}, {species}, {kRows});
  double squares[2] = {};
  for (std::size_t row = 0; row < static_cast<std::size_t>(kRows); ++row) {
    const double* x = &found[0][12 * row];
    const double free = row % 2 == 0 ? 3.0 : 6.0;
    double square = 0.0;
    for (std::size_t d = 0; d < 3; ++d) {
      ASSERT_EQ(x[3 + d], 0.0);
      if (row % 2 == 0) {
        ASSERT_EQ(x[9 + d], 0.0);
      }
      ASSERT_NEAR(x[d] + x[6 + d] + x[9 + d], 0.0, 1e-12);
      for (std::size_t i = 0; i < 4; ++i) square += x[3 * i + d] * x[3 * i + d];
    }
    squares[row % 2] += square / free / (0.5 * kRows);
    const double* p = &found[1][4 * row];
    ASSERT_NEAR(p[0], free, 1e-9);
    ASSERT_NEAR(p[3], free, 1e-9);
    ASSERT_NEAR(p[1], 0.0, 1e-9);
    ASSERT_NEAR(found[2][row], -0.5 * square - 0.5 * free * std::log(2.0 * std::numbers::pi),
                1e-11);
  }
  EXPECT_NEAR(squares[0], 1.0, 0.05);
  EXPECT_NEAR(squares[1], 1.0, 0.05);
}

/// A flow's log densities do not see how particles are turned, mirrored, shifted and numbered, and
/// its map moves with them, so that neither does the law of its samples.
void expect_invariant_flow(Precision precision, double tolerance) {
  constexpr std::int64_t kParticles = 13;
  ModelOptions options;
  options.features = 3 * kParticles;
  options.base.kind = "mean_free_normal";
  options.base.dimensions = 3;
  options.flow.kind = "free_form";
  options.flow.network = "equivariant";
  options.flow.network_blocks = 2;
  options.flow.hidden = {8};
  options.flow.blocks = 1;
  options.flow.act_norm = false;
  Model model(options, 1);
  std::mt19937 engine(3);
  for (double& value : model.parameters().flat())
    value = std::normal_distribution(0.0, 0.4)(engine);
  ThreadPool pool(2);
  DensityEvaluator evaluator(model, pool, precision);
  const std::vector<double> x = normal_numbers(21 * 3 * kParticles);
  const std::vector<double> densities = evaluator.log_prob(x);
  EXPECT_EQ(evaluator.unsolved(), 0);
  const std::vector<double> elsewhere = evaluator.log_prob(moved(x, kParticles, true));
  EXPECT_EQ(evaluator.unsolved(), 0);
  for (std::size_t row = 0; row < densities.size(); ++row)
    ASSERT_NEAR(elsewhere[row], densities[row], tolerance * (1.0 + std::abs(densities[row])));
  std::vector<double> log_det, log_det_there;
  const std::vector<double> mapped = evaluator.to_data(x, {}, &log_det);
  const std::vector<double> expected = moved(mapped, kParticles, false);
  const std::vector<double> there =
      evaluator.to_data(moved(x, kParticles, false), {}, &log_det_there);
  double furthest = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_NEAR(there[i], expected[i], tolerance * (1.0 + std::abs(expected[i])));
    furthest = std::max(furthest, std::abs(mapped[i] - x[i]));
  }
  EXPECT_GT(furthest, 0.1);  // far from the identity
  for (std::size_t row = 0; row < log_det.size(); ++row)
    ASSERT_NEAR(log_det_there[row], log_det[row], tolerance * (1.0 + std::abs(log_det[row])));
}

TEST(EquivariantFlow, DensitiesAndSamplesDoNotSeeTurnsReflectionsShiftsAndNumbering) {
  expect_invariant_flow(Precision::kDouble, 1e-12);
  expect_invariant_flow(Precision::kFloat, 1e-5);
}

TEST(EquivariantGraphNetwork, KeepsTheCentre) {
  const Fixture f(options_of(4, 2));
  const std::vector<double> x = normal_numbers(8);
  const auto y = f.run(x);
  for (std::size_t d = 0; d < 2; ++d) {
    double difference = 0.0;
    for (std::size_t i = 0; i < 4; ++i) difference += y[2 * i + d];
    EXPECT_NEAR(difference, 0.0, 1e-13);
  }
}

TEST(EquivariantGraphNetwork, StartsNearZero) {
  ParameterStore store;
  RandomSequence random(1, Stream::kInitialisation, 0);
  const EquivariantGraphNetwork network(store, "net", random, options_of(13, 3));
  Graph graph(store);
  const Value y = network(graph.input({39, 1}));
  const std::vector<double> x = normal_numbers(39);
  const auto found = run_graph<double>(graph, {y}, {x}, {1})[0];
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(found[i], 0.0, 1e-2);
}

TEST(EquivariantGraphNetwork, RefusesWhatIsOutOfRange) {
  ParameterStore store;
  RandomSequence random(1, Stream::kInitialisation, 0);
  EXPECT_THROW(EquivariantGraphNetwork(store, "net", random, options_of(1, 3)), ConfigError);
  EquivariantGraphNetworkOptions typed = options_of(4, 2);
  typed.types = {0, 1, 0};
  EXPECT_THROW(EquivariantGraphNetwork(store, "net", random, typed), ConfigError);
  typed.types = {0, 1, 0, -1};
  EXPECT_THROW(EquivariantGraphNetwork(store, "net", random, typed), ConfigError);
  const auto factory = equivariant_graph_network_factory(options_of(4, 2));
  EXPECT_THROW(factory(store, "net", random, 9, 9, 0), ConfigError);
  EXPECT_THROW(factory(store, "net", random, 8, 6, 0), ConfigError);
  EXPECT_EQ(factory(store, "net", random, 8, 8, 0)->outputs(), 8);
}

}  // namespace
}  // namespace thalweg::testing
