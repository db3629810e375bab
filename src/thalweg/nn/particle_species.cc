#include "thalweg/nn/particle_species.h"

#include "thalweg/core/error.h"

namespace thalweg {

Value species_of(Value context, std::int64_t particles) {
  if (!context.valid())
    fail<ShapeError>("species: expected a context that ends with those of {} particles, got none",
                     particles);
  if (context.items() != 1 || context.features() < particles)
    fail<ShapeError>("{}: species of {} particles: expected a context of one column, got {} x {}",
                     context.graph->scope(), particles, context.features(), context.items());
  return slice(context, context.features() - particles, particles);
}

Value presence(Value species) { return less(species.graph->constant(0.5), species); }

}  // namespace thalweg
