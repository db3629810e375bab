// What a network sees of features of which some are angles.
#pragma once

#include <cstdint>
#include <vector>

#include "thalweg/engine/graph.h"

namespace thalweg {

/// Cosines of all angles, their sines, then the features on the line: a function of it has no seam.
/// Without angles it is the features as they are.
class AngleEmbedding {
 public:
  /// One flag a feature, true for an angle in radians; empty: none is one. With `unit_interval`
  /// features on the line are in [0, 1], of which a network sees [-1, 1].
  AngleEmbedding(std::int64_t features, const std::vector<bool>& circular,
                 bool unit_interval = false);
  /// Features that a network sees.
  std::int64_t outputs() const;
  /// features x 1 to outputs() x 1.
  Value operator()(Value x) const;

 private:
  std::vector<std::int32_t> line_, circle_;
  bool unit_interval_;
};

}  // namespace thalweg
