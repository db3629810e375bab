// Mixtures of monotone functions of one number, whose inverse is a root.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "thalweg/transforms/find_root.h"

namespace thalweg {

/// An increasing function whose parameters come from any real numbers, so that a network can give
/// them. Const functions are thread safe.
class MonotoneMixture : public MonotoneFunction {
 public:
  /// Numbers that make one map.
  virtual std::int64_t raw_parameters() const = 0;
  /// The parameters of maps side by side, from `raw`, raw_parameters() x maps.
  virtual std::vector<Value> parameters(Value raw) const = 0;

  struct Interval {
    Value low, high;
  };
  /// Where the x with f(x) = y is, y being 1 x maps.
  virtual Interval around_root(Value y, const std::vector<Value>& parameters) const = 0;
};

/// x with f(x) = y; see find_root(), whose errors it throws.
Value inverse(const std::shared_ptr<const MonotoneMixture>& mixture, Value y,
              const std::vector<Value>& parameters, const RootSearch& search = {});

}  // namespace thalweg
