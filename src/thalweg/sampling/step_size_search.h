// How long the steps of a kernel should be.
#pragma once

#include <cmath>
#include <cstdint>

namespace thalweg {

/// Search for the step size with a wanted mean acceptance, by dual averaging (Hoffman and Gelman
/// 2014, section 3.2).
struct StepSizeSearch {
  static constexpr double kFirst = 0.1;  ///< where it starts

  double log_step_size = 0.0, log_average = 0.0, error_sum = 0.0;
  std::int64_t updates = 0;

  /// One step of it, after moves by exp(log_step_size) that were accepted that often.
  void update(double acceptance, double wanted) {
    constexpr double kShrinkage = 0.05, kDelay = 10.0, kForgetting = 0.75;  // as in the paper
    const auto t = static_cast<double>(++updates);
    error_sum += wanted - acceptance;
    log_step_size = std::log(10.0 * kFirst) - std::sqrt(t) / kShrinkage / (t + kDelay) * error_sum;
    const double weight = std::pow(t, -kForgetting);
    log_average = weight * log_step_size + (1.0 - weight) * log_average;
  }
};

}  // namespace thalweg
