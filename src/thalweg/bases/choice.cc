#include "thalweg/bases/choice.h"

namespace thalweg {

Value choose_part(Graph& graph, Domain domain, Value weights) {
  const Value number = graph.uniform({1, 1}, domain);
  const std::int64_t parts = weights.features();
  // 1 up to the part in whose share of [0, 1] the number lies, 0 after it.
  const Value reached = less_equal(cumulative_sum(weights, false, true), number);
  return parts == 1 ? reached : reached - pad(slice(reached, 1, parts - 1), 0, parts);
}

}  // namespace thalweg
