// Stochastic layers: path weights give integrals and means right (Theorem 1 of Wu, Koehler, Noe
// 2020), kernels keep their density, ratios are those of the paths, derivatives are right.
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "contract_table.h"
#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/flows/model.h"
#include "thalweg/metrics/importance.h"
#include "thalweg/stochastic/stochastic_layer.h"
#include "thalweg/training/trainer.h"

namespace thalweg::testing {
namespace {

const std::vector<std::string> kKinds = {"metropolis", "langevin", "inertial", "mala", "hmc"};

/// A normal density around 1 with deviation 0.6 in each feature, times exp(2).
class ShiftedNormal final : public UnsampledTarget {
 public:
  explicit ShiftedNormal(std::int64_t features)
      : UnsampledTarget("shifted_normal",
                        std::vector<std::string>(static_cast<std::size_t>(features), "x"), 5.0) {}

 protected:
  Value build_log_density(Value x) const override {
    const double each = 0.5 * std::log(2.0 * std::numbers::pi * 0.36);
    return 2.0 - sum(square(x - 1.0), Axis::kFeatures) / 0.72 -
           each * static_cast<double>(features());
  }
};

/// exp(-r^2 / 2) within r < 2, and 0 outside.
class WalledNormal final : public UnsampledTarget {
 public:
  WalledNormal() : UnsampledTarget("walled_normal", {"x", "y"}, 3.0) {}

 protected:
  Value build_log_density(Value x) const override {
    const Value square_radius = sum(square(x), Axis::kFeatures);
    return select(less(square_radius, x.graph->constant(4.0)), -0.5 * square_radius,
                  x.graph->constant(-INFINITY));
  }
};

/// The step size at which a kind is of use on energies that change over a length of about 1.
double step_size_of(const std::string& kind) {
  return kind == "metropolis" ? 0.4 : kind == "langevin" ? 0.01 : kind == "mala" ? 0.05 : 0.15;
}

StochasticOptions options_of(const std::string& kind, std::int64_t steps = 5) {
  return {.kind = kind, .steps = steps, .step_size = step_size_of(kind), .leapfrog_steps = 3};
}

struct Estimate {
  double log_integral = 0.0, log_integral_error = 0.0, mean = 0.0, mean_error = 0.0;
  double share = 0.0;  ///< Kish's effective share
  double pareto_shape = 0.0;
};

/// Log integral of exp(log p*) and the mean of the first feature from paths of the flow.
Estimate reweighted(const Flow& flow, const Target& target, const ParameterStore& parameters,
                    std::int64_t count, std::uint64_t seed) {
  Graph graph(parameters);
  const Value z = flow.base().draw(graph, 0);
  const Mapped mapped = flow.forward(z);
  const Value log_weight =
      target.log_density(mapped.value) - flow.base().log_prob(z) + mapped.log_det;
  const auto values = run_graph(graph, {log_weight, slice(mapped.value, 0, 1)}, {}, {count}, seed);
  const ImportanceEstimate integral = importance_estimate(smoothed_weights(values[0]));
  const WeightedMean mean = weighted_mean(smoothed_weights(values[0]), values[1]);
  return {integral.log_integral,    integral.log_integral_error, mean.value, mean.error,
          integral.effective_share, pareto_shape(values[0])};
}

/// Alternating couplings that are not the identity and layers of the kinds, lambda from 0 to 1.
std::unique_ptr<Flow> mixed_flow(ParameterStore& parameters, std::int64_t features,
                                 const std::shared_ptr<const Target>& target,
                                 const std::vector<std::string>& kinds) {
  RandomSequence random(5, Stream::kInitialisation);
  const auto base = std::make_shared<Normal>(parameters, "base", features, false);
  std::vector<std::shared_ptr<const Transform>> transforms;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const std::string name = "layer." + std::to_string(i);
    if (features > 1) {
      transforms.push_back(std::make_shared<AffineCoupling>(
          parameters, name + ".coupling", random, features,
          AffineCouplingOptions{.conditioner =
                                    network_factory<Mlp>({.hidden = {8}, .zero_output = true})}));
      transforms.push_back(std::make_shared<Permutation>(parameters, name + ".swap",
                                                         swapped_halves_order(features)));
    }
    const double lambda =
        kinds.size() == 1 ? 1.0 : static_cast<double>(i) / static_cast<double>(kinds.size() - 1);
    transforms.push_back(make_stochastic_layer(
        parameters, name, interpolated_energy(base_energy(base), target_energy(target), lambda),
        options_of(kinds[i], 10)));
  }
  disturb(parameters, 0.1);
  return std::make_unique<Flow>(base, std::move(transforms));
}

// 10 z-tests of normally distributed estimates at 4.5: odds of a false alarm below 1e-4.
TEST(StochasticLayers, PathWeightsOfEachKindGiveANormalsIntegralAndMean) {
  const auto target = std::make_shared<ShiftedNormal>(2);
  for (const std::string& kind : kKinds) {
    SCOPED_TRACE(kind);
    ParameterStore parameters;
    const auto flow = mixed_flow(parameters, 2, target, {kind, kind, kind});
    ASSERT_TRUE(flow->stochastic());
    const Estimate found = reweighted(*flow, *target, parameters, 40000, 3);
    EXPECT_LT(found.log_integral_error, 0.02);
    EXPECT_LT(found.pareto_shape, 0.7);
    EXPECT_NEAR(found.log_integral, 2.0, 4.5 * found.log_integral_error);
    EXPECT_NEAR(found.mean, 1.0, 4.5 * found.mean_error);
  }
}

// Paths that start where the target is 0, or end there, have weight 0. Three z-tests at 4.5: odds
// of a false alarm below 3e-5.
TEST(StochasticLayers, PathsMayStartWhereTheTargetIsZero) {
  const auto target = std::make_shared<WalledNormal>();
  for (const char* kind : {"metropolis", "mala", "hmc"}) {
    SCOPED_TRACE(kind);
    ParameterStore parameters;
    const auto base = std::make_shared<Normal>(parameters, "base", 2, false);
    std::vector<std::shared_ptr<const Transform>> layers;
    for (const double lambda : {0.25, 0.5, 0.75, 1.0})
      layers.push_back(make_stochastic_layer(
          parameters, fmt::format("layer.{}", lambda),
          interpolated_energy(base_energy(base), target_energy(target), lambda), options_of(kind)));
    const Flow flow(base, std::move(layers));
    const Estimate found = reweighted(flow, *target, parameters, 20000, 6);
    EXPECT_LT(found.log_integral_error, 0.01);
    EXPECT_NEAR(found.log_integral, std::log(2.0 * std::numbers::pi * (1.0 - std::exp(-2.0))),
                4.5 * found.log_integral_error);
  }
}

// 8 z-tests at 4.5: odds of a false alarm below 1e-4. The sequences are drawn from a fixed seed.
TEST(StochasticLayers, PathWeightsOfRandomSequencesOfKindsAreRight) {
  const auto target = std::make_shared<ShiftedNormal>(3);
  RandomSequence random(11, Stream::kEvaluation);
  for (int sequence = 0; sequence < 4; ++sequence) {
    std::vector<std::string> kinds;
    for (int i = 0; i < 5; ++i) kinds.push_back(kKinds[random.below(kKinds.size())]);
    SCOPED_TRACE(fmt::format("{}", fmt::join(kinds, ", ")));
    ParameterStore parameters;
    const auto flow = mixed_flow(parameters, 3, target, kinds);
    const Estimate found = reweighted(*flow, *target, parameters, 20000, 4);
    EXPECT_LT(found.log_integral_error, 0.03);
    EXPECT_LT(found.pareto_shape, 0.7);
    EXPECT_NEAR(found.log_integral, 2.0, 4.5 * found.log_integral_error);
    EXPECT_NEAR(found.mean, 1.0, 4.5 * found.mean_error);
  }
}

/// Moves alone, from a normal base to the wells, with more and more distance between the lambdas:
/// annealed importance sampling.
std::unique_ptr<Flow> annealing(ParameterStore& parameters,
                                const std::shared_ptr<const Target>& target, int layers,
                                const StochasticOptions& options) {
  const auto base = std::make_shared<Normal>(parameters, "base", target->features(), true);
  // The right well is the deeper one.
  parameters.values(parameters.find("base.mean"))[0] = 1.0;
  parameters.values(parameters.find("base.log_scale"))[0] = std::log(1.4);
  std::vector<std::shared_ptr<const Transform>> transforms;
  for (int i = 1; i <= layers; ++i)
    transforms.push_back(make_stochastic_layer(
        parameters, "layer." + std::to_string(i),
        interpolated_energy(base_energy(base), target_energy(target),
                            std::pow(static_cast<double>(i) / static_cast<double>(layers), 1.5)),
        options));
  return std::make_unique<Flow>(base, std::move(transforms));
}

// Truths by quadrature. 10 z-tests at 4.5, odds of a false alarm below 1e-4.
TEST(StochasticLayers, AnnealingFindsBothWells) {
  constexpr double kLogIntegral = 10.29347970703601;
  double first = 0.0, total = 0.0;
  for (int i = -40000; i <= 40000; ++i) {
    const double x = 1e-4 * i;
    const double weight = std::exp(0.5 * x + 6.0 * x * x - std::pow(x, 4));
    total += weight;
    first += weight * x;
  }
  ASSERT_NEAR(std::log(total * 1e-4 * std::sqrt(2.0 * std::numbers::pi)), kLogIntegral, 1e-9);
  const std::shared_ptr<const Target> target = make_target("double_well");
  for (const std::string& kind : kKinds) {
    SCOPED_TRACE(kind);
    ParameterStore parameters;
    const auto flow = annealing(parameters, target, 40, options_of(kind, 10));
    const Estimate found = reweighted(*flow, *target, parameters, 20000, 3);
    EXPECT_GT(found.share, 0.4);
    EXPECT_LT(found.pareto_shape, 0.7);
    EXPECT_NEAR(found.log_integral, kLogIntegral, 4.5 * found.log_integral_error);
    EXPECT_NEAR(found.mean, first / total, 4.5 * found.mean_error);
  }
}

// 32 columns. Splines take the base near the wells. Moves by the target's energy, which leave the
// weights as they are, and by a slightly flatter one, which do not, follow: 4 layers of each kind,
// and 4 random sequences. 18 z-tests at 4.5, odds below 2e-4.
TEST(StochasticLayers, PathWeightsGiveTheIntegralOfManyWells) {
  const std::shared_ptr<const Target> target = make_target("many_well");
  ModelOptions options;
  options.features = target->features();
  options.flow.kind = "elementwise_spline";
  options.flow.blocks = 1;
  options.flow.bins = 16;
  options.flow.act_norm = false;
  Model model(options, 1);
  TrainingData data;
  data.generator = [&](std::uint64_t first, std::int64_t count, double* out) {
    for (std::int64_t i = 0; i < count; ++i) {
      RandomSequence random(1, Stream::kTarget, first + static_cast<std::uint64_t>(i));
      for (const double value : target->sample(random)) *out++ = value;
    }
  };
  TrainingOptions training;
  training.iterations = 1000;
  training.batch_size = 256;
  training.learning_rate = 0.01;
  training.schedule = "cosine";
  ThreadPool pool;
  Trainer(model, data, training, pool).run();

  double first = 0.0, total = 0.0;
  for (int i = -40000; i <= 40000; ++i) {
    const double x = 1e-4 * i;
    const double weight = std::exp(0.5 * x + 6.0 * x * x - std::pow(x, 4));
    total += weight;
    first += weight * x;
  }
  std::vector<std::vector<std::string>> sequences;
  for (const std::string& kind : kKinds) sequences.emplace_back(4, kind);
  RandomSequence choice(13, Stream::kEvaluation);
  for (int i = 0; i < 4; ++i) {
    sequences.emplace_back();
    for (int layer = 0; layer < 4; ++layer)
      sequences.back().push_back(kKinds[choice.below(kKinds.size())]);
  }
  std::uint64_t seed = 30;
  for (const auto& kinds : sequences) {
    SCOPED_TRACE(fmt::format("{}", fmt::join(kinds, ", ")));
    auto transforms = model.flow().transforms();
    const std::shared_ptr<const Base> base(std::shared_ptr<void>(), &model.flow().base());
    const auto truth = target_energy(target);
    const auto flatter = interpolated_energy(base_energy(base), truth, 0.97);
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      StochasticOptions moves = options_of(kinds[i], 5);
      // What has no test errs less with small steps.
      if (kinds[i] == "langevin") moves.step_size = 0.001;
      if (kinds[i] == "inertial") moves.step_size = 0.03;
      transforms.push_back(make_stochastic_layer(model.parameters(), fmt::format("moves.{}", i),
                                                 i % 2 == 0 ? flatter : truth, moves));
    }
    const Flow flow(base, std::move(transforms));
    const Estimate found = reweighted(flow, *target, model.parameters(), 5000, ++seed);
    EXPECT_LT(found.log_integral_error, 0.03);
    EXPECT_LT(found.pareto_shape, 0.7);
    EXPECT_NEAR(found.log_integral, 164.695675, 4.5 * found.log_integral_error);
    EXPECT_NEAR(found.mean, first / total, 4.5 * found.mean_error);
  }
}

/// An energy of one feature given as a function of graphs.
class LineEnergy final : public Energy {
 public:
  explicit LineEnergy(std::function<Value(Value)> energy) : Energy(1), energy_(std::move(energy)) {}

 protected:
  Value build(Value y) const override { return energy_(y); }

 private:
  std::function<Value(Value)> energy_;
};

Value wells(Value y) { return 2.0 * square(square(y) - 1.0); }
double wells(double y) { return 2.0 * std::pow(y * y - 1.0, 2); }
double slope_of_wells(double y) { return 8.0 * y * (y * y - 1.0); }

/// Chi-square of `samples` against exp(-wells) in 20 bins of equal probability.
double chi_square(const std::vector<double>& samples, const std::vector<double>& quantiles) {
  std::vector<double> counts(quantiles.size() + 1, 0.0);
  for (const double y : samples)
    counts[static_cast<std::size_t>(std::upper_bound(quantiles.begin(), quantiles.end(), y) -
                                    quantiles.begin())] += 1.0;
  const double expected = static_cast<double>(samples.size()) / static_cast<double>(counts.size());
  double total = 0.0;
  for (const double count : counts) total += std::pow(count - expected, 2) / expected;
  return total;
}

/// Points that are samples of exp(-wells) moved by a layer.
std::vector<double> moved(const std::vector<double>& start, std::shared_ptr<const Energy> energy,
                          const StochasticOptions& options) {
  ParameterStore parameters;
  const auto layer = make_stochastic_layer(parameters, "layer", std::move(energy), options);
  Graph graph(parameters);
  const Value y = graph.input({1, 1});
  return run_graph(graph, {layer->forward(y).value}, {start},
                   {static_cast<std::int64_t>(start.size())}, 6)[0];
}

// Each statistic is chi-square of 19 degrees of freedom under the null hypothesis: above 65 with
// odds of 6e-7. The kernels without their test, which must fail, are far beyond.
TEST(StochasticLayers, KernelsKeepTheirDensityAndWouldNotWithoutTheirTest) {
  constexpr int kCells = 40000;
  constexpr double kReach = 3.0;
  std::vector<double> cumulative(kCells + 1, 0.0);
  const auto point = [](double cell) { return kReach * (2.0 * cell / kCells - 1.0); };
  for (int i = 0; i < kCells; ++i)
    cumulative[static_cast<std::size_t>(i) + 1] =
        cumulative[static_cast<std::size_t>(i)] + std::exp(-wells(point(i + 0.5)));
  const auto quantile = [&](double probability) {
    const double wanted = probability * cumulative.back();
    const auto above = std::upper_bound(cumulative.begin(), cumulative.end(), wanted);
    const auto cell = static_cast<double>(above - cumulative.begin() - 1);
    return point(cell + (wanted - *(above - 1)) / (*above - *(above - 1)));
  };
  std::vector<double> quantiles, start;
  for (int bin = 1; bin < 20; ++bin) quantiles.push_back(quantile(bin / 20.0));
  for (std::uint64_t i = 0; i < 40000; ++i)
    start.push_back(quantile(RandomSequence(21, Stream::kTarget, i).uniform()));
  const auto energy = std::make_shared<LineEnergy>([](Value y) { return wells(y); });
  const auto flat = std::make_shared<LineEnergy>([](Value y) { return 0.0 * y; });
  ASSERT_LT(chi_square(start, quantiles), 65.0);

  StochasticOptions options{.kind = "metropolis", .steps = 10, .step_size = 0.5};
  EXPECT_LT(chi_square(moved(start, energy, options), quantiles), 65.0);
  EXPECT_GT(chi_square(moved(start, flat, options), quantiles), 1000.0);
  options.kind = "mala";
  options.step_size = 0.06;
  EXPECT_LT(chi_square(moved(start, energy, options), quantiles), 65.0);
  options.kind = "langevin";  // the same proposals without a test
  EXPECT_GT(chi_square(moved(start, energy, options), quantiles), 200.0);
  options = {.kind = "hmc", .steps = 10, .step_size = 0.3, .leapfrog_steps = 3};
  EXPECT_LT(chi_square(moved(start, energy, options), quantiles), 65.0);
  // One long frictionless path is a leapfrog path without a test.
  options = {.kind = "inertial", .steps = 3, .step_size = 0.3, .friction = 0.0};
  EXPECT_GT(chi_square(moved(start, energy, options), quantiles), 200.0);
}

// Of single moves, the ratios follow from the ends alone, forward and inverse.
TEST(StochasticLayers, RatiosAreThoseOfTheMovesMade) {
  const auto energy = std::make_shared<LineEnergy>([](Value y) { return wells(y); });
  for (const std::string& kind : kKinds) {
    SCOPED_TRACE(kind);
    const StochasticOptions options = options_of(kind, 1);
    ParameterStore parameters;
    const auto layer = make_stochastic_layer(parameters, "layer", energy, options);
    std::vector<double> start;
    for (int i = 0; i < 50; ++i) start.push_back(-1.5 + 0.06 * i);
    Graph graph(parameters);
    const Value y = graph.input({1, 1});
    const Mapped forward = layer->forward(y), inverse = layer->inverse(y);
    const auto values = run_graph(
        graph, {forward.value, forward.log_det, inverse.value, inverse.log_det}, {start}, {50});
    for (std::size_t direction = 0; direction < 4; direction += 2) {
      int moved = 0;
      for (std::size_t i = 0; i < start.size(); ++i) {
        const double from = start[i], to = values[direction][i];
        const double size = options.step_size;
        double expected = wells(to) - wells(from);
        if (kind == "langevin") {
          // Normal densities of the step back and of the step made, of variance 2 epsilon.
          const auto log_density = [&](double a, double b) {
            return -std::pow(b - a + size * slope_of_wells(a), 2) / (4.0 * size);
          };
          expected = log_density(to, from) - log_density(from, to);
        } else if (kind == "inertial") {
          // The velocity after the first noise is standard normal, and so is the reversed one
          // before the last.
          const double first = (to - from) / size + 0.5 * size * slope_of_wells(from);
          const double last = first - 0.5 * size * (slope_of_wells(from) + slope_of_wells(to));
          expected = 0.5 * (first * first - last * last);
        }
        EXPECT_NEAR(values[direction + 1][i], expected, 1e-11);
        moved += from != to ? 1 : 0;
      }
      EXPECT_GT(moved, 25);
    }
  }
}

// Steps of a linear force keep a normal normal, with a variance that depends on their order. 2
// z-tests at 5: odds of a false alarm below 2e-6; in the other order the density is off by 9
// errors.
TEST(StochasticLayers, InverseTakesScheduledStepsInReverse) {
  const auto energy = std::make_shared<LineEnergy>([](Value y) { return 2.0 * square(y); });
  ParameterStore parameters;
  const StochasticOptions options{
      .kind = "langevin", .steps = 2, .step_size = 0.2, .last_step_size = 0.05};
  const Flow flow(std::make_shared<Normal>(parameters, "base", 1, false),
                  {make_stochastic_layer(parameters, "layer", energy, options)});
  const auto after = [](double variance, double size) {
    return std::pow(1.0 - 4.0 * size, 2) * variance + 2.0 * size;
  };
  const double variance = after(after(1.0, 0.2), 0.05);
  constexpr std::int64_t kCount = 100000;
  Graph graph(parameters);
  const Value x = graph.input({1, 1});
  const auto values =
      run_graph(graph, {flow.forward(flow.base().draw(graph, 0)).value, flow.log_prob(x)},
                {std::vector<double>(kCount, 0.0)}, {kCount});
  double found = 0.0, density = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < values[0].size(); ++i) {
    found += values[0][i] * values[0][i] / kCount;
    density += std::exp(values[1][i]) / kCount;
    squares += std::exp(2.0 * values[1][i]) / kCount;
  }
  EXPECT_NEAR(found, variance, 5.0 * variance * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(density, 1.0 / std::sqrt(2.0 * std::numbers::pi * variance),
              5.0 * std::sqrt((squares - density * density) / kCount));
}

// A step so small changes no decision: a flip in 8 samples of 4 moves has odds below 1e-4.
TEST(StochasticLayers, DerivativesAreThoseAtFixedDecisions) {
  for (const std::string& kind : kKinds) {
    SCOPED_TRACE(kind);
    ParameterStore parameters;
    RandomSequence random(5, Stream::kInitialisation);
    const auto target = std::make_shared<ShiftedNormal>(2);
    const auto energy =
        interpolated_energy(parameters, "path", learned_energy(parameters, "learned", random, 2),
                            target_energy(target), 0.3);
    StochasticOptions options = options_of(kind, 4);
    options.trainable = true;
    options.last_step_size = 0.5 * options.step_size;
    const auto layer = make_stochastic_layer(parameters, "layer", energy, options);
    disturb(parameters, 0.3);
    std::vector<double> start(16);
    for (double& value : start) value = random.normal();

    Graph graph(parameters, Phase::kTraining);
    const Value y = graph.input({2, 1});
    const Mapped mapped = layer->forward(y);
    const Value score = batch_sum(sum(sin(mapped.value)) + 0.7 * mapped.log_det);
    std::vector<Value> leaves = {y};
    for (std::size_t i = 0; i < parameters.infos().size(); ++i)
      leaves.push_back(graph.parameter({static_cast<std::int32_t>(i)}));
    std::vector<Value> outputs = gradient(score, leaves);
    outputs.push_back(score);
    const auto values = run_graph(graph, outputs, {start}, {8});
    const auto score_now = [&] { return run_graph(graph, {score}, {start}, {8})[0][0]; };
    // Without training, the same moves are worked out another way.
    {
      Graph evaluation(parameters);
      const Value x = evaluation.input({2, 1});
      const Mapped same = layer->forward(x);
      const Value total = batch_sum(sum(sin(same.value)) + 0.7 * same.log_det);
      EXPECT_NEAR(run_graph(evaluation, {total}, {start}, {8})[0][0], values.back()[0], 1e-11);
    }
    const double h = 1e-6;
    const auto check = [&](double& value, double derivative, const std::string& what) {
      const double kept = value;
      value = kept + h;
      const double above = score_now();
      value = kept - h;
      const double below = score_now();
      value = kept;
      EXPECT_NEAR(derivative, (above - below) / (2.0 * h), 2e-7 * (1.0 + std::abs(derivative)))
          << what;
    };
    for (std::size_t i = 0; i < start.size(); ++i)
      check(start[i], values[0][i], fmt::format("start {}", i));
    for (std::size_t leaf = 1; leaf < leaves.size(); ++leaf) {
      const ParameterId id{static_cast<std::int32_t>(leaf - 1)};
      for (std::size_t i = 0; i < std::min<std::size_t>(3, values[leaf].size()); ++i)
        check(parameters.values(id)[i], values[leaf][i],
              fmt::format("{} {}", parameters.info(id).name, i));
    }
  }
}

TEST(StochasticLayers, MovesToWhereTheEnergyIsNotFiniteAreRejectedWithoutTrace) {
  // NaN beyond +-1, infinite at +-1.
  const auto energy = std::make_shared<LineEnergy>([](Value y) { return -log(1.0 - square(y)); });
  for (const std::string kind : {"metropolis", "mala", "hmc"}) {
    SCOPED_TRACE(kind);
    ParameterStore parameters;
    const auto layer = make_stochastic_layer(parameters, "layer", energy,
                                             {.kind = kind,
                                              .steps = 6,
                                              .step_size = kind == "metropolis" ? 1.0 : 0.4,
                                              .trainable = true,
                                              .leapfrog_steps = 4});
    for (const Phase phase : {Phase::kEvaluation, Phase::kTraining}) {
      Graph graph(parameters, phase);
      const Value y = graph.input({1, 1});
      const Mapped mapped = layer->forward(y);
      const Value score = batch_sum(square(mapped.value) + mapped.log_det);
      const auto slopes =
          gradient(score, {y, graph.parameter(parameters.find("layer.log_step_size"))});
      std::vector<double> start;
      for (int i = 0; i < 200; ++i) start.push_back(-0.99 + 0.0099 * i);
      const auto values =
          run_graph(graph, {mapped.value, mapped.log_det, slopes[0], slopes[1]}, {start}, {200});
      for (const auto& array : values)
        for (const double value : array) ASSERT_TRUE(std::isfinite(value));
      for (const double value : values[0]) ASSERT_LT(std::abs(value), 1.0);
    }
  }
}

TEST(StochasticLayers, NoMoveGoesToAnInfinitelyLowEnergy) {
  const auto energy = std::make_shared<LineEnergy>(
      [](Value y) { return log(relu(1.0 - y)) + 0.5 * square(y); });  // -inf above 1
  for (const std::string kind : {"metropolis", "mala", "hmc"}) {
    SCOPED_TRACE(kind);
    ParameterStore parameters;
    const auto layer = make_stochastic_layer(parameters, "layer", energy,
                                             {.kind = kind, .steps = 6, .step_size = 0.4});
    Graph graph(parameters);
    const Mapped mapped = layer->forward(graph.input({1, 1}));
    const auto values =
        run_graph(graph, {mapped.value, mapped.log_det}, {std::vector<double>(200, 0.5)}, {200});
    for (std::size_t i = 0; i < 200; ++i) {
      ASSERT_LT(values[0][i], 1.0);
      ASSERT_TRUE(std::isfinite(values[1][i]));
    }
  }
}

TEST(StochasticLayers, StepSizesLearnWithoutFriction) {
  const auto energy = std::make_shared<LineEnergy>([](Value y) { return wells(y); });
  ParameterStore parameters;
  const auto layer = make_stochastic_layer(
      parameters, "layer", energy,
      {.kind = "inertial", .steps = 3, .step_size = 0.1, .trainable = true, .friction = 0.0});
  Graph graph(parameters, Phase::kTraining);
  const Mapped mapped = layer->forward(graph.input({1, 1}));
  const Value score = batch_sum(sin(mapped.value) + mapped.log_det);
  const ParameterId id = parameters.find("layer.log_step_size");
  const Value slope = gradient(score, {graph.parameter(id)})[0];
  const auto run = [&](double change) {
    parameters.values(id)[0] = std::log(0.1) + change;
    return run_graph(graph, {score, slope}, {{0.3, -0.7, 1.1}}, {3});
  };
  EXPECT_NEAR(run(0.0)[1][0], (run(1e-5)[0][0] - run(-1e-5)[0][0]) / 2e-5, 1e-7);
}

TEST(StochasticLayers, MoreStepsTakeNoMoreMemoryInSampling) {
  for (const std::string& kind : kKinds) {
    SCOPED_TRACE(kind);
    std::vector<std::int64_t> bytes;
    for (const std::int64_t steps : {20, 200}) {
      ParameterStore parameters;
      const auto target = std::make_shared<ShiftedNormal>(2);
      const auto layer = make_stochastic_layer(parameters, "layer", target_energy(target),
                                               options_of(kind, steps));
      Graph graph(parameters);
      const Value y = graph.input({2, 1});
      const Mapped mapped = layer->forward(y);
      bytes.push_back(Program<double>(graph, {mapped.value, mapped.log_det}).tile_bytes());
    }
    EXPECT_LE(bytes[1], bytes[0] + bytes[0] / 4);
  }
}

TEST(StochasticLayers, SayWhatIsWrong) {
  ParameterStore parameters;
  const auto energy = std::make_shared<LineEnergy>([](Value y) { return wells(y); });
  const auto expect = [&](const StochasticOptions& options, const std::string& text) {
    try {
      make_stochastic_layer(parameters, "layer", energy, options);
      ADD_FAILURE() << "expected: " << text;
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
  };
  expect({.kind = "gibbs"},
         "expected one of metropolis, langevin, inertial, mala, hmc, got 'gibbs'");
  expect({.steps = 0}, "stochastic.steps: expected at least 1, got 0");
  expect({.step_size = std::nan("")}, "stochastic.step_size: expected a positive number, got nan");
  expect({.last_step_size = -1.0}, "stochastic.last_step_size");
  expect({.leapfrog_steps = 0}, "stochastic.leapfrog_steps");
  expect({.friction = -1.0}, "stochastic.friction");
  const auto plane = target_energy(make_target("two_rings"));
  EXPECT_THROW(interpolated_energy(energy, plane, 0.5), ShapeError);
  EXPECT_THROW(interpolated_energy(energy, energy, 1.5), ConfigError);
  EXPECT_THROW(interpolated_energy(parameters, "x", energy, energy, 1.0), ConfigError);
  Graph graph(parameters);
  EXPECT_THROW((*plane)(graph.input({1, 1})), ShapeError);
}

}  // namespace
}  // namespace thalweg::testing
