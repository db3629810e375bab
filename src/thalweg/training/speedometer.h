// How fast a training goes.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace thalweg {

/// Steps per second over about the last second. One caller at a time.
class Speedometer {
 public:
  using Clock = std::chrono::steady_clock;

  /// Since it was made.
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  /// After `step` steps and `now` seconds.
  double rate(std::int64_t step, double now) {
    if (mark_step_ < 0) mark_step_ = step - 1;
    const double elapsed = now - mark_time_;
    if (rate_ == 0.0 || elapsed >= 1.0) {
      const double fresh = static_cast<double>(step - mark_step_) / std::max(elapsed, 1e-9);
      if (elapsed >= 1.0) {
        rate_ = fresh;
        mark_step_ = step;
        mark_time_ = now;
      }
      return fresh;
    }
    return rate_;
  }

 private:
  Clock::time_point start_ = Clock::now();
  double mark_time_ = 0.0, rate_ = 0.0;
  std::int64_t mark_step_ = -1;
};

}  // namespace thalweg
