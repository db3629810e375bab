// What a training from an energy takes from an exploration of it.
#pragma once

#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/exploration/exploration.h"
#include "thalweg/flows/model.h"
#include "thalweg/runs/run_options.h"
#include "thalweg/training/batch_source.h"

namespace thalweg {

/// Whether a run begins with an exploration of its energy.
bool explores(const RunOptions& options);

/// Sets mean and scale of each column of the model from the samples. With `choose_base`, and unless
/// a column is periodic, the base becomes a mixture with a component for each that the exploration
/// fitted, or a normal one where that is one.
void fit_model_to_exploration(RunOptions& options, const Exploration& exploration,
                              bool choose_base);

/// Starts a mixture base where the model's layers, as they are, take the samples of each component:
/// their mean, deviation and share. Does nothing for other bases and other numbers of components.
void start_base(Model& model, const Exploration& exploration, ThreadPool& pool);

/// What was found, in lines for people: modes, log integral, cost, and a line for each warning.
std::string exploration_text(const Exploration& exploration);

/// The samples as rows to train on, and those that are held out to validate.
struct ExplorationRows {
  std::vector<double> train, validation;
};
ExplorationRows rows_of(const Exploration& exploration);

}  // namespace thalweg
