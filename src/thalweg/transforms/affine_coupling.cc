#include "thalweg/transforms/affine_coupling.h"

#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr std::array<std::pair<std::string_view, ScaleMap>, 5> kScaleMaps = {{
    {"exp", ScaleMap::kExp},
    {"sigmoid", ScaleMap::kSigmoid},
    {"tanh", ScaleMap::kTanh},
    {"soft_clip", ScaleMap::kSoftClip},
    {"none", ScaleMap::kNone},
}};

}  // namespace

std::vector<std::string> scale_map_names() {
  std::vector<std::string> names;
  for (const auto& [name, map] : kScaleMaps) names.emplace_back(name);
  return names;
}

ScaleMap scale_map_by_name(std::string_view name) {
  for (const auto& [known, map] : kScaleMaps)
    if (name == known) return map;
  fail<ConfigError>("unknown scale map '{}': expected one of {}", name,
                    fmt::join(scale_map_names(), ", "));
}

Value soft_clip(Value a, double bound) { return a / (1.0 + abs(a) * (1.0 / bound)); }

AffineParameters affine_parameters(Value raw, std::int64_t features, ScaleMap map,
                                   const std::optional<ParameterId>& log_amplitude) {
  const Value shift = slice(raw, 0, features);
  if (map == ScaleMap::kNone) return {shift, {}};
  const Value scale = slice(raw, features, features);
  if (map == ScaleMap::kTanh)
    return {shift, exp(raw.graph->parameter(*log_amplitude)) * tanh(scale)};
  if (map == ScaleMap::kSoftClip) return {shift, soft_clip(scale, std::log(1000.0))};
  return {shift, scale};
}

Mapped apply_affine(const AffineParameters& affine, ScaleMap map, Value z) {
  const auto& [shift, scale] = affine;
  if (map == ScaleMap::kNone) return {z + shift, z.graph->constant(0.0)};
  if (map == ScaleMap::kSigmoid) {
    // 1 / sigmoid(s) = 1 + exp(-s) does not lose digits, nor does its logarithm softplus(-s).
    const Value raw = -(scale + 2.0);
    return {(z - shift) * (1.0 + exp(raw)), sum(softplus(raw), Axis::kFeatures)};
  }
  if (map == ScaleMap::kSoftClip) return {(z - shift) * exp(-scale), -sum(scale, Axis::kFeatures)};
  return {z * exp(scale) + shift, sum(scale, Axis::kFeatures)};
}

Mapped invert_affine(const AffineParameters& affine, ScaleMap map, Value x) {
  const auto& [shift, scale] = affine;
  if (map == ScaleMap::kNone) return {x - shift, x.graph->constant(0.0)};
  if (map == ScaleMap::kSigmoid) {
    const Value raw = scale + 2.0;
    return {x * sigmoid(raw) + shift, sum(log_sigmoid(raw), Axis::kFeatures)};
  }
  if (map == ScaleMap::kSoftClip) return {x * exp(scale) + shift, sum(scale, Axis::kFeatures)};
  return {(x - shift) * exp(-scale), -sum(scale, Axis::kFeatures)};
}

AffineCoupling::AffineCoupling(ParameterStore& parameters, const std::string& name,
                               RandomSequence& random, std::int64_t features,
                               const AffineCouplingOptions& options)
    : Transform(name, features, options.context_features),
      split_(name, features, options.swap, options.mask),
      scale_map_(options.scale_map) {
  const NetworkFactory factory =
      options.conditioner ? options.conditioner : network_factory<Mlp>({.zero_output = true});
  const std::int64_t outputs = split_.moved() * (scale_map_ == ScaleMap::kNone ? 1 : 2);
  conditioner_ = factory(parameters, name + ".conditioner", random, split_.kept(), outputs,
                         options.context_features);
  if (scale_map_ == ScaleMap::kTanh)
    log_amplitude_ = parameters.add(name + ".log_amplitude", 1, 1, -1.0);
}

AffineParameters AffineCoupling::condition(Value kept, Value context) const {
  return affine_parameters((*conditioner_)(kept, context), split_.moved(), scale_map_,
                           log_amplitude_);
}

Mapped AffineCoupling::build_forward(Value z, Value context) const {
  const auto [kept, moved] = split_.split(z);
  const Mapped mapped = apply_affine(condition(kept, context), scale_map_, moved);
  return {split_.join({kept, mapped.value}), mapped.log_det};
}

Mapped AffineCoupling::build_inverse(Value x, Value context) const {
  const auto [kept, moved] = split_.split(x);
  const Mapped mapped = invert_affine(condition(kept, context), scale_map_, moved);
  return {split_.join({kept, mapped.value}), mapped.log_det};
}

}  // namespace thalweg
