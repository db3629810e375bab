// Every task runs once, results are handed over, and an exception leaves a pool that works.
#include "thalweg/core/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/interrupts.h"

namespace thalweg {
namespace {

TEST(ThreadPool, RunsEveryTaskOnceAndHandsOverTheResults) {
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.threads(), threads);
    // Not atomic: the thread sanitizer sees a race if a phase does not wait for all of the last
    // one.
    std::vector<std::int64_t> values(50, 0);
    for (int round = 0; round < 300; ++round) {
      pool.parallel(50, [&](std::int64_t index, int thread) {
        ASSERT_GE(thread, 0);
        ASSERT_LT(thread, threads);
        values[static_cast<std::size_t>(index)] += index;
      });
      // Now and then long enough for the others to fall asleep.
      if (round % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    EXPECT_EQ(std::accumulate(values.begin(), values.end(), std::int64_t{0}), 300 * 50 * 49 / 2);
    for (std::size_t index = 0; index < values.size(); ++index)
      EXPECT_EQ(values[index], 300 * static_cast<std::int64_t>(index));
  }
}

TEST(ThreadPool, RethrowsAnExceptionAndWorksOn) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 20; ++round) {
      EXPECT_THROW(pool.parallel(20,
                                 [](std::int64_t index, int) {
                                   if (index % 4 == 3) throw std::runtime_error("task");
                                 }),
                   std::runtime_error);
      std::vector<int> done(20, 0);
      pool.parallel(20, [&](std::int64_t index, int) { ++done[static_cast<std::size_t>(index)]; });
      EXPECT_EQ(done, std::vector<int>(20, 1));
    }
  }
}

TEST(ThreadPool, EndsWhereItIsInterrupted) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    std::atomic<int> begun = 0;
    const auto work = [&](std::int64_t, int) {
      ++begun;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    {
      // The caller has tasks of its own among the first ones, so that few others begin.
      const InterruptScope scope([&] { return begun >= 10; });
      EXPECT_THROW(pool.parallel(100000, work), InterruptedError);
      EXPECT_LT(begun, 50000);
      begun = 0;
      {
        const InterruptScope inner([] { return false; });
        EXPECT_NO_THROW(pool.parallel(20, work));
      }
      EXPECT_THROW(pool.parallel(20, work), InterruptedError);
    }
    EXPECT_NO_THROW(pool.parallel(20, work));
  }
}

TEST(ThreadPool, NeedNotBeUsed) {
  ThreadPool pool(3);
  pool.parallel(0, [](std::int64_t, int) { FAIL() << "there is no task"; });
}

TEST(ThreadPool, RefusesNumbersOutOfRange) {
  EXPECT_THROW(ThreadPool(-1), ConfigError);
  EXPECT_THROW(ThreadPool(1025), ConfigError);
}

}  // namespace
}  // namespace thalweg
