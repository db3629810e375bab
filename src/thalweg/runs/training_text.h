// The progress of a training in words.
#pragma once

#include <string>

#include "thalweg/training/trainer.h"

namespace thalweg {

/// How much of a training is done, from 0 to 1, by its schedule, which a time budget shortens.
double training_share(const TrainingProgress& progress);

/// "nll 2.3125  validation 2.2987  1250 steps/s  3.2 s left", the loss being what an `objective`, a
/// name of objective_kinds(), calls it.
std::string training_text(const TrainingProgress& progress, const std::string& objective);

}  // namespace thalweg
