// Threads that take numbered tasks. Which thread runs which task never changes a result: tasks
// write to places of their own.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace thalweg {

/// A fixed set of threads. One caller at a time; the caller works too. A waiting thread spins for
/// some microseconds, for phases that follow each other closely, and then sleeps, so that idle
/// threads do not keep others off the processor.
class ThreadPool {
 public:
  /// `threads` counts the caller; 0 takes the number of processors this process may use. Throws
  /// ConfigError above 1024.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Tasks run with subnormal numbers flushed to zero (core/subnormals.h).
  /// Calls task(index, thread) for every index below `count`, thread being below threads().
  /// Rethrows the first exception.
  void parallel(std::int64_t count, const std::function<void(std::int64_t, int)>& task);

 private:
  void work(int thread);
  void take_tasks(int thread);

  std::vector<std::thread> workers_;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<std::int64_t> next_{0};
  std::atomic<int> busy_{0};
  std::atomic<bool> stop_{false};
  std::int64_t count_ = 0;
  const std::function<void(std::int64_t, int)>* task_ = nullptr;
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

/// Number of processors that this process may use.
int available_processors();

}  // namespace thalweg
