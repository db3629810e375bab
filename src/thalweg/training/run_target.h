// The target of a run: built-in, or an energy of the user's own.
#pragma once

#include <memory>

#include "thalweg/targets/target.h"
#include "thalweg/training/run_options.h"

namespace thalweg {

/// Whether the options name a target, of any kind.
bool has_target(const DataOptions& options);

/// Whether a run that learns from points takes a target besides.
bool needs_target(const RunOptions& options);

/// The target that the options name. Throws ConfigError unless they name exactly one, and what
/// making it throws.
std::shared_ptr<const Target> make_target(const DataOptions& options);

/// The target that the model moves by; null if it does not. Throws as make_target.
std::shared_ptr<const Target> target_of_model(const RunOptions& options);

/// Sets what serves a target of `features` columns whose energy alone is known: reverse KL in
/// double from a resampled base. Annealing, from nearly flat to the energy itself so that modes are
/// found before they are deep, is the caller's to set with the number of steps.
void choose_for_energy(RunOptions& options, std::int64_t features);

}  // namespace thalweg
