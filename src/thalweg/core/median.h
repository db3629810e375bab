// The median of numbers.
#pragma once

#include <vector>

namespace thalweg {

/// The middle of the sorted values; of an even number of them the upper of both middles. NaN counts
/// as larger than any number. Throws ShapeError for no value.
double median(std::vector<double> values);

}  // namespace thalweg
