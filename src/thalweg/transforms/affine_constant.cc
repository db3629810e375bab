#include "thalweg/transforms/affine_constant.h"

#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {

AffineConstant::AffineConstant(ParameterStore& parameters, const std::string& name,
                               RandomSequence& random, std::int64_t features,
                               const AffineConstantOptions& options)
    : Transform(name, features, options.context_features) {
  const auto count = static_cast<std::size_t>(features);
  const auto complete = [&](const char* what, std::vector<double> values, double fill) {
    if (values.empty()) values.assign(count, fill);
    if (values.size() != count)
      fail<ConfigError>("{}: expected a {} of {} values, got {}", name, what, count, values.size());
    for (const double value : values)
      if (!std::isfinite(value))
        fail<ConfigError>("{}: expected a finite {}, got {}", name, what, value);
    return values;
  };
  std::vector<double> log_scale = complete("scale", options.scale, 1.0);
  for (double& value : log_scale) {
    if (!(value > 0.0)) fail<ConfigError>("{}: expected a positive scale, got {}", name, value);
    value = std::log(value);
  }
  mean_ = parameters.add(name + ".mean", features, 1, complete("mean", options.mean, 0.0),
                         options.trainable);
  log_scale_ =
      parameters.add(name + ".log_scale", features, 1, std::move(log_scale), options.trainable);
  if (options.context_features > 0) {
    const NetworkFactory factory =
        options.conditioner ? options.conditioner : network_factory<Mlp>({.zero_output = true});
    conditioner_ = factory(parameters, name + ".conditioner", random, options.context_features,
                           2 * features, 0);
  }
}

AffineConstant::Coefficients AffineConstant::coefficients(Graph& graph, Value context) const {
  const Value mean = graph.parameter(mean_);
  const Value log_scale = graph.parameter(log_scale_);
  if (!conditioner_) return {mean, log_scale};
  const Value output = (*conditioner_)(context);
  return {mean + slice(output, 0, features()), log_scale + slice(output, features(), features())};
}

Mapped AffineConstant::build_forward(Value z, Value context) const {
  const auto [mean, log_scale] = coefficients(*z.graph, context);
  return {z * exp(log_scale) + mean, sum(log_scale, Axis::kFeatures)};
}

Mapped AffineConstant::build_inverse(Value x, Value context) const {
  const auto [mean, log_scale] = coefficients(*x.graph, context);
  return {(x - mean) * exp(-log_scale), -sum(log_scale, Axis::kFeatures)};
}

}  // namespace thalweg
