// Runs as earlier versions wrote them, with the log densities that the version which wrote a run
// gave its points: whatever changes, a saved model stays the density it was. golden/make.sh makes
// them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "thalweg/datasets/column_coding.h"
#include "thalweg/io/table.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/sampling/density_evaluator.h"

namespace thalweg {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> golden_runs() {
  std::vector<std::string> runs;
  for (const auto& entry : fs::recursive_directory_iterator(THALWEG_GOLDEN))
    if (entry.path().filename() == "manifest.json")
      runs.push_back(
          fs::relative(entry.path().parent_path(), fs::path(THALWEG_GOLDEN)).generic_string());
  std::sort(runs.begin(), runs.end());
  return runs;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, KeepsItsLogDensities) {
  const std::string folder = THALWEG_GOLDEN "/" + GetParam();
  const LoadedRun run = load_run(folder);
  ModelRows points = rows_for_model(load_table(folder + "/points.csv"), run.options.model);
  // As log-prob does.
  const std::vector<double> intervals = log_intervals(run.options.model.columns, points.x);
  centre_in_intervals(run.options.model.columns, points.x);
  ThreadPool pool(1);
  DensityEvaluator evaluator(*run.model, pool, Precision::kDouble, run.options.importance_samples);
  std::vector<double> values = evaluator.log_prob(points.x, points.context);
  for (std::size_t row = 0; row < intervals.size(); ++row) values[row] += intervals[row];
  const std::vector<double> expected = load_table(folder + "/log_prob.csv").values;
  ASSERT_EQ(values.size(), expected.size());
  ASSERT_GE(values.size(), 5u);
  // Instruction sets differ in the last bits. Estimates draw the same random numbers everywhere.
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_NEAR(values[i], expected[i], 1e-12 * std::max(1.0, std::abs(expected[i])))
        << "point " << i;
}

INSTANTIATE_TEST_SUITE_P(Runs, Golden, testing::ValuesIn(golden_runs()), [](const auto& run) {
  std::string name = run.param;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
});

TEST(GoldenRuns, AreOfEveryFormat) {
  for (int format = 1; format <= kRunFormat; ++format) {
    const std::string start = "format" + std::to_string(format) + "/";
    const auto runs = golden_runs();
    // Format 4 is format 3 for all that there was before; besides it has kinds of columns, stacks,
    // particles, and free-form and continuous flows. Format 5 has angles beside LU maps and
    // acceptance networks, derived columns by tables, logarithms and levels.
    EXPECT_GE(std::count_if(runs.begin(), runs.end(),
                            [&](const std::string& run) { return run.starts_with(start); }),
              format < 4   ? 20
              : format < 5 ? 11
                           : 2)
        << start;
  }
}

}  // namespace
}  // namespace thalweg
