// Pictures of an experiment's first runs, by kind.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/report/plot.h"
#include "thalweg/runs/experiment.h"

namespace thalweg {

class Reproduction;

/// A plot with the name of its file.
struct DrawnPlot {
  std::string name;
  std::variant<LineChart, HeatMapPlot, ScatterPlot> plot;
};

/// A kind of picture that an experiment may ask for.
struct PictureKind {
  const char* name;
  const char* needs;  ///< what the experiment must have besides, or ""
  bool (*has_needs)(const Experiment& experiment, const ExperimentPicture& picture);
  /// The plots that it comes to; none where the runs are not there yet.
  std::vector<DrawnPlot> (*draw)(const Reproduction& reproduction, const ExperimentPicture& picture,
                                 ThreadPool& pool);
};

const std::vector<PictureKind>& picture_kinds();

/// Throws ConfigError with the nearest name for an unknown kind; `where` begins the message.
const PictureKind& find_picture_kind(const std::string& name, const std::string& where);

}  // namespace thalweg
