#include "thalweg/flows/latent_overflow.h"

#include <algorithm>
#include <cmath>

namespace thalweg {

Value latent_overflow(const Flow& flow, Value x, Value context, std::size_t layers) {
  constexpr double kOverflow = 1e18;
  Graph& graph = *x.graph;
  const auto all_numbers = [&](Value v) {
    return 1.0 - step(sum(1.0 - less_equal(abs(v), graph.constant(INFINITY)), Axis::kFeatures));
  };
  Value overflow = graph.constant(0.0);
  for (std::size_t i = std::min(layers, flow.transforms().size()); i-- > 0;) {
    const Value next = flow.inverse(x, context, i, i + 1).value;
    const Value beyond = sum(less(graph.constant(kOverflow), abs(next)), Axis::kFeatures);
    overflow = overflow + all_numbers(x) * beyond;
    x = next;
  }
  return step(overflow);
}

}  // namespace thalweg
