// What a run's data and target decide of its model and its training.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "thalweg/datasets/prepare_data.h"
#include "thalweg/runs/run_options.h"

namespace thalweg {

/// Whether a run that learns from points takes a target besides.
bool needs_target(const RunOptions& options);

/// The target that the model moves by; null if it does not. Throws as make_target.
std::shared_ptr<const Target> target_of_model(const RunOptions& options);

/// Sets what the data decide of a model: its columns, those of its condition, and for a
/// class-conditional base the classes, which are the different conditions of all rows in order.
/// Throws ConfigError for such a base without a condition, or with more than 1000 different ones,
/// as of a continuous condition.
void fit_model_to_data(ModelOptions& model, const PreparedData& data);

/// The columns of `data` from another table, in the same order, x and context; of the context alone
/// without `with_x`. A table whose columns have no names may hold just these columns. Throws
/// DataError for missing columns and values that are not finite.
struct ModelRows {
  std::int64_t rows = 0;
  std::vector<double> x, context;
};
ModelRows rows_for_model(const Table& table, const ModelOptions& model, bool with_x = true);

/// Sets flow, base and training for `rows` training rows of `data`'s shape: a flow of a size, and
/// a training of minutes, that serve tables of 1 to 64 columns and 1000 to 10^6 rows. Stochastic
/// layers that the options have stay.
void choose_for_data(RunOptions& options, const PreparedData& data);

/// Sets what serves a target of `features` columns whose energy alone is known: reverse KL in
/// double from a resampled base. Annealing, from nearly flat to the energy itself so that modes are
/// found before they are deep, is the caller's to set with the number of steps.
void choose_for_energy(RunOptions& options, std::int64_t features);

}  // namespace thalweg
