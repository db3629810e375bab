// The kernels of the optimizer on every instruction set, against their formulas.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernel_checks.h"

namespace thalweg::kernels {
namespace {

template <typename T>
void check_adam(bool adamax) {
  const AdamStep step = {1e-2, 0.9, 0.99, 1e-8, 0.271, 0.0297, 0.5, 0.01, 1e-3, adamax};
  const std::int64_t size = 75;
  const std::vector<T> gradient = random_values<T>(size, 31), m = random_values<T>(size, 32);
  std::vector<T> v = random_values<T>(size, 33), p = random_values<T>(size, 34);
  for (T& value : v) value = std::abs(value);
  std::vector<T> new_m = m, new_v = v, new_p = p;
  adam<T>(size, step, gradient.data(), new_m.data(), new_v.data(), new_p.data());
  const double tolerance = 8 * std::numeric_limits<T>::epsilon();
  for (std::int64_t i = 0; i < size; ++i) {
    const double g = step.scale * gradient[i] + step.l2 * p[i];
    const double first = step.beta1 * m[i] + (1 - step.beta1) * g;
    const double second = adamax ? std::max(step.beta2 * v[i], std::abs(g) + step.epsilon)
                                 : step.beta2 * v[i] + (1 - step.beta2) * g * g;
    const double divisor = adamax ? second : std::sqrt(second / step.correction2) + step.epsilon;
    EXPECT_NEAR(new_m[i], first, tolerance);
    EXPECT_NEAR(new_v[i], second, tolerance);
    EXPECT_NEAR(new_p[i],
                p[i] * (1 - step.decay) - step.rate * (first / step.correction1) / divisor,
                tolerance * std::max(1.0, 0.1 / divisor));
  }
  for (std::int64_t i = 0; i < 40; ++i) {  // a gradient that is not finite reaches the parameter
    std::vector<T> bad = gradient;
    bad[i] = std::numeric_limits<T>::quiet_NaN();
    new_m = m, new_v = v, new_p = p;
    adam<T>(40, step, bad.data(), new_m.data(), new_v.data(), new_p.data());
    for (std::int64_t j = 0; j < 40; ++j) {
      EXPECT_EQ(std::isnan(new_p[j]), j == i);
      EXPECT_EQ(std::isnan(new_v[j]), j == i);
    }
  }
}

TEST(Adam, FollowsTheFormulas) {
  on_every_instruction_set([] {
    for (const bool adamax : {false, true}) {
      check_adam<float>(adamax);
      check_adam<double>(adamax);
    }
  });
}

}  // namespace
}  // namespace thalweg::kernels
