// Pictures of forces of runs beside those that they are to have.
#pragma once

#include <string>
#include <vector>

#include "thalweg/runs/force_metrics.h"
#include "thalweg/runs/run_maps.h"

namespace thalweg {

/// Lengths of forces, d/dx log p, in the plane: of the target that all runs learnt, in whose scale
/// the colours are, and of each run that has forces. Without panels if none has.
HeatMapPlot force_maps(const std::vector<NamedRun>& runs, double half_width, ThreadPool& pool);

/// Adds a panel with components of the target's forces across and of the model's along. The first
/// one's target fills half of the frame that all have, as forces where atoms overlap, or of a poor
/// model, have no bound.
void add_force_cloud(ScatterPlot& plot, std::string title, RunForces forces);

/// Such panels of runs in the plane, at exact samples. None for a target that cannot be sampled.
ScatterPlot force_clouds(const std::vector<NamedRun>& runs, ThreadPool& pool);

}  // namespace thalweg
