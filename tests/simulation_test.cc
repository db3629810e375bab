// Simulations from files to files: what they leave, and that they go on to the same bits.
#include "thalweg/runs/simulation.h"

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
    return simulate(request, pool,
                    {.interrupted = [&] { return stop_after >= 0 && looks++ >= stop_after; }});
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
  ThreadPool pool(2);
  write_npy(folder_.path("frames.npy"), std::vector<std::int64_t>{200, 5, 3},
            small_molecule_rows(200, 0.004));
  RunRequest training{.out = folder_.path("run")};
  training.settings = {
      {"molecule.system", request_.system},      {"data.path", folder_.path("frames.npy")},
      {"training.iterations", std::int64_t{40}}, {"flow.kind", std::string("smooth")},
      {"flow.blocks", std::int64_t{2}},          {"flow.hidden", std::vector<std::int64_t>{8}}};
  RunPlan plan = plan_run(training);
  plan.report = false;
  run_training(plan, pool);

  request_.flow = folder_.path("run");
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

  const std::string whole = in_folder("energies.npy");
  EXPECT_FALSE(run(request_, 2).complete);
  SimulationRequest resumed;
  resumed.out = request_.out;
  resumed.resume = true;
  EXPECT_TRUE(run(resumed).complete);
  EXPECT_EQ(in_folder("energies.npy"), whole);

  request_.flow = folder_.path("nothing");
  expect_parts(message_of<DataError>([&] { run(request_); }), {"nothing"});
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
  own.virial = {300.0, 1.0};
  own.r_hat = NAN;
  summary.temperatures = {own};
  summary.backbone = {{"ALA 2", {}, {}}};
  SimulationState state;
  state.request.equilibration = 0;
  summary.backbone_r_hat = 1.5;
  const auto warnings = simulation_warnings(state, summary);
  ASSERT_EQ(warnings.size(), 1u);
  expect_parts(warnings[0], {"R-hat is 1.500"});
  summary.backbone_r_hat = NAN;
  EXPECT_TRUE(simulation_warnings(state, summary).empty());
  summary.temperatures[0].r_hat = 1.2;
  EXPECT_EQ(simulation_warnings(state, summary).size(), 1u);
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
  EXPECT_EQ(tool("simulate --help"), 0);
  expect_parts(read_bytes(folder_.path("out.txt")), {"Examples:", "--temperatures", "--minimize"});
}

}  // namespace
}  // namespace thalweg::testing
