#include "thalweg/core/thread_pool.h"

#ifdef __linux__
#include <sched.h>
#endif

#include <algorithm>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr int kSpins = 4000;  // some ten microseconds

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/// Spins until `ready()`, then yields the processor between looks.
template <typename Ready>
void spin_or_yield(const Ready& ready) {
  for (int spin = 0; !ready(); ++spin) {
    if (spin < kSpins)
      pause();
    else
      std::this_thread::yield();
  }
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
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::take_tasks(int thread) {
  try {
    for (std::int64_t index = next_.fetch_add(1); index < count_; index = next_.fetch_add(1))
      (*task_)(index, thread);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
    next_ = count_;
  }
}

void ThreadPool::parallel(std::int64_t count, const std::function<void(std::int64_t, int)>& task) {
  if (workers_.empty() || count <= 1) {
    for (std::int64_t index = 0; index < count; ++index) task(index, 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    count_ = count;
    task_ = &task;
    error_ = nullptr;
    next_ = 0;
    busy_ = static_cast<int>(workers_.size());
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  take_tasks(0);
  spin_or_yield([this] { return busy_.load() == 0; });
  if (error_) std::rethrow_exception(error_);
}

void ThreadPool::work(int thread) {
  std::uint64_t seen = 0;
  for (;;) {
    for (int spin = 0; generation_.load() == seen && spin < kSpins; ++spin) pause();
    if (generation_.load() == seen) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
    }
    seen = generation_.load();
    if (stop_) return;
    take_tasks(thread);
    busy_.fetch_sub(1);
  }
}

}  // namespace thalweg
