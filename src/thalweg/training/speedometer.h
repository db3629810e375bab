// How fast a training goes.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace thalweg {

/// Steps per second over the last quarter to half of the time, and at least the last second:
/// pauses, as of validations, count by their share. One caller at a time.
class Speedometer {
 public:
  using Clock = std::chrono::steady_clock;

  /// Since it was made.
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  /// After `step` steps and `now` seconds; neither falls from call to call.
  double rate(std::int64_t step, double now) {
    if (older_.step < 0) older_ = newer_ = {step - 1, 0.0};
    if (now - newer_.time >= std::max(1.0, 0.25 * now)) {
      older_ = newer_;
      newer_ = {step, now};
    }
    return static_cast<double>(step - older_.step) / std::max(now - older_.time, 1e-9);
  }

 private:
  struct Mark {
    std::int64_t step = -1;
    double time = 0.0;
  };
  Clock::time_point start_ = Clock::now();
  Mark older_, newer_;
};

}  // namespace thalweg
