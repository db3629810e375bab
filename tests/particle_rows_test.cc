// Rows of particles on their way to a run: centring, what is refused and counted, the folders that
// chains write, and what runs make of them.
#include "thalweg/datasets/particle_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/datasets/prepare_data.h"
#include "thalweg/io/npy.h"
#include "thalweg/metrics/model_check.h"
#include "thalweg/metrics/particle_observables.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/particle_folder.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/training_run.h"

namespace thalweg {
namespace {

/// Four particles near the corners of a square, somewhere in the plane.
Table squares(std::int64_t rows) {
  Table table;
  table.names = default_names(8);
  table.rows = rows;
  RandomSequence random(3, Stream::kEvaluation);
  for (std::int64_t row = 0; row < rows; ++row) {
    const double across = 5.0 * random.normal(), up = 5.0 * random.normal();
    for (int i = 0; i < 4; ++i) {
      table.values.push_back(across + (i % 2) + 0.1 * random.normal());
      table.values.push_back(up + (i / 2) + 0.1 * random.normal());
    }
  }
  return table;
}

double value_of(const std::vector<Metric>& metrics, const std::string& name) {
  for (const Metric& metric : metrics)
    if (metric.name == name) return metric.value;
  ADD_FAILURE() << "no metric " << name;
  return NAN;
}

TEST(ParticleRows, KnowTheNearestNeighbourOfEachParticle) {
  // Three particles in the plane and a number that is none of theirs, twice.
  const std::vector<double> rows = {0.0, 0.0, 3.0, 4.0, 3.0, 5.0, 99.0,
                                    0.0, 0.0, NAN, 0.0, 0.0, 2.0, 99.0};
  const std::vector<double> nearest = nearest_distances(rows, 7, 6, 2);
  EXPECT_EQ(nearest, (std::vector<double>{5.0, 1.0, 1.0, 2.0, INFINITY, 2.0}));
}

TEST(ParticleRows, AreMovedToTheirCentreOfMass) {
  Table table = squares(50);
  const std::vector<double> before = table.values;
  const ParticleRowsSummary found = centre_particles(table.values, 8, 8, 2);
  EXPECT_EQ(found.particles, 4);
  EXPECT_GT(found.largest_centre, 5.0);
  EXPECT_NEAR(found.usual_distance, 0.9, 0.2);
  EXPECT_EQ(found.evaporated, 0);
  for (std::size_t row = 0; row < 50; ++row)
    for (std::size_t d = 0; d < 2; ++d) {
      const double* x = &table.values[8 * row + d];
      EXPECT_NEAR(x[0] + x[2] + x[4] + x[6], 0.0, 1e-13);
      EXPECT_NEAR(x[2] - x[0], before[8 * row + d + 2] - before[8 * row + d], 1e-13);
    }
}

TEST(ParticleRows, LostOnesAreCountedAndCoincidingOnesRefused) {
  Table lost = squares(50);
  lost.values[8 * 7] += 40.0;
  EXPECT_EQ(centre_particles(lost.values, 8, 8, 2).evaporated, 1);
  Table same = squares(50);
  same.values[8 * 11 + 4] = same.values[8 * 11];
  same.values[8 * 11 + 5] = same.values[8 * 11 + 1];
  expect_parts(message_of<DataError>([&] { centre_particles(same.values, 8, 8, 2); }),
               {"row 12", "particle 0"});
  expect_parts(message_of<DataError>([&] { centre_particles(same.values, 8, 8, 3); }),
               {"data.particles", "3 dimensions", "8 columns"});
  expect_parts(message_of<DataError>([&] { centre_particles(same.values, 8, 2, 2); }),
               {"at least 2 particles"});
}

TEST(ParticleRows, AreLearntWholeOrWithoutTheLast) {
  DataOptions options;
  options.particles = 2;
  const PreparedData data = prepare_data(squares(400), options, 1);
  EXPECT_EQ(data.features(), 6);  // The last particle is where the centre of mass is 0.
  ASSERT_EQ(data.derived.size(), 2u);
  EXPECT_NEAR(data.derived[0].coefficients[2], -1.0, 1e-9);
  options.find_derived = options.marginal_maps = false;
  const PreparedData whole = prepare_data(squares(400), options, 1);
  EXPECT_EQ(whole.features(), 8);
  EXPECT_TRUE(std::ranges::any_of(whole.notes, [](const std::string& note) {
    return note.find("4 particles in 2 dimensions") != std::string::npos;
  }));
  options.bounds = {"x0=0:"};
  EXPECT_THROW(prepare_data(squares(400), options, 1), ConfigError);
  // Sets of unequal size: a row in which one particle is not there.
  options.bounds.clear();
  options.kinds = {"x6=missing", "x7=missing"};
  Table fewer = squares(400);
  fewer.values[6] = fewer.values[7] = NAN;
  expect_parts(message_of<ConfigError>([&] { prepare_data(std::move(fewer), options, 1); }),
               {"data.particles", "missing positions in 'x6'", "--drop-missing"});
}

TEST(ParticleObservables, AreDistancesAndTheirHistograms) {
  const std::vector<double> x = {0.0, 0.0, 3.0, 4.0, 3.0, 0.0};
  EXPECT_EQ(pair_distances(x, 6, 2), (std::vector<double>{5.0, 3.0, 4.0}));
  EXPECT_THROW(pair_distances(x, 5, 2), ShapeError);
  std::vector<double> a, b, c;
  for (int i = 0; i < 10000; ++i) {
    a.push_back(i);
    b.push_back(i + 2500);
    c.push_back(i < 5000 ? i : NAN);
  }
  EXPECT_NEAR(histogram_distance(a, a), 0.0, 1e-12);
  EXPECT_NEAR(histogram_distance(b, a), 0.25, 0.011);
  EXPECT_NEAR(histogram_distance(c, a), 0.5, 0.011);
}

TEST(ParticleObservables, RadialDistributionsAreThoseOfNormals) {
  // The difference of two normals has a density of (4 pi)^(-n/2) exp(-r^2 / 4).
  constexpr std::int64_t kPairs = 200000;
  for (const std::int64_t n : {1, 2, 3}) {
    SCOPED_TRACE(n);
    RandomSequence random(3, Stream::kEvaluation, static_cast<std::uint64_t>(n));
    std::vector<double> x(static_cast<std::size_t>(2 * n * kPairs));
    for (double& value : x) value = random.normal();
    std::vector<double> distances = pair_distances(x, 2 * n, n);
    const RadialDistribution radial = radial_distribution(distances, n, 4.0, 40);
    ASSERT_EQ(radial.radius.size(), 40U);
    const double ball = n == 1 ? 2.0 : n == 2 ? std::numbers::pi : 4.0 / 3.0 * std::numbers::pi;
    for (std::size_t shell = 0; shell < 40; ++shell) {
      const double r = radial.radius[shell];
      const double volume = ball * (std::pow(r + 0.05, n) - std::pow(r - 0.05, n));
      const double exact =
          std::pow(4.0 * std::numbers::pi, -0.5 * static_cast<double>(n)) * std::exp(-0.25 * r * r);
      // By chance one of 120 shells is off by five errors less than once in 10^4; the middle of a
      // shell stands for it up to .3 %, of the innermost one up to its own width squared.
      const double error = std::sqrt(exact / (volume * kPairs));
      EXPECT_NEAR(radial.density[shell], exact, 5.0 * error + 0.003 * exact) << r;
    }
    distances.assign(3, NAN);
    EXPECT_EQ(radial_distribution(distances, n, 1.0, 2).density, (std::vector<double>{0.0, 0.0}));
  }
  EXPECT_THROW(radial_distribution({}, 3, 1.0, 10), ShapeError);
}

TEST(ParticleFolders, TellRunsWhatTheyHold) {
  TemporaryFolder work;
  ThreadPool pool(2);
  ParticleFolderRequest request{.target = {}, .count = 2000, .out = work.path("dw4"), .seed = 4};
  request.target.name = "dw4";
  double last = 0.0;
  const auto report =
      write_particle_folder(request, pool, {.progress = [&](double share) { last = share; }});
  ASSERT_TRUE(report.has_value());
  EXPECT_GT(last, 0.9);
  expect_parts(report->text, {"mean energy", "virial", "exact 6", "R-hat", "log integral",
                              "least possible NLL", "thalweg train --data"});
  const Array train = read_npy(work.path("dw4/train.npy"));
  EXPECT_EQ(train.shape, (std::vector<std::int64_t>{2000, 8}));
  EXPECT_EQ(read_npy(work.path("dw4/test.npy")).shape[0], 200);
  const auto figures = nlohmann::json::parse(read_bytes(work.path("dw4/particles.json")));
  // -22.53 and 29.67 by long runs; by chance off by 5 errors less than once in 10^5.
  EXPECT_NEAR(figures["mean_energy"], -22.53, 5.0 * figures["mean_energy_error"].get<double>());
  EXPECT_LT(figures["mean_energy_error"], 0.1);
  EXPECT_NEAR(figures["log_integral"], 29.672,
              5.0 * figures["log_integral_error"].get<double>() + 0.02);
  EXPECT_NEAR(figures["virial"], 6.0, 5.0 * figures["virial_error"].get<double>());

  // The same seed gives the same bytes; a folder that is there stays.
  request.out = work.path("again");
  request.free_energy = false;
  ASSERT_TRUE(write_particle_folder(request, pool));
  EXPECT_EQ(read_bytes(work.path("again/train.npy")), read_bytes(work.path("dw4/train.npy")));
  expect_parts(message_of<ConfigError>([&] { write_particle_folder(request, pool); }),
               {"exists already", "--force"});
  request.force = true;
  EXPECT_FALSE(write_particle_folder(request, pool, {.interrupted = [] { return true; }}));
  EXPECT_EQ(read_bytes(work.path("again/train.npy")), read_bytes(work.path("dw4/train.npy")));
  // A tenth each to validate and to test on, however many draws a chain has.
  request.out = work.path("odd");
  request.force = false;
  request.count = 2999;
  request.burn_in = 0;
  request.thinning = 1;
  ASSERT_TRUE(write_particle_folder(request, pool));
  EXPECT_EQ(read_npy(work.path("odd/train.npy")).shape[0], 2999);
  EXPECT_EQ(read_npy(work.path("odd/test.npy")).shape[0], 299);
  request.target.name = "two_rings";
  expect_parts(message_of<ConfigError>([&] { write_particle_folder(request, pool); }),
               {"two_rings", "lennard_jones"});

  // A base of particles keeps all columns as they are, and has the energy to be judged by.
  RunRequest run{.settings = {{"data.path", work.path("dw4")},
                              {"base.kind", std::string("mean_free_normal")},
                              {"flow.kind", std::string("none")},
                              {"flow.blocks", std::int64_t{1}},
                              {"training.iterations", std::int64_t{0}}},
                 .out = work.path("run")};
  const RunPlan plan = plan_run(run);
  EXPECT_EQ(plan.options.target.name, "dw4");
  EXPECT_EQ(plan.options.model.features, 8);
  EXPECT_EQ(plan.options.model.base.dimensions, 2);
  EXPECT_EQ(plan.options.model.columns[3].scale, 1.0);
  ASSERT_NE(plan.target, nullptr);
  EXPECT_EQ(plan.target->features(), 8);
  // An energy alone is not explored for it, and what would move the centre is refused at once.
  run.settings[0] = {"data.target", std::string("dw4")};
  EXPECT_EQ(plan_run(run).options.exploration.evaluations, 0);
  run.settings.push_back({"exploration.evaluations", std::int64_t{100000}});
  expect_parts(message_of<ConfigError>([&] { plan_run(run); }),
               {"exploration", "mean_free_normal"});
  run.settings.pop_back();
  run.settings[0] = {"data.path", work.path("dw4")};
  // Another flow learns all but the last particle, with the energy of those.
  run.settings.erase(run.settings.begin() + 1);
  run.settings[1] = {"flow.kind", std::string("real_nvp")};
  const RunPlan other = plan_run(run);
  EXPECT_EQ(other.options.model.features, 6);
  ASSERT_NE(other.target, nullptr);
  EXPECT_EQ(other.target->features(), 6);
  EXPECT_NEAR(*other.target->log_normaliser(), figures["log_integral"], 1e-9);
}

TEST(ParticleRows, ABaseOfParticlesNeedsAllOfThem) {
  PreparedData data;
  for (const char* name : {"x0", "y0", "x1", "y1"}) data.columns.push_back({.name = name});
  data.derived.push_back({.name = "x2", .coefficients = {-1.0, 0.0, -1.0, 0.0}});
  ModelOptions model;
  model.base.kind = "mean_free_normal";
  model.base.dimensions = 2;
  expect_parts(message_of<ConfigError>([&] { fit_model_to_data(model, data); }),
               {"data.find_derived", "'x2'"});
}

/// Rows of so many particles on a line.
void write_line(const std::string& folder, std::int64_t particles, std::int64_t count,
                ThreadPool& pool) {
  ParticleFolderRequest request{.target = {}, .count = count, .out = folder, .seed = 4};
  request.target.name = "multi_double_well";
  request.target.particles = particles;
  request.target.particle_dimensions = 1;
  ASSERT_TRUE(write_particle_folder(request, pool));
}

TEST(ParticleFolders, RunsAreJudgedByTheEnergy) {
  TemporaryFolder work;
  ThreadPool pool(2);
  write_line(work.path("data"), 3, 1000, pool);
  const TrainingOutcome outcome =
      run_training(plan_run({.settings = {{"data.path", work.path("data")},
                                          {"base.kind", std::string("mean_free_normal")},
                                          {"flow.kind", std::string("none")},
                                          {"flow.blocks", std::int64_t{1}},
                                          {"training.iterations", std::int64_t{0}}},
                             .out = work.path("run")}),
                   pool, {});
  // A normal has its log density in closed form; the target's is the most that any can have.
  const std::vector<Metric>& metrics = outcome.evaluation.metrics;
  EXPECT_LT(value_of(metrics, "log_likelihood"), value_of(metrics, "target_log_likelihood"));
  // Their difference row by row, which has the smaller error.
  const auto find = [&](const char* name) {
    return *std::ranges::find(metrics, name, &Metric::name);
  };
  const Metric divergence = find("forward_kl_nats");
  EXPECT_NEAR(divergence.value,
              value_of(metrics, "target_log_likelihood") - value_of(metrics, "log_likelihood"),
              1e-9);
  EXPECT_GT(divergence.error, 0.0);
  EXPECT_GT(divergence.value, 3.0 * divergence.error);
  EXPECT_GT(value_of(metrics, "energy_variation"), 0.3);
  EXPECT_GT(value_of(metrics, "distance_variation"), 0.3);
  const LoadedRun run = load_run(work.path("run"));
  EXPECT_EQ(run.target()->features(), 3);
  const std::string page = read_bytes(work.path("run/report.html"));
  expect_parts(page, {"Sample energies", "Distances", "Radial distribution"});
}

// Two particles on a line have two columns, and a density on a line of that plane alone: what grids
// over the plane say of it, an integral of 21 and a wrong divergence, is left out.
TEST(ParticleFolders, TwoOnALineAreNotTakenForAPlane) {
  TemporaryFolder work;
  ThreadPool pool(2);
  write_line(work.path("data"), 2, 300, pool);
  const RunPlan plan = plan_run({.settings = {{"data.path", work.path("data")},
                                              {"base.kind", std::string("mean_free_normal")},
                                              {"flow.kind", std::string("none")},
                                              {"flow.blocks", std::int64_t{1}},
                                              {"training.iterations", std::int64_t{0}}},
                                 .out = work.path("run")});
  const TrainingOutcome outcome = run_training(plan, pool, {});
  EXPECT_GT(value_of(outcome.evaluation.metrics, "forward_kl_nats"), 0.0);
  for (const char* name : {"kl_nats", "integral"})
    EXPECT_EQ(std::ranges::count(outcome.evaluation.metrics, name, &Metric::name), 0) << name;
  const std::vector<Finding> findings = check_model(*load_run(plan.out).model, {}, 100, 1, pool);
  EXPECT_EQ(std::ranges::count(findings, "integral", &Finding::name), 0);
  const std::string page = read_bytes(work.path("run/report.html"));
  EXPECT_EQ(page.find("Density"), std::string::npos);
}

}  // namespace
}  // namespace thalweg
