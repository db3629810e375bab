// Whether numbers are finite, many at a time.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace thalweg {

/// Whether none of the numbers is NaN or infinite; a loop that compilers turn into vectors.
inline bool all_finite(std::span<const double> numbers) {
  constexpr std::uint64_t kExponent = 0x7ff0000000000000;
  std::uint64_t found = 0;
  for (const double number : numbers)
    found |=
        static_cast<std::uint64_t>((std::bit_cast<std::uint64_t>(number) & kExponent) == kExponent);
  return found == 0;
}

}  // namespace thalweg
