// How couplings divide the features: some are kept and condition, the others are moved.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/engine/graph.h"

namespace thalweg {

/// A division of `features` features in two non-empty parts.
class FeatureSplit {
 public:
  struct Parts {
    Value kept, moved;
  };

  /// Keeps the first half (rounded up) and moves the second; the other way round if `swap`. A
  /// `mask` (true: moved, one a feature) replaces the halves. Throws ConfigError, naming `name`,
  /// for fewer than two features or a mask of another length or with an empty part.
  FeatureSplit(const std::string& name, std::int64_t features, bool swap,
               const std::vector<bool>& mask);

  Parts split(Value value) const;
  Value join(const Parts& parts) const;
  std::int64_t kept() const { return kept_; }
  std::int64_t moved() const { return moved_; }
  /// Which features each part consists of, in its order.
  const std::vector<std::int32_t>& kept_features() const { return kept_features_; }
  const std::vector<std::int32_t>& moved_features() const { return moved_features_; }

 private:
  std::int64_t kept_ = 0, moved_ = 0;
  bool moved_first_ = false;
  std::vector<std::int32_t> kept_features_, moved_features_;
  // The order that brings each part together, and back; empty where the parts lie together already.
  std::vector<std::int32_t> order_, back_;
};

}  // namespace thalweg
