// Maps of several features by themselves, some of which are angles.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/transforms/transform.h"

namespace thalweg {

/// A family of monotone maps, one for each feature, whose parameters are any real numbers: what a
/// coupling or an elementwise transform moves its features by. Const functions are thread safe.
class FeatureMaps {
 public:
  virtual ~FeatureMaps() = default;
  /// Parameters of all features.
  std::int64_t parameters() const;
  bool has_angles() const { return !on_circle_.empty(); }
  /// The maps at x, features x 1, with the sum of the logarithms of their slopes; `raw` holds
  /// parameters() elements of any shape: a row-major matrix, parameters x features, of features
  /// that are not angles, then the same of those that are.
  Mapped apply(Value raw, Value x) const { return mapped(false, raw, x); }
  /// The inverse maps at y.
  Mapped invert(Value raw, Value y) const { return mapped(true, raw, y); }

 protected:
  /// `circular` says which features are angles; empty stands for none. Throws ConfigError, naming
  /// `name`, for another length.
  FeatureMaps(const std::string& name, std::int64_t features, const std::vector<bool>& circular);
  /// Parameters of one feature, which is an angle or not.
  virtual std::int64_t parameters_of(bool circular) const = 0;
  /// Maps features that are all angles or all not, x being features x 1 and `raw`
  /// parameters_of(circular) x features.
  virtual Mapped map(bool circular, bool invert, Value raw, Value x) const = 0;

 private:
  Mapped mapped(bool invert, Value raw, Value x) const;
  // Features of each sort, and the order that brings them back from line first, circle after.
  std::vector<std::int32_t> on_line_, on_circle_, back_;
};

}  // namespace thalweg
