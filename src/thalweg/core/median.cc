#include "thalweg/core/median.h"

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

}  // namespace thalweg
