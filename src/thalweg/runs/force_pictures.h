// Pictures of forces of runs in the plane beside those of their target.
#pragma once

#include <vector>

#include "thalweg/runs/run_maps.h"

namespace thalweg {

/// Lengths of forces, d/dx log p, in the plane: of the target that all runs learnt, in whose scale
/// the colours are, and of each run that has forces. Without panels if none has.
HeatMapPlot force_maps(const std::vector<NamedRun>& runs, double half_width, ThreadPool& pool);

/// Components of the target's forces (across) and of each run's (along) at exact samples, in a
/// frame that the former fill by half; what lies beyond is drawn on it. Without panels for a target
/// that cannot be sampled.
ScatterPlot force_clouds(const std::vector<NamedRun>& runs, ThreadPool& pool);

}  // namespace thalweg
