// Normal base of particles whose centre of mass is 0.
#pragma once

#include <string>

#include "thalweg/bases/base.h"

namespace thalweg {

/// Moves each row of particles so that its centre of mass is 0. `x` is features x 1, the positions
/// of features / dimensions particles one after the other (x0 y0 z0 x1 ...). Exact to rounding, and
/// linear, so that it can be differentiated any number of times. Throws ShapeError unless
/// `dimensions` divides the features.
Value mean_free(Value x, std::int64_t dimensions);

/// The same of those particles for which `present`, particles x 1, is 1; the others are at 0 then.
Value mean_free(Value x, std::int64_t dimensions, Value present);

/// Standard normal on the (N - 1) n dimensional subspace of N particles in n dimensions whose
/// centre of mass is 0 (Koehler, Klein, Noe 2020, section 4.1). With z' the row moved to its centre
/// of mass,
///
///     log p(z) = -|z'|^2 / 2 - (N - 1) n / 2 log(2 pi),
///
/// so that it integrates to 1 over the subspace, with the constant that published figures often
/// omit. A row off the subspace has the density of its centred part. Draws are centred. Invariant
/// under translations, rotations, reflections and permutations of the particles.
///
/// With species in the context, see species_of(), N is the number of particles that are there, of
/// at least two; positions of others do not matter, and draws have 0.
class MeanFreeNormal : public Base {
 public:
  /// Throws ConfigError unless the features are those of at least 2 particles in `dimensions` >= 1.
  /// A context, if there is one, ends with the particles' species.
  MeanFreeNormal(const std::string& name, std::int64_t features, std::int64_t dimensions,
                 std::int64_t context_features = 0);
  std::int64_t mean_free_dimensions() const override { return dimensions_; }
  Value along(Value direction, Value context) const override;
  Value dimension(Graph& graph, Value context) const override;
  std::int64_t least_dimension() const override;

 protected:
  Value build_log_prob(Value z, Value context) const override;
  Value build_draw(Graph& graph, Domain domain, Value context) const override;

 private:
  std::int64_t dimensions_;
};

}  // namespace thalweg
