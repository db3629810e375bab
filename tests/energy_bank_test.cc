// The bank of energies: as many as promised, equal to what truths.py makes of them, without hints.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <utility>

#include "thalweg/exploration/gradient_check.h"
#include "thalweg/exploration/mixture.h"
#include "thalweg/exploration/tails.h"
#include "thalweg/runs/experiment.h"
#include "thalweg/runs/row_function.h"

namespace thalweg {
namespace {

/// Energies at x_i = 0.6 + 0.1 sin(i + 1), as papers/energies/truths.py prints them.
const std::map<std::string, double>& references() {
  static const std::map<std::string, double> table = {
      {"two-20", 186.789778611},          {"two-12", 64.2629553251},
      {"two-unequal", 32.3481240549},     {"far-1000", 499316.325622},
      {"four-10d", 55.8253333366},        {"clusters-16", 43.9309434734},
      {"one-percent-20d", 3.72142928192}, {"ring", 1018.73351768},
      {"shell-10d", 129.466013616},       {"banana", 6.76209306087},
      {"funnel", 3.95006456604},          {"horseshoe", 38.8244251914},
      {"schools-centred", 48.1348696249}, {"schools-non-centred", 43.5356725168},
      {"logistic", 950.597796579},        {"scales", 1.24999657927e+19},
      {"scales-wide", 234028673952},      {"correlated", 12274.4562323},
      {"wall", 0.922839053142},           {"angles", 0.0743276522446},
      {"many-well", -34.7119648582},      {"rastrigin", 25.6225208242},
      {"student", 0.00274218629124},      {"gamma-beta", 2.85064485221},
      {"hundred", 6979.84190339},         {"narrow", 11.1983093817},
      {"needle", 11.1983093817},
  };
  return table;
}

TEST(EnergyBank, HasTheEnergiesThatTheTruthsAreOf) {
  const Experiment bank = find_experiment("energies/bank");
  EXPECT_GE(bank.rows.size(), 20u);
  EXPECT_EQ(bank.rows.size(), references().size());
  ThreadPool pool(1);
  for (const ExperimentPart& row : bank.rows) {
    const RunOptions options = experiment_options(bank, row, bank.columns.front(), 1, 1.0);
    const std::shared_ptr<const Target> target = make_target(options.target);
    std::vector<double> point, scales;
    for (std::int64_t i = 0; i < target->features(); ++i)
      point.push_back(0.6 + 0.1 * std::sin(static_cast<double>(i) + 1.0));
    const double energy = -target_log_density(target, pool)(point)[0];
    const double expected = references().at(row.key);
    EXPECT_NEAR(energy, expected, 1e-10 * (1.0 + std::abs(expected))) << row.key;
    // No truth is of a column that is not there, and each row has a log integral.
    bool integral = false;
    for (const KnownValue& known : row.known) {
      integral = integral || known.metric == "log_integral";
      const std::string name = known.metric.substr(known.metric.find('_') + 1);
      const std::vector<std::string>& columns = target->columns();
      EXPECT_TRUE(known.metric == "log_integral" ||
                  std::find(columns.begin(), columns.end(), name) != columns.end())
          << row.key << ' ' << known.metric;
    }
    EXPECT_TRUE(integral) << row.key;
  }
}

TEST(EnergyBank, GivesNoHints) {
  const Experiment bank = find_experiment("energies/bank");
  EXPECT_TRUE(bank.defaults);
  for (const ExperimentPart& row : bank.rows)
    for (const std::string& key : experiment_keys(bank, row, bank.columns.front()))
      EXPECT_TRUE(key == "energy" || key == "variables" || key == "constants" ||
                  key == "data.bounds" || key == "data.periodic")
          << row.key << ' ' << key;
}

/// An energy of the bank, and its columns with their bounds.
std::pair<std::shared_ptr<const Target>, std::vector<ColumnOptions>> energy_of(
    const Experiment& bank, const ExperimentPart& row) {
  const RunOptions options = experiment_options(bank, row, bank.columns.front(), 1, 1.0);
  std::shared_ptr<const Target> target = make_target(options.target);
  std::vector<ColumnOptions> columns;
  for (const std::string& name : target->columns()) columns.push_back({.name = name});
  bound_columns(columns, options.data);
  return {std::move(target), std::move(columns)};
}

TEST(EnergyBank, RaisesNoAlarmOverRightSlopes) {
  const Experiment bank = find_experiment("energies/bank");
  ThreadPool pool(1);
  for (const ExperimentPart& row : bank.rows) {
    const auto [target, columns] = energy_of(bank, row);
    for (const double scale : {0.01, 1.0, 100.0}) {
      const auto width = static_cast<std::size_t>(target->features());
      std::vector<double> points, scales(width, scale);
      for (std::uint64_t i = 0; i < 60 * width; ++i) {
        RandomSequence random(3, Stream::kEvaluation, i);
        points.push_back(0.6 + 0.1 * random.uniform());
      }
      EXPECT_NO_THROW(check_gradients(target, points, scales, columns, pool)) << row.key << scale;
    }
  }
}

TEST(EnergyBank, RaisesNoAlarmOverFiniteIntegrals) {
  const Experiment bank = find_experiment("energies/bank");
  ThreadPool pool(1);
  for (const ExperimentPart& row : bank.rows) {
    const auto [target, columns] = energy_of(bank, row);
    double log_integral = 0.0;
    for (const KnownValue& known : row.known)
      if (known.metric == "log_integral") log_integral = known.value;
    UnboundedEnergy energy(target, columns, pool);
    RandomSequence random(5, Stream::kExploration);
    // As of samples that are right, too narrow and too broad.
    for (const double scale : {0.01, 1.0, 100.0}) {
      const Points y = scale * normal_points(target->features(), 200, random);
      EXPECT_EQ(infinite_integral(energy, y, log_integral, columns, target->columns(), random), "")
          << row.key << ' ' << scale;
    }
  }
}

}  // namespace
}  // namespace thalweg
