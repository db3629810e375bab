// Forces that come with the rows of a table: how they are read, and that training on them is that
// on the forces of the energy which they are of.
#include "thalweg/datasets/data_forces.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "small_model.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/io/table.h"
#include "thalweg/targets/expression.h"
#include "thalweg/training/trainer.h"

namespace thalweg {
namespace {

Table table_of(std::vector<std::string> names, std::int64_t rows, std::uint64_t seed) {
  RandomSequence random(seed, Stream::kTarget);
  Table table;
  table.names = std::move(names);
  table.rows = rows;
  for (std::int64_t i = 0; i < rows * table.columns(); ++i) table.values.push_back(random.normal());
  return table;
}

class DataForces : public ::testing::Test {
 protected:
  DataForces() {
    save_table(folder_.path("data.csv"), table_of({"a", "b", "c"}, 60, 1));
    forces_ = table_of({"a", "b", "c"}, 60, 2);
    save_table(folder_.path("forces.csv"), forces_);
    options_.path = folder_.path("data.csv");
    options_.forces = folder_.path("forces.csv");
    options_.marginal_maps = options_.find_kinds = false;
  }

  PreparedData loaded() const { return load_prepared_data(options_, 1); }

  TemporaryFolder folder_;
  Table forces_;
  DataOptions options_;
};

TEST_F(DataForces, GoWithTheirRowsByNameOrByPlace) {
  EXPECT_EQ(loaded().forces, forces_.values);
  options_.columns = {"c", "a"};
  std::vector<double> picked;
  for (std::size_t row = 0; row < 60; ++row)
    picked.insert(picked.end(), {forces_.values[3 * row + 2], forces_.values[3 * row]});
  EXPECT_EQ(loaded().forces, picked);
  // An array has no names: its columns are in the order of the data's.
  save_table(folder_.path("forces.npy"), forces_);
  options_.forces = folder_.path("forces.npy");
  EXPECT_EQ(loaded().forces, picked);
}

TEST_F(DataForces, AreRefusedWhereTheyDoNotFit) {
  const auto refused = [&](const auto& change) {
    const DataOptions kept = options_;
    change(options_);
    std::string message = message_of<Error>([&] { loaded(); });
    options_ = kept;
    return message;
  };
  const auto expect = [](const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect(refused([](DataOptions& o) { o.drop_missing = true; }), "data.drop_missing");
  expect(refused([](DataOptions& o) { o.drop_duplicates = true; }), "data.drop_duplicates");
  expect(refused([&](DataOptions& o) { o.test = o.path; }), "several files");
  save_table(folder_.path("short.csv"), table_of({"a", "b", "c"}, 59, 2));
  expect(refused([&](DataOptions& o) { o.forces = folder_.path("short.csv"); }), "60 rows");
  save_table(folder_.path("narrow.csv"), table_of({"a", "b"}, 60, 2));
  expect(refused([&](DataOptions& o) { o.forces = folder_.path("narrow.csv"); }),
         "expected a column 'c'");
  Table gap = forces_;
  gap.values[7] = NAN;
  save_table(folder_.path("gap.csv"), gap);
  expect(refused([&](DataOptions& o) { o.forces = folder_.path("gap.csv"); }), "row 3");
}

TEST_F(DataForces, WantColumnsThatNoNoiseMoves) {
  const auto refused = [&](double step, bool kinds) {
    Table data = table_of({"a", "b", "c"}, 60, 1);
    for (std::size_t row = 0; row < 60; ++row) {
      double& b = data.values[3 * row + 1];
      b = step * std::round(b / step);
    }
    save_table(folder_.path("data.csv"), data);
    options_.find_kinds = kinds;
    options_.find_integers = !kinds;
    const std::string message = message_of<ConfigError>([&] { loaded(); });
    for (const char* part : {"'b'", "data.find_kinds", "data.find_integers"})
      EXPECT_NE(message.find(part), std::string::npos) << message;
    options_.find_kinds = options_.find_integers = false;
    EXPECT_EQ(loaded().forces, forces_.values);
  };
  refused(0.5, false);  // evenly spaced
  refused(1.0, true);   // a category
}

TEST_F(DataForces, TeachWhatTheForcesOfTheEnergyDo) {
  const Table data = table_of({"x", "y"}, 200, 3);
  std::vector<double> forces;
  for (std::size_t row = 0; row < 200; ++row)
    forces.insert(forces.end(),
                  {-2.0 * data.values[2 * row], -std::pow(data.values[2 * row + 1], 3)});
  TrainingOptions options;
  options.objective = "force_matching";
  options.force_weight = 0.1;
  options.iterations = 20;
  options.batch_size = 64;
  options.precision = "double";
  const auto trained = [&](const TrainingData& source) {
    ThreadPool pool(1);
    Model model(testing::small_model(2), 1);
    Trainer trainer(model, source, options, pool);
    for (int step = 0; step < 20; ++step) trainer.step();
    return trainer.state().parameters;
  };
  const std::vector<double> by_data = trained({.rows = data.values, .forces = forces});
  const std::vector<double> by_energy =
      trained({.rows = data.values, .target = make_expression_target("x^2 + y^4/4", {"x", "y"})});
  ASSERT_EQ(by_data.size(), by_energy.size());
  for (std::size_t i = 0; i < by_data.size(); ++i) EXPECT_NEAR(by_data[i], by_energy[i], 1e-9);
  EXPECT_THROW(trained({.rows = data.values}), DataError);
  options.energy_weight = 0.1;
  EXPECT_THROW(trained({.rows = data.values, .forces = forces}), ConfigError);
  forces.pop_back();
  options.energy_weight = 0.0;
  EXPECT_THROW(trained({.rows = data.values, .forces = forces}), ShapeError);
}

}  // namespace
}  // namespace thalweg
