// Powers with whole exponents.
#pragma once

#include <cstdint>

#include "thalweg/engine/graph.h"

namespace thalweg {

/// a^exponent by products, elementwise, so that a of any sign serves; 1 for an exponent of 0.
Value whole_power(Value a, std::int64_t exponent);

}  // namespace thalweg
