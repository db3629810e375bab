// Signals and exceptions of Python in the middle of the library's work.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <optional>

namespace thalweg::python {

namespace nb = nanobind;

/// Remembers what Python raised while the library worked without the interpreter's lock, so that
/// the work ends in order first. Of one thread.
class Interrupts {
 public:
  /// Whether to stop: asks Python for signals, at most every 10 ms. To be called without the lock.
  bool operator()() {
    constexpr std::chrono::milliseconds kInterval(10);
    const auto now = std::chrono::steady_clock::now();
    if (error_ || now - last_ < kInterval) return error_.has_value();
    last_ = now;
    const nb::gil_scoped_acquire lock;
    if (PyErr_CheckSignals() != 0) error_.emplace();
    return error_.has_value();
  }

  /// Calls a function of Python, an exception of which is remembered.
  template <typename... Args>
  void call(const nb::object& function, Args&&... args) {
    if (error_) return;
    try {
      function(std::forward<Args>(args)...);
    } catch (nb::python_error& error) {
      error_.emplace(std::move(error));
    }
  }

  /// What was raised; none if nothing was. With the lock.
  nb::object raised() const {
    return error_ ? nb::borrow<nb::object>(error_->value()) : nb::none();
  }

  /// Raises it. With the lock.
  void rethrow() {
    if (error_) throw nb::python_error(std::move(*error_));
  }

 private:
  std::optional<nb::python_error> error_;
  std::chrono::steady_clock::time_point last_ = {};
};

}  // namespace thalweg::python
