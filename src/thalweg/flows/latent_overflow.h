// Where a flow takes points out of the range of numbers.
#pragma once

#include "thalweg/flows/flow.h"

namespace thalweg {

/// 1 where one of the first `layers` transforms takes a point of numbers beyond 1e18 on the way
/// from x to z, else 0; 1 x 1 a sample. Beyond, squares leave single precision, and differences of
/// such numbers soon are NaN: a log density that is NaN there stands for a density of 0. Costs no
/// maps of its own in a graph that holds the flow's log_prob of x.
Value latent_overflow(const Flow& flow, Value x, Value context = {},
                      std::size_t layers = Flow::kAll);

}  // namespace thalweg
