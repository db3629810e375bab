#include "thalweg/datasets/rounding.h"

#include <algorithm>
#include <cmath>

namespace thalweg {

namespace {

constexpr double kSingleRounding = 0x1p-24;

}  // namespace

bool is_whole(std::span<const double> values, double rounding) {
  return std::all_of(values.begin(), values.end(), [&](double value) {
    return value == std::floor(value) && std::abs(value) <= 1.0 / rounding;
  });
}

bool is_constant(std::span<const double> values, double rounding) {
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  if (least == values.end() || *least == *greatest) return true;
  const double largest = std::max(std::abs(*least), std::abs(*greatest));
  return *greatest - *least <= std::max(1e-12, 8.0 * rounding) * largest &&
         !is_whole(values, rounding);
}

double rounding_of(std::span<const double> values, double rounding) {
  const bool floats = std::all_of(values.begin(), values.end(), [](double value) {
    return value == static_cast<double>(static_cast<float>(value));
  });
  return floats ? std::max(rounding, kSingleRounding) : rounding;
}

}  // namespace thalweg
