// Affine coupling layers: NICE (Dinh et al. 2015) and real NVP (Dinh et al. 2017).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/nn/network.h"
#include "thalweg/transforms/feature_split.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

/// How the conditioner's output s becomes a scale; t is its shift, and both depend on the features
/// that are kept (and the context). Each line gives the moved features from z to x.
enum class ScaleMap : std::uint8_t {
  kExp,      ///< x = z exp(s) + t
  kSigmoid,  ///< x = (z - t) / sigmoid(s + 2), so z = x sigmoid(s + 2) + t: scales of z below 1
  kTanh,     ///< x = z exp(c tanh(s)) + t, c = exp(log_amplitude) learned and at first exp(-1)
  /// z = x exp(c) + t, c = s / (1 + |s| / log 1000): scales from 0.001 to 1000, as zuko has them
  kSoftClip,
  kNone,  ///< x = z + t: keeps volumes
};

/// Names of all scale maps: "exp", "sigmoid", "tanh", "soft_clip", "none".
std::vector<std::string> scale_map_names();
/// Scale map by name; throws ConfigError that lists the names.
ScaleMap scale_map_by_name(std::string_view name);

/// What a network's output says of each feature: its shift t and the s of ScaleMap, which is empty
/// for kNone and clipped for kSoftClip.
struct AffineParameters {
  Value shift, scale;
};
/// a / (1 + |a| / bound), elementwise: between -bound and bound, with slope 1 at 0.
Value soft_clip(Value a, double bound);

/// From [t; s], each with one element a feature. For kTanh, `log_amplitude` is the learned c's
/// logarithm.
AffineParameters affine_parameters(Value raw, std::int64_t features, ScaleMap map,
                                   const std::optional<ParameterId>& log_amplitude);
/// z to x, elementwise; the log-determinant is summed over the features.
Mapped apply_affine(const AffineParameters& affine, ScaleMap map, Value z);
/// x to z.
Mapped invert_affine(const AffineParameters& affine, ScaleMap map, Value x);

struct AffineCouplingOptions {
  /// Default: the first half (rounded up) is kept and conditions, the second is moved.
  bool swap = false;            ///< the other way round
  std::vector<bool> mask = {};  ///< true: moved; replaces the halves
  ScaleMap scale_map = ScaleMap::kExp;
  /// Network from the kept features to [t; s]. Empty: an Mlp of 64-64 whose last layer starts at 0,
  /// so that the layer starts as the identity (with kSigmoid: x = z / 0.881).
  NetworkFactory conditioner = {};
  std::int64_t context_features = 0;
};

/// Affine coupling layer of at least two features. Both directions cost one evaluation of the
/// conditioner.
class AffineCoupling : public Transform {
 public:
  /// Adds its parameters under `name`. Throws ConfigError for bad sizes or a bad mask.
  AffineCoupling(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                 std::int64_t features, const AffineCouplingOptions& options = {});

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  AffineParameters condition(Value kept, Value context) const;

  FeatureSplit split_;
  ScaleMap scale_map_;
  std::unique_ptr<Network> conditioner_;
  std::optional<ParameterId> log_amplitude_;
};

}  // namespace thalweg
