#include "thalweg/bases/mean_free_normal.h"

#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/nn/particle_species.h"

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

Value mean_free(Value x, std::int64_t dimensions, Value present) {
  const std::int64_t particles = present.features();
  if (dimensions < 1 || x.items() != 1 || present.items() != 1 ||
      x.features() != particles * dimensions)
    fail<ShapeError>(
        "{}: mean_free: expected positions of {} particles in {} dimensions as one column, got {} "
        "x {}",
        x.graph->scope(), particles, dimensions, x.features(), x.items());
  const Value positions = present * reshape(x, {particles, dimensions});
  const Value centre = sum(positions, Axis::kFeatures) / sum(present, Axis::kFeatures);
  return reshape(positions - present * centre, {x.features(), 1});
}

MeanFreeNormal::MeanFreeNormal(const std::string& name, std::int64_t features,
                               std::int64_t dimensions, std::int64_t context_features)
    : Base(name, features, context_features), dimensions_(dimensions) {
  if (dimensions < 1) fail<ConfigError>("base.dimensions: expected at least 1, got {}", dimensions);
  if (features % dimensions != 0 || features < 2 * dimensions)
    fail<ConfigError>(
        "base.kind: mean_free_normal takes the positions of at least 2 particles in "
        "base.dimensions = {} dimensions, got {} column{}",
        dimensions, features, features == 1 ? "" : "s");
}

Value MeanFreeNormal::along(Value direction, Value context) const {
  if (context_features() == 0) return mean_free(direction, dimensions_);
  return mean_free(direction, dimensions_, presence(species_of(context, features() / dimensions_)));
}

Value MeanFreeNormal::dimension(Graph& graph, Value context) const {
  if (context_features() == 0) return Base::dimension(graph, context);
  const Value present = presence(species_of(context, features() / dimensions_));
  return (sum(present, Axis::kFeatures) - 1.0) * static_cast<double>(dimensions_);
}

std::int64_t MeanFreeNormal::least_dimension() const {
  return context_features() == 0 ? Base::least_dimension() : dimensions_;
}

Value MeanFreeNormal::build_log_prob(Value z, Value context) const {
  return -0.5 * sum(square(along(z, context)), Axis::kFeatures) -
         (0.5 * std::log(2.0 * std::numbers::pi)) * dimension(*z.graph, context);
}

Value MeanFreeNormal::build_draw(Graph& graph, Domain domain, Value context) const {
  return along(graph.normal({features(), 1}, domain), context);
}

}  // namespace thalweg
