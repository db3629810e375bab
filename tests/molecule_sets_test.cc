// Sets of molecules of different sizes: XYZ files, rows with empty places, and runs that learn
// them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/quantiles.h"
#include "thalweg/datasets/particle_rows.h"
#include "thalweg/io/elements.h"
#include "thalweg/io/table.h"
#include "thalweg/io/xyz_file.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/samplers.h"
#include "thalweg/runs/training_run.h"

namespace thalweg {
namespace {

constexpr char kTwo[] =
    "3\nwater\nO 0.1 0.2 0.3\nH 1 0 0 extra\n1 0 1e0 -2.5\n\n"
    "2\nLattice=\"5 0 0\" pbc=\"F F F\" Properties=species:S:1:pos:R:3:forces:R:3 e=1\r\n"
    "  C\t+1.5 0 0 9 9 9\r\nH 0 0 1 9 9 9\r\n";

TEST(Elements, HaveNumbersAndSymbols) {
  EXPECT_EQ(element_number("H"), 1);
  EXPECT_EQ(element_number("Og"), 118);
  EXPECT_EQ(element_number("17"), 17);
  EXPECT_EQ(element_symbol(17), "Cl");
  for (int number = 1; number <= kMostElements; ++number)
    EXPECT_EQ(element_number(element_symbol(number)), number);
  for (const char* none : {"", "h", "Xx", "0", "119", "-1", "1.5"})
    EXPECT_EQ(element_number(none), 0) << none;
  EXPECT_EQ(element_symbol(0), "");
  EXPECT_EQ(element_symbol(119), "");
}

TEST(XyzFile, IsATableWithEmptyPlaces) {
  const TemporaryFolder folder;
  const Table table = load_table(folder.file("two.xyz", kTwo));
  EXPECT_EQ(table.names, (std::vector<std::string>{"x0", "y0", "z0", "x1", "y1", "z1", "x2", "y2",
                                                   "z2", "species0", "species1", "species2"}));
  EXPECT_EQ(table.rows, 2);
  EXPECT_EQ(table.values, (std::vector<double>{0.1, 0.2, 0.3, 1, 0, 0, 0, 1, -2.5, 8, 1, 1,  //
                                               1.5, 0,   0,   0, 0, 1, 0, 0, 0,    6, 1, 0}));
  ASSERT_EQ(table.notes.size(), 1u);
  expect_parts(table.notes[0], {"2 to 3 atoms", "H, C, O"});
  EXPECT_EQ(read_xyz(folder.path("two.xyz"), 5).columns(), 20);
  // Written and read back, whatever the order of the columns.
  save_table(folder.path("back.xyz"), table);
  EXPECT_EQ(load_table(folder.path("back.xyz")).values, table.values);
  Table reversed = table;
  std::ranges::reverse(reversed.names);
  for (std::size_t row = 0; row < 2; ++row)
    std::reverse(reversed.values.begin() + static_cast<std::ptrdiff_t>(12 * row),
                 reversed.values.begin() + static_cast<std::ptrdiff_t>(12 * (row + 1)));
  save_table(folder.path("back.xyz"), reversed);
  EXPECT_EQ(load_table(folder.path("back.xyz")).values, table.values);
}

TEST(XyzFile, SaysInALineWhatIsWrong) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& text) {
    return message_of<DataError>([&] { read_xyz(folder.file("bad.xyz", text)); });
  };
  expect_parts(error(""), {"bad.xyz", "empty"});
  expect_parts(error("two\n"), {"bad.xyz, line 1", "1 to 1000", "'two'"});
  expect_parts(error("0\n\n"), {"line 1", "1 to 1000"});
  expect_parts(error("-1\n\n"), {"line 1", "1 to 1000"});
  expect_parts(error("99999999999999999999\n\n"), {"line 1", "1 to 1000"});
  expect_parts(error("2\n"), {"cut off", "2 atoms", "got 0"});
  expect_parts(error("2\n\nH 0 0 0\n"), {"line 3", "cut off", "got 1"});
  expect_parts(error("1\n\nQq 0 0 0\n"), {"line 3", "'Qq 0 0 0'"});
  expect_parts(error("1\n\nH 0 0\n"), {"line 3", "x, y and z"});
  expect_parts(error("1\n\nH 0 nan 0\n"), {"line 3", "finite"});
  expect_parts(error("1\n\nH 0 1e999 0\n"), {"line 3", "finite"});
  expect_parts(error("1\nProperties=pos:R:3:species:S:1\nH 0 0 0\n"), {"line 2", "species:S:1"});
  for (const char* cell : {"Lattice=\"5 0 0 0 5 0 0 0 5\"", "pbc=\"F F T\"", "pbc=T"})
    expect_parts(error(std::string("1\n") + cell + " Properties=species:S:1:pos:R:3\nH 0 0 0\n"),
                 {"line 2", "periodic cell"});
  EXPECT_EQ(
      read_xyz(folder.file("free.xyz", "1\nLattice=\"5 0 0 0 5 0 0 0 5\" pbc=\"F F F\"\nH 0 0 0\n"))
          .rows,
      1);
  expect_parts(error("1\n\nH 0 0 0\nH 0 0 0\n"), {"line 4", "number of a molecule's atoms"});
  expect_parts(message_of<DataError>([&] { read_xyz(folder.file("three.xyz", kTwo), 2); }),
               {"three.xyz", "at most 2", "one of 3"});
  expect_parts(message_of<DataError>([&] {
                 XyzWriter(folder.path("o.xyz"), {"x0", "y0"});
               }),
               {"o.xyz", "2 columns", ".npy"});
  XyzWriter writer(folder.path("o.xyz"), {"x0", "y0", "z0", "species0"});
  const std::vector<double> row = {0.0, 0.0, 0.0, 1.5};
  expect_parts(message_of<DataError>([&] { writer.append(row); }), {"o.xyz", "element", "1.5"});
  EXPECT_FALSE(std::filesystem::exists(folder.path("o.xyz")));
}

TEST(ParticleRows, WithSpeciesAreCentredWithoutEmptyPlaces) {
  std::vector<double> rows = {1, 1, 0,   0,   3, 1, 6, 0, 1,  //
                              0, 0, NAN, NAN, 4, 2, 1, 0, 1};
  const ParticleRowsSummary found = centre_particles(rows, 9, 6, 2, true);
  EXPECT_EQ(rows, (std::vector<double>{-1, 0, 0, 0, 1, 0, 6, 0, 1,  //
                                       -2, -1, 0, 0, 2, 1, 1, 0, 1}));
  EXPECT_NEAR(found.usual_distance, std::sqrt(20.0), 1e-12);
  EXPECT_EQ(found.evaporated, 0);
  const auto error = [](std::vector<double> row) {
    return message_of<DataError>([&] { centre_particles(row, 9, 6, 2, true); });
  };
  expect_parts(error({1, 1, 0.5, 0, 3, 1, 6, 0, 1}), {"row 1", "particle 1", "species 0", "0.5"});
  expect_parts(error({1, 1, 0, 0, 3, 1, 6, 0, 0}), {"row 1", "particle 2", "species 0"});
  expect_parts(error({1, 1, 0, 0, 0, 0, 6, 0, 0}), {"row 1", "at least 2", "got 1"});
  expect_parts(error({1, 1, 0, 0, NAN, 1, 6, 0, 1}), {"row 1", "particle 2", "no position"});
  expect_parts(error({1, 1, 0, 0, 3, 1, 6, 0.5, 1}), {"row 1", "particle 1", "0.5", "whole"});
  expect_parts(error({1, 1, 0, 0, 3, 1, -6, 0, 1}), {"row 1", "particle 0", "-6"});
  expect_parts(error({1, 1, 0, 0, 1, 1, 6, 0, 1}), {"row 1", "where another one is"});
}

/// Molecules OH and HOH with bonds of 1 and .05 deviation, turned at random, atoms in any order.
std::string molecules(int count) {
  std::mt19937 engine(5);
  std::normal_distribution<double> normal;
  std::string text;
  for (int i = 0; i < count; ++i) {
    const int hydrogens = 1 + i % 2;
    std::vector<std::string> atoms = {"O 0.3 0.1 -0.2"};
    for (int h = 0; h < hydrogens; ++h) {
      double x = normal(engine), y = normal(engine), z = normal(engine);
      const double length = (1.0 + 0.05 * normal(engine)) / std::sqrt(x * x + y * y + z * z);
      atoms.push_back(
          fmt::format("H {} {} {}", 0.3 + x * length, 0.1 + y * length, -0.2 + z * length));
    }
    std::ranges::shuffle(atoms, engine);
    text += fmt::format("{}\n\n", atoms.size());
    for (const std::string& atom : atoms) text += atom + "\n";
  }
  return text;
}

class MoleculeSets : public ::testing::Test {
 protected:
  RunRequest request(std::int64_t steps, const std::string& kind = "continuous") {
    return {.settings = {{"data.path", folder_.file("molecules.xyz", molecules(400))},
                         {"flow.kind", kind},
                         {"flow.network_blocks", std::int64_t{2}},
                         {"flow.hidden", std::vector<std::int64_t>{16}},
                         {"training.learning_rate", 0.003},
                         {"training.iterations", steps},
                         {"training.validation_interval", steps}},
            .out = folder_.path("run")};
  }
  Table table(const std::string& name, const std::string& text) {
    return load_table(folder_.file(name, text), {.places = 3});
  }
  TemporaryFolder folder_;
  ThreadPool pool_{2};
};

TEST_F(MoleculeSets, AreLearntAndDrawnByWhatTheyAreMadeOf) {
  const RunPlan plan = plan_run(request(600));
  EXPECT_EQ(plan.options.model.features, 9);
  EXPECT_EQ(plan.options.model.context_features, 3);
  EXPECT_EQ(plan.options.model.flow.species, (std::vector<std::int64_t>{1, 8}));
  EXPECT_EQ(plan.options.model.base.kind, "mean_free_normal");
  EXPECT_EQ(plan.options.training.objective, "flow_matching");
  const TrainingOutcome outcome = run_training(plan, pool_);
  const auto variation =
      std::ranges::find(outcome.evaluation.metrics, "distance_variation", &Metric::name);
  ASSERT_NE(variation, outcome.evaluation.metrics.end());
  const LoadedRun run = load_run(plan.out);
  // Samples of a composition, in the order in which it is given.
  const std::string given = "3\n\nH 0 0 0\nO 0 0 0\nH 0 0 0\n2\n\nH 0 0 0\nO 0 0 0\n";
  SampleRequest wanted{.count = 400, .condition = {1, 8, 1, 1, 8, 0}};
  sample_to_file(run, wanted, folder_.path("samples.xyz"), pool_);
  const Table samples = table("copy.xyz", read_bytes(folder_.path("samples.xyz")));
  ASSERT_EQ(samples.rows, 400);
  std::vector<double> bonds;
  for (std::size_t row = 0; row < 400; ++row) {
    const double* x = &samples.values[12 * row];
    EXPECT_EQ(x[9], 1.0);
    EXPECT_EQ(x[10], 8.0);
    EXPECT_EQ(x[11], row % 2 == 0 ? 1.0 : 0.0);
    for (const std::size_t hydrogen : {0U, 2U})
      if (x[9 + hydrogen] != 0.0)
        bonds.push_back(std::hypot(x[3] - x[3 * hydrogen], x[4] - x[3 * hydrogen + 1],
                                   x[5] - x[3 * hydrogen + 2]));
  }
  ASSERT_EQ(bonds.size(), 600u);
  // Draws of the base have a median distance of 1.5 for OH and 2.2 for a pair in HOH.
  EXPECT_NEAR(median(bonds), 1.0, 0.2);

  // Densities know no order of atoms of one element, no turn and no place, and another element.
  const auto density = [&](const std::string& text) {
    return log_densities(run, table("one.xyz", text), pool_, {.precision = Precision::kDouble})
        .values.front();
  };
  const double there = density("3\n\nO 0 0 0\nH 1 0 0\nH 0 1.1 0\n");
  EXPECT_NEAR(density("3\n\nH 5 1.1 1\nO 5 0 1\nH 5 0 2\n"), there, 1e-9);
  EXPECT_GT(std::abs(density("3\n\nH 0 0 0\nO 1 0 0\nH 0 1.1 0\n") - there), 1e-3);
  // What is not known is refused, by densities and by samples.
  expect_parts(message_of<DataError>([&] { density("2\n\nN 0 0 0\nH 1 0 0\n"); }),
               {"row 1", "species 7", "1, 8"});
  expect_parts(message_of<DataError>([&] { density("1\n\nH 0 0 0\n"); }), {"at least 2", "got 1"});
  wanted.condition = {1, 8, 7};
  expect_parts(message_of<DataError>(
                   [&] { sample_to_file(run, wanted, folder_.path("samples.xyz"), pool_); }),
               {"row 1", "species 7"});
  expect_parts(
      message_of<DataError>([&] {
        run.read_table(folder_.file("large.xyz", "4\n\nH 0 0 0\nH 1 0 0\nH 2 0 0\nO 3 0 0\n"));
      }),
      {"large.xyz", "at most 3", "one of 4"});
  // Checks of the model take what it was trained on, also when its points are gone.
  const std::vector<double> usual = run.usual_context();
  ASSERT_EQ(usual.size(), 3u);
  EXPECT_EQ(std::ranges::count(usual, 8.0), 1);
  DensityEvaluator evaluator(*run.model, pool_, Precision::kDouble);
  expect_parts(message_of<DataError>([&] {
                 evaluator.to_latent(std::vector<double>(9, 0.0), std::vector<double>{7, 1, 0});
               }),
               {"to_latent", "species 7"});
  // Chains move what is there alone.
  SampleRequest chains{.sampler = "mala",
                       .count = 20,
                       .condition = wanted.condition,
                       .chains = 4,
                       .burn_in = 5,
                       .step_size = 0.1};
  chains.condition = {1, 8, 0};
  std::vector<double> moved;
  const SampleResult drawn = make_sampler(run, chains, pool_)
                                 ->draw(
                                     [&](std::span<const double> rows) {
                                       moved.insert(moved.end(), rows.begin(), rows.end());
                                     },
                                     {});
  ASSERT_TRUE(drawn.chains && drawn.chains->worst);
  EXPECT_TRUE(std::isfinite(drawn.chains->worst->r_hat));
  for (std::size_t row = 0; row < 20; ++row)
    for (std::size_t d = 0; d < 3; ++d) {
      EXPECT_EQ(moved[9 * row + 6 + d], 0.0);
      EXPECT_NEAR(moved[9 * row + d] + moved[9 * row + 3 + d], 0.0, 1e-5);
    }
}

TEST_F(MoleculeSets, ARunThatTookThemAsPlainColumnsGoesOnAsSuch) {
  RunRequest plain = request(3, "real_nvp");
  plain.settings.resize(2);
  for (const Setting& setting : std::vector<Setting>{{"data.species", false},
                                                     {"data.particles", std::int64_t{0}},
                                                     {"flow.hidden", std::vector<std::int64_t>{8}},
                                                     {"flow.blocks", std::int64_t{1}},
                                                     {"training.iterations", std::int64_t{2}}})
    plain.settings.push_back(setting);
  RunPlan plan = plan_run(plain);
  EXPECT_FALSE(plan.options.data.species);
  plan.report = false;
  run_training(plan, pool_);
  RunPlan more = plan_run(
      {.settings = {{"training.iterations", std::int64_t{4}}}, .out = plain.out, .resume = true});
  EXPECT_FALSE(more.options.data.species);
  EXPECT_EQ(more.options.data.particles, 0);
  more.report = false;
  EXPECT_EQ(run_training(more, pool_).steps, 4);
}

TEST_F(MoleculeSets, AreTakenByFreeFormFlowsAndFromTables) {
  RunRequest free_form = request(20, "free_form");
  RunPlan plan = plan_run(free_form);
  plan.report = false;
  run_training(plan, pool_);
  const LoadedRun run = load_run(plan.out);
  const LogDensities found = log_densities(run, run.read_table(folder_.path("molecules.xyz")),
                                           pool_, {.precision = Precision::kDouble});
  EXPECT_EQ(found.values.size(), 400u);
  // The same rows as a table with names, and with the species named as the condition.
  const Table rows = load_table(folder_.path("molecules.xyz"));
  save_table(folder_.path("molecules.csv"), rows);
  save_table(folder_.path("molecules.npy"), rows);
  for (const char* name : {"molecules.csv", "molecules.npy"}) {
    RunRequest other = free_form;
    other.settings[0] = {"data.path", folder_.path(name)};
    other.settings.push_back({"data.particles", std::int64_t{3}});
    other.settings.push_back({"data.species", true});
    if (std::string(name).ends_with(".npy"))
      other.settings.push_back({"data.condition", std::vector<std::string>{"x9", "x10", "x11"}});
    other.out = folder_.path(std::string("run-") + name);
    RunPlan again = plan_run(other);
    again.report = false;
    run_training(again, pool_);
    const LoadedRun same = load_run(again.out);
    EXPECT_TRUE(std::ranges::equal(same.model->parameters().flat(), run.model->parameters().flat()))
        << name;
  }
  // Empty positions, another condition, and species in any order of columns.
  Table mixed;
  mixed.names = {"species2", "t"};
  for (const std::string& name : rows.names)
    if (name != "species2") mixed.names.push_back(name);
  mixed.rows = rows.rows;
  for (std::size_t row = 0; row < 400; ++row) {
    const double* own = &rows.values[12 * row];
    mixed.values.insert(mixed.values.end(), {own[11], row % 7 / 7.0});
    for (std::size_t i = 0; i < 11; ++i)
      mixed.values.push_back(i < 9 && own[9 + i / 3] == 0.0 ? NAN : own[i]);
  }
  mixed.content.resize(mixed.names.size());
  for (ColumnText& column : mixed.content) column.missing = true;
  save_table(folder_.path("mixed.csv"), mixed);
  RunRequest with_t = free_form;
  with_t.settings[0] = {"data.path", folder_.path("mixed.csv")};
  with_t.settings.push_back({"data.particles", std::int64_t{3}});
  with_t.settings.push_back({"data.species", true});
  with_t.settings.push_back({"data.condition", std::vector<std::string>{"species0", "t"}});
  with_t.out = folder_.path("with-t");
  RunPlan of_t = plan_run(with_t);
  of_t.report = false;
  EXPECT_EQ(of_t.options.model.context_features, 4);
  EXPECT_EQ(of_t.options.model.context_columns[0].name, "t");
  EXPECT_EQ(of_t.options.model.context_columns[3].name, "species2");
  run_training(of_t, pool_);
  const LoadedRun given_t = load_run(of_t.out);
  const LogDensities of_mixed =
      log_densities(given_t, given_t.read_table(folder_.path("mixed.csv")), pool_, {});
  EXPECT_TRUE(std::ranges::all_of(of_mixed.values, [](double v) { return std::isfinite(v); }));
  const std::string odd = folder_.file("odd.csv",
                                       "x0,y0,z0,x1,y1,z1,x2,y2,z2,species0,species1,species2,t\n"
                                       "0,0,0,1,0,0,0.5,0,0,8,1,0,0.1\n");
  expect_parts(
      message_of<DataError>([&] { log_densities(given_t, given_t.read_table(odd), pool_, {}); }),
      {"row 1", "particle 2", "species 0", "0.5"});
  // Files of their own to validate and test on, of smaller molecules, and of other elements.
  RunRequest split = free_form;
  split.settings.push_back({"data.validation", folder_.file("oh.xyz", "2\n\nO 0 0 0\nH 1 0 0\n")});
  split.out = folder_.path("split");
  EXPECT_EQ(plan_run(split).data->validation.size(), 1u);
  split.settings.back() = {"data.validation", folder_.file("of.xyz", "2\n\nO 0 0 0\nF 1 0 0\n")};
  expect_parts(message_of<DataError>([&] { plan_run(split); }),
               {"species 9", "no row to train on"});
  split.settings.back() = {"data.target", std::string("dw4")};
  expect_parts(message_of<ConfigError>([&] { plan_run(split); }), {"data.species", "dw4"});
  split.settings.back() = {"data.drop_missing", true};
  expect_parts(message_of<ConfigError>([&] { plan_run(split); }), {"data.drop_missing"});
  // Without a condition there are no species.
  RunRequest bad = free_form;
  bad.out = folder_.path("bad");
  bad.settings[0] = {"data.path", folder_.path("molecules.npy")};
  bad.settings.push_back({"data.particles", std::int64_t{3}});
  bad.settings.push_back({"data.species", true});
  expect_parts(message_of<ConfigError>([&] { plan_run(bad); }),
               {"data.species", "4 particles", "data.condition"});
  bad = free_form;
  bad.settings.push_back({"base.kind", std::string("normal")});
  bad.out = folder_.path("bad");
  expect_parts(message_of<ConfigError>([&] { run_training(plan_run(bad), pool_); }),
               {"flow.species", "normal"});
}

}  // namespace
}  // namespace thalweg
