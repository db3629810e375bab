// Tables of runs side by side: metrics and settings.
#pragma once

#include <string>
#include <vector>

#include "thalweg/report/text_table.h"
#include "thalweg/runs/run_maps.h"

namespace thalweg {

/// What a run learns from, in a word or two: the name of its file or target, or its energy.
std::string source_name(const RunOptions& options);

/// As source_name, with what is taken of it: points, samples, an energy.
std::string learnt_from(const RunOptions& options);

/// A table for each group of metrics that there is, a row a metric, a column a run. `metrics` has
/// an entry a run.
std::vector<TextTable> metrics_tables(const std::vector<std::string>& names,
                                      const std::vector<std::vector<Metric>>& metrics);

/// What tells the runs apart, a column a run.
TextTable settings_table(const std::vector<NamedRun>& runs);

}  // namespace thalweg
