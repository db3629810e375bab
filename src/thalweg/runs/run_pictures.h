// Pictures of one run, or of several side by side, for their report.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "thalweg/datasets/prepare_data.h"
#include "thalweg/runs/run_maps.h"

namespace thalweg {

/// A picture on disk and what it shows.
struct RunPicture {
  std::string title, caption;
  std::filesystem::path file;  ///< PNG; an SVG is beside it
};

/// Draws into `folder`: losses, and by the number of columns histograms, the plane with what bases
/// have learnt, or pairs of columns. `data` are the first run's points if it learnt a table. The
/// runs have the same columns. At most `samples` of each run are drawn, and as many points beside
/// them. Throws as write_plot, and DataError for missing files of a run.
std::vector<RunPicture> draw_run_pictures(const std::vector<NamedRun>& runs,
                                          const std::optional<PreparedData>& data,
                                          const std::filesystem::path& folder, std::int64_t samples,
                                          ThreadPool& pool);

}  // namespace thalweg
