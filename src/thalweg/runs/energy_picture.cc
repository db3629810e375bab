#include "thalweg/runs/energy_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "thalweg/core/quantiles.h"

namespace thalweg {
namespace {

double share_above(const std::vector<double>& values, double bound) {
  const auto above = std::ranges::count_if(values, [&](double value) { return !(value <= bound); });
  return static_cast<double>(above) / static_cast<double>(std::max<std::size_t>(1, values.size()));
}

ColumnScale energy_scale(std::vector<double> data, const std::vector<double>& model) {
  constexpr double kQuantile = 0.995, kBeyond = 0.02, kDecades = 16.0;
  std::erase_if(data, [](double value) { return !std::isfinite(value); });
  if (data.empty()) return {};
  std::ranges::sort(data);
  const double low = sorted_quantile(data, 1.0 - kQuantile);
  const double high = sorted_quantile(data, kQuantile);
  if (share_above(model, high + (high - low)) <= kBeyond || !(high > low)) return {};
  // A decade takes a seventh of the width of the data.
  return {.tail_unit = (high - low) / kDecades, .tail_begin = high};
}

}  // namespace

EnergyPicture energy_picture(const std::string& title, const std::string& points,
                             const std::vector<double>& known, const std::vector<double>& drawn) {
  const ColumnScale scale = energy_scale(known, drawn);
  EnergyPicture picture{
      .plot = {.title = title,
               .x_label = "energy, kT",
               .x_scale = scale,
               .data = known,
               .model = drawn},
      .caption = fmt::format(
          "Energies of samples of the model, as they are drawn, beside those of {}.", points)};
  // Beyond this no axis has room; it counts as the outermost.
  constexpr double kMost = 1e99;
  for (double& value : picture.plot.model) value = std::min(value, kMost);
  if (scale.tail_unit > 0.0)
    picture.caption += fmt::format(
        " {:.3g} % of them lie above {:.4g} kT, which only half a per cent of {} does: from "
        "there on the axis is logarithmic.",
        100.0 * share_above(drawn, scale.tail_begin), scale.tail_begin, points);
  return picture;
}

}  // namespace thalweg
