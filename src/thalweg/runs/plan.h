// From what somebody asks of a run to all that its training needs: what data and target decide of
// its model and its training.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/datasets/prepare_data.h"
#include "thalweg/runs/settings.h"

namespace thalweg {

/// What is to be trained and where it goes.
struct RunPlan {
  RunOptions options;                         ///< complete, columns included
  std::optional<PreparedData> data = {};      ///< none for a target alone
  std::shared_ptr<const Target> target = {};  ///< null for data alone
  std::string out = {};
  bool resume = false, force = false;
  bool keep_points = false;  ///< see RunRequest
  /// An exploration says which base and which objective suit.
  bool choose_base = false, choose_objective = false;
  bool report = true;                      ///< evaluate and write the page
  std::vector<std::string> warnings = {};  ///< about settings that have no effect, a sentence each
};

/// Layers the settings of a run, once (see layered()), loads what it learns from, and completes the
/// model by that. Nothing is written. Throws ConfigError for settings that make no sense, also
/// together, and DataError for data and files that cannot be used.
RunPlan plan_run(const RunRequest& request);

/// Refuses a folder that the run cannot be written to before anything is read but its settings.
/// Throws as check_training_folder and read_layers.
void check_output(const RunRequest& request);

/// Whether a run that learns from points takes a target besides.
bool needs_target(const RunOptions& options);

/// Sets what the data decide of a model: its columns, those of its condition, and for a
/// class-conditional base the classes, which are the different conditions of all rows in order.
/// Throws ConfigError for such a base without a condition, or with more than 1000 different ones,
/// as of a continuous condition.
void fit_model_to_data(ModelOptions& model, const PreparedData& data);

/// Sets how rows of particles are prepared for a base of particles: whole, in the base's dimensions
/// where none are said. Nothing without points.
void settle_particles(RunOptions& options);

/// Names of a model's columns: x0, x1, ... where they have none.
std::vector<std::string> column_names(const ModelOptions& model);

/// `count` rows of a condition, given x width, from number `first` on, those given being used in
/// turn. Throws ShapeError where none is given.
std::vector<double> rows_in_turn(std::span<const double> condition, std::int64_t width,
                                 std::int64_t first, std::int64_t count);

/// The columns of `data` from another table, in the same order, x and context; of the context alone
/// without `with_x`. A table whose columns have no names may hold just these columns. Throws
/// DataError for missing columns and values that are not finite.
struct ModelRows {
  std::int64_t rows = 0;
  std::vector<double> x, context;
  /// Of rows in which a derived column, where the table has it, is not what the others decide: such
  /// rows cannot be, whatever the density of the others. Empty if there are none.
  std::string unkept = {};
};
ModelRows rows_for_model(const Table& table, const ModelOptions& model, bool with_x = true);

/// Sets flow, base and training for `rows` training rows of `data`'s shape: a flow of a size, and
/// a training of minutes, that serve tables of 1 to 64 columns and 1000 to 10^6 rows. Stochastic
/// layers that the options have stay.
void choose_for_data(RunOptions& options, const PreparedData& data);

/// Sets what serves internal coordinates of a molecule: spline couplings, or smooth ones where
/// forces are to be matched.
void choose_for_molecule(RunOptions& options, bool with_forces);

/// Sets what serves a flow of one free-form layer: see FreeForm.
void choose_for_free_form(RunOptions& options);
/// Sets what serves a flow of one continuous layer: see Continuous.
void choose_for_continuous(RunOptions& options);
/// Sets what a flow of smooth maps takes, on intervals and angles: see SmoothCoupling.
void choose_for_smooth(RunOptions& options);
/// Sets what serves a free-form or continuous flow of particles beside that, with the settings of
/// Draxler, Sorrenson et al. 2024, Table 5: see EquivariantGraphNetwork.
void choose_for_particles(RunOptions& options);

/// Sets what serves a target of `features` columns whose energy alone is known, in double: with an
/// exploration, likelihood of its samples and then a mean of that and reverse KL; without, reverse
/// KL from a resampled base. Annealing, from nearly flat to the energy itself so that modes are
/// found before they are deep, is plan_run()'s to set with the number of steps.
void choose_for_energy(RunOptions& options, std::int64_t features, bool explored = true);

}  // namespace thalweg
