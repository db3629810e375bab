#include "thalweg/runs/ramachandran.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

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

LineSeries angle_profile(std::string name, std::span<const double> angles, std::int64_t chains,
                         std::span<const double> weights) {
  constexpr std::size_t kBins = 60, kStretches = 20, kFewChains = 4;
  constexpr double kWidth = 2.0 * std::numbers::pi / kBins;
  const auto given = static_cast<std::size_t>(chains);
  const bool by_chain = given >= kFewChains;
  const std::size_t groups = by_chain ? given : std::min(kStretches, angles.size());
  std::vector<double> counts(groups * kBins, 0.0), totals(groups, 0.0);
  for (std::size_t i = 0; i < angles.size(); ++i) {
    if (!std::isfinite(angles[i])) continue;
    const double weight = weights.empty() ? 1.0 : weights[i];
    const std::size_t group = by_chain ? i % groups : i * groups / angles.size();
    const double place = (std::remainder(angles[i], 2.0 * std::numbers::pi) + std::numbers::pi);
    counts[group * kBins + std::min(static_cast<std::size_t>(place / kWidth), kBins - 1)] += weight;
    totals[group] += weight;
  }
  const double total = std::accumulate(totals.begin(), totals.end(), 0.0);
  LineSeries series{.name = std::move(name)};
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    double seen = 0.0, squares = 0.0;
    for (std::size_t group = 0; group < groups; ++group) seen += counts[group * kBins + bin];
    // A bin whose frames do not weigh a thousandth of a usual one's is as good as never seen.
    if (seen * static_cast<double>(angles.size()) < 1e-3 * total) seen = 0.0;
    const double share = seen / total;
    // Of a ratio of two sums over groups.
    for (std::size_t group = 0; group < groups; ++group) {
      const double off = (counts[group * kBins + bin] - share * totals[group]) / seen;
      squares += off * off;
    }
    const double few = static_cast<double>(groups) / (static_cast<double>(groups) - 1.0);
    series.x.push_back(-180.0 + 6.0 * (static_cast<double>(bin) + 0.5));
    series.y.push_back(seen > 0.0 ? -std::log(share / kWidth)
                                  : std::numeric_limits<double>::quiet_NaN());
    series.errors.push_back(seen > 0.0 ? std::sqrt(few * squares)
                                       : std::numeric_limits<double>::quiet_NaN());
  }
  return series;
}

LineChart angle_profiles(std::string title) {
  return {.title = std::move(title), .x_label = "degrees", .y_label = "free energy, kT"};
}

}  // namespace thalweg
