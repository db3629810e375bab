// Points of a circle as numbers.
#pragma once

#include "thalweg/engine/graph.h"

namespace thalweg {

/// The point of [-bound, bound] that is a whole number of turns, each 2 bound, away from `x`,
/// elementwise; its derivative is 1, at the seam, too. NaN where x is infinite.
Value wrapped(Value x, double bound);

}  // namespace thalweg
