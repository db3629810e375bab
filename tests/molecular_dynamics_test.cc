// Molecular dynamics against the exact moments of oscillators, the order of its error, and itself.
#include "thalweg/sampling/molecular_dynamics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "molecules.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/work_progress.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/sampling/minimise.h"

namespace thalweg::testing {
namespace {

/// k / 2 |x|^2.
class Oscillator : public Potential {
 public:
  Oscillator(std::int64_t coordinates, double stiffness)
      : coordinates_(coordinates), stiffness_(stiffness) {}
  std::int64_t coordinates() const override { return coordinates_; }
  void evaluate(const double* x, std::int64_t count, double* energies,
                double* forces) const override {
    std::fill_n(energies, count, 0.0);
    for (std::int64_t c = 0; c < coordinates_; ++c)
      for (std::int64_t i = 0; i < count; ++i) {
        const double at = x[c * count + i];
        energies[i] += 0.5 * stiffness_ * at * at;
        forces[c * count + i] = -stiffness_ * at;
      }
  }

 private:
  std::int64_t coordinates_;
  double stiffness_;
};

constexpr double kStiffness = 500.0, kMass = 2.0;

/// Mean square of the coordinates of the walkers from `first` on.
double mean_square(const std::vector<double>& rows, std::size_t first, std::size_t count) {
  double sum = 0.0;
  for (std::size_t i = first; i < first + count; ++i) sum += rows[i] * rows[i];
  return sum / static_cast<double>(count);
}

TEST(MolecularDynamics, AnOscillatorHasTheVarianceOfItsTemperatureForAnyTimeStep) {
  const Oscillator oscillator(3, kStiffness);
  const double frequency = std::sqrt(kStiffness / kMass), kt = kBoltzmann * 300.0;
  ThreadPool pool(2);
  for (const double phase : {0.1, 0.7, 1.5}) {
    const double time_step = phase / frequency;
    MolecularDynamics dynamics(
        oscillator, {kMass, kMass, kMass},
        {.replicas = 2000, .time_step = time_step, .friction = frequency, .seed = 3}, pool);
    dynamics.start(std::vector<double>(6000, 0.0));
    double square = 0.0, kinetic = 0.0, virial = 0.0, whole = 0.0;
    constexpr int kDraws = 10;
    for (int draw = 0; draw < kDraws; ++draw) {
      // Twenty times as long as positions are remembered.
      dynamics.advance(static_cast<std::int64_t>(20.0 / phase));
      square += mean_square(dynamics.positions(), 0, 6000) / kDraws;
      for (const double energy : dynamics.kinetic_energies()) kinetic += energy / 6000 / kDraws;
      whole += mean_square(dynamics.velocities(), 0, 6000) / kDraws;
      for (const double each : dynamics.virials()) virial += each / 6000 / kDraws;
    }
    // Of 60 000 squares; 5 deviations have odds of 6e-7 each.
    const double tolerance = 5.0 * std::sqrt(2.0 / (6000.0 * kDraws));
    EXPECT_NEAR(square * kStiffness / kt, 1.0, tolerance) << phase;
    EXPECT_NEAR(virial / kt, 1.0, tolerance) << phase;
    // The temperature is that in the middle of steps: velocities between them are too cold by
    // (frequency x step / 2)^2.
    EXPECT_NEAR(2.0 * kinetic / kt, 1.0, tolerance) << phase;
    EXPECT_NEAR(whole * kMass / kt, 1.0 - 0.25 * phase * phase, tolerance) << phase;
  }
}

TEST(MolecularDynamics, EnergyIsKeptToSecondOrderOfTheTimeStep) {
  const MolecularSystem system = small_molecule(true);
  const ForceField field(system);
  std::vector<double> masses;
  for (const double mass : system.masses) masses.insert(masses.end(), 3, mass);
  ThreadPool pool(2);
  const std::vector<double> rows = small_molecule_rows(16, 0.0);
  const auto worst = [&](double time_step) {
    MolecularDynamics dynamics(
        field, masses,
        {.replicas = 16, .time_step = time_step, .ensemble = Ensemble::kMicrocanonical, .seed = 4},
        pool);
    dynamics.start(rows);
    const auto totals = [&] {
      std::vector<double> sums = dynamics.energies();
      const std::vector<double> kinetic = dynamics.kinetic_energies();
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += kinetic[i];
      return sums;
    };
    const std::vector<double> first = totals();
    double largest = 0.0;
    const auto steps = static_cast<std::int64_t>(std::lround(0.004 / time_step));
    for (int part = 0; part < 50; ++part) {
      dynamics.advance(steps);
      const std::vector<double> now = totals();
      for (std::size_t i = 0; i < now.size(); ++i)
        largest = std::max(largest, std::abs(now[i] - first[i]));
    }
    return largest;
  };
  const double coarse = worst(0.0004), fine = worst(0.0002);
  EXPECT_GT(coarse / fine, 3.3);
  EXPECT_LT(coarse / fine, 4.7);
  EXPECT_LT(fine, 0.5);
}

/// Mean of min(1, exp((1/kT_a - 1/kT_b) (U_a - U_b))) for three coordinates of an oscillator, whose
/// energies over kT are half of chi-squares: by the midpoint rule.
double exchange_rate(double a, double b) {
  constexpr int kPoints = 600;
  constexpr double kFar = 18.0;  // energies over kT
  double sum = 0.0, weight = 0.0;
  for (int i = 0; i < kPoints; ++i)
    for (int j = 0; j < kPoints; ++j) {
      const double u = (i + 0.5) * kFar / kPoints, w = (j + 0.5) * kFar / kPoints;
      const double density = std::sqrt(u * w) * std::exp(-u - w);
      const double ratio = (1.0 / a - 1.0 / b) * (u * a - w * b);
      sum += density * std::min(1.0, std::exp(ratio));
      weight += density;
    }
  return sum / weight;
}

TEST(MolecularDynamics, ExchangesLeaveTheLawOfEachTemperature) {
  const Oscillator oscillator(3, kStiffness);
  const double frequency = std::sqrt(kStiffness / kMass);
  const std::vector<double> temperatures = {300.0, 500.0, 900.0};
  ThreadPool pool(2);
  MolecularDynamics dynamics(oscillator, {kMass, kMass, kMass},
                             {.temperatures = temperatures,
                              .replicas = 1000,
                              .time_step = 0.5 / frequency,
                              .friction = frequency,
                              .exchange_every = 3,
                              .seed = 6},
                             pool);
  dynamics.start(std::vector<double>(9000, 0.0));
  dynamics.advance(60);
  const std::vector<ExchangeCounts> before = dynamics.exchanges();
  std::vector<double> squares(3, 0.0);
  constexpr int kDraws = 10;
  for (int draw = 0; draw < kDraws; ++draw) {
    dynamics.advance(39);
    for (std::size_t level = 0; level < 3; ++level)
      squares[level] += mean_square(dynamics.positions(), 3000 * level, 3000) / kDraws;
  }
  // 30 000 squares a temperature; 5 deviations have odds of 6e-7 each.
  for (std::size_t level = 0; level < 3; ++level)
    EXPECT_NEAR(squares[level] * kStiffness / (kBoltzmann * temperatures[level]), 1.0,
                5.0 * std::sqrt(2.0 / (3000.0 * kDraws)))
        << level;
  for (std::size_t level = 0; level < 2; ++level) {
    const ExchangeCounts& counts = dynamics.exchanges()[level];
    const std::int64_t tries = counts.tries - before[level].tries;
    EXPECT_EQ(tries, 1000 * 65);
    const double rate =
        static_cast<double>(counts.accepted - before[level].accepted) / static_cast<double>(tries);
    // If a pair's tries were worth no more than every fourth, a deviation is below .004: 5 of them
    // have odds of 6e-7.
    EXPECT_NEAR(rate, exchange_rate(temperatures[level], temperatures[level + 1]), 0.02) << level;
  }
}

TEST(MolecularDynamics, GivesTheSameBitsForAnyThreadsPartsAndRestarts) {
  const MolecularSystem system = small_molecule(true);
  const ForceField field(system);
  std::vector<double> masses;
  for (const double mass : system.masses) masses.insert(masses.end(), 3, mass);
  const DynamicsOptions options{.temperatures = {300.0, 400.0},
                                .replicas = 21,
                                .time_step = 0.0005,
                                .exchange_every = 7,
                                .seed = 8};
  const std::vector<double> rows = small_molecule_rows(42, 0.001);
  ThreadPool one(1), three(3);
  MolecularDynamics whole(field, masses, options, one), parts(field, masses, options, three),
      restored(field, masses, options, three);
  whole.start(rows);
  whole.advance(100);
  parts.start(rows);
  for (int i = 0; i < 10; ++i) parts.advance(i < 5 ? 9 : 11);
  EXPECT_EQ(whole.positions(), parts.positions());
  EXPECT_EQ(whole.velocities(), parts.velocities());
  EXPECT_EQ(whole.energies(), parts.energies());

  parts.start(rows);
  parts.advance(55);
  restored.restore(parts.step(), parts.positions(), parts.velocities(), parts.exchanges());
  restored.advance(45);
  EXPECT_EQ(restored.step(), 100);
  EXPECT_EQ(whole.positions(), restored.positions());
  EXPECT_EQ(whole.exchanges()[0].accepted, restored.exchanges()[0].accepted);

  // Another seed is another run; a walker's does not depend on how many there are.
  DynamicsOptions other = options;
  other.seed = 9;
  MolecularDynamics different(field, masses, other, one);
  different.start(rows);
  EXPECT_NE(different.velocities(), whole.velocities());
}

TEST(MolecularDynamics, CentresWithoutChangingEnergies) {
  const MolecularSystem system = small_molecule(false);
  const ForceField field(system);
  std::vector<double> masses;
  for (const double mass : system.masses) masses.insert(masses.end(), 3, mass);
  ThreadPool pool(1);
  MolecularDynamics dynamics(field, masses, {.replicas = 2}, pool);
  dynamics.start(small_molecule_rows(2, 0.001));
  const std::vector<double> before = dynamics.energies();
  dynamics.centre();
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(dynamics.energies()[i], before[i], 1e-9);
  double centre = 0.0;
  for (std::size_t atom = 0; atom < 5; ++atom)
    centre += system.masses[atom] * dynamics.positions()[3 * atom + 1];
  EXPECT_NEAR(centre, 0.0, 1e-12);
}

TEST(MolecularDynamics, RefusesOptionsThatCannotBe) {
  const Oscillator oscillator(1, 1.0);
  ThreadPool pool(1);
  const auto message = [&](const DynamicsOptions& options) {
    return message_of<ConfigError>([&] { MolecularDynamics(oscillator, {1.0}, options, pool); });
  };
  expect_parts(message({.temperatures = {}}), {"temperatures", "1 to 64"});
  expect_parts(message({.temperatures = {300.0, 300.0}}), {"rising", "300 after 300"});
  expect_parts(message({.temperatures = {-3.0}}), {"above 0"});
  expect_parts(message({.replicas = 0}), {"replicas"});
  expect_parts(message({.replicas = 2000000}), {"1048576"});
  expect_parts(message({.time_step = 0.0}), {"time step"});
  expect_parts(message({.friction = -1.0}), {"friction"});
  expect_parts(message({.exchange_every = 0}), {"exchanges"});
  expect_parts(message({.temperatures = {1.0, 2.0}, .ensemble = Ensemble::kMicrocanonical}),
               {"microcanonical"});
  expect_parts(message_of<ShapeError>([&] {
                 MolecularDynamics(oscillator, {1.0, 2.0}, {}, pool);
               }),
               {"a mass for each of 1", "got 2"});
  for (const double mass : std::vector<double>{0.0, -1.0, NAN, INFINITY})
    expect_parts(message_of<ConfigError>([&] { MolecularDynamics(oscillator, {mass}, {}, pool); }),
                 {"coordinate 0", "mass above 0"});
}

TEST(Minimise, FindsTheBottom) {
  ThreadPool pool(2);
  const Oscillator oscillator(4, kStiffness);
  const MinimisationResult bottom =
      minimise(oscillator, std::vector<double>{0.3, -0.2, 0.1, 0.0, 1.0, 1.0, 1.0, 1.0}, {}, pool);
  EXPECT_EQ(bottom.unfinished, 0);
  for (const double x : bottom.rows) EXPECT_NEAR(x, 0.0, 1.0 / kStiffness);

  const ForceField field(small_molecule(true));
  const std::vector<double> rows = small_molecule_rows(3, 0.02);
  double told = -1.0;
  const ProgressScope scope([&](const std::string& part, double share) {
    EXPECT_EQ(part, "minimising");
    EXPECT_GT(share, told);
    told = share;
  });
  const MinimisationResult result = minimise(field, rows, {}, pool);
  EXPECT_EQ(result.unfinished, 0);
  EXPECT_GT(told, 0.0);
  const MinimisationResult again = minimise(field, result.rows, {.steps = 0}, pool);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_LE(again.forces[i], 1.0);
    EXPECT_EQ(again.energies[i], result.energies[i]);
  }
  std::vector<double> nowhere(rows.begin(), rows.begin() + 15);
  nowhere[3] = std::nan("");
  EXPECT_EQ(minimise(field, nowhere, {}, pool).unfinished, 1);
  expect_parts(message_of<ShapeError>([&] {
                 minimise(field, std::vector<double>{1.0, 2.0}, {}, pool);
               }),
               {"15 coordinates"});
}

}  // namespace
}  // namespace thalweg::testing
