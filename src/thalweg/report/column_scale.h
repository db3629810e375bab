// Axes of columns: texts in place of numbers, and logarithms of positive values.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "thalweg/report/canvas.h"
#include "thalweg/report/plot.h"

namespace thalweg {

/// Where values lie on the axis of their column: at their logarithms to base 10 where it is
/// logarithmic (positive ones alone can be drawn), see ColumnScale for a tail; texts spread around
/// their numbers, in a way that `column` decides, so that many of one text are seen as many.
std::vector<double> places_on(const ColumnScale& scale, std::span<const double> values,
                              std::size_t column = 0);

/// The part of the axis that shows these places: all texts; with a tail, both samples but their
/// outermost half per cent on each side; else as joint_interval.
Interval interval_on(const ColumnScale& scale, std::span<const double> data,
                     std::span<const double> model);

/// At most `count` >= 2 marks, at places.
std::vector<Tic> tics_on(const ColumnScale& scale, const Interval& interval, std::size_t count);

/// Bins of a histogram: one a text, else as bin_count.
std::size_t bins_on(const ColumnScale& scale, const std::vector<double>& places,
                    const Interval& interval, std::size_t most);

}  // namespace thalweg
