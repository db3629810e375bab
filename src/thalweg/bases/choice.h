// The choice of one of several parts of a mixture.
#pragma once

#include "thalweg/engine/graph.h"

namespace thalweg {

/// 1 for one of the parts, chosen with probability `weights` (parts x 1, shared, summing to 1), and
/// 0 for the others: parts x 1, for each sample of `domain`.
Value choose_part(Graph& graph, Domain domain, Value weights);

}  // namespace thalweg
