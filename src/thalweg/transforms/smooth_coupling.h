// Infinitely smooth flows on intervals, the line and circles, by mixtures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/transforms/map_transforms.h"
#include "thalweg/transforms/smooth_maps.h"

namespace thalweg {

struct ElementwiseSmoothOptions {
  SmoothMapsOptions maps = {};
  std::vector<bool> circular = {};  ///< which features are angles in [-pi, pi]; empty: none
  /// With a context, a network from it to what is added to the maps' own parameters. Empty: an Mlp
  /// of 64-64 whose last layer starts at 0.
  NetworkFactory conditioner = {};
  std::int64_t context_features = 0;
};

/// A mixture of its own for each feature, z = f(x).
class ElementwiseSmooth : public ElementwiseMaps {
 public:
  /// Throws ConfigError for options out of range.
  ElementwiseSmooth(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                    std::int64_t features, const ElementwiseSmoothOptions& options = {});
};

struct SmoothCouplingOptions {
  /// Default: the first half (rounded up) is kept and conditions, the second is moved.
  bool swap = false;            ///< the other way round
  std::vector<bool> mask = {};  ///< true: moved; replaces the halves
  SmoothMapsOptions maps = {};
  /// Which features are angles in [-pi, pi], seen by their cosine and sine; empty: none. Others
  /// that are in [0, 1] are seen stretched to [-1, 1].
  std::vector<bool> circular = {};
  /// Network from the kept features to the maps' parameters; it should be smooth. Empty: a residual
  /// network of 2 blocks, 64 wide, with silu, whose last layer starts at 0.
  NetworkFactory conditioner = {};
  std::int64_t context_features = 0;
};

/// Coupling that moves its features by mixtures, z = f(x), whose parameters come from the
/// kept ones. The density of z = f(x) is quick; x is a root, with the derivatives of the inverse
/// function to any order. The map is as smooth as its mixtures and its network.
class SmoothCoupling : public MapCoupling {
 public:
  /// Throws ConfigError for bad sizes, options out of range or a bad mask.
  SmoothCoupling(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                 std::int64_t features, const SmoothCouplingOptions& options = {});
};

}  // namespace thalweg
