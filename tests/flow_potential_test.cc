// A flow as a potential: its energies are its log densities, its forces their slopes, and dynamics
// keep its distribution and its energy.
#include "thalweg/runs/flow_potential.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "small_model.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/molecules/molecular_system.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/molecular_dynamics.h"

namespace thalweg::testing {
namespace {

constexpr double kThermal = 2.5;

LoadedRun run_of(const ModelOptions& options) {
  LoadedRun run;
  run.folder.path = "a run";
  run.options.model = options;
  run.model = std::make_unique<Model>(options, 3);
  RandomSequence random(4, Stream::kTarget);
  for (double& value : run.model->parameters().flat()) value += 0.3 * random.normal();
  return run;
}

/// Three columns: two numbers and, between them, one within bounds.
ModelOptions three_columns() {
  ModelOptions options = small_model(3);
  options.flow.kind = "spline";
  options.flow.activation = "silu";
  options.base.kind = "normal";
  options.columns = {{.name = "a", .mean = 1.0, .scale = 2.0},
                     {.name = "b", .lower = 0.0, .upper = 4.0, .mean = 0.3, .scale = 1.2},
                     {.name = "c", .scale = 0.5}};
  return options;
}

/// 40 rows that the columns may have.
std::vector<double> rows() {
  RandomSequence random(5, Stream::kTarget);
  std::vector<double> x;
  for (int i = 0; i < 40; ++i)
    for (const double centre : {1.0, 2.0, 0.0}) x.push_back(centre + 0.4 * random.normal());
  return x;
}

std::vector<double> transposed(const std::vector<double>& rows, std::size_t width) {
  std::vector<double> result;
  for (std::size_t c = 0; c < width; ++c)
    for (std::size_t i = 0; i * width < rows.size(); ++i) result.push_back(rows[i * width + c]);
  return result;
}

TEST(FlowPotential, IsMinusTheLogDensityWithItsSlopes) {
  const LoadedRun run = run_of(three_columns());
  const FlowPotential potential(run, kThermal);
  ASSERT_EQ(potential.coordinates(), 3);
  const std::vector<double> x = rows();
  const std::size_t count = x.size() / 3;
  std::vector<double> energies(count), forces(x.size());
  potential.evaluate(transposed(x, 3).data(), 40, energies.data(), forces.data());

  ThreadPool pool(2);
  DensityEvaluator density(*run.model, pool, Precision::kDouble);
  const std::vector<double> log_prob = density.log_prob(x);
  for (std::size_t i = 0; i < count; ++i)
    EXPECT_NEAR(energies[i], -kThermal * log_prob[i], 1e-11 * (1.0 + std::abs(energies[i])));

  constexpr double kStep = 1e-5;
  for (std::size_t c = 0; c < 3; ++c) {
    std::vector<double> up = x, down = x;
    for (std::size_t i = 0; i < count; ++i) {
      up[3 * i + c] += kStep;
      down[3 * i + c] -= kStep;
    }
    const std::vector<double> above = density.log_prob(up), below = density.log_prob(down);
    for (std::size_t i = 0; i < count; ++i) {
      const double slope = kThermal * (above[i] - below[i]) / (2.0 * kStep);
      EXPECT_NEAR(forces[c * count + i], slope, 1e-5 * (1.0 + std::abs(slope)));
    }
  }
}

TEST(FlowPotential, IsInfiniteOutsideOfBounds) {
  const LoadedRun run = run_of(three_columns());
  const FlowPotential potential(run, kThermal);
  const std::vector<double> x = {1.0, 4.5, 0.1};
  double energy = 0.0;
  std::vector<double> forces(3, 1.0);
  potential.evaluate(x.data(), 1, &energy, forces.data());
  EXPECT_EQ(energy, INFINITY);
  EXPECT_EQ(forces, std::vector<double>(3, 0.0));
}

TEST(FlowPotential, HasTheSameBitsOnManyThreads) {
  const LoadedRun run = run_of(three_columns());
  const FlowPotential potential(run, kThermal);
  const std::vector<double> x = transposed(rows(), 3);
  std::vector<double> energies(40), forces(120);
  potential.evaluate(x.data(), 40, energies.data(), forces.data());
  ThreadPool pool(4);
  std::vector<std::vector<double>> all(16, std::vector<double>(160));
  pool.parallel(16, [&](std::int64_t task, int) {
    std::vector<double>& own = all[static_cast<std::size_t>(task)];
    potential.evaluate(x.data(), 40, own.data(), own.data() + 40);
  });
  std::vector<double> wanted = energies;
  wanted.insert(wanted.end(), forces.begin(), forces.end());
  for (const auto& own : all) EXPECT_EQ(own, wanted);
}

// A flow without layers over a normal base is a set of springs: its dynamics keep the energy to
// second order of the step, and sample the base. 512 walkers have a mean square within four of its
// standard deviations but for one case in 15 000.
TEST(FlowPotential, MovesAtoms) {
  ModelOptions options = small_model(3);
  options.flow.kind = "none";
  options.columns = {{.name = "x", .scale = 0.1}, {.name = "y", .scale = 0.2}, {.name = "z"}};
  LoadedRun run;
  run.model = std::make_unique<Model>(options, 1);
  const FlowPotential potential(run, kBoltzmann * 300.0);
  ThreadPool pool(2);
  DynamicsOptions dynamics{.replicas = 512, .time_step = 0.02, .friction = 2.0};
  MolecularDynamics moved(potential, {10.0, 10.0, 1.0}, dynamics, pool);
  moved.start(std::vector<double>(512 * 3, 0.0));
  moved.advance(500);
  const std::vector<double> x = moved.positions();
  double square = 0.0;
  for (std::size_t i = 0; i < 512; ++i) square += x[3 * i + 1] * x[3 * i + 1] / 512.0;
  EXPECT_NEAR(square / 0.04, 1.0, 4.0 * std::sqrt(2.0 / 512.0));

  const auto deviation = [&](double step, std::int64_t steps) {
    dynamics.replicas = 16;
    dynamics.ensemble = Ensemble::kMicrocanonical;
    dynamics.time_step = step;
    MolecularDynamics kept(potential, {10.0, 10.0, 1.0}, dynamics, pool);
    kept.start(std::span(x).first(48));
    const auto total = [&] {
      double sum = 0.0;
      for (std::size_t i = 0; i < 16; ++i) sum += kept.energies()[i] + kept.kinetic_energies()[i];
      return sum;
    };
    const double before = total();
    kept.advance(steps);
    return std::abs(total() - before);
  };
  const double coarse = deviation(0.02, 25), fine = deviation(0.01, 50);
  EXPECT_NEAR(coarse / fine, 4.0, 0.8);
}

TEST(FlowPotential, RefusesWhatHasNoForces) {
  ModelOptions options = small_model(2);
  options.flow.kind = "residual";
  options.flow.log_det = "series";
  expect_parts(message_of<ConfigError>([&] { FlowPotential(run_of(options), 1.0); }),
               {"a run", "exact slopes", "smooth"});
  const LoadedRun run = run_of(small_model(2));
  expect_parts(message_of<ConfigError>([&] { FlowPotential(run, 0.0); }), {"above 0", "got 0"});
}

}  // namespace
}  // namespace thalweg::testing
