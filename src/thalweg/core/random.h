// Counter-based random numbers: every number is a pure function of (seed, stream, sample, index),
// so results do not depend on threads, tiles or the order of calls. Philox4x32-10, Salmon et al.
// 2011.
#pragma once

#include <Random123/philox.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

namespace thalweg {

/// Streams keep unrelated uses of one seed apart. Values are part of the saved-run format.
enum class Stream : std::uint32_t {
  kInitialisation = 1,
  kShuffle = 2,
  kSplit = 3,
  kSampling = 4,
  kDequantisation = 5,
  kTarget = 6,
  kAcceptance = 7,
  kEvaluation = 8,
  kChains = 9,
  kExploration = 10,
  kGraph = 1024,  ///< Random nodes of a graph use kGraph + node stream.
};

/// Four independent 32-bit words for one counter. Thread safe.
inline std::array<std::uint32_t, 4> random_words(std::uint64_t seed, std::uint32_t stream,
                                                 std::uint64_t sample, std::uint32_t index) {
  const r123::Philox4x32::ctr_type counter = {{static_cast<std::uint32_t>(sample),
                                               static_cast<std::uint32_t>(sample >> 32), index,
                                               stream}};
  const r123::Philox4x32::key_type key = {
      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}};
  const auto words = r123::Philox4x32()(counter, key);
  return {words[0], words[1], words[2], words[3]};
}

/// A seed of its own for what is drawn in some part of what has `seed`. Thread safe.
inline std::uint64_t derived_seed(std::uint64_t seed, Stream stream, std::uint64_t sample,
                                  std::uint32_t index) {
  const auto words = random_words(seed, static_cast<std::uint32_t>(stream), sample, index);
  return static_cast<std::uint64_t>(words[0]) << 32 | words[1];
}

/// Maps two words to a double in the open interval (0, 1) with 53 random bits.
inline double uniform_from_words(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (static_cast<std::uint64_t>(high) << 32 | low) >> 11;
  return (static_cast<double>(bits) + 0.5) * 0x1.0p-53;
}

/// Two independent standard normal numbers (Box and Muller) from four words.
inline std::array<double, 2> normals_from_words(const std::array<std::uint32_t, 4>& words) {
  const double radius = std::sqrt(-2.0 * std::log(uniform_from_words(words[0], words[1])));
  const double angle = 2.0 * std::numbers::pi * uniform_from_words(words[2], words[3]);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

/// A convenience sequence for host code: draws in order from one (seed, stream, sample).
class RandomSequence {
 public:
  RandomSequence(std::uint64_t seed, Stream stream, std::uint64_t sample = 0)
      : seed_(seed), stream_(static_cast<std::uint32_t>(stream)), sample_(sample) {}
  /// For what is read where it could be drawn: uniform() and normal() are NaN, below() is 0, so
  /// that what nobody reads shows.
  static RandomSequence none() {
    RandomSequence sequence(0, Stream::kInitialisation);
    sequence.draws_ = false;
    return sequence;
  }

  /// Uniform in (0, 1).
  double uniform() {
    if (!draws_) return std::numeric_limits<double>::quiet_NaN();
    const auto words = random_words(seed_, stream_, sample_, index_++);
    return uniform_from_words(words[0], words[1]);
  }

  /// Standard normal.
  double normal() {
    if (!draws_) return std::numeric_limits<double>::quiet_NaN();
    return normals_from_words(random_words(seed_, stream_, sample_, index_++))[0];
  }

  /// Uniform integer in [0, bound); bound must be at least 1. Bias below bound * 2^-53.
  std::uint64_t below(std::uint64_t bound) {
    if (!draws_) return 0;
    const auto value = static_cast<std::uint64_t>(uniform() * static_cast<double>(bound));
    return value < bound ? value : bound - 1;
  }

 private:
  std::uint64_t seed_;
  std::uint32_t stream_;
  std::uint64_t sample_;
  std::uint32_t index_ = 0;
  bool draws_ = true;
};

}  // namespace thalweg
