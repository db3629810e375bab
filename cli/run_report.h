// The page that shows what a run, or several side by side, came to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/evaluation.h"
#include "thalweg/core/thread_pool.h"

namespace thalweg::cli {

/// Writes report.html, which stands alone, and plots/ beside it into `folder`. `figures` has an
/// entry a run; `data` are the first run's points if it learnt a table. Runs of one report have the
/// same number of columns, else ConfigError.
void write_run_report(const std::vector<const LoadedRun*>& runs,
                      const std::vector<std::vector<Figure>>& figures,
                      const std::optional<PreparedData>& data, const std::string& folder,
                      ThreadPool& pool);

}  // namespace thalweg::cli
