#include "thalweg/bases/gaussian_mixture.h"

#include <cmath>
#include <numbers>
#include <vector>

#include "thalweg/bases/choice.h"
#include "thalweg/core/error.h"

namespace thalweg {

GaussianMixture::GaussianMixture(ParameterStore& parameters, const std::string& name,
                                 RandomSequence& random, std::int64_t features,
                                 const GaussianMixtureOptions& options)
    : Base(name, features), components_(options.components) {
  if (components_ < 1)
    fail<ConfigError>("{}: expected at least 1 component, got {}", name, components_);
  if (!(options.scale > 0.0) || !std::isfinite(options.scale))
    fail<ConfigError>("{}: expected a positive scale, got {}", name, options.scale);
  if (!(options.location_scale >= 0.0) || !std::isfinite(options.location_scale))
    fail<ConfigError>("{}: expected a location scale of at least 0, got {}", name,
                      options.location_scale);
  std::vector<double> locations(static_cast<std::size_t>(features * components_));
  for (double& value : locations) value = options.location_scale * random.normal();
  locations_ = parameters.add(name + ".locations", features, components_, std::move(locations),
                              options.trainable);
  log_scales_ = parameters.add(name + ".log_scales", features, components_, std::log(options.scale),
                               options.trainable);
  logits_ = parameters.add(name + ".logits", 1, components_, 0.0, options.trainable);
}

Value GaussianMixture::build_log_prob(Value z, Value /*context*/) const {
  Graph& graph = *z.graph;
  const double constant = 0.5 * static_cast<double>(features()) * std::log(2.0 * std::numbers::pi);
  const Value log_scales = graph.parameter(log_scales_);
  const Value standard = (z - graph.parameter(locations_)) * exp(-log_scales);
  const Value offset = log_softmax(graph.parameter(logits_), Axis::kItems) -
                       (sum(log_scales, Axis::kFeatures) + constant);
  return log_sum_exp(offset - 0.5 * sum(square(standard), Axis::kFeatures), Axis::kItems);
}

Value GaussianMixture::build_draw(Graph& graph, Domain domain, Value /*context*/) const {
  const Value standard = graph.normal({features(), 1}, domain);
  const Value chosen = choose_part(graph, domain, softmax(transpose(graph.parameter(logits_))));
  return dense(graph.parameter(locations_), chosen) +
         exp(dense(graph.parameter(log_scales_), chosen)) * standard;
}

}  // namespace thalweg
