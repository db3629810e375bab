#include "thalweg/core/thread_pool.h"

#ifdef __linux__
#include <sched.h>
#endif

#include <algorithm>

#include "thalweg/core/error.h"
#include "thalweg/core/interrupts.h"
#include "thalweg/core/subnormals.h"
#include "thalweg/core/work_progress.h"

namespace thalweg {
namespace {

constexpr int kSpins = 4000;  // some ten microseconds

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/// Waits until `value` is no longer `old`: spins briefly, then sleeps. A thread that went on
/// yielding instead would look busy to the scheduler, which then leaves two of them on one
/// processor.
template <typename T>
void wait_while_equal(const std::atomic<T>& value, T old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (value.load() != old) return;
    pause();
  }
  value.wait(old);
}

}  // namespace

int available_processors() {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

ThreadPool::ThreadPool(int threads) {
  if (threads < 0 || threads > 1024)
    fail<ConfigError>("threads: expected 0 (all) to 1024, got {}", threads);
  const int total = threads == 0 ? available_processors() : threads;
  for (int thread = 1; thread < total; ++thread)
    workers_.emplace_back([this, thread] { work(thread); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::take_tasks(int thread) {
  try {
    for (std::int64_t index = next_.fetch_add(1); index < count_; index = next_.fetch_add(1)) {
      check_interrupted();
      if (thread == 0) tell_progress(index, count_);
      (*task_)(index, thread);
    }
  } catch (...) {
    const std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::current_exception();
    next_ = count_;
  }
}

void ThreadPool::parallel(std::int64_t count, const std::function<void(std::int64_t, int)>& task) {
  const FlushSubnormals flush;  // as the workers do, so that bits do not depend on who takes a task
  if (workers_.empty() || count <= 1) {
    for (std::int64_t index = 0; index < count; ++index) {
      check_interrupted();
      tell_progress(index, count);
      task(index, 0);
    }
    return;
  }
  count_ = count;
  task_ = &task;
  error_ = nullptr;
  next_ = 0;
  busy_ = static_cast<int>(workers_.size());
  generation_.fetch_add(1);
  generation_.notify_all();
  take_tasks(0);
  for (int busy = busy_.load(); busy != 0; busy = busy_.load()) wait_while_equal(busy_, busy);
  if (error_) std::rethrow_exception(error_);
}

void ThreadPool::work(int thread) {
  const FlushSubnormals flush;
  std::uint64_t seen = 0;
  for (;;) {
    wait_while_equal(generation_, seen);
    seen = generation_.load();
    if (stop_) return;
    take_tasks(thread);
    if (busy_.fetch_sub(1) == 1) busy_.notify_one();
  }
}

}  // namespace thalweg
