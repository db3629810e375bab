// Runs held against what is known: log integrals, means and variances beside the truth.
#pragma once

#include <vector>

#include "thalweg/report/text_table.h"
#include "thalweg/runs/experiment.h"
#include "thalweg/runs/reproduction.h"

namespace thalweg {

/// How one run stands to the truths of its row. Deviations are in standard errors, those of run and
/// truth together; infinite where the run gives a value without a finite error.
struct TruthVerdict {
  bool has_metric = false;     ///< the experiment's metric is there
  double difference = 0.0;     ///< of it from the truth
  double deviation = 0.0;      ///< the same in errors
  double largest = 0.0;        ///< deviation of the other truths, those that the run lacks left out
  std::size_t others = 0;      ///< which the run has
  std::size_t others_off = 0;  ///< by more than three errors
  bool warned = false;         ///< by its metric `warnings`
};
TruthVerdict judge_by_truth(const Experiment& experiment, const ExperimentPart& row,
                            const RunResult& run);

/// A line a row and column: the truth of the experiment's metric, ours, how many runs were within
/// three errors and how many warned, the largest deviation of the others, evaluations and time; and
/// a table that counts over all runs. Metrics: `warnings` (0: none), `exploration_evaluations`.
std::vector<TextTable> truth_tables(const Experiment& experiment, const ExperimentResults& results);

}  // namespace thalweg
