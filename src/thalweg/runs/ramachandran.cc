#include "thalweg/runs/ramachandran.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace thalweg {

HeatMapPlot ramachandran_plot(std::string title) {
  return {.title = std::move(title),
          .x_label = "phi, degrees",
          .y_label = "psi, degrees",
          .colour_label = "kT",
          .x_range = {-180.0, 180.0},
          .y_range = {-180.0, 180.0},
          .may_be_open = true};
}

Grid ramachandran_panel(std::string title, const BackboneRows& rows) {
  constexpr std::size_t kBins = 60;
  const auto bin = [](double angle) {
    const double turn = (angle + std::numbers::pi) / (2.0 * std::numbers::pi);
    return std::min(kBins - 1, static_cast<std::size_t>(turn * static_cast<double>(kBins)));
  };
  Grid grid{.title = std::move(title),
            .rows = kBins,
            .columns = kBins,
            .values = std::vector<double>(kBins * kBins, 0.0)};
  for (std::size_t i = 0; i < rows.phi.size(); ++i)
    if (std::isfinite(rows.phi[i]) && std::isfinite(rows.psi[i]))
      grid.values[bin(rows.psi[i]) * kBins + bin(rows.phi[i])] += 1.0;
  const double most = std::ranges::max(grid.values);
  for (double& value : grid.values)
    value = value > 0.0 ? std::log(most / value) : std::numeric_limits<double>::quiet_NaN();
  return grid;
}

}  // namespace thalweg
