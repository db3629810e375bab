// Autoregressive transforms: each feature is moved by a map that the features before it decide.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "thalweg/nn/masked_mlp.h"
#include "thalweg/transforms/affine_coupling.h"
#include "thalweg/transforms/rational_quadratic_spline.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

/// What moves each feature.
enum class AutoregressiveMap : std::uint8_t { kAffine, kSpline };

struct AutoregressiveOptions {
  AutoregressiveMap map = AutoregressiveMap::kAffine;
  ScaleMap scale_map = ScaleMap::kExp;  ///< of affine maps
  SplineOptions spline = {};            ///< of spline maps; not circular
  /// Of the masked network from x to the maps' parameters. With zero_output the layer starts as the
  /// identity (affine maps with kSigmoid: x = z / 0.881).
  MlpOptions network = {.zero_output = true};
  std::int64_t context_features = 0;
};

/// Masked autoregressive flow (Papamakarios et al. 2017; with splines, Durkan et al. 2019): z_i =
/// f_i(x_i) with f_i decided by x_1, ..., x_{i-1} and the context, for any number of features.
/// From x to z, as densities need it, is one evaluation of the network; from z to x, as sampling
/// needs it, one for each feature, written out in the graph, which grows in proportion.
class Autoregressive : public Transform {
 public:
  /// Throws ConfigError for bad sizes or options out of range.
  Autoregressive(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                 std::int64_t features, const AutoregressiveOptions& options = {});

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  Mapped move(Value raw, Value from, bool to_data) const;

  AutoregressiveMap map_;
  ScaleMap scale_map_;
  SplineOptions spline_;
  std::unique_ptr<MaskedMlp> network_;
  std::optional<ParameterId> log_amplitude_;
};

}  // namespace thalweg
