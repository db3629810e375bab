// The picture of energies of samples beside known ones.
#pragma once

#include <string>
#include <vector>

#include "thalweg/report/plot.h"

namespace thalweg {

struct EnergyPicture {
  HistogramPlot plot = {};
  std::string caption = {};
};

/// Histograms of the energies, kT, of `points`, in words, and of samples of a model as it draws
/// them. Where most of the latter lie so far beyond the former that a linear axis would show one of
/// the two alone, as of samples whose atoms overlap, it is logarithmic from where the former end.
EnergyPicture energy_picture(const std::string& title, const std::string& points,
                             const std::vector<double>& known, const std::vector<double>& drawn);

}  // namespace thalweg
