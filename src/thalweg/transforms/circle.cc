#include "thalweg/transforms/circle.h"

namespace thalweg {

Value wrapped(Value x, double bound) {
  const Value turns = floor((x + bound) / (2.0 * bound));
  const Value moved = x - (2.0 * bound) * turns;
  // Rounding may leave the interval.
  return moved + stop_gradient(clamp(moved, -bound, bound) - moved);
}

}  // namespace thalweg
