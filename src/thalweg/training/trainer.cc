#include "thalweg/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <type_traits>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/program.h"
#include "thalweg/sampling/rejection_sampler.h"
#include "thalweg/training/pairing.h"
#include "thalweg/training/speedometer.h"
#include "thalweg/training/validator.h"

namespace thalweg {
namespace {

constexpr std::int64_t kAverageBlock = 32768;  // values that one task averages
constexpr double kSmoothing = 0.02;            // weight of a new loss in the shown one
constexpr std::int64_t kMostReturns = 4;       // to the best step
constexpr double kReturnRate = 0.5;            // factor on the learning rate, each time
constexpr std::int64_t kReturnSteps = 100;     // over which the rate then grows, Adam being empty

/// Of a reverse KL for a density that repeats without end.
void check_circular(const Model& model, const Objective& objective) {
  const Target* target = objective.target();
  const std::vector<ColumnOptions>& columns = model.options().columns;
  if (target != nullptr && target->circular() &&
      (columns.empty() ||
       !std::ranges::all_of(columns, [](const ColumnOptions& c) { return c.periodic; })))
    fail<ConfigError>(
        "training.objective: {} for {}, whose density repeats without end, needs columns that "
        "are periodic",
        objective.name(), target->name());
}

}  // namespace

/// The trainer in one precision.
class Trainer::Work {
 public:
  virtual ~Work() = default;
  /// Schedule and annealing are at `place`, the number of the step unless time is short.
  virtual double step(std::int64_t place) = 0;
  virtual double validation_loss() = 0;
  virtual bool validates() const = 0;
  /// Factor on the learning rate after returns to the best step.
  virtual double caution() const = 0;
  virtual void take_best() = 0;
  virtual TrainerState state() const = 0;
  virtual void restore(const TrainerState& state) = 0;

  Work(Model& trained_model, const TrainingOptions& training_options)
      : model(trained_model),
        options(training_options),
        schedule(schedule_options(training_options), training_options.iterations) {}

  Model& model;
  TrainingOptions options;
  Schedule schedule;
  TrainerCounters counters;
  History history;
};

namespace {

template <typename T>
class TypedWork final : public Trainer::Work {
 public:
  TypedWork(Model& trained_model, const TrainingData& data, const TrainingOptions& training_options,
            std::shared_ptr<const Objective> objective, ThreadPool& pool)
      : Work(trained_model, training_options),
        pool_(pool),
        objective_(std::move(objective)),
        validator_(trained_model, data, training_options, pool) {
    forget_normaliser();
    std::vector<ParameterId> trainable;
    if (model.parameters().trainable_count() > 0) {
      if (objective_->first_steps() > 0) add_stage(*objective_->first(), data, trainable);
      add_stage(*objective_, data, trainable);
    } else if (options.iterations > 0) {
      fail<ConfigError>(
          "training: the model has no trainable parameters: set training.iterations = 0 to use it "
          "as it is");
    }
    optimizer_ =
        std::make_unique<Optimizer<T>>(model.parameters(), trainable, optimizer_options(options));
    const auto flat = model.parameters().flat();
    parameters_.assign(flat.begin(), flat.end());
    if (options.weight_average > 0.0) average_.assign(flat.begin(), flat.end());
  }

  double step(std::int64_t place) override {
    if (stages_.empty()) fail<ConfigError>("training: the model has no trainable parameters");
    if (counters.step == 0 && options.initialise_from_data && source_) initialise();
    Stage& stage = place < objective_->first_steps() ? stages_.front() : stages_.back();
    for (std::size_t domain = 0; domain < stage.counts.size(); ++domain)
      stage.first_samples[domain] = static_cast<std::uint64_t>(counters.step) *
                                    static_cast<std::uint64_t>(stage.counts[domain]);
    Executor<T>& executor = *stage.executor;
    executor.run({.parameters = parameters_.data(),
                  .inputs = inputs(stage, place),
                  .counts = stage.counts,
                  .first_samples = stage.first_samples,
                  .seed = static_cast<std::uint64_t>(options.seed),
                  .outputs = {}});
    const auto loss = static_cast<double>(executor.shared_output(0)[0]);
    const auto non_finite = std::llround(static_cast<double>(executor.shared_output(1)[0]));
    for (std::size_t index = 0; index < gradients_.size(); ++index)
      gradients_[index] = executor.shared_output(2 + index);
    const double norm = optimizer_->gradient_norm(gradients_, pool_);
    const bool good = std::isfinite(loss) && std::isfinite(norm);
    const double rate = options.learning_rate * schedule.factor(place) * caution();
    if (good) {
      const double scale =
          options.clip_norm > 0.0 && norm > options.clip_norm ? options.clip_norm / norm : 1.0;
      optimizer_->step(rate, scale, gradients_, parameters_.data(), pool_);
      for (std::size_t index = 0; index < stage.buffer_offsets.size(); ++index) {
        const auto value = executor.shared_output(2 + gradients_.size() + index);
        std::copy(value.begin(), value.end(), parameters_.begin() + stage.buffer_offsets[index]);
      }
      counters.optimizer_steps = optimizer_->steps();
      if (!average_.empty()) add_to_average();
    }
    count_step(good, loss, rate, norm, non_finite, stage.samples());
    return loss;
  }

  bool validates() const override { return validator_.has_rows(); }

  double caution() const override {
    if (counters.returns == 0) return 1.0;
    const double grown =
        static_cast<double>(counters.optimizer_steps + 1) / static_cast<double>(kReturnSteps);
    return std::pow(kReturnRate, static_cast<double>(counters.returns)) * std::min(1.0, grown);
  }

  double validation_loss() override {
    if (!validates()) fail<DataError>("validation: expected validation rows, got none");
    return validator_.loss(average_.empty() ? doubles() : std::span<const double>(average_));
  }

  void take_best() override {
    if (average_.empty())
      best_.assign(parameters_.begin(), parameters_.end());
    else
      best_ = average_;
  }

  TrainerState state() const override {
    TrainerState state;
    state.counters = counters;
    state.parameters.assign(parameters_.begin(), parameters_.end());
    const auto& first = optimizer_->first_moment();
    const auto& second = optimizer_->second_moment();
    state.first_moment.assign(first.begin(), first.end());
    state.second_moment.assign(second.begin(), second.end());
    state.average = average_;
    state.best = best_;
    state.history = history;
    for (std::vector<double>* values : {&state.parameters, &state.average, &state.best})
      keep_constants(*values);
    return state;
  }

  void restore(const TrainerState& state) override {
    const std::size_t size = parameters_.size();
    const auto check = [](const char* what, std::size_t expected, std::size_t got) {
      if (got != expected)
        fail<DataError>("resume: expected {} of {} values, got {}: the state is of another model",
                        what, expected, got);
    };
    check("parameters", size, state.parameters.size());
    check("first moments", size, state.first_moment.size());
    check("second moments", size, state.second_moment.size());
    if (!state.best.empty()) check("best parameters", size, state.best.size());
    if (state.average.empty() != average_.empty())
      fail<DataError>(
          "resume: the state was trained {} a weight average, training.weight_average is {}",
          state.average.empty() ? "without" : "with", options.weight_average);
    if (!average_.empty()) check("average parameters", size, state.average.size());
    counters = state.counters;
    history = state.history;
    parameters_.assign(state.parameters.begin(), state.parameters.end());
    average_ = state.average;
    best_ = state.best;
    optimizer_->restore(counters.optimizer_steps, state.first_moment, state.second_moment);
  }

 private:
  /// The program of one objective's steps, and what it takes.
  struct Stage {
    std::unique_ptr<Executor<T>> executor;
    std::vector<StepInput> inputs;
    std::vector<std::int64_t> counts, buffer_offsets;  // counts by domain
    std::vector<std::uint64_t> first_samples;

    /// Of data and draws, those for Z of a base not counted.
    std::int64_t samples() const {
      std::vector<bool> counted(counts.size(), false);
      counted[0] = true;
      for (const StepInput& input : inputs) counted[static_cast<std::size_t>(input.domain)] = true;
      std::int64_t sum = 0;
      for (std::size_t domain = 0; domain < counts.size(); ++domain)
        if (counted[domain]) sum += counts[domain];
      return sum;
    }
  };

  void add_stage(const Objective& objective, const TrainingData& data,
                 std::vector<ParameterId>& trainable) {
    Graph graph(model.parameters(), Phase::kTraining);
    StepBuilder builder(graph, model.flow(), options.batch_size, model.layers(),
                        model.column_maps() > 0);
    const TrainingStep step = training_step(builder, objective);
    Stage& stage = stages_.emplace_back();
    stage.inputs = builder.inputs();
    const auto wants = [&](StepSource source) {
      return std::ranges::any_of(stage.inputs,
                                 [&](const StepInput& input) { return input.source == source; });
    };
    if (wants(StepSource::kRows) && !source_) source_.emplace(model, data, options, pool_);
    if (wants(StepSource::kLatent) && !rejection_)
      rejection_.emplace(model.flow().base(), model.parameters(), pool_, kPrecision);
    if (wants(StepSource::kPaired) && !pairs_)
      pairs_.emplace(model, static_cast<std::uint64_t>(options.seed), pool_);
    std::vector<Value> outputs{step.loss, step.non_finite};
    outputs.insert(outputs.end(), step.gradients.begin(), step.gradients.end());
    for (const BufferUpdate& update : graph.buffer_updates()) {
      stage.buffer_offsets.push_back(model.parameters().info(update.buffer).offset);
      outputs.push_back(update.value);
    }
    stage.executor =
        std::make_unique<Executor<T>>(std::make_shared<Program<T>>(graph, outputs), pool_);
    for (Domain domain = 0; domain < graph.domains(); ++domain)
      stage.counts.push_back(domain > 0                 ? graph.default_count(domain)
                             : wants(StepSource::kRows) ? source_->batch()
                                                        : options.batch_size);
    stage.first_samples.resize(stage.counts.size());
    gradients_.resize(step.gradients.size());
    trainable = step.trainable;
  }

  /// What the step's graph takes.
  std::span<const BatchInput<T>> inputs(const Stage& stage, std::int64_t place) {
    inputs_.clear();
    numbers_.resize(stage.inputs.size());
    typename BatchSource<T>::Batch batch;
    for (std::size_t slot = 0; slot < stage.inputs.size(); ++slot) {
      const StepInput& input = stage.inputs[slot];
      const std::int64_t count = stage.counts[static_cast<std::size_t>(input.domain)];
      std::vector<T>& numbers = numbers_[slot];
      switch (input.source) {
        case StepSource::kRows:
          batch = source_->fill(stage.first_samples[0], count);
          inputs_.push_back(batch.rows);
          continue;
        case StepSource::kContext:
          inputs_.push_back(batch.context);
          continue;
        case StepSource::kLogDet:
          inputs_.push_back(batch.log_det);
          continue;
        case StepSource::kForces:
          inputs_.push_back(batch.forces);
          continue;
        case StepSource::kPaired:
          inputs_.push_back(
              {pairs_->fill(input.pairing, batch, stage.first_samples[0], count, doubles())});
          continue;
        case StepSource::kLatent: {
          const std::vector<double> latent = draw(count);
          numbers.assign(latent.begin(), latent.end());
          break;
        }
        case StepSource::kNumber:
          numbers.assign(static_cast<std::size_t>(count), static_cast<T>(input.number(place)));
          break;
      }
      inputs_.push_back({numbers.data()});
    }
    return inputs_;
  }

  /// `count` exact samples of the base, a function of parameters, step and seed alone.
  std::vector<double> draw(std::int64_t count) {
    // Steps have seeds of their own, since each takes another number of proposals.
    ProposalQueue queue;
    queue.seed = derived_seed(static_cast<std::uint64_t>(options.seed), Stream::kAcceptance,
                              static_cast<std::uint64_t>(counters.step), 0);
    // The average of Z says about how many proposals it takes.
    if (const ResampledBase* base = model.resampled()) {
      const std::int64_t average = model.parameters().info(base->z_average()).offset;
      queue.expected_rate = std::clamp(
          static_cast<double>(parameters_[static_cast<std::size_t>(average)]), 0.02, 1.0);
    }
    return rejection_->next(queue, count, doubles());
  }

  /// The parameters in double.
  std::span<const double> doubles() {
    if constexpr (std::is_same_v<T, double>) {
      return parameters_;
    } else {
      doubles_.assign(parameters_.begin(), parameters_.end());
      return doubles_;
    }
  }

  /// Puts what no step changes, as means and scales of columns, back to full precision.
  void keep_constants(std::vector<double>& values) const {
    if (values.empty()) return;
    for (const ParameterInfo& info : model.parameters().infos()) {
      const bool updated = std::ranges::any_of(stages_, [&](const Stage& stage) {
        return std::ranges::find(stage.buffer_offsets, info.offset) != stage.buffer_offsets.end();
      });
      if (info.trainable || updated) continue;
      const auto own = std::as_const(model).parameters().flat().subspan(
          static_cast<std::size_t>(info.offset), static_cast<std::size_t>(info.size()));
      std::ranges::copy(own, values.begin() + info.offset);
    }
  }

  /// A final estimate of Z belongs to the parameters from before training.
  void forget_normaliser() {
    if (model.resampled() == nullptr) return;
    for (const ParameterId id :
         {model.resampled()->normaliser(), model.resampled()->normaliser_error()})
      std::ranges::fill(model.parameters().values(id), 0.0);
  }

  void initialise() {
    const auto& transforms = model.flow().transforms();
    if (std::none_of(transforms.begin(), transforms.end(),
                     [](const auto& transform) { return transform->wants_data(); }))
      return;
    std::vector<double> rows;
    std::vector<double> context;
    source_->first_samples(rows, context);
    thalweg::initialise_from_data(model.flow(), model.parameters(), rows, context, pool_,
                                  model.layers());
    const auto flat = model.parameters().flat();
    std::copy(flat.begin(), flat.end(), parameters_.begin());
  }

  void add_to_average() {
    const auto count = static_cast<double>(counters.optimizer_steps);
    const double weight = 1.0 - std::min(options.weight_average, (count - 1.0) / (count + 8.0));
    const auto size = static_cast<std::int64_t>(parameters_.size());
    const auto task = [&](std::int64_t block, int) {
      const std::int64_t end = std::min(size, (block + 1) * kAverageBlock);
      double* average = average_.data();
      const T* parameters = parameters_.data();
      for (std::int64_t i = block * kAverageBlock; i < end; ++i)
        average[i] += weight * (static_cast<double>(parameters[i]) - average[i]);
    };
    pool_.parallel((size + kAverageBlock - 1) / kAverageBlock, std::ref(task));
  }

  void count_step(bool good, double loss, double rate, double norm, std::int64_t non_finite,
                  std::int64_t samples) {
    ++counters.step;
    counters.non_finite += non_finite;
    history.add(counters.step, good, loss, rate, norm, non_finite);
    if (good) {
      counters.bad_in_a_row = 0;
      const double weight =
          std::max(kSmoothing, 1.0 / static_cast<double>(counters.optimizer_steps));
      counters.smoothed_loss =
          counters.optimizer_steps == 1
              ? loss
              // One absurd batch must not hide those that follow.
              : counters.smoothed_loss + weight * std::min(loss - counters.smoothed_loss,
                                                           10.0 + std::abs(counters.smoothed_loss));
      return;
    }
    ++counters.bad_steps;
    ++counters.bad_in_a_row;
    const bool none_good = counters.step == options.iterations && counters.optimizer_steps == 0 &&
                           counters.returns == 0;
    const bool too_many = counters.bad_in_a_row > options.max_bad_steps;
    if (none_good || (too_many && !return_to_best()))
      fail<NumericalError>(
          "training: {} steps in a row were not finite (step {}: loss {}, gradient norm {}, {} of "
          "{} log densities not finite): lower training.learning_rate, set training.clip_norm, or "
          "look for extreme values in the data and for places where an energy is not finite, which "
          "--bounds can leave out",
          counters.bad_in_a_row, counters.step, std::isnan(loss) ? std::abs(loss) : loss, norm,
          non_finite, samples);
  }

  /// Goes on from the best parameters so far, more cautiously: one step may lead to where batches
  /// are never finite again. False where there are none, or it has been done too often.
  bool return_to_best() {
    if (best_.empty() || counters.returns == kMostReturns) return false;
    parameters_.assign(best_.begin(), best_.end());
    if (!average_.empty()) average_ = best_;
    const std::vector<double> empty(parameters_.size(), 0.0);
    optimizer_->restore(0, empty, empty);
    counters.optimizer_steps = counters.bad_in_a_row = 0;
    ++counters.returns;
    return true;
  }

  static constexpr Precision kPrecision =
      std::is_same_v<T, float> ? Precision::kFloat : Precision::kDouble;

  ThreadPool& pool_;
  std::shared_ptr<const Objective> objective_;
  std::optional<BatchSource<T>> source_;       // of data
  std::optional<RejectionSampler> rejection_;  // of latent samples
  std::optional<PairSource<T>> pairs_;
  std::vector<std::vector<T>> numbers_;  // inputs that are made anew in each step, by slot
  std::vector<BatchInput<T>> inputs_;
  Validator validator_;
  std::vector<Stage> stages_;  // the first steps' one first, if there are any
  std::unique_ptr<Optimizer<T>> optimizer_;
  std::vector<std::span<const T>> gradients_;
  std::vector<T> parameters_;
  std::vector<double> doubles_, average_, best_;
};

}  // namespace

Trainer::Trainer(Model& model, const TrainingData& data, const TrainingOptions& options,
                 ThreadPool& pool, std::shared_ptr<const Objective> objective) {
  check_options(options);
  if (!objective)
    objective = make_objective(objective_options(options, !data.forces.empty()), data.target);
  check_circular(model, *objective);
  if (options.precision == "float" && classes_need_double(model))
    fail<ConfigError>(
        "training.precision: expected double, since classes of the base differ by too little "
        "beside their spread for single precision; or give them codes of one size, as 0, 1, 2");
  if (options.precision == "float")
    work_ = std::make_unique<TypedWork<float>>(model, data, options, std::move(objective), pool);
  else
    work_ = std::make_unique<TypedWork<double>>(model, data, options, std::move(objective), pool);
}

Trainer::~Trainer() = default;

double Trainer::step() { return work_->step(work_->counters.step); }

double Trainer::validation_loss() { return work_->validation_loss(); }

void Trainer::update_model() {
  const TrainerState state = work_->state();
  std::copy(state.result().begin(), state.result().end(), work_->model.parameters().flat().begin());
}

const TrainerCounters& Trainer::counters() const { return work_->counters; }
const History& Trainer::history() const { return work_->history; }
TrainerState Trainer::state() const { return work_->state(); }
void Trainer::restore(const TrainerState& state) { work_->restore(state); }

StopReason Trainer::run(const TrainingCallbacks& callbacks) {
  StopReason reason{};
  try {
    reason = train(callbacks);
  } catch (...) {
    update_model();
    throw;
  }
  update_model();
  return reason;
}

StopReason Trainer::train(const TrainingCallbacks& callbacks) {
  const TrainingOptions& options = work_->options;
  TrainerCounters& counters = work_->counters;
  auto& validations = work_->history.validations;
  Speedometer speedometer;
  const auto clock = [&] { return callbacks.clock ? callbacks.clock() : speedometer.seconds(); };
  const double budget = callbacks.time_budget.value_or(options.time_budget);
  Pace pace(budget, counters.step, options.iterations);
  double validation_seconds = callbacks.validation_seconds;
  const auto out_of_patience = [&] {
    return options.patience > 0 && counters.validations_since_best >= options.patience;
  };
  while (counters.step < options.iterations) {
    if (out_of_patience()) return StopReason::kPatience;
    const std::int64_t place = budget > 0.0 ? pace.place(counters.step, clock()) : counters.step;
    shortened_ = pace.shortened();
    const double rate = options.learning_rate * work_->schedule.factor(place) * work_->caution();
    work_->step(place);
    const bool due = work_->validates() && (counters.step % options.validation_interval == 0 ||
                                            counters.step == options.iterations);
    if (due && (budget <= 0.0 || clock() + validation_seconds <= budget)) {
      const double begin = budget > 0.0 ? clock() : 0.0;
      const double loss = work_->validation_loss();
      if (budget > 0.0)
        validation_seconds =
            std::max(validations.empty() ? 0.0 : validation_seconds, clock() - begin);
      validations.push_back({counters.step, loss});
      ++counters.validations_since_best;
      if (std::isfinite(loss) && loss < counters.best_validation_loss) {
        counters.best_validation_loss = loss;
        counters.best_step = counters.step;
        counters.validations_since_best = 0;
        work_->take_best();
      }
    }
    if (callbacks.checkpoint && options.checkpoint_interval > 0 &&
        counters.step % options.checkpoint_interval == 0)
      callbacks.checkpoint();
    const double seconds = clock();
    if (callbacks.progress) {
      TrainingProgress progress;
      progress.step = counters.step;
      progress.iterations = options.iterations;
      progress.place = place;
      progress.loss = counters.smoothed_loss;
      progress.steps_per_second = speedometer.rate(counters.step, seconds);
      progress.learning_rate = rate;
      if (!validations.empty()) progress.validation_loss = validations.back().loss;
      progress.best_validation_loss = counters.best_validation_loss;
      progress.bad_steps = counters.bad_steps;
      progress.returns = counters.returns;
      if (!callbacks.progress(progress)) return StopReason::kCallback;
    }
    if (budget > 0.0 && seconds >= budget && counters.step < options.iterations)
      return StopReason::kTimeBudget;
  }
  return out_of_patience() ? StopReason::kPatience : StopReason::kIterations;
}

}  // namespace thalweg
