// Plots of angles, those of the backbone of residues among them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "thalweg/molecules/backbone.h"
#include "thalweg/report/plot.h"

namespace thalweg {

/// Axes from -180 to 180 degrees and colours in kT, without panels.
HeatMapPlot ramachandran_plot(std::string title);

/// A panel of it: minus the logarithm of counts over the largest, in bins of 6 degrees; NaN where
/// nothing was seen. Angles that are not finite do not count.
Grid ramachandran_panel(std::string title, const BackboneRows& rows);

/// The free energy in kT along an angle, given in radians: minus the logarithm of its density a
/// radian over degrees, in bins of 6, NaN where nothing was seen. Errors are standard errors by how
/// much groups of values differ: the `chains`, which take turns, where there are at least 4, else
/// 20 stretches of values, which is right for values that are independent, or dependent within a
/// small part of a stretch. Angles that are not finite do not count. Each value counts by its
/// weight where there are `weights`, one a value; a bin with less than a thousandth of the mean
/// weight was not seen.
LineSeries angle_profile(std::string name, std::span<const double> angles, std::int64_t chains = 1,
                         std::span<const double> weights = {});

/// The profiles of phi and of psi of one residue, without series.
LineChart angle_profiles(std::string title);

}  // namespace thalweg
