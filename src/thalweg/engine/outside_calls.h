// Calls of functions outside of the engine. Internal to it.
#pragma once

#include <span>

#include "thalweg/engine/run_instructions.h"

namespace thalweg::detail {

/// Whether its function is a BatchFunction.
bool wants_batch(const operation::Call& call);

/// Calls the function once with the points of all these tiles, those that are finite; elsewhere
/// values and slopes are NaN.
template <typename T>
void call_outside(const Instruction& instruction, std::span<const Frame<T>> tiles);

}  // namespace thalweg::detail
