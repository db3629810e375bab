// A graph to build on, for tests of the engine.
#pragma once

#include <cstdint>
#include <vector>

#include "thalweg/engine/graph.h"

namespace thalweg::testing {

/// A graph with three batched vectors and some parameters.
struct SmallGraph {
  ParameterStore store;
  ParameterId square_id = store.add("square", 4, 4, std::vector<double>(16, 0.25));
  ParameterId bias_id = store.add("bias", 4, 1, {0.1, -0.2, 0.3, 0.4});
  Graph graph{store};
  Value square = graph.parameter(square_id);
  Value bias = graph.parameter(bias_id);
  Value x = graph.input({4, 1});
  Value y = graph.input({4, 1});
  Value z = graph.input({4, 1});
};

}  // namespace thalweg::testing
