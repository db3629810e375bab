// Runs of molecules from trajectories to positions: densities, samples, weights and forces, and
// files that do not belong together.
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <numbers>

#include "molecules.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/interrupts.h"
#include "thalweg/core/random.h"
#include "thalweg/io/npy.h"
#include "thalweg/io/pdb_file.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/molecules/openmm_system.h"
#include "thalweg/runs/force_metrics.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/molecular_target.h"
#include "thalweg/runs/molecule_data.h"
#include "thalweg/runs/molecule_exploration.h"
#include "thalweg/runs/molecule_metrics.h"
#include "thalweg/runs/molecule_samples.h"
#include "thalweg/runs/row_function.h"
#include "thalweg/runs/simulation.h"
#include "thalweg/runs/simulation_files.h"
#include "thalweg/runs/training_run.h"
#include "thalweg/sampling/density_potential.h"

namespace thalweg {
namespace {

TEST(DensityPotential, HasTheForcesOfALinearEnergy) {
  const ParameterStore none;
  Graph graph(none);
  const Value x = graph.input({2, 1});
  const DensityPotential potential(graph, sum(x * graph.constant({2, 1}, {-1.0, 3.0})), x, {}, 2.0,
                                   64);
  const std::vector<double> points = {0.5, 1.0, -0.25, 2.0, 0.0, 1e3};  // coordinates x rows
  std::vector<double> energies(3), forces(6);
  potential.evaluate(points.data(), 3, energies.data(), forces.data());
  EXPECT_EQ(forces, (std::vector<double>{-2.0, -2.0, -2.0, 6.0, 6.0, 6.0}));
  EXPECT_NEAR(energies[0], -2.0 * (-0.5 + 6.0), 1e-12);
}

constexpr std::int64_t kAtoms = 5, kWidth = 15;
constexpr double kTemperature = 320.0;

/// Five atoms in a chain, with a trajectory of 300 frames.
class MoleculeRun : public ::testing::Test {
 protected:
  MoleculeRun() {
    system_ = folder_.file("five.xml", testing_xml());
    rows_ = thalweg::testing::small_molecule_rows(300, 0.004);
    write_npy(trajectory(), std::vector<std::int64_t>{300, kAtoms, 3}, rows_);
    std::vector<AtomLabel> atoms;
    const char* names[] = {"C1", "C2", "N", "C3", "H"};
    for (std::size_t i = 0; i < 5; ++i)
      atoms.push_back({.name = names[i],
                       .residue = "FIV",
                       .residue_number = 1,
                       .element = std::string(1, names[i][0])});
    atoms_ = atoms;
    write_pdb(folder_.path("five.pdb"), atoms, std::span(rows_).first(kWidth));
  }

  static std::string testing_xml() { return thalweg::testing::small_system_xml(); }
  std::string trajectory() const { return folder_.path("trajectory.npy"); }

  RunRequest request(std::vector<Setting> more = {}) const {
    RunRequest request{.out = folder_.path("run"), .force = true};
    request.settings = {{"molecule.system", system_},
                        {"molecule.temperature", kTemperature},
                        {"molecule.topology", folder_.path("five.pdb")},
                        {"data.path", trajectory()},
                        {"training.iterations", std::int64_t{60}},
                        {"flow.blocks", std::int64_t{2}},
                        {"flow.hidden", std::vector<std::int64_t>{8}}};
    for (Setting& setting : more) request.settings.push_back(std::move(setting));
    return request;
  }

  LoadedRun trained(std::vector<Setting> more = {}) {
    RunPlan plan = plan_run(request(std::move(more)));
    plan.report = false;
    run_training(plan, pool_);
    return load_run(plan.out);
  }

  std::vector<double> energies_in_kt(const std::vector<double>& rows,
                                     std::vector<double>* forces = nullptr) {
    const ForceField field(read_openmm_system(system_));
    std::vector<double> energies(rows.size() / kWidth), own(rows.size());
    field.evaluate_rows<double>(rows, energies, {}, own, pool_);
    for (double& value : energies) value /= kBoltzmann * kTemperature;
    if (forces != nullptr) *forces = own;
    return energies;
  }

  void expect_failure(const std::vector<Setting>& more, const std::string& part) {
    try {
      plan_run(request(more));
      FAIL() << "expected a failure with '" << part << "'";
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find(part), std::string::npos) << text;
      EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    }
  }

  TemporaryFolder folder_;
  ThreadPool pool_{2};
  std::string system_;
  std::vector<double> rows_;
  std::vector<AtomLabel> atoms_;
};

TEST_F(MoleculeRun, GivesDensitiesOfPositions) {
  const LoadedRun run = trained();
  ASSERT_EQ(run.options.model.features, 9);
  const LogDensities found =
      log_densities(run, run.read_table(trajectory()), pool_, {.precision = Precision::kDouble});
  // Samples may have atoms that overlap, and are judged all the same.
  std::vector<double> overlap(rows_.begin(), rows_.begin() + kWidth);
  for (std::size_t i = 6; i < kWidth; ++i) overlap[i] = overlap[i - 6] + 0.001;
  write_npy(folder_.path("overlap.npy"), std::vector<std::int64_t>{1, 5, 3}, overlap);
  EXPECT_EQ(run.read_table(folder_.path("overlap.npy")).rows, 1);
  const auto potential = molecule_potential(*run.model, kTemperature);
  std::vector<double> slopes;
  const std::vector<double> direct = potential->log_prob(rows_, pool_, &slopes);
  for (std::size_t i = 0; i < direct.size(); ++i) EXPECT_NEAR(found.values[i], direct[i], 1e-9);
  // Slopes against differences.
  for (std::size_t i = 0; i < kWidth; ++i) {
    std::vector<double> up(rows_.begin(), rows_.begin() + kWidth), down = up;
    up[i] += 1e-6;
    down[i] -= 1e-6;
    const double difference =
        (potential->log_prob(up, pool_)[0] - potential->log_prob(down, pool_)[0]) / 2e-6;
    EXPECT_NEAR(slopes[i], difference, 1e-4 * (1.0 + std::abs(difference))) << i;
  }
  // The same with coordinates first, in kJ/mol.
  std::vector<double> x(2 * kWidth), energies(2), forces(2 * kWidth);
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t c = 0; c < kWidth; ++c) x[c * 2 + i] = rows_[i * kWidth + c];
  potential->evaluate(x.data(), 2, energies.data(), forces.data());
  const double kt = kBoltzmann * kTemperature;
  EXPECT_NEAR(energies[1], -kt * direct[1], 1e-9);
  EXPECT_NEAR(forces[3 * 2 + 1], kt * slopes[kWidth + 3], 1e-9);
}

TEST_F(MoleculeRun, KnowsNoRigidMotion) {
  const LoadedRun run = trained();
  const auto potential = molecule_potential(*run.model, kTemperature);
  Eigen::Quaterniond turn(0.3, -0.5, 0.7, 0.2);
  turn.normalize();
  std::vector<double> moved, slopes, moved_slopes;
  for (std::size_t i = 0; i < rows_.size(); i += 3) {
    const Eigen::Vector3d at =
        turn * Eigen::Vector3d(rows_[i], rows_[i + 1], rows_[i + 2]) + Eigen::Vector3d(1, 2, 3);
    moved.insert(moved.end(), at.data(), at.data() + 3);
  }
  const std::vector<double> here = potential->log_prob(rows_, pool_, &slopes);
  const std::vector<double> there = potential->log_prob(moved, pool_, &moved_slopes);
  for (std::size_t i = 0; i < here.size(); ++i) EXPECT_NEAR(here[i], there[i], 1e-9);
  const Eigen::Vector3d force = turn * Eigen::Vector3d(slopes[0], slopes[1], slopes[2]);
  for (std::size_t k = 0; k < 3; ++k)
    EXPECT_NEAR(moved_slopes[k], force[static_cast<std::int64_t>(k)], 1e-6);
}

TEST_F(MoleculeRun, SamplesPositionsInEveryFormat) {
  const LoadedRun run = trained();
  SampleRequest wanted{.count = 40};
  const std::vector<double> columns = sample_run(run, wanted, pool_);
  const std::vector<double> positions =
      position_rows(*run.model->flow().coordinates(), columns, pool_);
  for (const char* name : {"samples.npy", "samples.dcd", "samples.nc", "samples.pdb"}) {
    sample_to_file(run, wanted, folder_.path(name), pool_);
    const Frames frames = read_frames(folder_.path(name), kAtoms);
    ASSERT_EQ(frames.count(), 40) << name;
    // Distances are those of the columns, wherever the molecule is.
    for (std::size_t row = 0; row < 40; ++row)
      for (std::size_t atom = 1; atom < 5; ++atom) {
        const auto apart = [&](const std::vector<double>& x) {
          const double* a = &x[row * kWidth];
          const double* b = a + 3 * atom;
          return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
        };
        EXPECT_NEAR(apart(frames.positions), apart(positions), 3e-4) << name;
      }
  }
  EXPECT_FALSE(std::filesystem::exists(folder_.path("samples.npy.part")));
  // Not in place of what the run came from.
  for (const std::string& source : {folder_.path("five.pdb"), trajectory()})
    EXPECT_NE(message_of<ConfigError>([&] {
                sample_to_file(run, wanted, source, pool_);
              }).find("comes from"),
              std::string::npos);
  EXPECT_THROW(sample_to_file(run, wanted, folder_.path("samples.csv"), pool_), DataError);
  const std::string message = message_of<DataError>(
      [&] { sample_to_file(run, wanted, folder_.path("nowhere/samples.dcd"), pool_); });
  EXPECT_EQ(message, folder_.path("nowhere/samples.dcd") + ": there is no folder '" +
                         folder_.path("nowhere") + "'; create it first");
}

TEST_F(MoleculeRun, WeighsSamplesByTheForceField) {
  const LoadedRun run = trained();
  SampleRequest wanted{.sampler = "importance", .count = 50};
  const std::string out = folder_.path("weighted.npy");
  sample_to_file(run, wanted, out, pool_);
  const std::vector<double> rows = read_frames(out, kAtoms).positions;
  const std::vector<double> weights = read_npy(log_weight_path(out)).values;
  const std::vector<double> energies = energies_in_kt(rows);
  const std::vector<double> own =
      molecule_potential(*run.model, kTemperature)->log_prob(rows, pool_);
  ASSERT_EQ(weights.size(), 50U);
  for (std::size_t i = 0; i < 50; ++i)
    // Single precision of positions moves stiff energies.
    EXPECT_NEAR(weights[i], -energies[i] - own[i], 1e-2 * (1.0 + std::abs(energies[i])));
}

TEST_F(MoleculeRun, MatchesForcesOfAFileInItsFrame) {
  std::vector<double> forces;
  energies_in_kt(rows_, &forces);
  write_npy(folder_.path("forces.npy"), std::vector<std::int64_t>{300, kAtoms, 3}, forces);
  const LoadedRun run = trained({{"data.forces", folder_.path("forces.npy")}});
  EXPECT_EQ(run.options.training.objective, "force_matching");
  EXPECT_EQ(run.options.model.flow.kind, "smooth");
  const PreparedData data = *run.data();
  ASSERT_EQ(data.forces.size(), rows_.size());
  // Those of the energy itself, at positions that come from the columns.
  const std::vector<double> some(data.x.begin(), data.x.begin() + 10 * 9);
  const RunForces found = *forces_of(run, some, pool_);
  ASSERT_EQ(found.target.size(), 10U * kWidth);
  for (std::size_t i = 0; i < found.target.size(); ++i)
    EXPECT_NEAR(found.target[i], data.forces[i], 1e-6 * (1.0 + std::abs(data.forces[i]))) << i;
  // The model's are the slopes of its density.
  std::vector<double> slopes;
  const std::vector<double> positions =
      position_rows(*run.model->flow().coordinates(), some, pool_);
  molecule_potential(*run.model, kTemperature)->log_prob(positions, pool_, &slopes);
  for (std::size_t i = 0; i < slopes.size(); ++i)
    EXPECT_NEAR(found.model[i], slopes[i], 1e-6 * (1.0 + std::abs(slopes[i]))) << i;
}

TEST_F(MoleculeRun, ForcesAreNoTrajectory) {
  expect_parts(message_of<DataError>([&] {
                 trained({{"data.forces", folder_.path("forces.dcd")}});
               }),
               {"forces.dcd", ".npy", "kJ/mol/nm"});
}

TEST_F(MoleculeRun, ForcesAreThoseOfTheSystemAtTheFrames) {
  std::vector<double> forces;
  energies_in_kt(rows_, &forces);
  const auto with = [&](const char* name, const std::vector<double>& given) {
    write_npy(folder_.path(name), std::vector<std::int64_t>{300, kAtoms, 3}, given);
    return trained({{"data.forces", folder_.path(name)}}).data()->notes;
  };
  const auto scaled = [&](double factor) {
    std::vector<double> result = forces;
    for (double& force : result) force *= factor;
    return result;
  };
  EXPECT_EQ(std::ranges::count_if(with("right.npy", scaled(1.001)),
                                  [](const std::string& note) {
                                    return note.find("forces differ") != std::string::npos;
                                  }),
            0);
  EXPECT_EQ(std::ranges::count_if(with("near.npy", scaled(1.1)),
                                  [](const std::string& note) {
                                    return note.find("forces differ") != std::string::npos &&
                                           note.find("by 10 %") != std::string::npos;
                                  }),
            1);
  std::vector<double> rolled = forces, nan = forces;
  std::ranges::rotate(rolled, rolled.begin() + kWidth);
  nan[100] = NAN;
  for (const auto& [name, given] : {std::pair{"sign.npy", scaled(-1.0)},
                                    {"kt.npy", scaled(1.0 / (kBoltzmann * kTemperature))},
                                    {"rolled.npy", rolled}})
    expect_parts(message_of<DataError>([&] { with(name, given); }),
                 {name, "the forces differ", "kJ/mol/nm"});
  expect_parts(message_of<DataError>([&] { with("nan.npy", nan); }),
               {"nan.npy: frame 6, atom 3: expected finite forces"});
}

TEST_F(MoleculeRun, FramesHaveTheTemperatureThatIsSaid) {
  SimulationRequest dynamics;
  dynamics.system = system_;
  dynamics.positions = trajectory();
  dynamics.out = folder_.path("dynamics");
  dynamics.temperatures = {kTemperature};
  dynamics.replicas = 8;
  dynamics.steps = 20000;
  dynamics.equilibration = 4000;
  dynamics.frame_every = 40;
  dynamics.time_step = 0.5;
  ASSERT_TRUE(simulate(dynamics, pool_).complete);
  const std::string frames = folder_.path("dynamics/trajectory.npy");
  const auto said = [&](double temperature) {
    const RunPlan plan =
        plan_run(request({{"data.path", frames}, {"molecule.temperature", temperature}}));
    const std::vector<std::string>& notes = plan.data->notes;
    std::string text;
    for (const std::string& note : notes)
      if (note.find("virial") != std::string::npos) text += note;
    return text;
  };
  EXPECT_EQ(said(kTemperature), "");
  for (const double other : {100.0, 1000.0})
    expect_parts(said(other), {"virial temperature of ", fmt::format("{:g} K is said", other)});
}

// Far beyond all of the data, where walkers of molecular dynamics may come.
TEST_F(MoleculeRun, PushesBondsAndAnglesBack) {
  const LoadedRun run = trained({{"flow.kind", std::string("smooth")}});
  for (const ColumnOptions& column : run.options.model.columns) {
    EXPECT_EQ(column.open, !column.periodic) << column.name;
    EXPECT_EQ(column.lower, column.periodic ? -std::numbers::pi : 0.0) << column.name;
  }
  const auto flow = molecule_potential(*run.model, kTemperature);
  // The last atom along its bond, of a deviation of about 0.006 nm, and about the one before.
  const Eigen::Map<const Eigen::Vector3d> third(&rows_[9]), fourth(&rows_[12]), second(&rows_[6]);
  const Eigen::Vector3d bond = fourth - third;
  const Eigen::Vector3d axis = bond.cross(second - third).normalized();
  const auto log_prob = [&](double stretch, double turn) {
    std::vector<double> x(rows_.begin(), rows_.begin() + kWidth);
    const Eigen::Vector3d moved =
        third + Eigen::AngleAxisd(turn, axis) * bond * (1.0 + stretch / bond.norm());
    std::copy_n(moved.data(), 3, &x[12]);
    std::vector<double> slopes;
    ThreadPool pool(1);
    const double value = flow->log_prob(x, pool, &slopes)[0];
    for (const double slope : slopes) EXPECT_TRUE(std::isfinite(slope));
    return value;
  };
  for (const double sign : {-1.0, 1.0}) {
    double before = log_prob(sign * 0.03, 0.0), turned = log_prob(0.0, sign * 0.25);
    for (int step = 1; step < 6; ++step) {
      const double now = log_prob(sign * (0.03 + 0.008 * step), 0.0);
      EXPECT_LT(now, before - 1.0) << sign << " " << step;
      before = now;
      const double next = log_prob(0.0, sign * (0.25 + 0.07 * step));
      EXPECT_LT(next, turned - 1.0) << sign << " " << step;
      turned = next;
    }
  }
}

// Torsions as numbers: all flows and bases take them, cut where there are no data.
TEST_F(MoleculeRun, LearnsTorsionsOnALine) {
  const LoadedRun run = trained({{"molecule.torsions", std::string("line")},
                                 {"flow.kind", std::string("real_nvp")},
                                 {"flow.permutation", std::string("lu")},
                                 {"flow.act_norm", true},
                                 {"base.kind", std::string("resampled")},
                                 {"base.hidden", std::vector<std::int64_t>{8}}});
  const std::vector<double>& middles = run.options.model.molecule.torsion_centres;
  ASSERT_EQ(middles.size(), 2U);
  for (const ColumnOptions& column : run.options.model.columns) EXPECT_FALSE(column.periodic);
  const PreparedData data = *run.data();
  for (const TorsionRows& torsion : torsion_rows(run, data.x)) {
    double sine = 0.0, cosine = 0.0;
    for (const double value : torsion.values) {
      sine += std::sin(value);
      cosine += std::cos(value);
    }
    const double mean = std::atan2(sine, cosine);
    EXPECT_TRUE(std::ranges::any_of(middles,
                                    [&](double middle) { return std::abs(middle - mean) < 1e-9; }));
    for (const double value : torsion.values) EXPECT_LE(std::abs(value - mean), std::numbers::pi);
  }
  const LogDensities found =
      log_densities(run, run.read_table(trajectory()), pool_, {.precision = Precision::kDouble});
  const std::vector<double> direct =
      molecule_potential(*run.model, kTemperature)->log_prob(rows_, pool_);
  for (std::size_t i = 0; i < direct.size(); ++i) EXPECT_NEAR(found.values[i], direct[i], 1e-9);
}

/// Five atoms, four of them anchors: the same density of positions by the run, by the force that
/// comes with it and by the flow that moves atoms.
TEST_F(MoleculeRun, LearnsPrincipalComponentsOfAnchors) {
  const std::string z_matrix =
      folder_.file("z.csv", "atom,bond_to,angle_to,dihedral_to\n4,3,2,1\n");
  const std::vector<Setting> settings = {{"molecule.z_matrix", z_matrix},
                                         {"molecule.anchors", std::string("principal")},
                                         {"molecule.torsions", std::string("line")}};
  const LoadedRun run = trained(settings);
  const InternalCoordinates& map = *run.model->flow().coordinates();
  ASSERT_NE(map.anchors(), nullptr);
  EXPECT_EQ(map.anchors()->atoms(), 4);
  std::vector<std::string> names;
  for (const ColumnOptions& column : run.options.model.columns) names.push_back(column.name);
  std::ranges::sort(names);
  EXPECT_EQ(names[1], "bond 1:H-1:C3");
  EXPECT_EQ(names[2], "component 1");
  // Components have the mean 0, no correlation, and variances that fall.
  const std::vector<double> rows = internal_rows(map, rows_, pool_);
  std::vector<std::size_t> places;
  for (int number = 0; number < 6; ++number)
    for (std::size_t i = 0; i < map.coordinates().size(); ++i)
      if (map.coordinates()[i].kind == InternalKind::kComponent &&
          map.coordinates()[i].row.atom == number)
        places.push_back(i);
  ASSERT_EQ(places.size(), 6U);
  const auto moment = [&](std::size_t a, std::size_t b) {
    double sum = 0.0;
    for (std::size_t row = 0; row < rows.size(); row += 9) sum += rows[row + a] * rows[row + b];
    return sum / 300.0;
  };
  for (std::size_t i = 0; i < 6; ++i) {
    double mean = 0.0;
    for (std::size_t row = 0; row < rows.size(); row += 9) mean += rows[row + places[i]] / 300.0;
    EXPECT_NEAR(mean, 0.0, 2e-9);
    for (std::size_t j = 0; j < i; ++j) EXPECT_NEAR(moment(places[i], places[j]), 0.0, 1e-15);
    if (i > 0) {
      EXPECT_GE(moment(places[i - 1], places[i - 1]), moment(places[i], places[i]));
    }
  }
  const LogDensities found =
      log_densities(run, run.read_table(trajectory()), pool_, {.precision = Precision::kDouble});
  const std::vector<double> direct =
      molecule_potential(*run.model, kTemperature)->log_prob(rows_, pool_);
  for (std::size_t i = 0; i < direct.size(); ++i) EXPECT_NEAR(found.values[i], direct[i], 1e-9);
  // A density in the frame, of components and of three numbers of the fifth atom: the one of the
  // columns without the bond's r^2 sin(theta).
  const std::vector<double> volumes = log_volumes(map, rows, pool_);
  const std::vector<double> of_frame = log_volumes(map, rows, pool_, VolumePart::kFrame);
  for (std::size_t row = 0; row < 300; ++row) {
    double own = 0.0;
    for (std::size_t i = 0; i < 9; ++i) {
      const double value = rows[9 * row + i];
      if (map.coordinates()[i].kind == InternalKind::kBond) own += 2.0 * std::log(value);
      if (map.coordinates()[i].kind == InternalKind::kAngle) own += std::log(std::sin(value));
    }
    EXPECT_NEAR(volumes[row] - of_frame[row], own, 1e-12);
  }
  const Evaluation evaluation = evaluate_run(run, run.data(), pool_);
  EXPECT_TRUE(std::ranges::any_of(evaluation.metrics, [](const Metric& metric) {
    return metric.label == "mean log likelihood in the frame of the anchors";
  }));
  EXPECT_TRUE(std::ranges::any_of(evaluation.metrics, [](const Metric& metric) {
    return metric.name == "lost_draws" && metric.value < 0.05;
  }));
  std::vector<Setting> bad = settings;
  bad[0] = {"molecule.z_matrix", std::string()};
  expect_failure(bad, "molecule.anchors");
  bad = settings;
  bad.push_back({"molecule.anchor_reference", std::vector<double>(12, 0.1)});
  expect_failure(bad, "molecule.anchor_reference: is found from the data");
  bad[1] = {"molecule.anchors", std::string("internal")};
  bad.back() = {"molecule.rows", run.options.model.molecule.rows};
  bad.push_back({"molecule.anchor_reference", map.anchors()->reference()});
  expect_failure(bad, "is another way to place the anchors");
  // A frame whose anchors are on a line is of no components.
  std::vector<double> line(rows_.begin(), rows_.begin() + 2 * kWidth);
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t axis = 0; axis < 3; ++axis)
      line[kWidth + 3 * i + axis] = axis == 0 ? 0.14 * static_cast<double>(i) : 0.0;
  write_npy(folder_.path("line.npy"), std::vector<std::int64_t>{2, kAtoms, 3}, line);
  EXPECT_NE(message_of<DataError>([&] {
              run.read_table(folder_.path("line.npy"));
            }).find("line.npy: frame 1: the anchors cannot be superposed"),
            std::string::npos);
  // Anchors need no bonds to each other.
  bad = settings;
  bad[0] = {"molecule.z_matrix",
            folder_.file("gaps.csv", "atom,bond_to,angle_to,dihedral_to\n1,0,2,4\n3,2,0,4\n")};
  EXPECT_EQ(plan_run(request(bad)).data->columns.size(), 9U);
  bad[1] = {"molecule.anchors", std::string("internal")};
  expect_failure(bad, "to which it is not bonded");
  folder_.file("all.csv",
               "atom,bond_to,angle_to,dihedral_to\n0,-1,-1,-1\n1,0,-1,-1\n2,1,0,-1\n3,2,1,0\n"
               "4,3,2,1\n");
  bad = settings;
  bad[0] = {"molecule.z_matrix", folder_.path("all.csv")};
  expect_failure(bad, "no row for, got 0 of them");
}

/// Forces of the frames, turned to the anchors' frame, are those of the system there.
TEST_F(MoleculeRun, TurnsForcesToTheFrameOfAnchors) {
  std::vector<double> forces;
  energies_in_kt(rows_, &forces);
  write_npy(folder_.path("forces.npy"), std::vector<std::int64_t>{300, kAtoms, 3}, forces);
  const std::string z_matrix =
      folder_.file("z.csv", "atom,bond_to,angle_to,dihedral_to\n4,3,2,1\n");
  const LoadedRun run = trained({{"molecule.z_matrix", z_matrix},
                                 {"molecule.anchors", std::string("principal")},
                                 {"flow.kind", std::string("smooth")},
                                 {"data.forces", folder_.path("forces.npy")},
                                 {"training.objective", std::string("force_matching")}});
  const PreparedData data = *run.data();
  const InternalCoordinates& map = *run.model->flow().coordinates();
  std::vector<double> at_frame;
  energies_in_kt(position_rows(map, data.x, pool_), &at_frame);
  ASSERT_EQ(data.forces.size(), at_frame.size());
  for (std::size_t i = 0; i < at_frame.size(); ++i)
    EXPECT_NEAR(data.forces[i], at_frame[i] / (kBoltzmann * kTemperature),
                1e-6 * (1.0 + std::abs(data.forces[i])));
}

// Energies as the tempered ones of reverse KL: by hand above the cut, as they are below.
TEST_F(MoleculeRun, TempersHighEnergiesInTraining) {
  const auto field = std::make_shared<ForceField>(read_openmm_system(system_));
  const auto target = make_molecular_target(field, kTemperature);
  const std::vector<double> some(rows_.begin(), rows_.begin() + 20 * kWidth);
  const std::vector<double> energies = energies_in_kt(some);
  std::vector<double> sorted = energies;
  std::ranges::sort(sorted);
  const double cut = sorted[10];
  const std::vector<double> tempered =
      target_log_density(with_logarithmic_energy(target, cut), pool_)(some);
  for (std::size_t i = 0; i < energies.size(); ++i)
    EXPECT_NEAR(-tempered[i],
                energies[i] > cut ? cut + std::log(1.0 + energies[i] - cut) : energies[i], 1e-6);
  const LoadedRun run = trained({{"training.objective", std::string("reverse_kl")},
                                 {"molecule.energy_cut", 100.0},
                                 {"molecule.torsions", std::string("line")},
                                 {"flow.kind", std::string("real_nvp")},
                                 {"precision", std::string("double")}});
  EXPECT_EQ(run.manifest.status, "finished");
  expect_failure({{"molecule.energy_cut", 100.0},
                  {"molecule.torsions", std::string("line")},
                  {"flow.kind", std::string("real_nvp")},
                  {"stochastic.kind", std::vector<std::string>{"metropolis"}}},
                 "molecule.energy_cut");
}

/// An alpha carbon with its four neighbours, one frame after the other, in the L form.
std::vector<double> alpha_carbon_rows(std::size_t count) {
  const double arms[4][3] = {
      {0.0, 0.0, 0.147}, {0.144, 0.0, -0.05}, {-0.07, 0.125, -0.05}, {-0.05, -0.09, -0.035}};
  RandomSequence random(3, Stream::kEvaluation, 5);
  std::vector<double> rows;
  for (std::size_t frame = 0; frame < count; ++frame)
    for (std::size_t atom = 0; atom < 5; ++atom)
      for (std::size_t axis = 0; axis < 3; ++axis)
        rows.push_back((atom == 0 ? 0.0 : arms[atom - 1][axis]) + 0.003 * random.normal());
  return rows;
}

TEST_F(MoleculeRun, KeepsTheFormOfAlphaCarbonsIfAsked) {
  const std::vector<double> rows = alpha_carbon_rows(300);
  std::vector<AtomLabel> atoms;
  for (const char* name : {"CA", "N", "C", "CB", "HA"})
    atoms.push_back(
        {.name = name, .residue = "ALA", .residue_number = 1, .element = std::string(1, name[0])});
  const std::string topology = folder_.path("ala.pdb"), path = folder_.path("ala.npy");
  write_pdb(topology, atoms, std::span(rows).first(kWidth));
  write_npy(path, std::vector<std::int64_t>{300, kAtoms, 3}, rows);
  RunRequest asked{.out = folder_.path("ala"), .force = true};
  asked.settings = {{"molecule.topology", topology},
                    {"data.path", path},
                    {"molecule.chirality", std::string("fixed")},
                    {"training.iterations", std::int64_t{5}},
                    {"flow.blocks", std::int64_t{2}},
                    {"flow.hidden", std::vector<std::int64_t>{8}}};
  for (const char* kind : {"spline", "smooth"}) {
    RunRequest request = asked;
    request.settings.push_back({"flow.kind", std::string(kind)});
    RunPlan plan = plan_run(request);
    plan.report = false;
    run_training(plan, pool_);
    const LoadedRun run = load_run(plan.out);
    EXPECT_EQ(std::ranges::count_if(run.options.model.columns,
                                    [](const ColumnOptions& each) { return each.periodic; }),
              1);
    // Hardly trained, and yet no sample is of the other form.
    SampleRequest wanted{.count = 2000};
    const std::vector<double> drawn =
        position_rows(*run.model->flow().coordinates(), sample_run(run, wanted, pool_), pool_);
    const double form = chirality(run, rows).front();
    for (const double own : chirality(run, drawn)) EXPECT_EQ(own, form);
    // Mirror images have no density.
    std::vector<double> mirrored = rows;
    for (std::size_t i = 0; i < mirrored.size(); i += 3) mirrored[i] = -mirrored[i];
    write_npy(folder_.path("mirrored.npy"), std::vector<std::int64_t>{300, kAtoms, 3}, mirrored);
    for (const double value :
         log_densities(run, run.read_table(folder_.path("mirrored.npy")), pool_).values)
      EXPECT_EQ(value, -INFINITY);
  }
  // One frame of the other form.
  std::vector<double> mixed = rows;
  for (std::size_t i = 7 * kWidth; i < 8 * kWidth; i += 3) mixed[i] = -mixed[i];
  write_npy(path, std::vector<std::int64_t>{300, kAtoms, 3}, mixed);
  const std::string message = message_of<DataError>([&] { plan_run(asked); });
  EXPECT_NE(message.find("frame 7"), std::string::npos) << message;
  EXPECT_NE(message.find("ALA 1"), std::string::npos) << message;
  expect_failure({{"molecule.chirality", std::string("fixed")}}, "molecule.chirality");
  // Where both may be, it is said.
  const auto is_said = [&] {
    RunRequest request = asked;
    request.settings[2].value = std::string("free");
    const std::string notes = fmt::format("{}", fmt::join(plan_run(request).data->notes, "; "));
    return notes.find("of ALA 1 in 1 of 300 frames has the other form") != std::string::npos;
  };
  EXPECT_TRUE(is_said());
  write_npy(path, std::vector<std::int64_t>{300, kAtoms, 3}, rows);
  EXPECT_FALSE(is_said());
}

TEST_F(MoleculeRun, LearnsForcesOfTheSystemWithoutAFile) {
  const LoadedRun run = trained({{"training.objective", std::string("force_matching")}});
  EXPECT_EQ(run.options.model.flow.kind, "smooth");
  EXPECT_EQ(run.manifest.status, "finished");
}

TEST_F(MoleculeRun, IsSimulatedWhereThereAreNoPositions) {
  RunRequest asked = request();
  std::erase_if(asked.settings, [](const Setting& each) { return each.key == "data.path"; });
  asked.settings.push_back({"exploration.evaluations", std::int64_t{64 * 40}});
  EXPECT_FALSE(wants_positions(request()));
  ASSERT_TRUE(wants_positions(asked));
  RunRequest given = asked;
  int looks = 0;
  const auto begun = [&] {
    return std::filesystem::exists(folder_.path("run-md/state.safetensors"));
  };
  asked.force = given.force = true;
  EXPECT_FALSE(
      give_positions(given, pool_, {.interrupted = [&] { return begun() && looks++ > 0; }}));
  // The same again goes on with it, as the message says.
  const auto step = [&] {
    return read_simulation_state(folder_.path("run-md/state.safetensors")).step;
  };
  const std::int64_t made = step();
  EXPECT_GT(made, 0);
  given = asked;
  EXPECT_FALSE(give_positions(given, pool_, {.interrupted = [] { return true; }}));
  EXPECT_GE(step(), made);
  // From other positions it begins anew, as --force says.
  std::string moved;
  for (const Setting& each : asked.settings)
    if (each.key == "molecule.topology") moved = std::get<std::string>(each.value);
  ASSERT_FALSE(moved.empty());
  const std::string before = read_bytes(moved);
  std::ofstream(moved) << "REMARK moved\n" << before;
  given = asked;
  EXPECT_THROW(give_positions(given, pool_, {.interrupted = [] { return true; }}),
               InterruptedError);
  std::ofstream(moved) << before;
  asked.force = false;
  // Without --force other contents of the files are refused, and so is a long simulation with the
  // frames of a short one.
  given = asked;
  EXPECT_FALSE(give_positions(given, pool_, {.interrupted = [&] { return begun(); }}));
  std::ofstream(moved) << "REMARK moved\n" << before;
  given = asked;
  EXPECT_NE(message_of<ConfigError>([&] { give_positions(given, pool_); }).find("contents"),
            std::string::npos);
  std::ofstream(moved) << before;
  given = asked;
  given.settings.back() = {"exploration.evaluations", std::int64_t{64 * 200000}};
  EXPECT_NE(message_of<ConfigError>([&] { give_positions(given, pool_); }).find("a frame each"),
            std::string::npos);
  std::vector<std::string> notes;
  const SimulationCallbacks callbacks{
      .note = [&](const std::string& text) { notes.push_back(text); }};
  given = asked;
  ASSERT_TRUE(give_positions(given, pool_, callbacks));
  EXPECT_NE(notes.at(0).find("no --data"), std::string::npos);
  const std::string bytes = read_bytes(folder_.path("run-md/trajectory.npy"));
  EXPECT_FALSE(wants_positions(given));
  EXPECT_EQ(given.out, folder_.path("run"));
  const RunPlan plan = plan_run(given);
  EXPECT_EQ(plan.data->rows, 640);
  EXPECT_EQ(plan.options.data.path, folder_.path("run-md/trajectory.npy"));
  EXPECT_EQ(plan.options.training.objective, "force_matching");
  EXPECT_EQ(plan.options.model.flow.kind, "smooth");
  EXPECT_EQ(plan.options.exploration.evaluations, 0);
  // What came to its end is taken as it is, if it is of this temperature.
  given = asked;
  given.settings.push_back({"training.objective", std::string("maximum_likelihood")});
  ASSERT_TRUE(give_positions(given, pool_));
  EXPECT_EQ(read_bytes(folder_.path("run-md/trajectory.npy")), bytes);
  EXPECT_EQ(plan_run(given).options.training.objective, "maximum_likelihood");
  given = asked;
  given.settings.push_back({"molecule.temperature", 400.0});
  EXPECT_NE(message_of<ConfigError>([&] { give_positions(given, pool_); }).find("--force"),
            std::string::npos);
  given = asked;
  std::erase_if(given.settings,
                [](const Setting& each) { return each.key == "molecule.topology"; });
  EXPECT_NE(message_of<ConfigError>([&] { give_positions(given, pool_); }).find("--topology"),
            std::string::npos);
}

// Without a name the run has that of the system, also once it was simulated.
TEST_F(MoleculeRun, HasTheNameOfItsSystem) {
  RunRequest asked = request();
  asked.out.clear();
  EXPECT_EQ(plan_run(asked).out, "runs/trajectory");
  std::erase_if(asked.settings, [](const Setting& each) { return each.key == "data.path"; });
  EXPECT_EQ(read_layers(asked).out, "runs/five");
  asked.out = folder_.path("run") + "//";
  EXPECT_EQ(read_layers(asked).out, folder_.path("run"));
}

TEST_F(MoleculeRun, SaysWhereBondsAreHeld) {
  const auto notes = [&](double noise) {
    write_npy(folder_.path("trajectory.npy"), std::vector<std::int64_t>{300, kAtoms, 3},
              testing::small_molecule_rows(300, noise));
    return fmt::format("{}", fmt::join(plan_run(request()).data->notes, "; "));
  };
  EXPECT_EQ(notes(0.004).find("constraints"), std::string::npos);
  EXPECT_NE(notes(1e-5).find("constraints"), std::string::npos);
}

TEST_F(MoleculeRun, IsEvaluatedAndNamed) {
  const LoadedRun run = trained();
  const Evaluation evaluation = evaluate_run(run, run.data(), pool_);
  const auto has = [&](const std::string& name) {
    return std::ranges::any_of(evaluation.metrics,
                               [&](const Metric& metric) { return metric.name == name; });
  };
  for (const char* name : {"log_likelihood", "torsion_variation", "torsion_divergence",
                           "median_energy", "energy_variation", "force_error",
                           "marginal_divergence", "median_marginal_divergence", "marginal_chance"})
    EXPECT_TRUE(has(name)) << name;
  EXPECT_FALSE(has("marginal_divergence_as_published"));
  const Evaluation published = evaluate_run(run, run.data(), pool_, {.as_published = true});
  for (const TorsionRows& torsion : torsion_rows(run, run.data()->x))
    for (const char* kind : {"divergence of ", "published divergence of "})
      EXPECT_TRUE(std::ranges::any_of(published.metrics, [&](const Metric& metric) {
        return metric.name == kind + torsion.name && std::isfinite(metric.value);
      })) << torsion.name;
  std::vector<std::string> names;
  for (const ColumnOptions& column : run.options.model.columns) {
    names.push_back(column.name);
    EXPECT_TRUE(std::isfinite(column.lower) &&
                std::isfinite(column.upper) == !column.name.starts_with("bond"))
        << column.name;
    EXPECT_EQ(column.periodic, column.name.starts_with("torsion")) << column.name;
  }
  EXPECT_NE(std::ranges::find(names, "bond 1:C1-1:C2"), names.end());
  // The first three atoms: by distances and the sine of the angle at the one between.
  const InternalCoordinates& map = *run.model->flow().coordinates();
  const auto at = [&](std::int32_t atom) {
    return Eigen::Vector3d(&rows_[3 * static_cast<std::size_t>(atom)]);
  };
  const ZMatrixRow second = map.rows()[1], third = map.rows()[2];
  const Eigen::Vector3d u = at(third.atom) - at(third.bond_to);
  const Eigen::Vector3d w = at(third.angle_to) - at(third.bond_to);
  const double r1 = (at(second.atom) - at(second.bond_to)).norm();
  const double gain = std::log(8.0 * M_PI * M_PI * r1 * r1 * u.cross(w).norm() / w.norm());
  const std::vector<double> first = internal_rows(map, std::span(rows_).first(kWidth), pool_);
  EXPECT_NEAR(frame_gain(run, first, pool_), gain, 1e-12);
  EXPECT_TRUE(has("log_likelihood_in_frame"));
}

TEST_F(MoleculeRun, RefusesFilesThatDoNotBelongTogether) {
  const auto frames = [&](const std::string& name, std::vector<double> rows, std::int64_t atoms) {
    const auto count = std::ssize(rows) / (3 * atoms);
    write_npy(folder_.path(name), std::vector<std::int64_t>{count, atoms, 3}, rows);
    return Setting{"data.path", folder_.path(name)};
  };
  std::vector<double> order = rows_;
  for (std::size_t i = 0; i < 3; ++i)
    std::swap(order[30 * kWidth + i], order[30 * kWidth + 12 + i]);
  expect_failure({frames("order.npy", order, 5)}, "in the order of the topology");
  // All frames with two atoms exchanged, whose distances bonds could have.
  std::vector<double> exchanged = rows_;
  for (std::size_t row = 0; row < exchanged.size(); row += kWidth)
    for (std::size_t i = 0; i < 3; ++i) std::swap(exchanged[row + 9 + i], exchanged[row + 12 + i]);
  expect_failure({frames("exchanged.npy", exchanged, 5)}, "in another order than");
  std::vector<double> nan = rows_;
  nan[100] = NAN;
  expect_failure({frames("nan.npy", nan, 5)}, "frame 6, atom 3: expected finite positions");
  std::vector<double> overlap = rows_;
  for (std::size_t i = 0; i < 3; ++i) overlap[i] = overlap[12 + i];
  expect_failure({frames("overlap.npy", overlap, 5)}, "frame 0: atoms 0 and 4 overlap");
  expect_failure({frames("four.npy", std::vector<double>(120, 0.1), 4)}, "5 atoms");
  const std::string whole = read_bytes(trajectory());
  expect_failure({{"data.path", folder_.file("cut.npy", whole.substr(0, whole.size() / 2))}},
                 "cut.npy");
  expect_failure({{"data.condition", std::vector<std::string>{"a"}}}, "data.condition");
  // Names in another order, and a PDB that lacks an atom.
  std::vector<AtomLabel> swapped = atoms_;
  std::swap(swapped[0], swapped[4]);
  write_pdb(folder_.path("swapped.pdb"), swapped, std::span(rows_).first(kWidth));
  expect_failure({{"molecule.topology", folder_.path("swapped.pdb")}}, "in another order");
  std::swap(swapped[0], swapped[4]);
  std::swap(swapped[0].name, swapped[1].name);
  std::vector<double> models(rows_.begin(), rows_.begin() + 30 * kWidth);
  write_pdb(folder_.path("names.pdb"), swapped, models);
  expect_failure({{"data.path", folder_.path("names.pdb")}}, "atom 0 is C1 of FIV 1 there");
  write_pdb(folder_.path("missing.pdb"), std::span(atoms_).first(4), std::span(rows_).first(12));
  expect_failure({{"molecule.topology", folder_.path("missing.pdb")}}, "expected the 5 atoms");
  // A z-matrix of other bonds.
  const std::string z =
      folder_.file("z.csv", "atom,bond_to,angle_to,dihedral_to\n0,2,1,3\n4,3,2,1\n");
  expect_failure({{"molecule.z_matrix", z}}, "to which it is not bonded");
  expect_failure({{"data.path", std::string()}}, "data");
}

TEST(Angles, AreComparedOnTheCircle) {
  // The same angles a turn apart, and two halves that do not meet.
  EXPECT_EQ(
      circle_distance(std::vector<double>{3.2, 0.1}, std::vector<double>{3.2 - 2 * M_PI, 0.1}, 60)
          .variation,
      0.0);
  const CircleDistance apart =
      circle_distance(std::vector<double>{-1.0, -1.0}, std::vector<double>{1.0, 1.0}, 10);
  EXPECT_EQ(apart.variation, 1.0);
  // All of the reference is where half a value would be: log(1 / (0.5 / 2)).
  EXPECT_NEAR(apart.divergence, std::log(4.0), 1e-12);
  const BackboneRows one{"A", {0.1, 0.2}, {1.0, 1.0}}, other{"A", {0.1, 3.0}, {1.0, 1.0}};
  EXPECT_NEAR(torus_distance(other, one, 36).variation, 0.5, 1e-12);
}

}  // namespace
}  // namespace thalweg
