// One line for tests of graphs: values and derivatives against libtorch and its own derivatives.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "thalweg/core/random.h"
#include "thalweg/engine/graph.h"

namespace thalweg::oracle {

/// What `expect_matches_oracle` compares, and on which numbers.
struct CheckOptions {
  std::vector<std::int64_t> batches = {1, 37};  ///< samples of domain 0; domain d has 2 d more
  /// Draws one element of an input slot; standard normal if empty.
  std::function<double(std::int64_t slot, RandomSequence& random)> draw;
  int order = 1;            ///< derivatives are compared up to this order, at most 3
  bool smooth = false;      ///< third derivatives are compared with finite differences as well
  double tolerance = 1e-9;  ///< |a - b| <= tolerance (1 + |b|), in double
  double float_tolerance = 1e-4;  ///< the same for values and first derivatives in float; 0: skip
  std::uint64_t seed = 1;         ///< of inputs, cotangents and random nodes
};

/// Expects (gtest) that the engine's values of `outputs` equal those of libtorch, and that the
/// derivatives by every input slot and every trainable parameter equal those of its autograd: vjp
/// and jvp, with random cotangents and tangents that differ from sample to sample, and with some
/// that all samples share. Adds inputs for the cotangents and nodes for the derivatives to `graph`.
void expect_matches_oracle(Graph& graph, const std::vector<Value>& outputs,
                           const CheckOptions& options = {});

/// Adds normal numbers times `scale` to every trainable parameter, so that layers that start as the
/// identity show their derivatives.
void perturb(ParameterStore& store, double scale = 0.3, std::uint64_t seed = 1);

}  // namespace thalweg::oracle
