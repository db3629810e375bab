#include "thalweg/report/column_scale.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "thalweg/report/plot_marks.h"

namespace thalweg {

namespace {

double place_with_tail(const ColumnScale& scale, double value) {
  const double beyond = value - scale.tail_begin;
  return beyond > 0.0 ? scale.tail_begin + scale.tail_unit * std::log1p(beyond / scale.tail_unit)
                      : value;
}

/// Linear tics before the tail, and powers of ten in it.
std::vector<Tic> tics_with_tail(const ColumnScale& scale, const Interval& interval,
                                std::size_t count) {
  const double begin = scale.tail_begin, unit = scale.tail_unit;
  if (interval.high <= begin + unit) return linear_tics(interval, count);
  std::vector<Tic> tics;
  const std::size_t half = std::max<std::size_t>(2, count / 2);
  if (interval.low < begin) tics = linear_tics({interval.low, begin}, half);
  const double highest = begin + unit * std::expm1((interval.high - begin) / unit);
  // So far beyond that labels stay apart.
  const double lowest = std::max(begin + 10.0 * unit, unit);
  if (lowest >= highest) return tics;
  for (Tic& tic : logarithmic_tics({lowest, highest}, half))
    if (tic.value >= lowest)
      tics.push_back({place_with_tail(scale, tic.value), std::move(tic.label)});
  return tics;
}

}  // namespace

std::vector<double> places_on(const ColumnScale& scale, std::span<const double> values,
                              std::size_t column) {
  std::vector<double> places(values.begin(), values.end());
  if (scale.logarithmic)
    for (double& place : places) place = place > 0.0 ? std::log10(place) : NAN;
  if (scale.tail_unit > 0.0)
    for (double& place : places) place = place_with_tail(scale, place);
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
  if (scale.range) return {(*scale.range)[0], (*scale.range)[1]};
  if (scale.tail_unit > 0.0) {
    constexpr double kLeftOut = 0.005;
    const Interval a = robust_interval({data.begin(), data.end()}, kLeftOut);
    const Interval b = robust_interval({model.begin(), model.end()}, kLeftOut);
    return {std::min(a.low, b.low), std::max(a.high, b.high)};
  }
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
  if (scale.tail_unit > 0.0) return tics_with_tail(scale, interval, count);
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
