// Force fields against OpenMM, closed forms and finite differences.
#include "thalweg/molecules/force_field.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "molecules.h"
#include "shared_data.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/io/npy.h"
#include "thalweg/molecules/amber_topology.h"
#include "thalweg/molecules/openmm_system.h"

namespace thalweg::testing {
namespace {

struct Energies {
  std::vector<double> total, terms, forces;
};
Energies energies_of(const ForceField& field, const std::vector<double>& rows, int threads = 1) {
  const std::size_t width = static_cast<std::size_t>(field.coordinates());
  const std::size_t count = rows.size() / width;
  Energies result{std::vector<double>(count),
                  std::vector<double>(count * static_cast<std::size_t>(kForceTerms)),
                  std::vector<double>(rows.size())};
  ThreadPool pool(threads);
  field.evaluate_rows<double>(rows, result.total, result.terms, result.forces, pool);
  return result;
}

struct Reference {
  const char* name;
  std::size_t terms;  // without the total
};
constexpr Reference kReferences[] = {{"vacuum_ff96", 4}, {"obc1_ff96", 5}, {"obc2_ff99sbildn", 5}};

std::string alanine(const std::string& name) {
  return (shared_data("alanine_dipeptide") / name).string();
}

/// Largest difference over the size of the numbers themselves.
void expect_close(const std::vector<double>& got, const std::vector<double>& expected,
                  double tolerance, double scale = 1.0) {
  ASSERT_EQ(got.size(), expected.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i)
    worst = std::max(worst, std::abs(got[i] - expected[i]) / (scale + std::abs(expected[i])));
  EXPECT_LT(worst, tolerance);
}

TEST(ForceField, AgreesWithOpenMMTermByTerm) {
  if (const std::string why = absence_of(shared_data("alanine_dipeptide")); !why.empty())
    GTEST_SKIP() << why;
  for (const Reference& reference : kReferences) {
    SCOPED_TRACE(reference.name);
    const auto file = [&](const char* kind) {
      return read_npy(alanine(fmt::format("reference_{}_{}.npy", reference.name, kind))).values;
    };
    const ForceField field(
        read_openmm_system(alanine(fmt::format("system_{}.xml", reference.name))));
    const auto got = energies_of(field, file("positions_nm"));
    const auto energies = file("energies"), forces = file("forces");
    const std::size_t columns = reference.terms + 1, count = got.total.size(), width = 66;
    ASSERT_EQ(energies.size(), count * columns);
    for (std::size_t term = 0; term < reference.terms; ++term) {
      std::vector<double> ours, theirs;
      for (std::size_t i = 0; i < count; ++i) {
        ours.push_back(got.terms[i * static_cast<std::size_t>(kForceTerms) + term]);
        theirs.push_back(energies[i * columns + term]);
      }
      expect_close(ours, theirs, 1e-9);
    }
    std::vector<double> total, total_forces;
    for (std::size_t i = 0; i < count; ++i) {
      total.push_back(energies[i * columns + reference.terms]);
      const auto row =
          forces.begin() + static_cast<std::ptrdiff_t>((i * columns + reference.terms) * width);
      total_forces.insert(total_forces.end(), row, row + static_cast<std::ptrdiff_t>(width));
    }
    expect_close(got.total, total, 1e-9);
    expect_close(got.forces, total_forces, 1e-9, 10.0);
  }
}

TEST(ForceField, ATopologyOfAmberIsTheSystemThatOpenMMMakesOfIt) {
  if (const std::string why = absence_of(shared_data("alanine_dipeptide")); !why.empty())
    GTEST_SKIP() << why;
  for (const auto& [solvent, name] : {std::pair{"none", "vacuum"}, std::pair{"obc1", "obc1"}}) {
    const AmberTopology topology =
        read_amber_topology(alanine("alanine-dipeptide.prmtop"), solvent);
    const ForceField ours(topology.system);
    const ForceField theirs(read_openmm_system(alanine(fmt::format("system_{}_ff96.xml", name))));
    const auto rows = read_npy(alanine("reference_vacuum_ff96_positions_nm.npy")).values;
    const auto a = energies_of(ours, rows), b = energies_of(theirs, rows);
    // The file has eight digits of each parameter.
    expect_close(a.terms, b.terms, 1e-6);
    expect_close(a.forces, b.forces, 1e-6, 10.0);
    EXPECT_EQ(topology.atoms[8].name, "CA");
    EXPECT_EQ(topology.atoms[8].residue, "ALA");
    EXPECT_EQ(topology.atoms[8].element, "C");
    EXPECT_EQ(topology.atoms[21].residue, "NME");
  }
}

/// One configuration's energy of a system.
double energy_of(const MolecularSystem& system, const std::vector<double>& row) {
  return energies_of(ForceField(system), row).total[0];
}

TEST(ForceField, EachTermHasItsClosedForm) {
  MolecularSystem two{.source = "two atoms", .masses = {1.0, 1.0}};
  const std::vector<double> apart = {0.1, 0.2, 0.3, 0.1, 0.5, 0.7};  // by 0.5
  two.bonds = {{{0, 1}, 0.3, 1000.0}};
  EXPECT_NEAR(energy_of(two, apart), 500.0 * 0.04, 1e-12);
  two.bonds.clear();
  two.pairs = {{{0, 1}, 0.0, 0.0, 138.935456 * -0.5}};
  EXPECT_NEAR(energy_of(two, apart), -138.935456, 1e-10);
  // Lennard-Jones has -epsilon at 2^(1/6) sigma.
  const double sigma = 0.5 / std::pow(2.0, 1.0 / 6.0), sixth = std::pow(sigma, 6);
  two.pairs = {{{0, 1}, 4.0 * 0.7 * sixth * sixth, 4.0 * 0.7 * sixth, 0.0}};
  EXPECT_NEAR(energy_of(two, apart), -0.7, 1e-12);

  MolecularSystem three{.source = "three atoms", .masses = {1.0, 1.0, 1.0}};
  three.angles = {{{0, 1, 2}, 2.0, 300.0}};
  for (const double theta : {1e-6, 0.3, 0.5 * std::numbers::pi, 2.5, std::numbers::pi - 1e-6}) {
    const std::vector<double> row = {
        0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2 * std::cos(theta), 0.2 * std::sin(theta), 0.0};
    EXPECT_NEAR(energy_of(three, row), 150.0 * (theta - 2.0) * (theta - 2.0), 1e-8) << theta;
  }

  // Looked at along the middle bond, the fourth atom is turned clockwise by phi.
  MolecularSystem four{.source = "four atoms", .masses = {1.0, 1.0, 1.0, 1.0}};
  for (std::int32_t n = 1; n <= 6; ++n)
    for (const double phi : {-3.0, -1.1, 0.0, 0.4, 2.2}) {
      four.torsions = {{{0, 1, 2, 3}, n, 0.7, 5.0}, {{0, 1, 2, 3}, 2, -0.4, 3.0}};
      const std::vector<double> row = {
          0.1, 0.0, -0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.15, 0.2 * std::cos(phi), 0.2 * std::sin(phi),
          0.2};
      const double expected =
          5.0 * (1.0 + std::cos(n * phi - 0.7)) + 3.0 * (1.0 + std::cos(2.0 * phi + 0.4));
      EXPECT_NEAR(energy_of(four, row), expected, 1e-12) << n << " " << phi;
    }
}

/// The implicit solvent of two atoms, as its definition says it.
double born_energy(const GeneralisedBorn& s, double r) {
  double born[2], energy = 0.0;
  for (std::size_t i = 0; i < 2; ++i) {
    const double o = s.radius[i], other = s.scaled_radius[1 - i];
    double sum = 0.0;
    if (r + other > o) {
      const double u = r + other, l = std::max(o, std::abs(r - other));
      sum = 1 / l - 1 / u + (r - other * other / r) * (1 / (u * u) - 1 / (l * l)) / 4 +
            std::log(l / u) / (2 * r);
      if (s.engulfed && o < other - r) sum += 2 * (1 / o - 1 / l);
    }
    const double psi = 0.5 * o * sum, whole = o + s.offset;
    born[i] =
        1 /
        (1 / o - std::tanh(s.alpha * psi - s.beta * psi * psi + s.gamma * psi * psi * psi) / whole);
    energy += -0.5 * s.solvation * s.charge[i] * s.charge[i] / born[i] +
              s.surface * std::pow(whole + s.probe, 2) * std::pow(whole / born[i], 6);
  }
  const double product = born[0] * born[1];
  const double f = std::sqrt(r * r + product * std::exp(-r * r / (4 * product)));
  return energy - s.solvation * s.charge[0] * s.charge[1] / f;
}

/// The second atom's sphere can swallow the first.
MolecularSystem two_in_solvent(bool engulfed) {
  MolecularSystem two{.source = "two atoms", .masses = {1.0, 1.0}};
  two.solvent = GeneralisedBorn{.solvation = 137.0,
                                .surface = 28.0,
                                .engulfed = engulfed,
                                .charge = {0.4, -0.9},
                                .radius = {0.06, 0.21},
                                .scaled_radius = {0.05, 0.17}};
  return two;
}

TEST(ForceField, TheSolventIsItsDefinition) {
  for (const bool engulfed : {false, true})
    for (const double r : {0.05, 0.08, 0.12, 0.3, 0.3401, 0.4, 0.7, 1.5}) {
      const MolecularSystem two = two_in_solvent(engulfed);
      const ForceField field(two);
      const double h = 1e-6;
      const auto at = [&](double x) {
        return energies_of(field, {0.0, 0.0, 0.0, 0.6 * x, 0.0, 0.8 * x});
      };
      EXPECT_NEAR(at(r).total[0], born_energy(*two.solvent, r), 1e-10) << r;
      const double slope =
          (born_energy(*two.solvent, r + h) - born_energy(*two.solvent, r - h)) / (2.0 * h);
      EXPECT_NEAR(at(r).forces[0], 0.6 * slope, 1e-5 * (1.0 + std::abs(slope))) << r;
      EXPECT_NEAR(at(r).forces[5], -0.8 * slope, 1e-5 * (1.0 + std::abs(slope))) << r;
    }
}

TEST(ForceField, NearAndFarPairsInOneVectorDoNotDependOnEachOther) {
  ThreadPool pool(1);
  for (const bool engulfed : {false, true}) {
    const MolecularSystem two = two_in_solvent(engulfed);
    const ForceField field(two);
    std::vector<double> rows;
    for (int k = 0; k < 48; ++k)
      rows.insert(rows.end(), {0.0, 0.0, 0.0, 0.02 + 0.05 * (k % 11), 0.0, 0.0});
    const auto check = [&]<typename T>(T, double tolerance) {
      const auto evaluate = [&](std::span<const double> of) {
        const std::vector<T> narrow(of.begin(), of.end());
        std::pair<std::vector<double>, std::vector<T>> found{std::vector<double>(of.size() / 6),
                                                             std::vector<T>(of.size())};
        field.evaluate_rows<T>(narrow, found.first, {}, found.second, pool);
        return found;
      };
      const auto together = evaluate(rows);
      for (std::size_t k = 0; k < 48; ++k) {
        const auto alone = evaluate(std::span(rows).subspan(6 * k, 6));
        const double r = rows[6 * k + 3];
        EXPECT_EQ(alone.first[0], together.first[k]) << r;
        EXPECT_EQ(alone.second[3], together.second[6 * k + 3]) << r;
        EXPECT_NEAR(together.first[k], born_energy(*two.solvent, r), tolerance) << r;
      }
    };
    check(double{}, 1e-10);
    check(float{}, 2e-3);  // of -284: seven digits, of numbers that cancel near atoms
  }
}

TEST(ForceField, ForcesAreMinusTheSlopesAndSumToNothing) {
  const MolecularSystem system = small_molecule(true);
  const ForceField field(system);
  const std::vector<double> rows = small_molecule_rows(3, 0.02);
  const auto at = energies_of(field, rows);
  const std::size_t width = static_cast<std::size_t>(field.coordinates());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double h = 1e-6;
    const auto moved = [&](double by) {
      std::vector<double> row(rows.begin() + static_cast<std::ptrdiff_t>(i / width * width),
                              rows.begin() + static_cast<std::ptrdiff_t>((i / width + 1) * width));
      row[i % width] += by;
      return energy_of(system, row);
    };
    const double force = -(moved(h) - moved(-h)) / (2.0 * h);
    EXPECT_NEAR(at.forces[i], force, 1e-5 * (1.0 + std::abs(force)));
  }
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t axis = 0; axis < 3; ++axis) {
      double sum = 0.0;
      for (std::size_t atom = 0; atom < width / 3; ++atom)
        sum += at.forces[row * width + 3 * atom + axis];
      EXPECT_NEAR(sum, 0.0, 1e-9);
    }
}

TEST(ForceField, VectorsOfAnyWidthAndThreadsAgree) {
  const MolecularSystem system = small_molecule(true);
  const ForceField field(system);
  const std::vector<double> rows = small_molecule_rows(37, 0.02);
  const auto one = energies_of(field, rows, 1), three = energies_of(field, rows, 3);
  EXPECT_EQ(one.total, three.total);
  EXPECT_EQ(one.forces, three.forces);

  // Alone, a row has the bits that it has among others.
  const auto width = static_cast<std::ptrdiff_t>(field.coordinates());
  const auto alone = energies_of(field, {rows.begin() + 20 * width, rows.begin() + 21 * width});
  EXPECT_EQ(alone.total[0], one.total[20]);

  // One lane is the same code without vectors.
  const ForceFieldTables<double> tables(system);
  constexpr std::int64_t kCount = 16;
  std::vector<double> x(static_cast<std::size_t>(width * kCount));
  for (std::ptrdiff_t c = 0; c < width; ++c)
    for (std::ptrdiff_t i = 0; i < kCount; ++i)
      x[static_cast<std::size_t>(c * kCount + i)] = rows[static_cast<std::size_t>(i * width + c)];
  std::vector<double> terms(static_cast<std::size_t>(kForceTerms * kCount)), forces(x.size());
  std::vector<double> scratch(static_cast<std::size_t>(force_field_scratch(tables)));
  force_field_reference(tables, x.data(), kCount, terms.data(), forces.data(), scratch.data());
  for (std::size_t i = 0; i < static_cast<std::size_t>(kCount); ++i) {
    double total = 0.0;
    for (std::size_t term = 0; term < static_cast<std::size_t>(kForceTerms); ++term)
      total += terms[term * static_cast<std::size_t>(kCount) + i];
    EXPECT_NEAR(total, one.total[i], 1e-9 * (1.0 + std::abs(total)));
    EXPECT_NEAR(forces[i], one.forces[i * static_cast<std::size_t>(width)], 1e-7);
  }

  // Float has seven digits of numbers that cancel.
  std::vector<float> narrow(rows.begin(), rows.end()), narrow_forces(rows.size());
  std::vector<double> narrow_total(37);
  ThreadPool pool(1);
  field.evaluate_rows<float>(narrow, narrow_total, {}, narrow_forces, pool);
  for (std::size_t i = 0; i < 37; ++i)
    EXPECT_NEAR(narrow_total[i], one.total[i], 1e-4 * (10.0 + std::abs(one.total[i])));
  for (std::size_t i = 0; i < rows.size(); ++i)
    EXPECT_NEAR(narrow_forces[i], one.forces[i], 1e-4 * (1000.0 + std::abs(one.forces[i])));
}

TEST(ForceField, IsAnEnergyInKTOfRows) {
  const auto field = std::make_shared<ForceField>(small_molecule(true));
  const std::vector<double> rows = small_molecule_rows(5, 0.02);
  const auto at = energies_of(*field, rows);
  const ForceFieldEnergy energy(field, 300.0);
  std::vector<double> values(5), slopes(rows.size());
  energy.evaluate(rows.data(), 5, field->coordinates(), values.data(), slopes.data());
  const double kt = 0.00831446261815324 * 300.0;
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(values[i] * kt, at.total[i], 1e-9);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_NEAR(-slopes[i] * kt, at.forces[i], 1e-7);
  std::vector<double> nowhere(rows.begin(), rows.begin() + field->coordinates());
  nowhere[0] = std::nan("");
  energy.evaluate(nowhere.data(), 1, field->coordinates(), values.data(), slopes.data());
  EXPECT_EQ(values[0], std::numeric_limits<double>::infinity());
  EXPECT_EQ(slopes[4], 0.0);
  expect_parts(message_of<ConfigError>([&] { ForceFieldEnergy(field, 0.0); }), {"above 0"});
  expect_parts(message_of<ShapeError>(
                   [&] { energy.evaluate(rows.data(), 5, 7, values.data(), slopes.data()); }),
               {"expected 15 columns, got 7"});
}

TEST(ForceField, PositionsThatAreNoNumbersHaveNoEnergy) {
  // Each term alone, since any other one would tell.
  MolecularSystem bond{.source = "bond", .masses = {12.0, 12.0}}, pair = bond, solvent = bond;
  bond.bonds = {{{0, 1}, 0.1, 1000.0}};
  pair.pairs = {{{0, 1}, 1e-6, 1e-3, 10.0}};
  solvent.solvent = GeneralisedBorn{.solvation = 137.0,
                                    .charge = {0.1, 0.2},
                                    .radius = {0.15, 0.15},
                                    .scaled_radius = {0.1, 0.1}};
  for (const MolecularSystem& system : {bond, pair, solvent}) {
    const ForceField field(system);
    EXPECT_TRUE(std::isnan(energies_of(field, {0.0, 0.0, 0.0, std::nan(""), 0.0, 0.0}).total[0]));
    EXPECT_TRUE(std::isfinite(energies_of(field, {0.0, 0.0, 0.0, 0.0, 0.0, 0.0}).total[0]));
  }
}

TEST(ForceField, RefusesSystemsThatCannotBe) {
  MolecularSystem system{.source = "mine", .masses = {1.0, 1.0}};
  const auto message = [&] { return message_of<DataError>([&] { ForceField field(system); }); };
  system.bonds = {{{0, 2}, 0.1, 1.0}};
  expect_parts(message(), {"mine", "a bond", "from 0 to 1", "got 2"});
  system.bonds = {{{1, 1}, 0.1, 1.0}};
  expect_parts(message(), {"different atoms", "1 twice"});
  system.bonds = {{{0, 1}, std::nan(""), 1.0}};
  expect_parts(message(), {"finite"});
  system.bonds = {};
  system.masses[1] = 0.0;
  expect_parts(message(), {"atom 1", "mass above 0"});
}

}  // namespace
}  // namespace thalweg::testing
