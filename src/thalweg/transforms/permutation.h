// Fixed permutations of the features.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/core/random.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

/// Orders for Permutation and LULinear: element i of the result is element order[i] of the input.
std::vector<std::int32_t> reversed_order(std::int64_t features);
/// The last features / 2 come first: the counterpart of a coupling's halves.
std::vector<std::int32_t> swapped_halves_order(std::int64_t features);
std::vector<std::int32_t> random_order(std::int64_t features, RandomSequence& random);
/// The order that undoes `order`. Throws ConfigError, naming `name`, unless it holds each of 0, 1,
/// ... once.
std::vector<std::int32_t> inverse_order(const std::string& name,
                                        const std::vector<std::int32_t>& order);

/// x[i] = z[order[i]]. The order is kept as `name`.order.
class Permutation : public Transform {
 public:
  /// Throws ConfigError unless `order` is a permutation.
  Permutation(ParameterStore& parameters, const std::string& name,
              const std::vector<std::int32_t>& order);

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  std::vector<std::int32_t> order_, back_;
};

}  // namespace thalweg
