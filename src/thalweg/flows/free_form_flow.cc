#include "thalweg/flows/free_form_flow.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "thalweg/engine/derivatives.h"

namespace thalweg {
namespace {

const FreeForm* free_form(const Transform& transform) {
  return dynamic_cast<const FreeForm*>(&transform);
}

/// Passes the layers from the data to the base, and calls `visit` for each free-form one, which
/// maps x itself.
Mapped pass(const Flow& flow, Value x, Value context, std::size_t layers,
            const std::function<Mapped(const FreeForm& layer, Value x, Value context)>& visit) {
  Mapped result{x, x.graph->constant(0.0)};
  for (std::size_t i = std::min(layers, flow.transforms().size()); i-- > 0;) {
    const FreeForm* layer = free_form(*flow.transforms()[i]);
    result =
        result.then(layer == nullptr ? flow.inverse(result.value, context, i, i + 1)
                                     : visit(*layer, result.value,
                                             layer->context_features() > 0 ? context : Value{}));
  }
  return result;
}

}  // namespace

bool has_free_form(const Flow& flow) {
  return std::ranges::any_of(
      flow.transforms(), [](const auto& transform) { return free_form(*transform) != nullptr; });
}

Mapped inverse_by(FreeFormDensity density, const Flow& flow, Value x, Value context,
                  std::size_t layers) {
  if (density == FreeFormDensity::kExact) return flow.inverse(x, context, 0, layers);
  return pass(flow, x, context, layers, [&](const FreeForm& layer, Value at, Value given) {
    return layer.inverse_by(density, at, given);
  });
}

InversionErrors inversion_errors(const Flow& flow, Value x, Value context, std::size_t layers) {
  Graph& graph = *x.graph;
  InversionErrors errors{graph.constant(0.0), graph.constant(0.0)};
  pass(flow, x, context, layers, [&](const FreeForm& layer, Value at, Value given) {
    const Value z = layer.encode(at, given);
    const Value decoded = layer.decode(z, given);
    errors.reconstruction = errors.reconstruction + sum(square(decoded - at));
    const Value product = jvp_columns(decoded, z, jacobian(z, at));
    errors.jacobian =
        errors.jacobian + sum(square(product - identity_matrix(graph, layer.features())));
    return Mapped{z, graph.constant(0.0)};
  });
  return errors;
}

}  // namespace thalweg
