#include "thalweg/flows/latent_overflow.h"

#include <cmath>

namespace thalweg {

Value latent_overflow(const Flow& flow, Value x, Value context) {
  constexpr double kOverflow = 1e18;
  Graph& graph = *x.graph;
  const auto all_numbers = [&](Value v) {
    return 1.0 - step(sum(1.0 - less_equal(abs(v), graph.constant(INFINITY)), Axis::kFeatures));
  };
  Value overflow = graph.constant(0.0);
  const auto& transforms = flow.transforms();
  for (auto layer = transforms.rbegin(); layer != transforms.rend(); ++layer) {
    const Value next =
        (*layer)->inverse(x, (*layer)->context_features() > 0 ? context : Value{}).value;
    const Value beyond = sum(less(graph.constant(kOverflow), abs(next)), Axis::kFeatures);
    overflow = overflow + all_numbers(x) * beyond;
    x = next;
  }
  return step(overflow);
}

}  // namespace thalweg
