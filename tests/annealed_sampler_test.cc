// Annealed importance sampling from flows of several kinds, against closed forms.
#include "thalweg/sampling/annealed_sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>
#include <vector>

#include "contract_table.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/metrics/importance.h"
#include "thalweg/sampling/flow_sampler.h"
#include "thalweg/sampling/normaliser.h"
#include "thalweg/targets/expression.h"
#include "thalweg/targets/target.h"

namespace thalweg::testing {
namespace {

ModelOptions options_of(const std::string& kind, const std::string& base) {
  ModelOptions options;
  options.features = 2;
  options.flow.kind = kind;
  options.flow.blocks = 2;
  options.flow.hidden = {8};
  options.flow.activation = "silu";
  options.flow.act_norm = false;
  options.flow.bins = 5;
  options.base.kind = base;
  options.base.hidden = {8};
  return options;
}

/// A model whose parameters are not those of its start, which is the identity.
Model bent_model(const ModelOptions& options, double bend) {
  Model model(options, 3);
  disturb(model.parameters(), bend);
  ThreadPool pool;
  estimate_normaliser(model, 1 << 20, 1, pool, Precision::kDouble);
  return model;
}

struct Weighted {
  std::vector<double> x, log_weights, share;  // of the sum of weights
  ImportanceEstimate estimate;
  std::vector<AnnealingLevel> levels;

  /// Mean of a function of a row, and its standard error.
  template <typename Function>
  std::pair<double, double> mean(const Function& of) const {
    double sum = 0.0, square = 0.0;
    for (std::size_t i = 0; i < share.size(); ++i) sum += share[i] * of(x.data() + 2 * i);
    for (std::size_t i = 0; i < share.size(); ++i) {
      const double off = share[i] * (of(x.data() + 2 * i) - sum);
      square += off * off;
    }
    return {sum, std::sqrt(square)};
  }
};

Weighted weighted_draws(const Model& model, std::shared_ptr<const Target> target,
                        const AnnealingOptions& options, std::int64_t count, int threads = 2,
                        std::int64_t block = 1 << 20) {
  ThreadPool pool(threads);
  AnnealedSampler sampler(model, std::move(target), options, pool);
  Weighted result;
  for (std::int64_t done = 0; done < count; done += block) {
    std::vector<double> log_weights;
    const std::vector<double> x = sampler.next(std::min(block, count - done), log_weights);
    result.x.insert(result.x.end(), x.begin(), x.end());
    result.log_weights.insert(result.log_weights.end(), log_weights.begin(), log_weights.end());
  }
  const double most = *std::ranges::max_element(result.log_weights);
  double total = 0.0;
  for (const double weight : result.log_weights) {
    result.share.push_back(std::exp(weight - most));
    total += result.share.back();
  }
  for (double& share : result.share) share /= total;
  result.estimate = importance_estimate(smoothed_weights(result.log_weights));
  result.levels = sampler.levels();
  return result;
}

/// Standard error of the log integral.
double error_of(const Weighted& found) {
  return std::sqrt((1.0 / found.estimate.effective_share - 1.0) /
                   static_cast<double>(found.log_weights.size()));
}

// A normal of variances 1 and 2 and covariance 1, whose integral is 2 pi, by flows on each kind of
// base. Five standard errors of 4 numbers of 4 cases: odds of a false alarm below 1e-5.
TEST(AnnealedSampler, WeightsAreExactAndMoreAlikeThanThoseOfTheFlow) {
  constexpr std::int64_t kCount = 20000;
  const std::shared_ptr<const Target> target = make_expression_target("0.5*x^2 + 0.5*(y-x)^2", {});
  const std::vector<ColumnOptions> lines = {{.name = "x", .mean = 0.1, .scale = 1.5},
                                            {.name = "y", .mean = -0.1, .scale = 1.5}};
  for (const auto& [kind, base] : {std::pair{"real_nvp", "normal"},
                                   {"spline", "normal"},
                                   {"real_nvp", "resampled"},
                                   {"smooth", "uniform"}}) {
    SCOPED_TRACE(std::string(kind) + " on " + base);
    ModelOptions options = options_of(kind, base);
    options.columns = lines;
    const Model model = bent_model(options, 0.2);
    const Weighted plain = weighted_draws(model, target, {.levels = 1, .seed = 5}, kCount);
    const Weighted found =
        weighted_draws(model, target, {.levels = 6, .leapfrog_steps = 4, .seed = 5}, kCount);
    const double of_z = std::string(base) == "resampled" ? 0.002 : 0.0;
    EXPECT_NEAR(found.estimate.log_integral, std::log(2.0 * std::numbers::pi),
                5.0 * (error_of(found) + of_z));
    for (const auto& [question, truth] : std::vector<std::pair<double (*)(const double*), double>>{
             {[](const double* x) { return x[0]; }, 0.0},
             {[](const double* x) { return x[0] * x[1]; }, 1.0},
             {[](const double* x) { return x[1] * x[1]; }, 2.0}}) {
      const auto [mean, deviation] = found.mean(question);
      EXPECT_NEAR(mean, truth, 5.0 * deviation);
    }
    EXPECT_GT(found.estimate.effective_share, plain.estimate.effective_share + 0.05);
    for (const AnnealingLevel& level : found.levels)
      EXPECT_NEAR(static_cast<double>(level.accepted) / static_cast<double>(level.moves), 0.8, 0.1)
          << level.power;
  }
}

// Moves go around the circle and over its seam; the integral is 360 I_0(2) sqrt(2 pi).
TEST(AnnealedSampler, AnglesGoAround) {
  constexpr std::int64_t kCount = 20000;
  const std::shared_ptr<const Target> target =
      make_expression_target("-2*cos((d - 170)*pi/180) + 0.5*x^2", {"d", "x"});
  ModelOptions options = options_of("smooth", "uniform");
  options.columns = {{.name = "d", .lower = -180.0, .upper = 180.0, .periodic = true},
                     {.name = "x"}};
  const Model model = bent_model(options, 0.1);
  const Weighted plain = weighted_draws(model, target, {.levels = 1, .seed = 6}, kCount);
  const Weighted found =
      weighted_draws(model, target, {.levels = 6, .leapfrog_steps = 4, .seed = 6}, kCount);
  constexpr double kBessel = 2.2795853023360673;  // I_0(2)
  EXPECT_NEAR(found.estimate.log_integral,
              std::log(360.0 * kBessel * std::sqrt(2.0 * std::numbers::pi)), 5.0 * error_of(found));
  EXPECT_GT(found.estimate.effective_share, plain.estimate.effective_share + 0.1);
  for (std::size_t i = 0; i < found.x.size(); i += 2) {
    EXPECT_GE(found.x[i], -180.0);
    EXPECT_LE(found.x[i], 180.0);
  }
  // I_1(2) / I_0(2); five standard errors, once in 2e6.
  const auto [mean, deviation] = found.mean(
      [](const double* x) { return std::cos((x[0] - 170.0) * std::numbers::pi / 180.0); });
  EXPECT_NEAR(mean, 0.6977746579640079, 5.0 * deviation);
}

// A column that keeps to [0, 1] with its ends and one above 0, by a flow that knows both: the
// integral of exp(-3 a) on [0, 1] and exp(-b) above 0.
TEST(AnnealedSampler, BoundsHold) {
  constexpr std::int64_t kCount = 20000;
  const std::shared_ptr<const Target> target = make_expression_target("3*a + b", {"a", "b"});
  ModelOptions options = options_of("smooth", "uniform");
  options.columns = {{.name = "a", .lower = 0.0, .upper = 1.0},
                     {.name = "b", .lower = 0.0, .mean = -0.5, .scale = 1.5}};
  const Model model = bent_model(options, 0.1);
  for (const Precision precision : {Precision::kDouble, Precision::kFloat}) {
    const Weighted found = weighted_draws(
        model, target, {.levels = 6, .leapfrog_steps = 4, .seed = 6, .precision = precision},
        kCount);
    // Five standard errors twice: once in 1e6.
    EXPECT_NEAR(found.estimate.log_integral, std::log((1.0 - std::exp(-3.0)) / 3.0),
                5.0 * error_of(found));
    for (std::size_t i = 0; i < found.x.size(); i += 2) {
      EXPECT_GE(found.x[i], 0.0);
      EXPECT_LE(found.x[i], 1.0);
      EXPECT_GT(found.x[i + 1], 0.0);
    }
  }
}

// Half of the draws have an energy that is no number, or none that is finite: those keep a weight
// of 0, and the others move as well as if they were alone. The integral is half that of the normal.
TEST(AnnealedSampler, DrawsWithoutAnEnergyDoNotDecideHowTheOthersMove) {
  constexpr std::int64_t kCount = 20000;
  for (const char* energy :
       {"0.5*x^2 + 0.5*(y-x)^2 + 0*sqrt(x)", "where(x > 0, 0.5*x^2 + 0.5*(y-x)^2, inf)"}) {
    const std::shared_ptr<const Target> target = make_expression_target(energy, {"x", "y"});
    const Model model = bent_model(options_of("real_nvp", "normal"), 0.2);
    const Weighted found =
        weighted_draws(model, target, {.levels = 6, .leapfrog_steps = 4, .seed = 5}, kCount);
    EXPECT_NEAR(found.estimate.log_integral, std::log(std::numbers::pi), 5.0 * error_of(found))
        << energy;
    EXPECT_NEAR(static_cast<double>(std::ranges::count(found.log_weights, -INFINITY)) / kCount, 0.5,
                0.2)
        << energy;
    for (const AnnealingLevel& level : found.levels) {
      EXPECT_GT(level.step_size, 0.05) << energy;
      EXPECT_LT(level.moves, kCount);
    }
  }
}

// An angle of which nothing is known beside a column on the line.
TEST(AnnealedSampler, FlatColumnsDoNotSlowOthers) {
  const std::shared_ptr<const Target> target =
      make_expression_target("0.5*x^2 + 0.001*cos(d*pi/180)", {"d", "x"});
  ModelOptions options = options_of("smooth", "uniform");
  options.columns = {{.name = "d", .lower = -180.0, .upper = 180.0, .periodic = true},
                     {.name = "x", .scale = 1.2}};
  const Model model(options, 1);  // a flat circle
  const Weighted found =
      weighted_draws(model, target, {.levels = 6, .leapfrog_steps = 4, .seed = 6}, 5000);
  for (const AnnealingLevel& level : found.levels) EXPECT_GT(level.step_size, 0.2);
  EXPECT_GT(found.estimate.effective_share, 0.9);
}

TEST(AnnealedSampler, OneLevelIsImportanceSampling) {
  const std::shared_ptr<const Target> target = make_expression_target("0.5*x^2 + 0.5*(y-x)^2", {});
  const Model model = bent_model(options_of("real_nvp", "normal"), 0.2);
  const Weighted found = weighted_draws(model, target, {.levels = 1, .seed = 5}, 100);
  ThreadPool pool;
  FlowSampler sampler(model, pool, 5, Precision::kDouble);
  std::vector<double> log_density;
  const std::vector<double> x = sampler.next(100, {}, &log_density);
  EXPECT_EQ(found.x, x);
  for (std::size_t i = 0; i < log_density.size(); ++i)
    EXPECT_NEAR(found.log_weights[i],
                -0.5 * x[2 * i] * x[2 * i] -
                    0.5 * (x[2 * i + 1] - x[2 * i]) * (x[2 * i + 1] - x[2 * i]) - log_density[i],
                1e-10);
}

TEST(AnnealedSampler, SameSeedSameBitsForAnyThreadsAndBlocks) {
  const std::shared_ptr<const Target> target = make_expression_target("0.5*x^2 + 0.5*(y-x)^2", {});
  for (const char* base : {"normal", "resampled"}) {
    const Model model = bent_model(options_of("real_nvp", base), 0.2);
    const Weighted whole = weighted_draws(model, target, {.levels = 3, .seed = 5}, 1000, 1);
    const Weighted parts = weighted_draws(model, target, {.levels = 3, .seed = 5}, 1000, 3, 300);
    EXPECT_EQ(whole.x, parts.x) << base;
    EXPECT_EQ(whole.log_weights, parts.log_weights) << base;
  }
}

// Three particles in the plane stay centred, and give the integral that importance sampling does.
TEST(AnnealedSampler, ParticlesKeepTheirCentreOfMass) {
  constexpr std::int64_t kCount = 20000;
  const std::shared_ptr<const Target> target =
      make_target("lennard_jones", {.particles = 3, .dimensions = 2, .temperature = 2.0});
  ModelOptions options = options_of("none", "mean_free_normal");
  options.features = 6;
  options.base.dimensions = 2;
  const Model model(options, 1);
  ThreadPool pool(2);
  const auto estimate = [&](std::int64_t levels, std::uint64_t seed) {
    AnnealedSampler sampler(model, target, {.levels = levels, .seed = seed}, pool);
    std::vector<double> log_weights;
    const std::vector<double> x = sampler.next(kCount, log_weights);
    for (std::size_t row = 0; row < x.size(); row += 6)
      for (std::size_t d = 0; d < 2; ++d)
        EXPECT_NEAR(x[row + d] + x[row + 2 + d] + x[row + 4 + d], 0.0, 1e-12);
    return importance_estimate(smoothed_weights(log_weights));
  };
  const ImportanceEstimate plain = estimate(1, 7), found = estimate(10, 8);
  const auto variance = [&](const ImportanceEstimate& of) {
    return (1.0 / of.effective_share - 1.0) / static_cast<double>(kCount);
  };
  // Five standard errors, once in 2e6.
  EXPECT_NEAR(found.log_integral, plain.log_integral,
              5.0 * std::sqrt(variance(plain) + variance(found)));
  EXPECT_GT(found.effective_share, 1.5 * plain.effective_share);
}

TEST(AnnealedSampler, RefusesWhatItCannotDo) {
  ThreadPool pool;
  const std::shared_ptr<const Target> target = make_expression_target("0.5*x^2 + 0.5*(y-x)^2", {});
  const auto refusal = [&](const ModelOptions& options, std::shared_ptr<const Target> wanted,
                           const AnnealingOptions& annealing) {
    const Model model(options, 1, target);
    return message_of<ConfigError>(
        [&] { AnnealedSampler(model, std::move(wanted), annealing, pool); });
  };
  const ModelOptions usual = options_of("real_nvp", "normal");
  refusal(usual, target, {.levels = 0});
  refusal(usual, target, {.leapfrog_steps = 0});
  refusal(usual, target, {.step_size = -1.0});
  refusal(usual, nullptr, {});
  refusal(usual, make_expression_target("x^2", {}), {});
  ModelOptions moves = usual;
  moves.stochastic.kinds = {"metropolis"};
  EXPECT_NE(refusal(moves, target, {}).find("random layers"), std::string::npos);
  ModelOptions whole = usual;
  whole.columns = {{.name = "x", .integer = true}, {.name = "y"}};
  EXPECT_NE(refusal(whole, target, {}).find("continuous"), std::string::npos);
  ModelOptions conditional = usual;
  conditional.context_features = 1;
  EXPECT_NE(refusal(conditional, target, {}).find("condition"), std::string::npos);
  ModelOptions free_form = options_of("free_form", "normal");
  EXPECT_NE(refusal(free_form, target, {}).find("importance"), std::string::npos);
}

}  // namespace
}  // namespace thalweg::testing
