// Tables of an experiment: means over seeds, ours beside those published, and differences.
#pragma once

#include <string>
#include <vector>

#include "thalweg/report/text_table.h"
#include "thalweg/runs/reproduction.h"

namespace thalweg {

/// A mean over seeds; NaN without values.
struct Summary {
  double mean = 0.0;
  double spread = 0.0;  ///< standard error of the mean, or deviation; NaN for one value
  std::size_t count = 0;
};

/// Of one metric over the runs that have it, with the spread that the experiment names.
Summary metric_summary(const Experiment& experiment, const std::vector<RunResult>& runs,
                       const std::string& metric);

/// A metric's name as people read it; the name itself if no run has it.
std::string metric_label(const ExperimentResults& results, const std::string& metric);

/// The experiment's own tables, else one of its metric and those beside it, a line a run; then the
/// differences between columns, row by row and in sum, over the seeds that both have.
std::vector<TextTable> experiment_tables(const Reproduction& reproduction);

}  // namespace thalweg
