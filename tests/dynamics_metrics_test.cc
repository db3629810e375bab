// Molecular dynamics by models in experiments: how the sum of energies is kept, and who is lost.
#include "thalweg/runs/dynamics_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "molecules.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/io/npy.h"
#include "thalweg/runs/experiment_pictures.h"
#include "thalweg/runs/reproduction.h"

namespace thalweg {
namespace {

class Dynamics : public ::testing::Test {
 protected:
  Dynamics() {
    folder_.file("five.xml", thalweg::testing::small_system_xml());
    write_npy(folder_.path("frames.npy"), std::vector<std::int64_t>{200, 5, 3},
              thalweg::testing::small_molecule_rows(200, 0.004));
    options_.target.system = folder_.path("five.xml");
    options_.data.path = folder_.path("frames.npy");
  }
  double metric(const std::vector<Metric>& metrics, const std::string& name) const {
    for (const Metric& each : metrics)
      if (each.name == name) return each.value;
    return NAN;
  }

  TemporaryFolder folder_;
  ThreadPool pool_{2};
  RunOptions options_;
  DynamicsRequest request_{.walkers = 4, .equilibration = 20, .steps = 100, .frame_every = 5};
};

TEST_F(Dynamics, TheForceFieldKeepsItsEnergyToSecondOrder) {
  const auto deviation = [&](double time_step, std::int64_t steps) {
    // The same trajectory, without an equilibration, whose noise is of the step.
    request_.equilibration = 0;
    request_.time_step = time_step;
    request_.steps = steps;
    request_.frame_every = steps / 20;
    const EnergyTraces traces = energy_traces(options_, nullptr, request_, 1, pool_);
    EXPECT_EQ(traces.frames, 20);
    const std::vector<Metric> metrics = dynamics_metrics(traces);
    EXPECT_EQ(metric(metrics, "lost_walkers"), 0.0);
    EXPECT_NEAR(metric(metrics, "kept_time"), 0.001 * time_step * static_cast<double>(steps),
                1e-12);
    return metric(metrics, "energy_deviation");
  };
  const double coarse = deviation(0.4, 100), fine = deviation(0.2, 200);
  EXPECT_GT(fine, 0.0);
  EXPECT_NEAR(coarse / fine, 4.0, 0.6);
}

TEST_F(Dynamics, WalkersAreLostWhereTheEnergyIsNotKept) {
  request_.equilibration = 0;
  request_.time_step = 20.0;  // no bond is stable with it
  const EnergyTraces traces = energy_traces(options_, nullptr, request_, 1, pool_);
  const std::vector<Metric> metrics = dynamics_metrics(traces);
  EXPECT_EQ(metric(metrics, "lost_walkers"), 1.0);
  EXPECT_LT(metric(metrics, "kept_time"), 0.2);
  // Also before the first frame, where the sums are finite and far from where they began.
  request_.time_step = 6.0;
  request_.frame_every = request_.steps;
  const EnergyTraces one = energy_traces(options_, nullptr, request_, 1, pool_);
  ASSERT_EQ(one.frames, 1);
  EXPECT_EQ(metric(dynamics_metrics(one), "lost_walkers"), 1.0);
}

TEST_F(Dynamics, MetricsAreThoseOfTheTraces) {
  const EnergyTraces traces{
      .frame_time = 0.5, .frames = 4, .walkers = {{1.0, 3.0, 1.0, 3.0}, {0.0, 4.0}, {7.0}, {}}};
  const std::vector<Metric> metrics = dynamics_metrics(traces);
  EXPECT_NEAR(metric(metrics, "energy_deviation"), 1.5, 1e-15);
  EXPECT_NEAR(metrics[0].error, 0.5, 1e-15);
  EXPECT_EQ(metric(metrics, "lost_walkers"), 0.75);
  EXPECT_NEAR(metric(metrics, "kept_time"), 0.5 * 7.0 / 4.0, 1e-15);
  const LineChart chart = dynamics_chart(traces);
  ASSERT_EQ(chart.series.size(), 3u);
  EXPECT_EQ(chart.series.back().y, (std::vector{0.0, 2.0, 0.0, 2.0}));
  EXPECT_EQ(chart.series.back().x, (std::vector{0.5, 1.0, 1.5, 2.0}));
}

TEST_F(Dynamics, NeedASystemAndFrames) {
  RunOptions none = options_;
  none.target.system.clear();
  expect_parts(message_of<ConfigError>([&] { energy_traces(none, nullptr, request_, 1, pool_); }),
               {"molecule.system"});
  none = options_;
  none.data.path.clear();
  expect_parts(message_of<ConfigError>([&] { energy_traces(none, nullptr, request_, 1, pool_); }),
               {"data.test or data.path"});
}

TEST(DynamicsOfAnExperiment, HaveAFrameAtLeast) {
  expect_parts(message_of<ConfigError>([] {
                 read_experiment("none", R"(title = "none"
metric = "energy_deviation"
metric_label = "deviation"
seeds = 1
dynamics = {steps = 5, frame_every = 10}
[[rows]]
key = "a"
name = "a"
data = "a.npy"
[[columns]]
key = "b"
name = "b"
)");
               }),
               {"frame_every", "got 10 and 5"});
}

TEST_F(Dynamics, AreAnExperimentBesideTheForceField) {
  const Experiment experiment = read_experiment("five", R"(title = "five atoms"
metric = "energy_deviation"
metric_label = "deviation"
also = ["lost_walkers"]
truth = "force field"
seeds = 1
defaults = true
settings.molecule.system = "five.xml"
settings.flow.kind = "smooth"
settings.flow.blocks = 2
settings.flow.hidden = [8]
settings.training.iterations = 20
[dynamics]
walkers = 3
equilibration = 10
steps = 40
frame_every = 4
time_step = 0.2
[[rows]]
key = "five"
name = "five atoms"
data = "frames.npy"
[[columns]]
key = "smooth"
name = "smooth"
[[pictures]]
kind = "dynamics"
title = "energies"
)");
  Reproduction reproduction(experiment, {.out = folder_.path("out"), .data = folder_.path("")});
  ASSERT_TRUE(reproduction.train(pool_));
  const ExperimentResults& results = reproduction.results();
  ASSERT_EQ(results.truths[0].size(), 1u);
  ASSERT_EQ(results.runs[0][0].size(), 1u);
  for (const RunResult& each : {results.truths[0][0], results.runs[0][0][0]}) {
    ASSERT_NE(each.find("energy_deviation"), nullptr);
    EXPECT_LT(each.find("energy_deviation")->value, 0.1);
    EXPECT_EQ(each.find("lost_walkers")->value, 0.0);
  }
  const std::vector<DrawnPlot> plots =
      find_picture_kind("dynamics", "here").draw(reproduction, experiment.pictures[0], pool_);
  ASSERT_EQ(plots.size(), 2u);
  EXPECT_EQ(std::get<LineChart>(plots[0].plot).title, "force field");
  EXPECT_EQ(std::get<LineChart>(plots[1].plot).series.size(), 3u);
}

// Pictures of molecules beside each other: of the data and of samples of each run.
TEST_F(Dynamics, OfRunsHavePictures) {
  const Experiment experiment = read_experiment("five", R"(title = "five atoms"
metric = "log_likelihood_in_frame"
metric_label = "log likelihood"
better = "higher"
seeds = 1
defaults = true
settings.molecule.system = "five.xml"
settings.flow.blocks = 2
settings.flow.hidden = [8]
settings.training.iterations = 20
[[tables]]
caption = "one"
metrics = ["log_likelihood_in_frame", "marginal_divergence_as_published"]
[[rows]]
key = "five"
name = "five atoms"
data = "frames.npy"
[[columns]]
key = "circle"
name = "circle"
[[columns]]
key = "line"
name = "line"
settings.molecule.torsions = "line"
settings.flow.kind = "real_nvp"
published = [[12.5, 0.1], ""]
[[pictures]]
kind = "torsions"
title = "torsions"
y = ["torsion #4-#3-#2-#1"]
[[pictures]]
kind = "molecule_forces"
title = "forces"
[[pictures]]
kind = "molecule_energies"
title = "energies"
[[pictures]]
kind = "ramachandran"
title = "none without names of atoms"
)");
  Reproduction reproduction(experiment, {.out = folder_.path("out"), .data = folder_.path("")});
  ASSERT_TRUE(reproduction.train(pool_));
  for (std::size_t column : {0u, 1u})
    EXPECT_NE(reproduction.results().runs[0][column].at(0).find("marginal_divergence_as_published"),
              nullptr);
  const auto draw = [&](std::size_t number) {
    const ExperimentPicture& picture = experiment.pictures[number];
    return find_picture_kind(picture.kind, "here").draw(reproduction, picture, pool_);
  };
  const std::vector<DrawnPlot> torsions = draw(0);
  ASSERT_EQ(torsions.size(), 1u);
  const LineChart& chart = std::get<LineChart>(torsions[0].plot);
  ASSERT_EQ(chart.series.size(), 3u);
  for (const LineSeries& series : chart.series) {
    double mass = 0.0;  // of the densities a radian, over bins of 6 degrees
    for (const double value : series.y)
      if (std::isfinite(value)) mass += std::exp(-value) * std::numbers::pi / 30.0;
    EXPECT_NEAR(mass, 1.0, 1e-9) << series.name;
  }
  const std::vector<DrawnPlot> forces = draw(1);
  ASSERT_EQ(forces.size(), 1u);
  EXPECT_EQ(std::get<ScatterPlot>(forces[0].plot).panels.size(), 4u);
  const std::vector<DrawnPlot> energies = draw(2);
  ASSERT_EQ(energies.size(), 2u);
  for (const DrawnPlot& plot : energies)
    EXPECT_EQ(std::get<LineChart>(plot.plot).series.size(), 4u);
  EXPECT_TRUE(draw(3).empty());
  ExperimentPicture unknown = experiment.pictures[0];
  unknown.y = {"torsion #4-#3-#2-#0"};
  expect_parts(message_of<ConfigError>([&] {
                 find_picture_kind("torsions", "here").draw(reproduction, unknown, pool_);
               }),
               {"unknown torsion", "did you mean 'torsion #4-#3-#2-#1'"});
}

}  // namespace
}  // namespace thalweg
