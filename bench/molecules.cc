// bench_molecules [REPEATS [SYSTEM.xml POSITIONS]]: energies and forces a second of a molecule, and
// steps of its dynamics. Without files, of a chain of 22 atoms with as many terms as alanine
// dipeptide has.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/kernels/kernels.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/molecules/openmm_system.h"
#include "thalweg/sampling/molecular_dynamics.h"

namespace thalweg {
namespace {

constexpr std::int64_t kConfigurations = 16384;

/// A zigzag chain; every pair four bonds apart or more feels each other.
MolecularSystem chain() {
  constexpr std::int32_t kAtoms = 22;
  MolecularSystem system{.source = "chain", .masses = std::vector<double>(kAtoms, 12.0)};
  GeneralisedBorn solvent{.solvation = 137.2, .surface = 28.3919551, .engulfed = true};
  for (std::int32_t i = 0; i < kAtoms; ++i) {
    if (i + 1 < kAtoms) system.bonds.push_back({{i, i + 1}, 0.15, 250000.0});
    for (int twice = 0; twice < 2 && i + 2 < kAtoms; ++twice)
      system.angles.push_back({{i, i + 1, i + 2}, 1.9, 400.0});
    for (std::int32_t n = 1; n <= 2 && i + 3 < kAtoms; ++n)
      system.torsions.push_back({{i, i + 1, i + 2, i + 3}, n, 0.0, 2.0});
    for (std::int32_t j = i + 3; j < kAtoms; ++j)
      system.pairs.push_back({{i, j}, 1e-6, 1e-3, (i + j) % 2 == 0 ? 5.0 : -5.0});
    solvent.charge.push_back(i % 2 == 0 ? 0.2 : -0.2);
    solvent.radius.push_back(0.15);
    solvent.scaled_radius.push_back(0.12);
  }
  system.solvent = solvent;
  return system;
}
std::vector<double> chain_row() {
  std::vector<double> row;
  for (int i = 0; i < 22; ++i) row.insert(row.end(), {0.125 * i, i % 2 == 0 ? 0.0 : 0.083, 0.0});
  return row;
}

/// The shortest of several calls, in seconds.
double shortest(int repeats, const std::function<void()>& call) {
  double best = INFINITY;
  for (int repeat = 0; repeat <= repeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    call();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (repeat > 0) best = std::min(best, seconds.count());
  }
  return best;
}

template <typename T>
double evaluations_a_second(const ForceField& field, const std::vector<double>& rows, int repeats,
                            ThreadPool& pool) {
  const std::vector<T> x(rows.begin(), rows.end());
  std::vector<T> forces(x.size());
  std::vector<double> energies(static_cast<std::size_t>(kConfigurations));
  return static_cast<double>(kConfigurations) /
         shortest(repeats, [&] { field.evaluate_rows<T>(x, energies, {}, forces, pool); });
}

double steps_a_second(const ForceField& field, const std::vector<double>& rows, int repeats,
                      ThreadPool& pool) {
  constexpr std::int64_t kWalkers = 1024, kSteps = 50;
  std::vector<double> masses;
  for (const double mass : field.system().masses) masses.insert(masses.end(), 3, mass);
  MolecularDynamics dynamics(field, masses, {.replicas = kWalkers, .time_step = 0.0005}, pool);
  dynamics.start(std::span(rows).first(static_cast<std::size_t>(kWalkers * field.coordinates())));
  return static_cast<double>(kWalkers * kSteps) /
         shortest(repeats, [&] { dynamics.advance(kSteps); });
}

void measure(const std::string& name, MolecularSystem system, const std::vector<double>& row,
             int repeats) {
  const ForceField field(std::move(system));
  std::vector<double> rows;
  RandomSequence random(1, Stream::kEvaluation);
  for (std::int64_t i = 0; i < kConfigurations; ++i)
    for (const double x : row) rows.push_back(x + 0.002 * random.normal());
  for (const int threads : {1, 2}) {
    if (threads > available_processors()) continue;
    ThreadPool pool(threads);
    fmt::print(
        "{:<12} {} thread{}: {:>9.0f} energies with forces a second in double, {:>9.0f} in "
        "float, {:>9.0f} steps of Langevin dynamics\n",
        name, threads, threads == 1 ? " " : "s",
        evaluations_a_second<double>(field, rows, repeats, pool),
        evaluations_a_second<float>(field, rows, repeats, pool),
        steps_a_second(field, rows, repeats, pool));
  }
}

}  // namespace
}  // namespace thalweg

int main(int count, char** values) {
  using namespace thalweg;
  const int repeats = count > 1 ? std::atoi(values[1]) : 5;
  fmt::print("{} configurations at once, {}\n", kConfigurations, kernels::instruction_set());
  try {
    MolecularSystem system = count > 3 ? read_openmm_system(values[2]) : chain();
    std::vector<double> row =
        count > 3 ? read_frames(values[3], system.atoms()).positions : chain_row();
    row.resize(static_cast<std::size_t>(3 * system.atoms()));
    if (system.solvent) {
      MolecularSystem vacuum = system;
      vacuum.solvent.reset();
      measure("vacuum", std::move(vacuum), row, repeats);
    }
    measure(system.solvent ? "in solvent" : "vacuum", std::move(system), row, repeats);
  } catch (const Error& error) {
    fmt::print(stderr, "bench_molecules: {}\n", error.what());
    return 1;
  }
}
