#include "thalweg/core/systematic_rows.h"

namespace thalweg {

std::vector<std::int64_t> systematic_rows(std::span<const double> weights, double offset,
                                          std::int64_t count) {
  double total = 0.0;
  for (const double weight : weights) total += weight;
  std::vector<std::int64_t> rows;
  double reached = 0.0;
  std::int64_t last = 0;
  for (std::size_t row = 0; row < weights.size(); ++row) {
    reached += weights[row];
    if (weights[row] > 0.0) last = static_cast<std::int64_t>(row);
    while (static_cast<double>(rows.size()) + offset <
               reached / total * static_cast<double>(count) &&
           static_cast<std::int64_t>(rows.size()) < count)
      rows.push_back(static_cast<std::int64_t>(row));
  }
  // The last sums may be short of 1 by rounding.
  while (static_cast<std::int64_t>(rows.size()) < count) rows.push_back(last);
  return rows;
}

}  // namespace thalweg
