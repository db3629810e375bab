// Elementwise maps between bounded columns and the whole line.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "thalweg/transforms/transform.h"

namespace thalweg {

/// Bounds of one column; infinite: none.
struct ColumnBounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

/// Maps bounded columns x to unbounded z: z = log(x - low), z = -log(high - x), or with both bounds
/// the logit z = log(x - low) - log(high - x); columns without bounds stay as they are. forward()
/// never leaves the bounds, at any z; its log-determinant keeps full relative accuracy there, while
/// x itself rounds to the bound far out. inverse() of an x on a bound is infinite, outside NaN.
class BoundedColumns : public Transform {
 public:
  /// One entry a feature. Throws ConfigError unless low < high, for NaN, or a width that is not
  /// finite.
  BoundedColumns(const std::string& name, std::vector<ColumnBounds> bounds);

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  enum class Kind : std::uint8_t { kNone, kLower, kUpper, kBoth };
  /// Columns of one kind, which lie together in the order of `order_`.
  struct Group {
    Kind kind;
    std::int64_t start;
    std::vector<double> low, high;
  };
  Mapped apply(Value value, bool forward) const;

  std::vector<std::int32_t> order_, back_;
  std::vector<Group> groups_;
};

}  // namespace thalweg
