#include "thalweg/report/column_scale.h"

#include <algorithm>
#include <cmath>

#include "thalweg/report/plot_marks.h"

namespace thalweg {

std::vector<double> places_on(const ColumnScale& scale, std::span<const double> values,
                              std::size_t column) {
  std::vector<double> places(values.begin(), values.end());
  if (scale.logarithmic)
    for (double& place : places) place = place > 0.0 ? std::log10(place) : NAN;
  // Multiples of the golden ratio fill an interval evenly, those of multiples of it the plane.
  constexpr double kGolden = 0.618033988749895, kSpread = 0.6;
  for (std::size_t row = 0; row < places.size() && !scale.texts.empty(); ++row)
    places[row] +=
        kSpread *
        (std::fmod(kGolden * static_cast<double>(row) * static_cast<double>(column + 1), 1.0) -
         0.5);
  return places;
}

Interval interval_on(const ColumnScale& scale, std::span<const double> data,
                     std::span<const double> model) {
  if (scale.texts.empty()) return joint_interval(data, model);
  return {-0.5, static_cast<double>(scale.texts.size()) - 0.5};
}

std::vector<Tic> tics_on(const ColumnScale& scale, const Interval& interval, std::size_t count) {
  constexpr double kLongestText = 90.0;
  if (!scale.texts.empty()) {
    std::vector<Tic> tics;
    const std::size_t every = (scale.texts.size() + count - 1) / count;
    for (std::size_t i = 0; i < scale.texts.size(); i += every)
      tics.push_back({static_cast<double>(i), fit_text(scale.texts[i], kLongestText, kTextSize)});
    return tics;
  }
  if (!scale.logarithmic) return linear_tics(interval, count);
  std::vector<Tic> tics =
      logarithmic_tics({std::pow(10.0, interval.low), std::pow(10.0, interval.high)}, count);
  std::erase_if(tics, [](const Tic& tic) { return !(tic.value > 0.0); });
  for (Tic& tic : tics) tic.value = std::log10(tic.value);
  return tics;
}

std::size_t bins_on(const ColumnScale& scale, const std::vector<double>& places,
                    const Interval& interval, std::size_t most) {
  return scale.texts.empty() ? bin_count(places, interval, most) : scale.texts.size();
}

}  // namespace thalweg
