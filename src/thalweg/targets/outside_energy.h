// Targets whose energy is a function outside of the engine.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "thalweg/engine/primitives.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// A target with log density -function, a point having one number for each of `columns`.
/// `half_width` is what Target::half_width gives. It cannot be sampled and its density can be
/// differentiated once. Running a program with its density throws what the function throws.
std::unique_ptr<Target> make_outside_target(std::shared_ptr<const OutsideFunction> function,
                                            std::vector<std::string> columns, double half_width);

/// Throws NumericalError, which `source` begins, for an energy that is NaN or -infinity, and for a
/// slope that is not finite where its energy is; `points` and `gradients` are energies.size() x
/// features, row-major; no gradients are none that are wanted.
void require_usable_energies(const std::string& source, std::span<const double> points,
                             std::span<const double> energies, std::span<const double> gradients);

}  // namespace thalweg
