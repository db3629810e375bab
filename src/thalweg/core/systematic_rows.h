// Rows that stand for weighted ones.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace thalweg {

/// Systematic resampling: `count` numbers of rows, each as often as its share of the weights says,
/// rounded up or down, in their order. In the mean over `offset`, uniform in (0, 1), that share
/// exactly. Weights are finite, not negative and not all 0.
std::vector<std::int64_t> systematic_rows(std::span<const double> weights, double offset,
                                          std::int64_t count);

}  // namespace thalweg
