// The peak memory of a training step does not grow with the batch beyond the batch's own data.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "thalweg/training/trainer.h"

namespace {

std::atomic<std::int64_t> live_bytes{0};
std::atomic<std::int64_t> peak_bytes{0};

void* counted(void* pointer) {
  if (pointer == nullptr) throw std::bad_alloc();
  const std::int64_t live = live_bytes += static_cast<std::int64_t>(malloc_usable_size(pointer));
  std::int64_t peak = peak_bytes;
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
  return pointer;
}

void release(void* pointer) {
  if (pointer != nullptr) live_bytes -= static_cast<std::int64_t>(malloc_usable_size(pointer));
  std::free(pointer);
}

}  // namespace

void* operator new(std::size_t size) { return counted(std::malloc(size)); }
void* operator new[](std::size_t size) { return counted(std::malloc(size)); }
// The standard library's temporary buffers; left out, the address sanitizer would bring its own.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  void* const pointer = std::malloc(size);
  return pointer == nullptr ? nullptr : counted(pointer);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(unit, (size + unit - 1) / unit * unit));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return operator new(size, alignment);
}
void operator delete(void* pointer) noexcept { release(pointer); }
void operator delete[](void* pointer) noexcept { release(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { release(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { release(pointer); }
void operator delete(void* pointer, std::align_val_t) noexcept { release(pointer); }
void operator delete[](void* pointer, std::align_val_t) noexcept { release(pointer); }
void operator delete(void* pointer, std::size_t, std::align_val_t) noexcept { release(pointer); }
void operator delete[](void* pointer, std::size_t, std::align_val_t) noexcept { release(pointer); }

namespace thalweg {
namespace {

/// Peak of live bytes over construction and three steps, without the table of data that the test
/// itself holds.
std::int64_t peak_of_training(std::int64_t batch) {
  ModelOptions options;
  options.flow.blocks = 4;
  options.base.kind = "resampled";
  options.base.hidden = {64, 64};
  Model model(options, 1);
  std::vector<double> rows(static_cast<std::size_t>(2 * batch));
  RandomSequence random(1, Stream::kTarget);
  for (double& value : rows) value = random.normal();
  ThreadPool pool(2);
  const std::int64_t before = live_bytes;
  peak_bytes = before;
  TrainingOptions training;
  training.batch_size = batch;
  Trainer trainer(model, {.rows = rows}, training, pool);
  for (int step = 0; step < 3; ++step) trainer.step();
  return peak_bytes - before;
}

TEST(Memory, OfATrainingStepDoesNotGrowWithTheBatch) {
  const std::int64_t small = peak_of_training(1024);
  const std::int64_t large = peak_of_training(131072);
  // What a row may cost: its two float values, its place in the permutation, and some slack.
  const std::int64_t data = (131072 - 1024) * 32;
  RecordProperty("small", std::to_string(small));
  RecordProperty("large", std::to_string(large));
  EXPECT_LE(large, small + data) << "peak with 1024 rows " << small << " bytes, with 131072 "
                                 << large;
}

}  // namespace
}  // namespace thalweg
