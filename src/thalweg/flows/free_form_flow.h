// Flows with free-form layers: their ways from data to latent.
#pragma once

#include <cstddef>

#include "thalweg/flows/flow.h"
#include "thalweg/transforms/free_form.h"

namespace thalweg {

/// Whether a layer of the flow is a free-form one.
bool has_free_form(const Flow& flow);

/// The inverse of the flow's first `layers` transforms, x to z, with free-form layers by `density`.
Mapped inverse_by(FreeFormDensity density, const Flow& flow, Value x, Value context = {},
                  std::size_t layers = Flow::kAll);

/// How far encoders and decoders are from inverting each other, all 1 x 1 and summed over the
/// free-form layers.
struct InversionErrors {
  Value reconstruction;  ///< |g(f(x)) - x|^2
  Value jacobian;        ///< |J_g J_f - I|^2, of all elements, at x and f(x)
};
InversionErrors inversion_errors(const Flow& flow, Value x, Value context = {},
                                 std::size_t layers = Flow::kAll);

}  // namespace thalweg
