#include "thalweg/bases/mean_free_normal.h"

#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"

namespace thalweg {

Value mean_free(Value x, std::int64_t dimensions) {
  if (!x.valid()) fail<ShapeError>("mean_free: the value is empty: pass a value of a graph");
  if (dimensions < 1 || x.items() != 1 || x.features() % dimensions != 0)
    fail<ShapeError>(
        "{}: mean_free: expected positions in {} dimensions as one column, got {} x {}",
        x.graph->scope(), dimensions, x.features(), x.items());
  const std::int64_t particles = x.features() / dimensions;
  const Value positions = reshape(x, {particles, dimensions});
  const Value centre = sum(positions, Axis::kFeatures) / static_cast<double>(particles);
  return reshape(positions - centre, {x.features(), 1});
}

MeanFreeNormal::MeanFreeNormal(const std::string& name, std::int64_t features,
                               std::int64_t dimensions)
    : Base(name, features), dimensions_(dimensions) {
  if (dimensions < 1) fail<ConfigError>("base.dimensions: expected at least 1, got {}", dimensions);
  if (features % dimensions != 0 || features < 2 * dimensions)
    fail<ConfigError>(
        "base.kind: mean_free_normal takes the positions of at least 2 particles in "
        "base.dimensions = {} dimensions, got {} column{}",
        dimensions, features, features == 1 ? "" : "s");
}

Value MeanFreeNormal::build_log_prob(Value z, Value /*context*/) const {
  const double free = static_cast<double>(features() - dimensions_);
  return -0.5 * sum(square(mean_free(z, dimensions_)), Axis::kFeatures) -
         0.5 * free * std::log(2.0 * std::numbers::pi);
}

Value MeanFreeNormal::build_draw(Graph& graph, Domain domain, Value /*context*/) const {
  return mean_free(graph.normal({features(), 1}, domain), dimensions_);
}

}  // namespace thalweg
