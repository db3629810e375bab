#include "thalweg/transforms/continuously_indexed.h"

#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr double kLimit = 5.0;

/// Keeps scales between exp(-5) and exp(5), also where networks extrapolate far from the data.
Value limited(Value log_scale) { return kLimit * tanh(log_scale / kLimit); }

/// Log density of a diagonal normal at `standard` deviations from its mean.
Value log_normal(Value standard, Value log_deviation) {
  const double constant =
      0.5 * static_cast<double>(standard.features()) * std::log(2.0 * std::numbers::pi);
  return -0.5 * sum(square(standard), Axis::kFeatures) - sum(log_deviation, Axis::kFeatures) -
         constant;
}

}  // namespace

ContinuouslyIndexed::ContinuouslyIndexed(ParameterStore& parameters, const std::string& name,
                                         RandomSequence& random, std::int64_t features,
                                         const ContinuouslyIndexedOptions& options)
    : Transform(name, features, options.context_features), index_features_(options.index_features) {
  if (index_features_ < 1)
    fail<ConfigError>("{}: expected at least 1 index feature, got {}", name, index_features_);
  const NetworkFactory factory =
      options.network ? options.network : network_factory<Mlp>({.hidden = {32, 32}});
  const auto make = [&](const char* part, std::int64_t inputs, std::int64_t outputs) {
    return factory(parameters, name + part, random, inputs, outputs, options.context_features);
  };
  affine_ = make(".affine", index_features_, 2 * features);
  prior_ = make(".prior", features, 2 * index_features_);
  posterior_ = make(".posterior", features, 2 * index_features_);
}

ContinuouslyIndexed::Index ContinuouslyIndexed::draw(const Network& network, Value given,
                                                     Value context) const {
  const Value output = network(given, context);
  const Value log_deviation = limited(slice(output, index_features_, index_features_));
  const Domain domain = given.batched() ? given.domain() : 0;
  const Value standard = given.graph->normal({index_features_, 1}, domain);
  return {slice(output, 0, index_features_) + exp(log_deviation) * standard,
          log_normal(standard, log_deviation)};
}

Value ContinuouslyIndexed::log_density(const Network& network, Value u, Value given,
                                       Value context) const {
  const Value output = network(given, context);
  const Value log_deviation = limited(slice(output, index_features_, index_features_));
  return log_normal((u - slice(output, 0, index_features_)) * exp(-log_deviation), log_deviation);
}

Mapped ContinuouslyIndexed::inverse_at(Value x, Value u, Value context) const {
  const Value affine = (*affine_)(u, context);
  const Value log_scale = limited(slice(affine, features(), features()));
  const Value z = (x - slice(affine, 0, features())) * exp(-log_scale);
  return {z, log_density(*prior_, u, z, context) - sum(log_scale, Axis::kFeatures)};
}

Mapped ContinuouslyIndexed::build_inverse(Value x, Value context) const {
  const Index index = draw(*posterior_, x, context);
  const Mapped mapped = inverse_at(x, index.u, context);
  return {mapped.value, mapped.log_det - index.log_density};
}

Mapped ContinuouslyIndexed::build_forward(Value z, Value context) const {
  const Index index = draw(*prior_, z, context);
  const Value affine = (*affine_)(index.u, context);
  const Value log_scale = limited(slice(affine, features(), features()));
  const Value x = z * exp(log_scale) + slice(affine, 0, features());
  return {x, sum(log_scale, Axis::kFeatures) + log_density(*posterior_, index.u, x, context) -
                 index.log_density};
}

}  // namespace thalweg
