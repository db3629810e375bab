// Marks that kinds of plots share: dots of two samples, and histograms of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/report/canvas.h"

namespace thalweg {

inline constexpr std::string_view kDataColour = "0072b2";
inline constexpr std::string_view kModelColour = "d55e00";

/// An interval for both samples; the data set the frame: a model that runs away must not squash
/// them.
Interval joint_interval(std::span<const double> data, std::span<const double> model);

/// The points inside both intervals, at most `limit` of them, evenly picked.
struct PickedPoints {
  std::vector<double> x, y;
  std::int64_t undrawable = 0;
  std::int64_t outside = 0;
  bool thinned = false;
};
PickedPoints pick_points(std::span<const double> x, std::span<const double> y,
                         const Interval& x_interval, const Interval& y_interval, std::size_t limit);

/// Many points are small and pale, few are larger and dark; empty without points.
std::vector<std::string> dots(Canvas& canvas, const PickedPoints& points, double area,
                              std::string_view colour);

/// Heights of bins of equal width.
struct Histogram {
  Interval interval;
  std::vector<double> density;
  std::int64_t undrawable = 0;
  std::int64_t outside = 0;

  double highest() const;
};
Histogram histogram(std::span<const double> values, const Interval& interval, std::size_t bins);

/// Number of bins after Freedman and Diaconis (1981) or the rule of Rice, 2 n^(1/3), whichever
/// gives more: the first is too coarse for several modes, the second for long tails. Within [12,
/// most].
std::size_t bin_count(std::vector<double> values, const Interval& interval, std::size_t most);

/// The data filled, the model as a line.
std::vector<std::string> histogram_elements(Canvas& canvas, const Histogram& data,
                                            const Histogram& model);

/// [0, a little above the values]; [0, 1] without positive ones.
Interval heights(double most);

}  // namespace thalweg
