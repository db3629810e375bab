// Trainer: minibatches, steps, validation, early stopping, averages, and a state that resumes to
// the same bits.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/flows/model.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// How a model is trained. The trainer refuses values out of range with a ConfigError.
struct TrainingOptions {
  std::int64_t iterations = 10000;  ///< steps in all; at least 0
  /// Samples a step; at least 1. A table with no more rows is taken whole in each step.
  std::int64_t batch_size = 1024;
  std::string optimizer = "adam";     ///< adam, adamw or adamax
  double learning_rate = 1e-3;        ///< positive
  double weight_decay = 0.0;          ///< at least 0; see OptimizerOptions
  double beta1 = 0.9, beta2 = 0.999;  ///< in [0, 1)
  double epsilon = 1e-8;              ///< positive
  std::string schedule = "constant";  ///< constant, step, exponential, cosine, one_cycle
  std::int64_t warm_up = 0;           ///< this and the next four: see ScheduleOptions
  double decay_factor = 0.5;
  std::int64_t decay_every = 10000;
  std::vector<std::int64_t> milestones = {};
  double final_factor = 0.0;
  double clip_norm = 0.0;  ///< longer gradients are scaled down to this norm; 0: never
  /// Decay of an exponential average of all parameters and buffers, in [0, 1); 0: no average. The
  /// t-th step enters with 1 - min(decay, (t - 1) / (t + 8)), so that early values fade.
  double weight_average = 0.0;
  std::int64_t validation_interval = 500;   ///< steps between validations; at least 1
  std::int64_t patience = 0;                ///< stop after so many validations in a row without a
                                            ///< new best; 0: never
  std::int64_t checkpoint_interval = 1000;  ///< steps between calls for a checkpoint; 0: never
  std::string precision = "float";          ///< float or double
  std::int64_t seed = 1;
  std::int64_t max_bad_steps = 20;  ///< steps in a row that may be skipped since they are not
                                    ///< finite; at least 0
  double time_budget = 0.0;         ///< seconds that one call of run() may take; 0: no limit
  /// maximum_likelihood, of the training data, reverse_kl, to TrainingData::target, or mixed, of
  /// both: see mixed_likelihood
  std::string objective = "maximum_likelihood";
  double likelihood_weight = 0.5;     ///< mixed: weight of the likelihood, in [0, 1]
  std::int64_t likelihood_steps = 0;  ///< mixed: first steps, by maximum likelihood alone
  /// reverse_kl and mixed: factor on the target's log density at first
  double annealing_start = 0.01;
  /// steps, those of likelihood alone not counted, after which that factor has grown by 1; it ends
  /// at 1
  std::int64_t annealing_steps = 0;
  /// This times Z of a resampled base is taken off the loss, so that it rejects less; at least 0
  double rejection_weight = 0.0;
  bool initialise_from_data = true;  ///< lets ActNorm start from the first 4096 samples
};

/// Writes samples `first_sample`, first_sample + 1, ... (count x features, row-major) to `out`.
/// Must be a function of the sample's number and safe to call from several threads.
using SampleGenerator =
    std::function<void(std::uint64_t first_sample, std::int64_t count, double* out)>;

/// What a model is trained on: a table, or a generator of fresh samples. The trainer copies what it
/// needs in its own precision. Columns that the model calls integer get fresh noise on (0, step)
/// in each step (fixed noise in validation).
struct TrainingData {
  std::span<const double> rows = {};     ///< rows x features, row-major
  std::span<const double> context = {};  ///< rows x context features
  std::span<const double> validation_rows = {};
  std::span<const double> validation_context = {};
  SampleGenerator generator = {};             ///< used if there are no rows; not with a context
  std::shared_ptr<const Target> target = {};  ///< for the objectives reverse_kl and mixed
};

/// One row of the training curve. It covers `interval` steps up to `step`; long runs merge
/// neighbouring rows, so that there are never more than a few thousand.
struct HistoryRow {
  std::int64_t step = 0;
  double loss = 0.0;  ///< mean over the good steps in nats; NaN if there were none
  double learning_rate = 0.0;
  double gradient_norm = 0.0;   ///< largest, before clipping, of the good steps; 0 if none
  std::int64_t bad_steps = 0;   ///< steps that were skipped
  std::int64_t non_finite = 0;  ///< samples whose log density was not finite
  std::int64_t good_steps = 0;
};

struct ValidationRow {
  std::int64_t step = 0;
  double loss = 0.0;  ///< mean negative log likelihood in nats
};

struct History {
  std::int64_t interval = 1;  ///< steps a row
  std::vector<HistoryRow> rows;
  HistoryRow open;  ///< the row that is being filled
  std::vector<ValidationRow> validations;

  /// Adds one step.
  void add(std::int64_t step, bool good, double loss, double learning_rate, double gradient_norm,
           std::int64_t non_finite);
};

/// Counters of a training run.
struct TrainerCounters {
  std::int64_t step = 0;             ///< steps made, skipped ones included
  std::int64_t optimizer_steps = 0;  ///< steps made, skipped ones not included
  std::int64_t bad_steps = 0, bad_in_a_row = 0;
  std::int64_t non_finite = 0;  ///< samples whose log density was not finite
  std::int64_t best_step = 0;   ///< step of the best validation; 0 if there is none
  std::int64_t validations_since_best = 0;
  double smoothed_loss = std::numeric_limits<double>::quiet_NaN();
  double best_validation_loss = std::numeric_limits<double>::infinity();
};

/// All that decides how training goes on. Arrays have the layout of the model's ParameterStore;
/// double holds float values exactly.
struct TrainerState {
  TrainerCounters counters;
  std::vector<double> parameters, first_moment, second_moment;
  std::vector<double> average;  ///< empty without a weight average
  std::vector<double> best;     ///< empty before the first finite validation
  History history;

  /// The parameters to hand over: the best of validation if there are any, else the average if
  /// there is one, else the last.
  const std::vector<double>& result() const;
};

/// What run() tells after each step.
struct TrainingProgress {
  std::int64_t step = 0, iterations = 0;
  double loss = 0.0;  ///< exponential average in nats over some 50 steps; NaN before a good step
  double steps_per_second = 0.0;  ///< over the last second or so
  double learning_rate = 0.0;
  double validation_loss = std::numeric_limits<double>::quiet_NaN();  ///< the last one
  double best_validation_loss = std::numeric_limits<double>::infinity();
  std::int64_t bad_steps = 0;
};

enum class StopReason : std::uint8_t { kIterations, kPatience, kTimeBudget, kCallback };

/// Called by run() between steps; both may be empty.
struct TrainingCallbacks {
  /// After every step; false stops. Should be cheap.
  std::function<bool(const TrainingProgress&)> progress = {};
  /// Every checkpoint_interval steps: save Trainer::state().
  std::function<void()> checkpoint = {};
};

/// Trains a model. The same seed gives the same bits for any number of
/// threads, and a state restored in a new trainer with the same model, data and options goes on to
/// the same bits as never having stopped. Not thread safe; the model and pool must outlive it.
class Trainer {
 public:
  /// Compiles the training step. Throws ConfigError for options, ShapeError for arrays that do not
  /// fit the model, DataError without the data or the target that the objective takes. A model
  /// without trainable parameters is accepted for 0 iterations alone.
  Trainer(Model& model, const TrainingData& data, const TrainingOptions& options, ThreadPool& pool);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// One training step; gives the batch's loss in nats. A step whose loss or gradient is not finite
  /// changes no parameter and is counted; NumericalError if there are more than max_bad_steps in a
  /// row. Before the first step, ActNorm is initialised from data (see TrainingOptions).
  double step();
  /// Steps until the iterations are done, patience or time run out, or the callback stops it, with
  /// validation in between (and after the last iteration). At the end, also by an exception,
  /// the model has the resulting parameters.
  StopReason run(const TrainingCallbacks& callbacks = {});
  /// Mean negative log likelihood over the validation rows in nats, with the average weights if
  /// there are any. Throws DataError without validation rows.
  double validation_loss();
  /// Writes the parameters to hand over (TrainerState::result) to the model.
  void update_model();

  const TrainerCounters& counters() const;
  const History& history() const;
  TrainerState state() const;
  /// Throws DataError if the state is of another model or of options with or without an average.
  void restore(const TrainerState& state);

  /// The trainer in one precision; for trainer.cc alone.
  class Work;

 private:
  StopReason train(const TrainingCallbacks& callbacks);
  std::unique_ptr<Work> work_;
};

}  // namespace thalweg
