// The page that shows what a run, or several side by side, came to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "thalweg/runs/run_maps.h"

namespace thalweg {

/// The name of a run in reports: the last part of the path of its folder.
std::string run_name(const std::string& folder);

/// Writes report.html, which stands alone, and plots/ beside it into `folder`. `metrics` has an
/// entry a run; `data` are the first run's points if it learnt a table. Throws ConfigError for runs
/// of different columns or conditions, DataError for what cannot be written.
void write_run_report(const std::vector<NamedRun>& runs, const std::vector<Evaluation>& evaluations,
                      const std::optional<PreparedData>& data, const std::string& folder,
                      ThreadPool& pool);

/// Loads and evaluates the runs in these folders and writes their page to `out`; if that is empty,
/// to the folder of a single run, and to "report" for several. Gives the path of the page. Throws
/// ConfigError for runs of different targets too, and what loading and evaluating them throws.
std::string report_runs(const std::vector<std::string>& folders, std::string out, ThreadPool& pool,
                        const LoadOptions& options = {});

}  // namespace thalweg
