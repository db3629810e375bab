#include "thalweg/engine/whole_power.h"

namespace thalweg {

Value whole_power(Value a, std::int64_t exponent) {
  if (exponent == 0) return a.graph->constant(1.0);
  if (exponent < 0) return reciprocal(whole_power(a, -exponent));
  if (exponent == 1) return a;
  const Value half = square(whole_power(a, exponent / 2));
  return exponent % 2 == 0 ? half : half * a;
}

}  // namespace thalweg
