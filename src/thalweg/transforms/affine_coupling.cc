#include "thalweg/transforms/affine_coupling.h"

#include "thalweg/core/error.h"

namespace thalweg {

ScaleMap scale_map_by_name(std::string_view name) {
  if (name == "exp") return ScaleMap::kExp;
  if (name == "sigmoid") return ScaleMap::kSigmoid;
  if (name == "tanh") return ScaleMap::kTanh;
  if (name == "none") return ScaleMap::kNone;
  fail<ConfigError>("unknown scale map '{}': expected one of exp, sigmoid, tanh, none", name);
}

AffineCoupling::AffineCoupling(ParameterStore& parameters, const std::string& name,
                               RandomSequence& random, std::int64_t features,
                               const AffineCouplingOptions& options)
    : Transform(name, features, options.context_features),
      split_(name, features, options.swap, options.mask),
      scale_map_(options.scale_map) {
  const NetworkFactory factory =
      options.conditioner ? options.conditioner : mlp_factory({.zero_output = true});
  const std::int64_t outputs = split_.moved() * (scale_map_ == ScaleMap::kNone ? 1 : 2);
  conditioner_ = factory(parameters, name + ".conditioner", random, split_.kept(), outputs,
                         options.context_features);
  if (scale_map_ == ScaleMap::kTanh)
    log_amplitude_ = parameters.add(name + ".log_amplitude", 1, 1, -1.0);
}

AffineCoupling::Conditioned AffineCoupling::condition(Value kept, Value context) const {
  const Value output = (*conditioner_)(kept, context);
  const std::int64_t moved = split_.moved();
  const Value shift = slice(output, 0, moved);
  if (scale_map_ == ScaleMap::kNone) return {shift, {}};
  const Value raw = slice(output, moved, moved);
  if (scale_map_ == ScaleMap::kTanh)
    return {shift, exp(raw.graph->parameter(*log_amplitude_)) * tanh(raw)};
  return {shift, raw};
}

Mapped AffineCoupling::build_forward(Value z, Value context) const {
  auto [kept, moved] = split_.split(z);
  const auto [shift, scale] = condition(kept, context);
  if (scale_map_ == ScaleMap::kNone)
    return {split_.join({kept, moved + shift}), z.graph->constant(0.0)};
  if (scale_map_ == ScaleMap::kSigmoid) {
    // 1 / sigmoid(s) = 1 + exp(-s) does not lose digits, nor does its logarithm softplus(-s).
    const Value raw = -(scale + 2.0);
    return {split_.join({kept, (moved - shift) * (1.0 + exp(raw))}),
            sum(softplus(raw), Axis::kFeatures)};
  }
  return {split_.join({kept, moved * exp(scale) + shift}), sum(scale, Axis::kFeatures)};
}

Mapped AffineCoupling::build_inverse(Value x, Value context) const {
  auto [kept, moved] = split_.split(x);
  const auto [shift, scale] = condition(kept, context);
  if (scale_map_ == ScaleMap::kNone)
    return {split_.join({kept, moved - shift}), x.graph->constant(0.0)};
  if (scale_map_ == ScaleMap::kSigmoid) {
    const Value raw = scale + 2.0;
    return {split_.join({kept, moved * sigmoid(raw) + shift}),
            sum(log_sigmoid(raw), Axis::kFeatures)};
  }
  return {split_.join({kept, (moved - shift) * exp(-scale)}), -sum(scale, Axis::kFeatures)};
}

}  // namespace thalweg
