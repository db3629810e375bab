// Random numbers for lanes, and the choice of instruction set.
#include "thalweg/core/random.h"

#include <hwy/targets.h>

#include <bit>
#include <vector>

#include "thalweg/engine/kernels/kernels.h"

namespace thalweg::kernels {

template <typename T>
void random_uniform(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample,
                    std::int64_t rows, std::int64_t lanes, T* out, std::ptrdiff_t out_row) {
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      const auto words = random_words(seed, stream, first_sample + static_cast<std::uint64_t>(lane),
                                      static_cast<std::uint32_t>(row));
      out[row * out_row + lane] = static_cast<T>(uniform_from_words(words[0], words[1]));
    }
}

template <typename T>
void random_normal(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample,
                   std::int64_t rows, std::int64_t lanes, T* out, std::ptrdiff_t out_row) {
  for (std::int64_t row = 0; row < rows; row += 2)
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      const auto pair = normals_from_words(
          random_words(seed, stream, first_sample + static_cast<std::uint64_t>(lane),
                       static_cast<std::uint32_t>(row / 2)));
      out[row * out_row + lane] = static_cast<T>(pair[0]);
      if (row + 1 < rows) out[(row + 1) * out_row + lane] = static_cast<T>(pair[1]);
    }
}

template void random_uniform(std::uint64_t, std::uint32_t, std::uint64_t, std::int64_t,
                             std::int64_t, float*, std::ptrdiff_t);
template void random_uniform(std::uint64_t, std::uint32_t, std::uint64_t, std::int64_t,
                             std::int64_t, double*, std::ptrdiff_t);
template void random_normal(std::uint64_t, std::uint32_t, std::uint64_t, std::int64_t, std::int64_t,
                            float*, std::ptrdiff_t);
template void random_normal(std::uint64_t, std::uint32_t, std::uint64_t, std::int64_t, std::int64_t,
                            double*, std::ptrdiff_t);

namespace {

/// Targets that the library was built for and this machine has, best (lowest bit) first.
const std::vector<std::int64_t>& machine_targets() {
  static const std::vector<std::int64_t> targets = [] {
    std::vector<std::int64_t> found;
    std::int64_t supported = hwy::SupportedTargets() & HWY_TARGETS;
    for (; supported != 0; supported &= supported - 1) found.push_back(supported & -supported);
    return found;
  }();
  return targets;
}

}  // namespace

const char* instruction_set() {
  const std::int64_t supported = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(supported & -supported);
}

void force_instruction_set(std::int64_t target) {
  machine_targets();
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

const std::int64_t* supported_instruction_sets(int* count) {
  *count = static_cast<int>(machine_targets().size());
  return machine_targets().data();
}

}  // namespace thalweg::kernels
