// SAILS and its fellows on models of several kinds, against quadrature and importance weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/sampling/chain_state_file.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"
#include "thalweg/sampling/markov_chains.h"
#include "thalweg/sampling/normaliser.h"
#include "thalweg/targets/expression.h"

namespace thalweg {
namespace {

/// A model whose parameters are not those of its start, which is the identity.
std::unique_ptr<Model> bent_model(ModelOptions options, double bend) {
  auto model = std::make_unique<Model>(options, 3);
  RandomSequence random(4, Stream::kInitialisation);
  ParameterStore& parameters = model->parameters();
  for (std::size_t i = 0; i < parameters.infos().size(); ++i) {
    const ParameterInfo info = parameters.infos()[i];
    if (!info.trainable) continue;
    for (double& value : parameters.values(parameters.find(info.name)))
      value += bend * random.normal();
  }
  return model;
}

ModelOptions options_of(const std::string& kind, std::int64_t features) {
  ModelOptions options;
  options.features = features;
  options.flow.kind = kind;
  options.flow.blocks = 3;
  options.flow.hidden = {8};
  options.flow.activation = "tanh";
  options.flow.bins = 5;
  options.base.hidden = {8};
  return options;
}

/// What is compared of latent points.
const std::vector<std::function<double(const double*)>> kQuestions = {
    [](const double* z) { return std::tanh(z[0]); },
    [](const double* z) { return z[0] > 0.5 ? 1.0 : 0.0; },
    [](const double* z) { return std::tanh(z[1]); },
    [](const double* z) { return z[0] * z[1] > 0.0 ? 1.0 : 0.0; },
    [](const double* z) { return z[0] * z[0] + z[1] * z[1] > 1.5 ? 1.0 : 0.0; }};

struct Answer {
  double mean = 0.0, error = 0.0;
};

std::vector<Answer> answers(const std::vector<double>& z, std::int64_t features) {
  std::vector<Answer> result;
  const std::size_t count = z.size() / static_cast<std::size_t>(features);
  for (const auto& question : kQuestions) {
    double sum = 0.0, squares = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      const double value = question(z.data() + i * static_cast<std::size_t>(features));
      sum += value;
      squares += value * value;
    }
    const auto n = static_cast<double>(count);
    result.push_back({sum / n, std::sqrt((squares / n - sum * sum / n / n) / n)});
  }
  return result;
}

/// Means over points with log weights.
std::vector<Answer> weighted_answers(const std::vector<double>& z, std::int64_t features,
                                     const std::vector<double>& log_weights) {
  std::vector<Answer> result;
  for (const auto& question : kQuestions) {
    double weight = 0.0, sum = 0.0, square = 0.0;
    for (std::size_t i = 0; i < log_weights.size(); ++i) {
      weight += std::exp(log_weights[i]);
      sum += std::exp(log_weights[i]) * question(z.data() + i * static_cast<std::size_t>(features));
    }
    for (std::size_t i = 0; i < log_weights.size(); ++i) {
      const double off = question(z.data() + i * static_cast<std::size_t>(features)) - sum / weight;
      square += std::exp(2.0 * log_weights[i]) * off * off;
    }
    result.push_back({sum / weight, std::sqrt(square) / weight});
  }
  return result;
}

/// log_density of a target at latent points, without its normaliser.
std::vector<double> log_density(const Model& model, ChainTarget target,
                                const std::vector<double>& z, ThreadPool& pool) {
  DensityEvaluator evaluator(model, pool, Precision::kDouble);
  std::vector<double> log_det;
  const std::vector<double> x = evaluator.to_data(z, {}, &log_det);
  std::vector<double> result = evaluator.log_prob(x);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double log_base = result[i] + log_det[i];
    const double* at = x.data() + 2 * i;
    if (target == ChainTarget::kModel) result[i] = log_base;
    if (target == ChainTarget::kSharpened) result[i] = log_base - log_det[i];
    if (target == ChainTarget::kEnergy)
      result[i] = -0.5 * at[0] * at[0] - 0.5 * (at[1] - at[0]) * (at[1] - at[0]) + log_det[i];
  }
  return result;
}

constexpr char kEnergy[] = "0.5*x^2 + 0.5*(y-x)^2";

/// One draw of each of many chains, after burn-in with a search for the step size.
std::vector<double> chain_draws(const Model& model, ChainTarget target, const std::string& kernel,
                                std::int64_t chains, std::int64_t burn_in, ThreadPool& pool) {
  ChainOptions options;
  options.chains = chains;
  options.burn_in = burn_in;
  options.seed = 8;
  std::vector<WeightedKernel> kernels;
  kernels.push_back({make_chain_kernel(kernel, 4), 0.5});
  if (kernel != "independence") kernels.push_back({make_chain_kernel("independence"), 0.5});
  MarkovChains machine(
      LatentDensity(model, target,
                    target == ChainTarget::kEnergy ? make_expression_target(kEnergy, {}) : nullptr),
      std::move(kernels), options, pool);
  machine.start();
  while (!machine.step()) {
  }
  return machine.state().z;
}

// Five standard errors for 5 numbers of 13 cases: odds of a false alarm below 5e-5.
void expect_equal(const std::vector<Answer>& found, const std::vector<Answer>& truth) {
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i].mean, truth[i].mean, 5.0 * std::hypot(found[i].error, truth[i].error))
        << "question " << i;
}

TEST(LatentSamplers, AgreeWithQuadratureInThePlane) {
  constexpr int kCells = 300;
  std::vector<double> grid;
  for (int i = 0; i < kCells; ++i)
    for (int j = 0; j < kCells; ++j)
      for (const int cell : {i, j}) grid.push_back(6.0 * ((2.0 * cell + 1.0) / kCells - 1.0));
  ThreadPool pool;
  for (const std::string kind : {"real_nvp", "spline", "residual", "resampled"}) {
    ModelOptions options = options_of(kind == "resampled" ? "real_nvp" : kind, 2);
    if (kind == "resampled") options.base.kind = "resampled";
    for (const auto& [kernel, target] :
         {std::pair{"sails", ChainTarget::kSharpened}, std::pair{"mala", ChainTarget::kEnergy},
          std::pair{"independence", ChainTarget::kModel}}) {
      SCOPED_TRACE(kind + ", " + kernel);
      // Far from its energy a model's latent space is wide, and chains take long.
      const std::unique_ptr<Model> model =
          bent_model(options, target == ChainTarget::kEnergy ? 0.1 : 0.3);
      estimate_normaliser(*model, 100000, 1, pool);
      std::vector<Answer> truth =
          weighted_answers(grid, 2, log_density(*model, target, grid, pool));
      for (Answer& answer : truth) answer.error = 2e-3;  // of the cells at the edges of steps
      const std::int64_t chains = kind == "residual" ? 3000 : 10000;
      expect_equal(answers(chain_draws(*model, target, kernel, chains, 100, pool), 2), truth);
    }
  }
}

TEST(LatentSamplers, AgreeWithImportanceWeightsInTwentyDimensions) {
  ThreadPool pool;
  const std::unique_ptr<Model> model = bent_model(options_of("real_nvp", 20), 0.1);
  RandomSequence random(6, Stream::kTarget);
  std::vector<double> z;
  for (int i = 0; i < 20 * 100000; ++i) z.push_back(random.normal());
  std::vector<double> log_det;
  DensityEvaluator(*model, pool, Precision::kDouble).to_data(z, {}, &log_det);
  const double top = *std::ranges::min_element(log_det);
  for (double& value : log_det) value = top - value;
  const std::vector<Answer> truth = weighted_answers(z, 20, log_det);
  for (const Answer& answer : truth) ASSERT_LT(answer.error, 0.02);
  expect_equal(answers(chain_draws(*model, ChainTarget::kSharpened, "sails", 10000, 200, pool), 20),
               truth);
}

// Two wells by a few moves with ever more of their energy: paths end with too much in the shallow
// well, and chains of paths put that right. Two tests at 4.5 standard errors, against quadrature:
// odds of a false alarm below 2e-5.
TEST(LatentSamplers, ChainsOfPathsHaveTheTargetsShares) {
  ThreadPool pool;
  const std::shared_ptr<const Target> target = make_target("double_well");
  ModelOptions options;
  options.base.kind = "normal";
  options.flow.kind = "none";
  options.flow.blocks = 6;
  options.stochastic.kinds = {"metropolis", "mala"};
  options.stochastic.moves.steps = 3;
  options.stochastic.moves.step_size = 0.3;
  const Model model(options, 1, target);
  ChainOptions chain_options;
  chain_options.chains = 20000;
  chain_options.burn_in = 60;
  MarkovChains chains(LatentDensity(model, ChainTarget::kEnergy, target),
                      {{make_chain_kernel("independence"), 1.0}}, chain_options, pool);
  chains.start();
  while (!chains.step()) {
  }
  const auto right = [](const std::vector<double>& x) {
    double share = 0.0;
    for (std::size_t i = 0; i < x.size(); i += 2) share += x[i] > 0.0 ? 2.0 : 0.0;
    return share / static_cast<double>(x.size());
  };
  double right_mass = 0.0, all = 0.0;
  for (double x = -5.0; x < 5.0; x += 1e-3) {
    const double mass = std::exp(0.5 * x + 6.0 * x * x - x * x * x * x);
    all += mass;
    if (x > 0.0) right_mass += mass;
  }
  const double truth = right_mass / all;
  const double error = std::sqrt(truth * (1.0 - truth) / 20000.0);
  const std::vector<double> x = chains.data();
  EXPECT_NEAR(right(x), truth, 4.5 * error);
  EXPECT_GT(std::abs(right(FlowSampler(model, pool, 5).next(20000)) - truth), 20.0 * error);
  double squares = 0.0, fourths = 0.0;
  for (std::size_t i = 1; i < x.size(); i += 2) {
    squares += x[i] * x[i] / 20000.0;
    fourths += x[i] * x[i] * x[i] * x[i] / 20000.0;
  }
  EXPECT_NEAR(squares, 1.0, 4.5 * std::sqrt((fourths - squares * squares) / 20000.0));
  for (const char* kernel : {"mala", "hmc"})
    EXPECT_THROW(MarkovChains(LatentDensity(model, ChainTarget::kEnergy, target),
                              {{make_chain_kernel(kernel), 1.0}}, chain_options, pool),
                 ConfigError);
}

MarkovChains small_chains(const Model& model, ThreadPool& pool, std::uint64_t seed = 2) {
  ChainOptions options;
  options.chains = 150;
  options.burn_in = 20;
  options.thinning = 3;
  options.seed = seed;
  return MarkovChains(LatentDensity(model, ChainTarget::kSharpened),
                      {{make_chain_kernel("sails"), 0.6}, {make_chain_kernel("independence"), 0.4}},
                      options, pool);
}

TEST(LatentSamplers, SameSeedSameBitsForAnyNumberOfThreads) {
  const std::unique_ptr<Model> model = bent_model(options_of("spline", 2), 0.3);
  std::vector<std::vector<double>> found;
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    MarkovChains chains = small_chains(*model, pool);
    chains.start();
    for (int i = 0; i < 60; ++i) chains.step();
    found.push_back(chains.data());
  }
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(found[0], found[2]);
  ThreadPool pool;
  MarkovChains other = small_chains(*model, pool, 3);
  other.start();
  for (int i = 0; i < 60; ++i) other.step();
  EXPECT_NE(found[0], other.data());
}

TEST(LatentSamplers, GoOnFromAFileAsIfTheyHadNeverStopped) {
  const TemporaryFolder folder;
  const std::unique_ptr<Model> model = bent_model(options_of("real_nvp", 2), 0.3);
  ThreadPool pool;
  for (const int stop : {0, 7, 20, 41}) {
    MarkovChains whole = small_chains(*model, pool), first = small_chains(*model, pool),
                 second = small_chains(*model, pool);
    whole.start();
    first.start();
    for (int i = 0; i < stop; ++i) first.step();
    write_chain_state(folder.path("state"), {first.state(), {{"a", "b"}}});
    SavedChains saved = read_chain_state(folder.path("state"));
    EXPECT_EQ(saved.settings.at("a"), "b");
    second.restore(std::move(saved.state));
    for (int i = 0; i < 60; ++i) whole.step();
    bool last = false;
    for (int i = stop; i < 60; ++i) last = second.step();
    EXPECT_FALSE(last);  // 40 steps after burn-in are no multiple of 3
    EXPECT_EQ(whole.data(), second.data()) << stop;
    EXPECT_EQ(whole.statistics()[0].accepted, second.statistics()[0].accepted);
    EXPECT_EQ(whole.statistics()[0].step_size, second.statistics()[0].step_size);
  }
}

TEST(LatentSamplers, FindTheStepSizeDuringBurnInAlone) {
  const std::unique_ptr<Model> model = bent_model(options_of("real_nvp", 2), 0.3);
  ThreadPool pool;
  for (const char* kernel : {"sails", "mala", "hmc"}) {
    ChainOptions options;
    options.chains = 1000;
    options.burn_in = 200;
    MarkovChains chains(LatentDensity(*model, ChainTarget::kSharpened),
                        {{make_chain_kernel(kernel)}}, options, pool);
    chains.start();
    for (int i = 0; i < 200; ++i) chains.step();
    const double found = chains.statistics()[0].step_size;
    for (int i = 0; i < 50; ++i) chains.step();
    EXPECT_EQ(chains.statistics()[0].step_size, found);
    // The search ends near; the share of 50 000 moves itself has a deviation of 0.002.
    EXPECT_NEAR(chains.statistics()[0].acceptance(), make_chain_kernel(kernel)->wanted_acceptance(),
                0.05)
        << kernel;
  }
}

TEST(LatentSamplers, RefuseWhatTheyCannotDo) {
  ThreadPool pool;
  ModelOptions options = options_of("real_nvp", 2);
  const std::unique_ptr<Model> model = bent_model(options, 0.3);
  const auto chains = [&](ChainTarget target, std::vector<WeightedKernel> kernels,
                          ChainOptions wanted = {}) {
    return message_of<ConfigError>(
        [&] { MarkovChains(LatentDensity(*model, target), std::move(kernels), wanted, pool); });
  };
  EXPECT_NE(chains(ChainTarget::kModel, {{make_chain_kernel("mala")}, {make_chain_kernel("sails")}})
                .find("equal targets"),
            std::string::npos);
  chains(ChainTarget::kModel, {});
  chains(ChainTarget::kModel, {{make_chain_kernel("mala"), -1.0}});
  chains(ChainTarget::kModel, {{make_chain_kernel("mala")}}, {.burn_in = 0});
  chains(ChainTarget::kModel, {{make_chain_kernel("mala")}}, {.chains = 0});
  chains(ChainTarget::kEnergy, {{make_chain_kernel("mala")}});
  EXPECT_THROW(make_chain_kernel("gibbs"), ConfigError);
  EXPECT_THROW(make_chain_kernel("hmc", 0), ConfigError);
  options.flow.index_features = 1;
  const Model stochastic(options, 1);
  EXPECT_NE(message_of<ConfigError>([&] {
              LatentDensity(stochastic, ChainTarget::kModel);
            }).find("naive or importance"),
            std::string::npos);
}

/// Three particles in the plane.
ModelOptions particle_options(const std::string& flow) {
  ModelOptions options = options_of(flow, 6);
  options.flow.blocks = 1;
  options.flow.network = "equivariant";
  options.flow.network_blocks = 2;
  options.flow.act_norm = false;
  options.base.kind = "mean_free_normal";
  options.base.dimensions = 2;
  return options;
}

/// Largest distance of a centre of mass from 0, over rows of three particles in the plane.
double farthest_centre(const std::vector<double>& x) {
  double farthest = 0.0;
  for (std::size_t row = 0; row < x.size(); row += 6)
    for (std::size_t d = 0; d < 2; ++d)
      farthest = std::max(farthest, std::abs(x[row + d] + x[row + 2 + d] + x[row + 4 + d]) / 3.0);
  return farthest;
}

// A density of particles says nothing of where they are together: noise along that direction would
// carry chains away, and their diagnostics with them.
TEST(LatentSamplers, ParticlesKeepTheirCentreOfMass) {
  ThreadPool pool(2);
  const auto model = bent_model(particle_options("free_form"), 0.05);
  for (const auto& [kernel, target] : {std::pair{"mala", ChainTarget::kModel},
                                       {"hmc", ChainTarget::kModel},
                                       {"sails", ChainTarget::kSharpened},
                                       {"sails_published", ChainTarget::kSharpened}}) {
    MarkovChains chains(LatentDensity(*model, target), {{make_chain_kernel(kernel)}},
                        {.chains = 500, .burn_in = 0, .step_size = 0.5, .seed = 3}, pool);
    chains.start();
    const std::vector<double> start = chains.state().z;
    for (int step = 0; step < 20; ++step) chains.step();
    EXPECT_LT(farthest_centre(chains.data()), 1e-10) << kernel;
    EXPECT_LT(farthest_centre(chains.state().z), 1e-10) << kernel;
    EXPECT_NE(chains.state().z, start) << kernel;
    if (target != ChainTarget::kModel) continue;
    // |z|^2 of four directions: mean 4, variance 8; six standard errors, once in 5e8.
    const std::vector<double>& z = chains.state().z;
    EXPECT_NEAR(std::inner_product(z.begin(), z.end(), z.begin(), 0.0) / 500.0, 4.0,
                6.0 * std::sqrt(8.0 / 500.0))
        << kernel;
  }
}

// Layers of moves of particles have exact path weights too: with each kind they give the integral
// that plain importance sampling from the base gives.
TEST(LatentSamplers, StochasticLayersMoveParticlesWithExactWeights) {
  ThreadPool pool(2);
  const std::shared_ptr<const Target> target =
      make_target("lennard_jones", {.particles = 3, .dimensions = 2, .temperature = 2.0});
  const auto integral = [&](const std::string& kind, double step_size) {
    constexpr std::int64_t kDraws = 20000;
    ModelOptions options = particle_options("none");
    options.flow.blocks = 8;  // layers from the base's energy to the target's
    options.stochastic.every = 1;
    if (!kind.empty()) options.stochastic.kinds = {kind};
    options.stochastic.moves.step_size = step_size;
    const Model model(options, 1, target);
    FlowSampler sampler(model, pool, 2, Precision::kDouble);
    std::vector<double> log_density;
    const std::vector<double> x = sampler.next(kDraws, {}, &log_density);
    EXPECT_LT(farthest_centre(x), 1e-12) << kind;
    const ParameterStore none;
    Graph graph(none);
    const Value density = target->log_density(graph.input({6, 1}));
    const std::vector<double> log_target =
        RowMap(graph, {density}, pool, Precision::kDouble).run({.rows = kDraws, .inputs = {x}})[0];
    double sum = 0.0, squares = 0.0;
    for (std::size_t i = 0; i < log_density.size(); ++i) {
      const double weight = std::exp(log_target[i] - log_density[i]);
      sum += weight;
      squares += weight * weight;
    }
    return Answer{std::log(sum / kDraws), std::sqrt(squares / sum / sum)};
  };
  const Answer plain = integral("", 0.1);
  EXPECT_LT(plain.error, 0.05);
  for (const auto& [kind, step] : {std::pair{"metropolis", 0.3}, {"mala", 0.05}, {"hmc", 0.1}}) {
    const Answer found = integral(kind, step);
    // Five standard errors of three kinds: once in 5e5.
    EXPECT_NEAR(found.mean, plain.mean, 5.0 * std::hypot(found.error, plain.error)) << kind;
    EXPECT_LT(found.error, 0.05) << kind;
  }
  // Moves without a test do not stand the walls of this energy.
  for (const char* kind : {"langevin", "inertial"}) {
    ModelOptions options = particle_options("none");
    options.stochastic.every = 1;
    options.stochastic.kinds = {kind};
    options.stochastic.energy = "learned";
    const Model model(options, 1);
    EXPECT_LT(farthest_centre(FlowSampler(model, pool, 2, Precision::kDouble).next(500)), 1e-12)
        << kind;
  }
}

}  // namespace
}  // namespace thalweg
