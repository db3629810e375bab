// Simulations from files to files: what they leave, and that they go on to the same bits.
#include "thalweg/runs/simulation.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "molecules.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/interrupts.h"
#include "thalweg/core/random.h"
#include "thalweg/io/npy.h"
#include "thalweg/io/pdb_file.h"
#include "thalweg/io/safetensors.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/report/gnuplot.h"
#include "thalweg/runs/simulation_summary.h"
#include "thalweg/runs/training_run.h"

namespace thalweg::testing {
namespace {

namespace fs = std::filesystem;

/// A folder with the system of five atoms, and a short simulation of it.
class SimulationTest : public ::testing::Test {
 protected:
  SimulationTest() {
    request_.system = folder_.file("five.xml", small_system_xml());
    request_.positions = folder_.path("start.npy");
    write_npy(request_.positions, std::vector<std::int64_t>{5, 3}, small_molecule_rows(1, 0.0));
    request_.out = folder_.path("md");
    request_.steps = 60;
    request_.equilibration = 20;
    request_.frame_every = 10;
    request_.replicas = 3;
    request_.time_step = 0.5;
    request_.minimise = true;
    setenv("PATH", "", 1);  // pictures take longer than simulations
  }

  SimulationReport run(const SimulationRequest& request, int stop_after = -1) {
    ThreadPool pool(2);
    int looks = 0;
    bool moving = !request.minimise || request.resume;
    return simulate(
        request, pool,
        {.note = [&](const std::string& text) { moving |= text.starts_with("minimised"); },
         .interrupted = [&] { return moving && stop_after >= 0 && looks++ >= stop_after; }});
  }
  /// That the simulation that has run, stopped after so many looks and resumed, has the same bits.
  void expect_resumption(int stop_after) {
    const std::string whole = in_folder("trajectory.npy"), energies = in_folder("energies.npy");
    request_.force = true;
    EXPECT_FALSE(run(request_, stop_after).complete);
    // What is there already can be read.
    EXPECT_GT(read_npy(folder_.path("md/energies.npy")).shape[0], 0);
    SimulationRequest resumed;
    resumed.out = request_.out;
    resumed.resume = true;
    EXPECT_TRUE(run(resumed).complete);
    EXPECT_EQ(in_folder("trajectory.npy"), whole);
    EXPECT_EQ(in_folder("energies.npy"), energies);
  }
  /// The folder of a run with these settings.
  std::string trained(const std::vector<Setting>& settings) {
    ThreadPool pool(2);
    RunPlan plan = plan_run({.settings = settings, .out = folder_.path("run")});
    plan.report = false;
    run_training(plan, pool);
    return folder_.path("run");
  }
  std::string in_folder(const std::string& name) const {
    return read_bytes(folder_.path("md/" + name));
  }

  ~SimulationTest() override { setenv("PATH", path_.c_str(), 1); }

  const std::string path_ = std::getenv("PATH");
  TemporaryFolder folder_;
  SimulationRequest request_;
};

TEST_F(SimulationTest, LeavesTrajectoryEnergiesAndSummary) {
  const SimulationReport report = run(request_);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.step, 80);
  expect_parts(report.text, {"3 walkers", "at 300 K", "virial temperature"});
  const Array energies = read_npy(folder_.path("md/energies.npy"));
  EXPECT_EQ(energies.shape, (std::vector<std::int64_t>{6, 3, 3}));
  const Array trajectory = read_npy(folder_.path("md/trajectory.npy"));
  EXPECT_EQ(trajectory.shape, (std::vector<std::int64_t>{18, 5, 3}));
  // Frames are centred.
  const double masses[] = {12.0, 12.0, 14.0, 12.0, 1.0};
  double centre = 0.0;
  for (std::size_t i = 0; i < 5; ++i) centre += masses[i] * trajectory.values[3 * i];
  EXPECT_NEAR(centre, 0.0, 1e-5);
  const auto summary = nlohmann::json::parse(in_folder("summary.json"));
  EXPECT_EQ(summary["frames"], 6);
  double mean = 0.0;
  for (std::size_t i = 0; i < energies.values.size(); i += 3) mean += energies.values[i] / 18.0;
  EXPECT_NEAR(summary["temperatures"][0]["potential_kj_mol"]["mean"].get<double>(), mean, 1e-9);
  EXPECT_TRUE(fs::exists(folder_.path("md/report.html")));
}

TEST_F(SimulationTest, GoesOnToTheBitsOfNeverHavingStopped) {
  request_.temperatures = {300.0, 450.0};
  request_.exchange_every = 7;
  for (const std::string format : {"npy", "dcd", "nc"}) {
    request_.format = format;
    request_.force = true;
    run(request_);
    const std::string whole = in_folder("trajectory." + format),
                      energies = in_folder("energies.npy");

    const SimulationReport stopped = run(request_, 3);
    EXPECT_FALSE(stopped.complete);
    EXPECT_LT(stopped.step, 80);
    // What is there already can be read.
    EXPECT_GE(stopped.step, 30);
    EXPECT_GE(read_frames(folder_.path("md/trajectory." + format), 5).count(), 3);
    SimulationRequest resumed;
    resumed.out = request_.out;
    resumed.resume = true;
    EXPECT_TRUE(run(resumed).complete);
    EXPECT_EQ(in_folder("trajectory." + format), whole);
    EXPECT_EQ(in_folder("energies.npy"), energies);
  }

  // Half of it, and then more steps.
  request_.steps = 30;
  run(request_);
  SimulationRequest more;
  more.out = request_.out;
  more.resume = true;
  more.resume_steps = 60;
  run(more);
  EXPECT_EQ(read_npy(folder_.path("md/energies.npy")).shape[0], 6);
  more.resume_steps = 10;
  expect_parts(message_of<ConfigError>([&] { run(more); }), {"--steps", "60 steps already"});
  std::ofstream(request_.system) << with(small_system_xml(), "\"14.0\"", "\"15.0\"");
  more.resume_steps = 80;
  expect_parts(message_of<DataError>([&] { run(more); }), {"five.xml", "masses", "--force"});
  std::ofstream(request_.system) << with(small_system_xml(), "200000", "210000");
  more.resume_steps = 80;
  expect_parts(message_of<DataError>([&] { run(more); }), {"five.xml", "changed", "--force"});
  more.out = folder_.path("nothing");
  expect_parts(message_of<DataError>([&] { run(more); }), {"state.safetensors", "cannot read"});
}

TEST_F(SimulationTest, KeepsTheEnergyInTheMicrocanonicalEnsemble) {
  request_.ensemble = "nve";
  request_.time_step = 0.2;
  const SimulationReport report = run(request_);
  expect_parts(report.text, {"energy drift", "energy deviation"});
  const auto summary = nlohmann::json::parse(in_folder("summary.json"));
  EXPECT_LT(summary["drift"]["deviation_kj_mol"].get<double>(), 0.5);
  const Array energies = read_npy(folder_.path("md/energies.npy"));
  const auto total = [&](std::size_t frame) {
    return energies.values[frame * 9] + energies.values[frame * 9 + 1];
  };
  EXPECT_NEAR(total(5), total(0), 1.0);
}

TEST_F(SimulationTest, NamesFromAPdbGiveItsAngles) {
  setenv("PATH", path_.c_str(), 1);
  // A chain of five with the names that phi and psi need.
  std::vector<AtomLabel> atoms = {{"C", "ACE", "A", 1, "C"},
                                  {"N", "ALA", "A", 2, "N"},
                                  {"CA", "ALA", "A", 2, "C"},
                                  {"C", "ALA", "A", 2, "C"},
                                  {"N", "NME", "A", 3, "N"}};
  request_.positions = folder_.path("start.pdb");
  write_pdb(request_.positions, atoms, small_molecule_rows(1, 0.0));
  const SimulationReport report = run(request_);
  expect_parts(report.text, {"ALA 2: share of phi > 0"});
  // The second atom of the system weighs 12, the fifth 1.
  ASSERT_FALSE(report.warnings.empty());
  expect_parts(report.warnings[0], {"atom 4 is called N", "mass of 1"});
  EXPECT_EQ(read_pdb(folder_.path("md/last.pdb")).models(), 3);
  const auto summary = nlohmann::json::parse(in_folder("summary.json"));
  EXPECT_EQ(summary["backbone"][0]["residue"], "ALA 2");
  if (plotting_available()) {
    for (const char* picture : {"energy", "temperature", "ramachandran", "profile-ALA-2"})
      EXPECT_TRUE(fs::exists(folder_.path(fmt::format("md/plots/{}.png", picture)))) << picture;
  }
}

// A smooth flow of the molecule: its energy is kept as well as that of the force field, by steps of
// second order, and a simulation that stops goes on to the same bits.
TEST_F(SimulationTest, IsMovedByAFlow) {
  write_npy(folder_.path("frames.npy"), std::vector<std::int64_t>{200, 5, 3},
            small_molecule_rows(200, 0.004));
  const std::vector<Setting> training = {{"molecule.system", request_.system},
                                         {"data.path", folder_.path("frames.npy")},
                                         {"molecule.temperature", 310.0},
                                         {"training.iterations", std::int64_t{40}},
                                         {"flow.kind", std::string("smooth")},
                                         {"flow.blocks", std::int64_t{2}},
                                         {"flow.hidden", std::vector<std::int64_t>{8}}};
  request_.flow = trained(training);
  request_.positions = folder_.path("frames.npy");
  request_.ensemble = "nve";
  request_.minimise = false;
  request_.equilibration = 0;
  request_.frame_every = 1;
  request_.force = true;
  const auto deviation = [&](double time_step, std::int64_t steps) {
    request_.time_step = time_step;
    request_.steps = steps;
    const SimulationReport report = run(request_);
    EXPECT_NE(report.text.find("moved by the model"), std::string::npos);
    EXPECT_NE(report.text.find("at 310 K"), std::string::npos);  // that of the run
    const std::vector<double> energies = read_npy(folder_.path("md/energies.npy")).values;
    double largest = 0.0;
    for (std::size_t i = 0; i < energies.size(); i += 3)
      largest = std::max(
          largest, std::abs(energies[i] + energies[i + 1] - energies[i % 9] - energies[i % 9 + 1]));
    return largest;
  };
  const double coarse = deviation(0.2, 60), fine = deviation(0.1, 120);
  EXPECT_GT(coarse, 0.0);
  EXPECT_NEAR(coarse / fine, 4.0, 1.0);

  expect_resumption(2);
  request_.temperatures = {300.0};
  expect_parts(fmt::format("{}", fmt::join(run(request_).warnings, "; ")),
               {"learnt at 310 K", "at 300 K"});
  request_.solvent = "obc2";
  expect_parts(message_of<ConfigError>([&] { run(request_); }), {"--solvent"});
  request_.solvent = "none";

  request_.flow = folder_.path("nothing");
  expect_parts(message_of<DataError>([&] { run(request_); }), {"nothing"});
}

/// Points by an energy in place of atoms.
class PointsSimulation : public SimulationTest {
 protected:
  PointsSimulation() {
    request_.system = request_.positions = "";
    request_.minimise = false;
    request_.time_step = -1.0;
    request_.temperatures = {1.0};
  }
};

// BAOAB has the exact variances of harmonic energies at any stable step, T / k; by 4000 nearly
// independent points their relative errors are 2 %, so that 8 % are 4 of them: odds of 1e-4.
TEST_F(PointsSimulation, HaveTheVariancesOfAHarmonicEnergy) {
  request_.energy = "a*x^2/2 + (y-3)^2/8";
  request_.constants = "a=4";
  request_.temperatures = {0.5, 1.0};
  request_.exchange_every = 50;
  request_.time_step = 0.3;
  request_.replicas = 200;
  request_.equilibration = 200;
  request_.frame_every = 20;
  request_.steps = 400;
  const SimulationReport report = run(request_);
  expect_parts(report.text, {"points moved by a*x^2/2 + (y-3)^2/8", "at temperature 0.5",
                             "400 walkers of time 180 each"});
  const Array trajectory = read_npy(folder_.path("md/trajectory.npy"));
  ASSERT_EQ(trajectory.shape, (std::vector<std::int64_t>{20 * 200, 2}));
  double mean = 0.0, square_x = 0.0, square_y = 0.0;
  for (std::size_t i = 0; i < 4000; ++i) {
    const double x = trajectory.values[2 * i], y = trajectory.values[2 * i + 1];
    mean += y / 4000.0;
    square_x += x * x / 4000.0;
    square_y += (y - 3.0) * (y - 3.0) / 4000.0;
  }
  EXPECT_NEAR(square_x, 0.125, 0.08 * 0.125);
  EXPECT_NEAR(square_y, 2.0, 0.08 * 2.0);
  EXPECT_NEAR(mean, 3.0, 0.1);
  const auto summary = nlohmann::json::parse(in_folder("summary.json"));
  const auto& figures = summary["temperatures"][0];
  EXPECT_NEAR(figures["potential"]["mean"].get<double>(), 0.5, 0.04);
  EXPECT_NEAR(figures["virial_temperature"]["mean"].get<double>(), 0.5, 0.04);
  EXPECT_GT(figures["exchanged"].get<double>(), 0.5);
}

// An oscillator of mass 1 has the period 2 pi, and its energy is kept to second order.
TEST_F(PointsSimulation, KeepTheEnergyInUnitsOfTheirOwn) {
  request_.target = "";
  request_.energy = "x^2/2";
  request_.ensemble = "nve";
  request_.equilibration = 0;
  request_.replicas = 1;
  request_.positions = folder_.file("start.csv", "x\n1.5\n");
  request_.time_step = 2.0 * 3.14159265358979323846 / 1000.0;
  request_.steps = 2000;
  request_.frame_every = 500;
  run(request_);
  const std::vector<double> x = read_npy(folder_.path("md/trajectory.npy")).values;
  const Array energies = read_npy(folder_.path("md/energies.npy"));
  ASSERT_EQ(x.size(), 4u);
  EXPECT_NEAR(x[1], 1.5, 1e-4);
  EXPECT_NEAR(x[3], 1.5, 1e-4);
  EXPECT_NEAR(x[0], -1.5, 1e-4);
  const double total = energies.values[0] + energies.values[1];
  for (std::size_t frame = 1; frame < 4; ++frame)
    EXPECT_NEAR(energies.values[3 * frame] + energies.values[3 * frame + 1], total, 1e-5);
}

// Their virial takes the centre of mass, which nothing holds, for no freedom.
TEST_F(PointsSimulation, OfParticlesKnowNoCentre) {
  request_.target = "dw4";
  request_.replicas = 50;
  request_.steps = 4000;
  request_.equilibration = 2000;
  request_.frame_every = 200;
  const SimulationReport report = run(request_);
  const auto summary = nlohmann::json::parse(in_folder("summary.json"));
  const auto& virial = summary["temperatures"][0]["virial_temperature"];
  EXPECT_NEAR(virial["mean"].get<double>(), 1.0, 4.0 * virial["error"].get<double>());
  EXPECT_LT(virial["error"].get<double>(), 0.2);
}

// Three particles on a line, held by each other alone: their virial has two freedoms, and frames
// their centre at 0. One more that is held has none of that.
TEST_F(PointsSimulation, OfAnEnergyWithoutAPlaceAreCentred) {
  request_.energy = "(x-y)^2/2 + (y-z-1)^2/2";
  request_.positions = folder_.file("start.csv", "z,y,x\n5,6,7\n");
  request_.replicas = 50;
  request_.steps = 4000;
  request_.frame_every = 100;
  request_.time_step = 0.2;
  const SimulationReport report = run(request_);
  EXPECT_TRUE(report.warnings.empty()) << report.warnings[0];
  const auto summary = nlohmann::json::parse(in_folder("summary.json"));
  const auto& virial = summary["temperatures"][0]["virial_temperature"];
  EXPECT_NEAR(virial["mean"].get<double>(), 1.0, 4.0 * virial["error"].get<double>());
  EXPECT_LT(virial["error"].get<double>(), 0.05);
  EXPECT_FALSE(summary.contains("points_r_hat"));
  const std::vector<double> x = read_npy(folder_.path("md/trajectory.npy")).values;
  for (std::size_t i = 0; i < x.size(); i += 3) ASSERT_NEAR(x[i] + x[i + 1] + x[i + 2], 0.0, 1e-9);
  request_.energy += " + x^2/200";
  request_.force = true;
  run(request_);
  EXPECT_TRUE(nlohmann::json::parse(in_folder("summary.json")).contains("points_r_hat"));
}

// A table with the points' names is taken by these, whatever their order.
TEST_F(PointsSimulation, StartWhereATableSaysByName) {
  request_.energy = "50*(x-3)^2 + 50*(y+3)^2";
  request_.positions = folder_.file("start.csv", "note,y,x\n1,-3,3\n");
  request_.steps = 1;
  request_.frame_every = 1;
  request_.equilibration = 0;
  run(request_);
  const std::vector<double> x = read_npy(folder_.path("md/trajectory.npy")).values;
  EXPECT_NEAR(x[0], 3.0, 0.2);
  EXPECT_NEAR(x[1], -3.0, 0.2);
  request_.positions = folder_.file("texts.csv", "y,x\na,3\nb,4\n");
  request_.force = true;
  expect_parts(message_of<DataError>([&] { run(request_); }), {"texts.csv", "'y'", "numbers"});
}

// Two wells of equal energy that are never left: R-hat of the energy sees nothing, that of the
// points does.
// An array has no names but x0, x1, ..., of which some may be columns by chance.
TEST_F(PointsSimulation, OfParticlesStartFromAPlainArray) {
  request_.target = "dw4";
  request_.positions = folder_.path("start.npy");
  write_npy(request_.positions, std::vector<std::int64_t>{1, 8},
            std::vector<double>{0.0, 0.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0});
  EXPECT_NO_THROW(run(request_));
  request_.target.clear();
  request_.energy = "x^2 + y^2";
  request_.positions = folder_.file("some.csv", "x,z\n1,2\n");
  request_.force = true;
  expect_parts(message_of<DataError>([&] { run(request_); }), {"some.csv", "x, y", "x, z"});
}

TEST_F(PointsSimulation, AreWarnedOfWellsThatAreNotLeft) {
  request_.energy = "20*(x^2-4)^2";
  request_.replicas = 8;
  request_.positions = folder_.file("wells.csv", "x\n-2\n2\n");
  request_.steps = 20000;
  request_.frame_every = 100;
  const SimulationReport report = run(request_);
  ASSERT_EQ(report.warnings.size(), 1u);
  expect_parts(report.warnings[0], {"R-hat", "have not forgotten where they began"});
  const auto summary = nlohmann::json::parse(in_folder("summary.json"));
  EXPECT_LT(summary["temperatures"][0]["r_hat"].get<double>(), 1.02);
  EXPECT_GT(summary["points_r_hat"].get<double>(), 1.5);
}

TEST_F(PointsSimulation, GoOnToTheSameBits) {
  setenv("PATH", path_.c_str(), 1);
  request_.energy = "(x^2-4)^2/8 + y^2/2";
  run(request_);
  if (plotting_available()) {
    for (const char* picture : {"energy", "temperature", "points"})
      EXPECT_TRUE(fs::exists(folder_.path(fmt::format("md/plots/{}.png", picture)))) << picture;
  }
  setenv("PATH", "", 1);
  expect_resumption(3);
}

// What runs away ends the simulation, with the frames before on the disk.
TEST_F(PointsSimulation, LeaveTheFramesBeforeAWalkerIsLost) {
  request_.energy = "-exp(x^2)";
  request_.equilibration = 0;
  request_.steps = 1000000;
  request_.frame_every = 1;
  expect_parts(message_of<NumericalError>([&] { run(request_); }),
               {"walker", "frames before are in", "md"});
  const Array energies = read_npy(folder_.path("md/energies.npy"));
  EXPECT_GT(energies.shape[0], 2);
  EXPECT_EQ(read_npy(folder_.path("md/trajectory.npy")).shape[0], 3 * energies.shape[0]);
}

// Forces of 0 hold no walker before a wall, and one that came back from behind it is lost all the
// same, at the same step however often someone looks.
TEST_F(PointsSimulation, BehindAWallAreLostEvenIfTheyComeBack) {
  request_.energy = "where(x > -2.5, 0.5*x^2, inf)";
  request_.positions = folder_.file("start.csv", "x\n0.5\n");
  request_.equilibration = 0;
  request_.replicas = 1;
  request_.seed = 1;
  request_.steps = 40000;
  request_.force = true;
  std::vector<std::string> said;
  for (const std::int64_t every : {1, 10, 1000}) {
    request_.frame_every = every;
    said.push_back(message_of<NumericalError>([&] { run(request_); }));
    expect_parts(said.back(), {"walker 0", "inf at step", "wall", "frames before"});
    said.back().resize(said.back().find("; the "));
  }
  EXPECT_EQ(said[0], said[1]);
  EXPECT_EQ(said[0], said[2]);
}

TEST_F(PointsSimulation, GoToAMinimumWhateverTheirUnits) {
  request_.energy = "0.1*(x-3)^2";
  request_.positions = folder_.file("start.csv", "x\n0\n");
  request_.minimise = true;
  std::string found;
  ThreadPool pool(1);
  simulate(request_, pool, {.note = [&](const std::string& text) { found = text; }});
  expect_parts(found, {"minimised 1 frame", "the first has 0.000"});
}

TEST_F(SimulationTest, MayBeInterruptedOnItsWayToAMinimum) {
  ThreadPool pool(1);
  int looks = 0;
  EXPECT_THROW(simulate(request_, pool, {.interrupted = [&] { return looks++ >= 1; }}),
               InterruptedError);
  EXPECT_FALSE(fs::exists(request_.out));
}

// A flow of points that is trained to an energy moves them alike: by its virial at temperature 2.
TEST_F(PointsSimulation, AreMovedByAFlow) {
  std::vector<double> rows;
  RandomSequence random(3, Stream::kTarget);
  for (int i = 0; i < 1000; ++i)
    for (int c = 0; c < 2; ++c) rows.push_back(5.0 * c + (1.0 + c) * random.normal());
  write_npy(folder_.path("rows.npy"), std::vector<std::int64_t>{1000, 2}, rows);
  const std::vector<Setting> training = {
      {"data.path", folder_.path("rows.npy")}, {"training.iterations", std::int64_t{30}},
      {"base.kind", std::string("normal")},    {"flow.kind", std::string("real_nvp")},
      {"flow.blocks", std::int64_t{2}},        {"flow.hidden", std::vector<std::int64_t>{8}}};
  request_.flow = trained(training);
  request_.positions = folder_.path("rows.npy");
  request_.temperatures = {2.0};
  request_.replicas = 200;
  request_.equilibration = 500;
  request_.steps = 1000;
  request_.time_step = 0.1;
  request_.frame_every = 50;
  run(request_);
  const auto summary = nlohmann::json::parse(in_folder("summary.json"));
  const auto& virial = summary["temperatures"][0]["virial_temperature"];
  EXPECT_NEAR(virial["mean"].get<double>(), 2.0, 4.0 * virial["error"].get<double>() + 0.02);
  // -2 log q at temperature 2 is q: the points have the data's means and deviations.
  const std::vector<double> points = read_npy(folder_.path("md/trajectory.npy")).values;
  double mean = 0.0, square = 0.0;
  const auto count = static_cast<double>(points.size() / 2);
  for (std::size_t i = 1; i < points.size(); i += 2) mean += points[i] / count;
  for (std::size_t i = 1; i < points.size(); i += 2)
    square += (points[i] - mean) * (points[i] - mean) / count;
  EXPECT_NEAR(mean, 5.0, 0.5);
  EXPECT_NEAR(std::sqrt(square), 2.0, 0.5);
}

TEST_F(PointsSimulation, SayInALineWhatIsWrong) {
  const auto config = [&](const SimulationRequest& request) {
    return message_of<ConfigError>([&] { run(request); });
  };
  expect_parts(config(request_), {"SYSTEM", "energy of points"});
  SimulationRequest bad = request_;
  bad.energy = "x^2";
  bad.target = "dw4";
  expect_parts(config(bad), {"one of --flow, --energy", "got 2"});
  bad = request_;
  bad.energy = "x^2";
  bad.format = "dcd";
  expect_parts(config(bad), {"--format", "npy", "dcd"});
  bad = request_;
  bad.energy = "x^2";
  bad.solvent = "obc1";
  expect_parts(config(bad), {"--solvent", "SYSTEM"});
  bad = request_;
  bad.target = "dw4";
  bad.constants = "a=1";
  expect_parts(config(bad), {"--constants"});
  bad = request_;
  bad.target = "unimodal";
  bad.energy = "";
  expect_parts(config(bad), {"unimodal"});
  bad = request_;
  bad.energy = "x^2 + y^2 + z^2";
  bad.positions = folder_.file("two.csv", "a,b\n1,2\n");
  expect_parts(message_of<DataError>([&] { run(bad); }),
               {"two.csv", "3 columns, x, y, z", "got 2"});
  bad.positions = folder_.file("nan.csv", "a,b,c\n1,2,3\n1,nan,3\n");
  expect_parts(message_of<DataError>([&] { run(bad); }),
               {"nan.csv", "row 2, column 'b'", "finite"});
  bad = request_;
  bad.energy = "log(x - 100)";
  expect_parts(message_of<NumericalError>([&] { run(bad); }),
               {"standard normal", "row 0", "no finite number", "--positions"});
  bad = request_;
  bad.system = folder_.file("five.xml", small_system_xml());
  bad.positions = folder_.path("start.npy");
  bad.energy = "x^2 + y^2";
  expect_parts(message_of<DataError>([&] { run(bad); }), {"15 coordinates", "got one of 2"});
  EXPECT_FALSE(fs::exists(request_.out));
}

// An energy of the coordinates in place of the forces of a system: each atom is held by a spring.
TEST_F(SimulationTest, IsMovedByAnEnergyOfItsCoordinates) {
  request_.energy = "sum(i, 0, 14, 500*(x[i])^2)";
  request_.minimise = false;
  request_.replicas = 100;
  request_.time_step = 2.0;
  request_.equilibration = 2000;
  request_.steps = 2000;
  request_.frame_every = 200;
  request_.friction = 5.0;
  run(request_);
  const auto summary = nlohmann::json::parse(in_folder("summary.json"));
  const auto& potential = summary["temperatures"][0]["potential_kj_mol"];
  EXPECT_NEAR(potential["mean"].get<double>(), 7.5 * kBoltzmann * 300.0,
              4.0 * potential["error"].get<double>());
  request_.equilibration = 0;
  request_.steps = 100;
  request_.frame_every = 10;
  request_.force = true;
  run(request_);
  expect_resumption(3);
}

TEST_F(SimulationTest, SaysThatNamesDoNotFitBeforeItBegins) {
  const std::vector<AtomLabel> atoms(5, {"C", "ALA", "A", 1, "C"});
  request_.topology = folder_.path("names.pdb");
  write_pdb(request_.topology, atoms, small_molecule_rows(1, 0.0));
  request_.minimise = false;
  request_.time_step = 200.0;
  ThreadPool pool(1);
  std::vector<std::string> notes;
  const auto note = [&](const std::string& text) { notes.push_back(text); };
  EXPECT_THROW(simulate(request_, pool, {.note = note}), NumericalError);
  ASSERT_EQ(notes.size(), 1u);
  expect_parts(notes[0], {"warning: atom 4 is called C", "mass of 1"});
}

TEST_F(SimulationTest, AtomsMayFlyFartherThanAPdbHolds) {
  const std::string xml = small_system_xml();
  const std::size_t begin = xml.find("<Forces>"), end = xml.find("</Forces>");
  request_.system = folder_.file("free.xml", xml.substr(0, begin + 8) + xml.substr(end));
  request_.topology = folder_.path("names.pdb");
  write_pdb(request_.topology, std::vector<AtomLabel>(5, {"C", "ALA", "A", 1}),
            small_molecule_rows(1, 0.0));
  std::vector<double> row = small_molecule_rows(1, 0.0);
  row[0] = 5000.0;
  write_npy(request_.positions, std::vector<std::int64_t>{5, 3}, row);
  const SimulationReport report = run(request_);
  ASSERT_FALSE(report.warnings.empty());
  expect_parts(report.warnings.back(), {"last.pdb", "atom 0", "999.9"});
  EXPECT_TRUE(fs::exists(folder_.path("md/summary.json")));
  EXPECT_TRUE(fs::exists(folder_.path("md/report.html")));
}

TEST_F(SimulationTest, GoesOnFromAnyFolder) {
  const fs::path here = fs::current_path();
  fs::current_path(folder_.path("."));
  request_.system = "five.xml";
  request_.positions = "names.pdb";
  write_pdb(request_.positions, std::vector<AtomLabel>(5, {"X", "ALA", "A", 1}),
            small_molecule_rows(1, 0.0));
  EXPECT_FALSE(run(request_, 3).complete);
  fs::current_path(here);
  SimulationRequest resumed;
  resumed.out = request_.out;
  resumed.resume = true;
  EXPECT_TRUE(run(resumed).complete);
}

TEST_F(SimulationTest, RefusesAStateThatMissesNumbers) {
  run(request_);
  const std::string path = folder_.path("md/state.safetensors");
  const TensorFile whole = read_safetensors(path);
  request_.resume = true;
  for (const char* name : {"energies", "positions", "velocities"}) {
    TensorFile file = whole;
    file.tensors.at(name).values.clear();
    file.tensors.at(name).shape = {0};
    write_safetensors(path, file);
    expect_parts(message_of<DataError>([&] { run(request_); }),
                 {"state.safetensors", name, "got 0"});
  }
}

TEST_F(SimulationTest, SaysInALineWhatIsWrong) {
  const auto data = [&](const SimulationRequest& request) {
    return message_of<DataError>([&] { run(request); });
  };
  const auto config = [&](const SimulationRequest& request) {
    return message_of<ConfigError>([&] { run(request); });
  };
  SimulationRequest bad = request_;
  write_npy(folder_.path("four.npy"), std::vector<std::int64_t>{4, 3},
            std::vector<double>(12, 0.1));
  bad.positions = folder_.path("four.npy");
  expect_parts(data(bad), {"four.npy", "5 atoms", "got 4 x 3"});
  std::vector<double> row = small_molecule_rows(1, 0.0);
  row[5] = std::nan("");
  write_npy(folder_.path("nan.npy"), std::vector<std::int64_t>{5, 3}, row);
  bad.positions = folder_.path("nan.npy");
  expect_parts(data(bad), {"nan.npy", "atom 1", "finite"});
  row = small_molecule_rows(1, 0.0);
  for (std::size_t axis = 0; axis < 3; ++axis) row[12 + axis] = row[axis] + 0.001;
  write_npy(folder_.path("overlap.npy"), std::vector<std::int64_t>{5, 3}, row);
  bad.positions = folder_.path("overlap.npy");
  expect_parts(data(bad), {"overlap.npy", "frame 0", "atoms 0 and 4 overlap", "0.0017 nm"});
  row = small_molecule_rows(1, 0.0);
  for (double& x : row) x *= 10.0;
  write_npy(folder_.path("angstroms.npy"), std::vector<std::int64_t>{5, 3}, row);
  bad.positions = folder_.path("angstroms.npy");
  expect_parts(data(bad), {"angstroms.npy", "frame 0", "times as long", "nm"});
  const std::string bytes = read_bytes(request_.positions);
  bad.positions = folder_.file("cut.npy", bytes.substr(0, bytes.size() - 9));
  expect_parts(data(bad), {"cut.npy", "cut off"});
  bad = request_;
  bad.system = folder_.file("cutoff.xml", with(small_system_xml(), "method=\"0\"", "method=\"2\""));
  expect_parts(data(bad), {"cutoff.xml", "CutoffPeriodic"});
  bad.system = folder_.file("system.txt", "");
  expect_parts(data(bad), {"system.txt", ".xml", ".prmtop"});
  EXPECT_FALSE(fs::exists(request_.out));

  bad = request_;
  bad.ensemble = "npt";
  expect_parts(config(bad), {"--ensemble", "nvt or nve"});
  bad = request_;
  bad.frame_every = 100;
  expect_parts(config(bad), {"--frame-every", "no frame"});
  bad = request_;
  bad.solvent = "obc1";
  expect_parts(config(bad), {"--solvent"});
  bad = request_;
  bad.temperatures = {400.0, 300.0};
  expect_parts(config(bad), {"rising"});
  fs::create_directories(request_.out);
  std::ofstream(request_.out + "/mine.txt") << "mine";
  expect_parts(config(request_), {"exists already", "--resume", "--force"});
  bad = request_;
  bad.force = true;
  expect_parts(config(bad), {"mine.txt", "does not write"});
  // What it starts from must not go with what it replaces.
  bad.out = folder_.path("again");
  bad.force = false;
  run(bad);
  bad.force = true;
  bad.positions = bad.out + "/trajectory.npy";
  expect_parts(config(bad), {"trajectory.npy", "would be replaced"});
  EXPECT_TRUE(fs::exists(bad.positions));
  // Steps that are too long explode, and are told.
  bad = request_;
  bad.out = folder_.path("explodes");
  bad.time_step = 200.0;
  expect_parts(message_of<NumericalError>([&] { run(bad); }), {"walker", "--time-step"});
}

TEST_F(SimulationTest, OneProcessAtATimeWritesToAFolder) {
  run(request_);
  SimulationRequest more;
  more.out = request_.out;
  more.resume = true;
  more.resume_steps = 80;
  {
    const auto lock = hold_simulation_folder(request_.out);
    request_.force = true;
    for (const SimulationRequest& each : {request_, more})
      expect_parts(message_of<ConfigError>([&] { run(each); }), {"md", "another process", "--out"});
    // Nothing was lost.
    EXPECT_EQ(read_npy(folder_.path("md/energies.npy")).shape[0], 6);
  }
  EXPECT_TRUE(run(more).complete);
}

TEST_F(SimulationTest, SaysThatNothingHeatsWithoutFriction) {
  request_.friction = 0.0;
  const auto warned = [&] {
    const SimulationReport report = run(request_);
    return std::ranges::any_of(report.warnings, [](const std::string& text) {
      return text.find("--friction is 0") != std::string::npos;
    });
  };
  EXPECT_TRUE(warned());
  request_.force = true;
  request_.ensemble = "nve";
  EXPECT_TRUE(warned());  // the equilibration is by Langevin dynamics
  request_.equilibration = 0;
  EXPECT_FALSE(warned());
  request_.ensemble = "nvt";
  request_.friction = 1.0;
  EXPECT_FALSE(warned());
}

TEST(SimulationWarnings, AreNotHiddenByWhatDoesNotVary) {
  SimulationSummary summary;
  TemperatureSummary own;
  own.temperature = 300.0;
  own.virial = own.kinetic = {300.0, 1.0};
  own.r_hat = NAN;
  summary.temperatures = {own};
  summary.backbone = {{"ALA 2", {}, {}}};
  SimulationState state;
  state.request.equilibration = 0;
  summary.place_r_hat = 1.5;
  const auto warnings = simulation_warnings(state, summary);
  ASSERT_EQ(warnings.size(), 1u);
  expect_parts(warnings[0], {"R-hat is 1.500"});
  summary.place_r_hat = NAN;
  EXPECT_TRUE(simulation_warnings(state, summary).empty());
  summary.temperatures[0].r_hat = 1.2;
  EXPECT_EQ(simulation_warnings(state, summary).size(), 1u);

  // A mean that ran away, with an error as large; one that is a little off; one of two frames.
  summary.temperatures[0].r_hat = 1.0;
  summary.freedoms = 66.0;
  const auto said = [&](const SimulationMean& kinetic) {
    summary.temperatures[0].kinetic = kinetic;
    std::string text;
    for (const std::string& warning : simulation_warnings(state, summary)) text += warning;
    return text;
  };
  for (const SimulationMean& mean : {SimulationMean{1e6, 9e5},
                                     {1e20, INFINITY},
                                     {NAN, NAN},
                                     {1e4, NAN},
                                     {INFINITY, NAN},
                                     {272.0, 6.0}})
    expect_parts(said(mean), {"kinetic temperature", "300 is right"});
  EXPECT_EQ(said({280.0, 6.0}), "");
  EXPECT_EQ(said({360.0, NAN}), "");
}

TEST_F(SimulationTest, TheToolDoesTheSame) {
  const auto tool = [&](const std::string& arguments) {
    const std::string command =
        fmt::format("cd {} && {} {} > out.txt 2> error.txt",
                    fs::path(request_.system).parent_path().string(), THALWEG_BINARY, arguments);
    const int status = std::system(command.c_str());
    return WEXITSTATUS(status);
  };
  run(request_);
  EXPECT_EQ(tool("simulate five.xml --positions start.npy --minimize --steps 60 --equilibrate 20 "
                 "--frame-every 10 --replicas 3 --time-step 0.5 --out tool"),
            0)
      << read_bytes(folder_.path("error.txt"));
  EXPECT_EQ(read_bytes(folder_.path("tool/energies.npy")), in_folder("energies.npy"));
  expect_parts(read_bytes(folder_.path("out.txt")), {"minimised 1 frame", "written to tool"});
  EXPECT_EQ(tool("simulate five.xml --out other"), 2);
  expect_parts(read_bytes(folder_.path("error.txt")), {"--positions"});
  EXPECT_EQ(tool("simulate five.xml --positions none.pdb --out other"), 3);
  EXPECT_EQ(tool("simulate --resume --out tool --temperature 400"), 2);
  expect_parts(read_bytes(folder_.path("error.txt")), {"leave out --temperature"});
  for (const std::string unread : {"--exchange-every 7", "--friction 2 --ensemble nve"}) {
    EXPECT_EQ(tool("simulate five.xml --positions start.npy --equilibrate 0 --out other " + unread),
              2);
    expect_parts(read_bytes(folder_.path("error.txt")), {unread.substr(0, unread.find(' '))});
  }
  EXPECT_EQ(tool("simulate --help"), 0);
  expect_parts(read_bytes(folder_.path("out.txt")), {"Examples:", "--temperatures", "--minimize"});
}

}  // namespace
}  // namespace thalweg::testing
