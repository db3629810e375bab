// What the densities of a free-form flow are worth.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/flows/model.h"

namespace thalweg {

/// Rows of data and draws of the base through a flow's free-form layers and back, in double.
struct FreeFormCheck {
  /// Log densities of the rows in nats, in the units of the data, by the three ways of
  /// FreeFormDensity.
  std::vector<double> exact, decoder, encoder;
  std::vector<bool> solved;  ///< whether z with g(z) = x was found, by row
  /// Root mean squares over the rows, in deviations of the columns: of |g(f(x)) - x|, and of
  /// |J_g J_f - I|, the root of the sum over all elements.
  double reconstruction = 0.0, jacobian = 0.0;
  /// The median over as many draws z of the base of |f(g(z)) - z|: large where the decoder brings
  /// different z to the same x, and the densities of samples miss a part.
  double latent = 0.0;

  std::int64_t unsolved() const;
};

/// Checks a flow with a free-form layer at `x`, rows x features in the units of the data, with
/// `context` rows x context features. Rows beyond their bounds are none. Throws ShapeError.
FreeFormCheck check_free_form(const Model& model, std::span<const double> x,
                              std::span<const double> context, std::uint64_t seed,
                              ThreadPool& pool);

}  // namespace thalweg
