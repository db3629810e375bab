// Derivatives as graphs: both take values of a graph and add nodes to the same graph, so they nest
// to any order.
#pragma once

#include <vector>

#include "thalweg/engine/graph.h"

namespace thalweg {

/// Vector-Jacobian product (reverse mode): for each of `wrt` the sum over outputs of cotangent^T d
/// output / d wrt, of the shape of that wrt (zeros where nothing depends on it). A gradient for a
/// shared value sums over all samples. A gradient for a batched value may come out shared: then it
/// is the same for each sample. An empty `cotangents` stands for ones. No derivative passes through
/// `held`: those are partial derivatives. Throws ShapeError if the counts or shapes disagree.
std::vector<Value> vjp(const std::vector<Value>& outputs, const std::vector<Value>& cotangents,
                       const std::vector<Value>& wrt, const std::vector<Value>& held = {});

/// Jacobian-vector product (forward mode): for each output the sum over inputs of d output / d
/// input times tangent, with `held` as for vjp. Throws ShapeError if the counts or shapes disagree.
std::vector<Value> jvp(const std::vector<Value>& outputs, const std::vector<Value>& inputs,
                       const std::vector<Value>& tangents, const std::vector<Value>& held = {});

/// Several jvp at once that share all but the tangents: `directions` is features(x) x columns, the
/// result features(y) x columns, both x and y being vectors. Throws ShapeError for other shapes.
Value jvp_columns(Value y, Value x, Value directions);

/// The Jacobian dy/dx of a sample, features(y) x features(x), by forward derivatives.
Value jacobian(Value y, Value x);

/// Gradient of one scalar (1 x 1) value: vjp with unit cotangent.
std::vector<Value> gradient(Value scalar, const std::vector<Value>& wrt);

}  // namespace thalweg
