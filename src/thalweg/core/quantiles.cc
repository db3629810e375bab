#include "thalweg/core/quantiles.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {

double median(std::vector<double> values) {
  if (values.empty()) fail<ShapeError>("median: expected at least one value, got none");
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end(),
                   [](double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; });
  return *middle;
}

double sorted_quantile(std::span<const double> sorted, double share) {
  if (sorted.empty()) fail<ShapeError>("quantile: expected at least one value, got none");
  return sorted[static_cast<std::size_t>(
      std::llround(share * static_cast<double>(sorted.size() - 1)))];
}

}  // namespace thalweg
