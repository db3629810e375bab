// What the tests of kernels share: every instruction set, errors in units in the last place,
// numbers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "thalweg/engine/kernels/kernels.h"

namespace thalweg::kernels {

/// Runs `check` once for each instruction set and restores the best one.
inline void on_every_instruction_set(const std::function<void()>& check) {
  int count = 0;
  const std::int64_t* targets = supported_instruction_sets(&count);
  ASSERT_GE(count, 1);
  for (int i = 0; i < count; ++i) {
    force_instruction_set(targets[i]);
    SCOPED_TRACE(instruction_set());
    check();
  }
  force_instruction_set(targets[0]);
}

/// Error of `got` in units in the last place of T at `truth`; infinite if one of them alone is NaN
/// or infinite.
template <typename T, typename Wide>
double ulp_error(T got, Wide truth) {
  const T rounded = static_cast<T>(truth);
  if (std::isnan(got) || std::isnan(rounded))
    return std::isnan(got) && std::isnan(rounded) ? 0.0 : HUGE_VAL;
  if (got == rounded) return 0.0;
  if (std::isinf(rounded) && std::isfinite(got))  // the largest finite number is one step away
    return std::abs(got) == std::numeric_limits<T>::max() ? 1.0 : HUGE_VAL;
  if (std::isinf(got)) return std::abs(rounded) == std::numeric_limits<T>::max() ? 1.0 : HUGE_VAL;
  const T magnitude = std::abs(rounded);
  const T above = std::nextafter(magnitude, std::numeric_limits<T>::infinity());
  const T spacing =
      std::isinf(above) ? magnitude - std::nextafter(magnitude, T(0)) : above - magnitude;
  return static_cast<double>(std::abs(static_cast<Wide>(got) - truth) / spacing);
}

template <typename T>
T truth_of(Binary function, T a, T b) {
  const T one = 1, zero = 0;
  switch (function) {
    case Binary::kAdd:
      return a + b;
    case Binary::kSubtract:
      return a - b;
    case Binary::kMultiply:
      return a * b;
    case Binary::kDivide:
      return a / b;
    case Binary::kMax:
      return std::isnan(a) || std::isnan(b) ? a + b : std::max(a, b);
    case Binary::kMin:
      return std::isnan(a) || std::isnan(b) ? a + b : std::min(a, b);
    case Binary::kLess:
      return a < b ? one : zero;
    case Binary::kLessEqual:
      return a <= b ? one : zero;
    case Binary::kEqual:
      return a == b ? one : zero;
    case Binary::kMultiplyStep:
      return std::isnan(a) || std::isnan(b) ? a + b : (b > 0 ? a : zero);
    case Binary::kMultiplyTanhSlope:
      return a * (1 - b * b);
    case Binary::kMultiplySigmoidSlope:
      return a * (b * (1 - b));
    case Binary::kAtan2:
      return std::atan2(a, b);
  }
  return 0;
}

/// Equal bits of value, or both NaN.
template <typename T>
bool same(T a, T b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

template <typename T>
std::vector<T> random_values(std::size_t size, int seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<T> uniform(-2, 2);
  std::vector<T> values(size);
  for (T& value : values) value = uniform(random);
  return values;
}

}  // namespace thalweg::kernels
