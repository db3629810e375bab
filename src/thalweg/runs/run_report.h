// The page that shows what a run, or several side by side, came to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/report/plot.h"
#include "thalweg/runs/evaluation.h"

namespace thalweg {

/// Writes report.html, which stands alone, and plots/ beside it into `folder`. `metrics` has an
/// entry a run; `data` are the first run's points if it learnt a table. Runs of one report have the
/// same number of columns, else ConfigError.
void write_run_report(const std::vector<const LoadedRun*>& runs,
                      const std::vector<std::vector<Metric>>& metrics,
                      const std::optional<PreparedData>& data, const std::string& folder,
                      ThreadPool& pool);

/// Densities of runs that learnt the same two-dimensional target, after the target's own, over the
/// square that holds it; and the base densities of those that have a learned base.
HeatMapPlot density_maps(const std::vector<const LoadedRun*>& runs,
                         const std::vector<std::string>& names, ThreadPool& pool);
/// Draws of a run's base on their way through its flow: after every stochastic layer, and after the
/// blocks between them.
ScatterPlot stage_maps(const LoadedRun& run, ThreadPool& pool);
/// Exact samples of that target, and samples of each run, over the same square.
ScatterPlot sample_maps(const std::vector<const LoadedRun*>& runs,
                        const std::vector<std::string>& names, ThreadPool& pool);
HeatMapPlot base_maps(const std::vector<const LoadedRun*>& runs,
                      const std::vector<std::string>& names, ThreadPool& pool);

}  // namespace thalweg
