// Trainer: minibatches, steps, validation, early stopping, averages, and a state that resumes to
// the same bits.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/flows/model.h"
#include "thalweg/objectives/objective.h"
#include "thalweg/training/batch_source.h"
#include "thalweg/training/trainer_state.h"
#include "thalweg/training/training_options.h"

namespace thalweg {

/// What run() tells after each step.
struct TrainingProgress {
  std::int64_t step = 0, iterations = 0;
  std::int64_t place = 0;  ///< of the step in schedule and annealing, from 0: beyond it, see Pace
  double loss = 0.0;  ///< exponential average in nats over some 50 steps; NaN before a good step
  double steps_per_second = 0.0;  ///< lately; see Speedometer
  double learning_rate = 0.0;
  double validation_loss = std::numeric_limits<double>::quiet_NaN();  ///< the last one
  double best_validation_loss = std::numeric_limits<double>::infinity();
  std::int64_t bad_steps = 0;
  std::int64_t returns = 0;  ///< to the best step so far, see Trainer::step()
};

enum class StopReason : std::uint8_t { kIterations, kPatience, kTimeBudget, kCallback };

/// Called by run() between steps; all may be empty.
struct TrainingCallbacks {
  /// After every step; false stops. Should be cheap.
  std::function<bool(const TrainingProgress&)> progress = {};
  /// Every checkpoint_interval steps: save Trainer::state().
  std::function<void()> checkpoint = {};
  /// Seconds that this call may take, in place of the options'; 0: no limit.
  std::optional<double> time_budget = {};
  /// That a validation is expected to take. With a time budget, one that would go beyond it is left
  /// out; from the first on, the longest so far is expected.
  double validation_seconds = 0.0;
  /// Seconds since this call began; empty: the steady clock's.
  std::function<double()> clock = {};
};

/// Trains a model. The same seed gives the same bits for any number of
/// threads, and a state restored in a new trainer with the same model, data and options goes on to
/// the same bits as never having stopped. Not thread safe; the model and pool must outlive it.
class Trainer {
 public:
  /// Compiles the training step, by `objective` if one is given, else by the one that the options
  /// name. Throws ConfigError for options, ShapeError for arrays that do not fit the model,
  /// DataError without the data or the target that the objective takes. A model without trainable
  /// parameters is accepted for 0 iterations alone.
  Trainer(Model& model, const TrainingData& data, const TrainingOptions& options, ThreadPool& pool,
          std::shared_ptr<const Objective> objective = nullptr);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// One training step; gives the batch's loss in nats. A step whose loss or gradient is not finite
  /// changes no parameter and is counted. After more than max_bad_steps in a row it goes on from
  /// the parameters with the best validation so far, with an empty optimizer and half the learning
  /// rate, which grows over 100 steps; NumericalError if there are none, or the fifth time. Before
  /// the first step, ActNorm is initialised from data (see TrainingOptions).
  double step();
  /// Steps until the iterations are done, patience or time run out, or the callback stops it, with
  /// validation in between (and after the last iteration). Where time will not do for the
  /// iterations, schedule and annealing go faster and end with it (see Pace); steps then depend on
  /// the machine's speed. At the end, also by an exception,
  /// the model has the resulting parameters.
  StopReason run(const TrainingCallbacks& callbacks = {});
  /// Mean negative log likelihood over the validation rows in nats, with the average weights if
  /// there are any. Throws DataError without validation rows.
  double validation_loss();
  /// Writes the parameters to hand over (TrainerState::result) to the model.
  void update_model();

  const TrainerCounters& counters() const;
  /// Whether the last run() shortened schedule and annealing to its time budget.
  bool shortened() const { return shortened_; }
  const History& history() const;
  TrainerState state() const;
  /// Throws DataError if the state is of another model or of options with or without an average.
  void restore(const TrainerState& state);

  /// The trainer in one precision; for trainer.cc alone.
  class Work;

 private:
  StopReason train(const TrainingCallbacks& callbacks);
  std::unique_ptr<Work> work_;
  bool shortened_ = false;
};

}  // namespace thalweg
