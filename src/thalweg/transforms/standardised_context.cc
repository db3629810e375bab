#include "thalweg/transforms/standardised_context.h"

#include <cmath>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {

StandardisedContext::StandardisedContext(std::shared_ptr<const Transform> inner,
                                         std::vector<double> mean, std::vector<double> scale)
    : Transform(inner->name(), inner->features(), inner->context_features()),
      inner_(std::move(inner)),
      mean_(std::move(mean)) {
  const auto features = static_cast<std::size_t>(context_features());
  if (mean_.size() != features || scale.size() != features)
    fail<ConfigError>("{}: expected {} means and scales of the context, got {} and {}", name(),
                      features, mean_.size(), scale.size());
  for (std::size_t i = 0; i < features; ++i) {
    if (!std::isfinite(mean_[i]) || !std::isfinite(scale[i]) || !(scale[i] > 0.0))
      fail<ConfigError>(
          "{}: expected a finite mean and a positive scale of context feature {}, got {} and {}",
          name(), i, mean_[i], scale[i]);
    factor_.push_back(1.0 / scale[i]);
  }
}

Value StandardisedContext::standardised(Value context) const {
  Graph& graph = *context.graph;
  const Shape shape{context_features(), 1};
  // First the difference: where the mean is large beside the scale, products would lose it.
  return (context - graph.constant(shape, mean_)) * graph.constant(shape, factor_);
}

}  // namespace thalweg
