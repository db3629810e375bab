// The median and other quantiles of numbers.
#pragma once

#include <span>
#include <vector>

namespace thalweg {

/// The middle of the sorted values; of an even number of them the upper of both middles. NaN counts
/// as larger than any number. Throws ShapeError for no value.
double median(std::vector<double> values);

/// The value that a share, 0 to 1, of the sorted ones is below, of those nearest to it. Throws
/// ShapeError for no value.
double sorted_quantile(std::span<const double> sorted, double share);

}  // namespace thalweg
