// A monotone function whose inverse is known, for tests of roots.
#pragma once

#include <vector>

#include "thalweg/engine/graph.h"

namespace thalweg::testing {

/// exp(a) (exp(x) - 1) = y, so that x = log(1 + y exp(-a)).
class ScaledGrowth : public MonotoneFunction {
 public:
  Value operator()(Value x, const std::vector<Value>& parameters) const override {
    return exp(parameters.at(0)) * expm1(x);
  }
};

}  // namespace thalweg::testing
