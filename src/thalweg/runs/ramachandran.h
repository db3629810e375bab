// Plots of the backbone angles of residues.
#pragma once

#include <string>

#include "thalweg/molecules/backbone.h"
#include "thalweg/report/plot.h"

namespace thalweg {

/// Axes from -180 to 180 degrees and colours in kT, without panels.
HeatMapPlot ramachandran_plot(std::string title);

/// A panel of it: minus the logarithm of counts over the largest, in bins of 6 degrees; NaN where
/// nothing was seen. Angles that are not finite do not count.
Grid ramachandran_panel(std::string title, const BackboneRows& rows);

}  // namespace thalweg
