// The random kernels on every instruction set, against the numbers of core/random.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernel_checks.h"
#include "thalweg/core/random.h"

namespace thalweg::kernels {
namespace {

template <typename T>
void check_random(std::uint64_t seed, std::uint64_t first_sample, std::int64_t rows,
                  std::int64_t lanes) {
  const std::uint32_t stream = 1029;
  const std::ptrdiff_t stride = lanes + 2;
  std::vector<T> uniform(rows * stride, T(777)), normal = uniform;
  random_uniform<T>(seed, stream, first_sample, rows, lanes, uniform.data(), stride);
  random_normal<T>(seed, stream, first_sample, rows, lanes, normal.data(), stride);
  double worst = 0;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t l = 0; l < stride; ++l) {
      const T u = uniform[r * stride + l], n = normal[r * stride + l];
      if (l >= lanes) {
        EXPECT_EQ(u, T(777));
        EXPECT_EQ(n, T(777));
        continue;
      }
      const auto sample = first_sample + static_cast<std::uint64_t>(l);
      const auto words = random_words(seed, stream, sample, static_cast<std::uint32_t>(r));
      EXPECT_EQ(u, static_cast<T>(uniform_from_words(words[0], words[1])));
      const auto pair =
          normals_from_words(random_words(seed, stream, sample, static_cast<std::uint32_t>(r / 2)));
      worst = std::max(worst, ulp_error<T, double>(n, pair[r % 2]));
    }
  EXPECT_LE(worst, 4.0);
}

TEST(RandomKernels, GiveTheNumbersOfTheCore) {
  on_every_instruction_set([] {
    for (const std::int64_t lanes : {1, 3, 16, 37, 64, 4000}) {
      check_random<float>(1, 0, 5, lanes);
      check_random<double>(1, 0, 5, lanes);
    }
    // Sample numbers that cross 32 bits, and seeds above them.
    check_random<float>(0xfedcba9876543210U, 0xfffffff0U, 3, 64);
    check_random<double>(0xfedcba9876543210U, 0xfffffff0U, 3, 64);
  });
}

}  // namespace
}  // namespace thalweg::kernels
