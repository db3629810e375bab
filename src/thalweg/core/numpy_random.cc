#include "thalweg/core/numpy_random.h"

#include <bit>
#include <numeric>
#include <utility>

namespace thalweg {

double NumpyRandom::uniform() {
  const auto high = static_cast<double>(engine_() >> 5);  // 27 bits
  const auto low = static_cast<double>(engine_() >> 6);   // 26 bits
  return (high * 0x1.0p26 + low) * 0x1.0p-53;
}

/// Uniform on 0 ... bound: draws as many bits as `bound` has until they are not above it.
std::uint64_t NumpyRandom::at_most(std::uint64_t bound) {
  if (bound == 0) return 0;
  const std::uint64_t mask = (std::uint64_t{2} << (std::bit_width(bound) - 1)) - 1;
  for (;;) {
    std::uint64_t value = engine_();
    if (bound > 0xFFFFFFFFU) value = value << 32 | engine_();
    value &= mask;
    if (value <= bound) return value;
  }
}

std::vector<std::int64_t> NumpyRandom::permutation(std::int64_t count) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[at_most(i - 1)]);
  return order;
}

}  // namespace thalweg
