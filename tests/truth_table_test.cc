// Runs held against truths: deviations in errors, silent failures, and what is read from a file.
#include "thalweg/runs/truth_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr const char* kText = R"(title = "bank"
metric = "log_integral"
metric_label = "log integral"
defaults = true
[[rows]]
key = "a"
name = "first"
settings.energy = "x^2"
truth = { log_integral = 2.0, mean_x = [1.0, 0.3], variance_x = 4 }
[[columns]]
key = "default"
name = "defaults"
)";

RunResult run_of(double log_integral, double error, double mean, double warnings) {
  RunResult run;
  run.metrics = {{"log_integral", "log integral", log_integral, error},
                 {"mean_x", "mean", mean, 0.4},
                 {"variance_x", "variance", 4.0, 0.1},
                 {"warnings", "warnings", warnings}};
  return run;
}

TEST(TruthTable, CountsInErrors) {
  const Experiment bank = read_experiment("bank", kText);
  ASSERT_EQ(bank.rows[0].known.size(), 3u);
  const TruthVerdict verdict = judge_by_truth(bank, bank.rows[0], run_of(2.2, 0.1, 3.0, 0.0));
  EXPECT_TRUE(verdict.has_metric);
  EXPECT_NEAR(verdict.difference, 0.2, 1e-12);
  EXPECT_NEAR(verdict.deviation, 2.0, 1e-12);
  EXPECT_EQ(verdict.others, 2u);
  EXPECT_NEAR(verdict.largest, 2.0 / 0.5, 1e-12);  // errors of run and truth in squares
  EXPECT_EQ(verdict.others_off, 1u);
  EXPECT_FALSE(verdict.warned);
  EXPECT_TRUE(std::isinf(judge_by_truth(bank, bank.rows[0], run_of(2.2, 0.0, 1, 0)).deviation));
  EXPECT_TRUE(std::isinf(judge_by_truth(bank, bank.rows[0], run_of(NAN, 0.1, 1, 0)).difference));
  EXPECT_FALSE(judge_by_truth(bank, bank.rows[0], {}).has_metric);
}

TEST(TruthTable, CountsWhatIsSilentlyOff) {
  const Experiment bank = read_experiment("bank", kText);
  ExperimentResults results;
  // Right; off and warned; off in silence; without a value in silence.
  results.runs = {{{run_of(2.05, 0.1, 1.0, 0.0), run_of(3.0, 0.1, 3.0, 1.0),
                    run_of(2.25, 0.1, 1.0, 0.0), run_of(NAN, 0.1, 1.0, 0.0)}}};
  const std::vector<TextTable> tables = truth_tables(bank, results);
  ASSERT_EQ(tables.size(), 2u);
  EXPECT_EQ(tables[0].rows[0][2], "2.0000");
  EXPECT_EQ(tables[0].rows[0][4], "2 of 4");
  EXPECT_EQ(tables[0].rows[0][5], "1 of 4");
  EXPECT_EQ(tables[0].rows[0][6], "4.0");
  EXPECT_EQ(tables[1].rows[0][1], "2 of 4 (50 %)");
  EXPECT_EQ(tables[1].rows[1][1], "2 of 4 (50 %)");
  EXPECT_EQ(tables[1].rows[2][1], "1 of 4 (25 %)");
  EXPECT_EQ(tables[1].rows[4][1], "1 of 8 (12 %)");
  EXPECT_EQ(tables[1].rows[5][1], "0 of 8 (0 %)");
}

TEST(TruthTable, RefusesTruthsThatAreNoNumbers) {
  for (const char* truth : {"{ log_integral = \"2\" }", "{ mean_x = [1] }", "3"}) {
    std::string text = kText;
    const std::size_t place = text.find("truth = ");
    text.replace(place, text.find('\n', place) - place, std::string("truth = ") + truth);
    EXPECT_THROW(read_experiment("bank", text), ConfigError) << truth;
  }
}

}  // namespace
}  // namespace thalweg
