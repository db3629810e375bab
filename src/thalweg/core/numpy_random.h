// The random numbers of NumPy's RandomState, for preprocessing that was published with them.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace thalweg {

/// The bit stream of `numpy.random.RandomState(seed)` for a whole number as seed: the Mersenne
/// twister MT19937, used as its methods rand, shuffle, permutation and choice use it. Only for
/// reproducing what was made with NumPy; Thalweg's own numbers come from random.h. Not thread safe.
class NumpyRandom {
 public:
  explicit NumpyRandom(std::uint32_t seed) : engine_(seed) {}

  /// As rand(): uniform on [0, 1) with 53 bits, from two words.
  double uniform();

  /// As permutation(count): 0 ... count - 1 in random order. shuffle() of an array of `count` rows
  /// leaves its row i where order[i] was; choice(count, n, replace=False) is the first n of these.
  std::vector<std::int64_t> permutation(std::int64_t count);

 private:
  std::uint64_t at_most(std::uint64_t bound);

  std::mt19937 engine_;
};

}  // namespace thalweg
