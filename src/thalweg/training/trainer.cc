#include "thalweg/training/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/kernels/kernels.h"
#include "thalweg/engine/program.h"
#include "thalweg/objectives/maximum_likelihood.h"
#include "thalweg/objectives/mixed.h"
#include "thalweg/objectives/reverse_kl.h"
#include "thalweg/training/optimizer.h"
#include "thalweg/training/schedule.h"

namespace thalweg {
namespace {

constexpr std::size_t kHistoryRows = 4096;          // merged to half when reached
constexpr std::int64_t kInitialisationRows = 4096;  // that ActNorm starts from
constexpr std::int64_t kValidationBlock = 65536;    // rows evaluated at a time
constexpr std::int64_t kFillRows = 64;              // rows that one task prepares
constexpr std::int64_t kAverageBlock = 32768;       // values that one task averages
constexpr std::uint64_t kMostProposals = 100000;    // a sample may take, in the mean of a batch
constexpr double kSmoothing = 0.02;                 // weight of a new loss in the shown one

void merge(HistoryRow& row, const HistoryRow& next) {
  const std::int64_t good = row.good_steps + next.good_steps;
  if (next.good_steps > 0) {
    const double share = static_cast<double>(next.good_steps) / static_cast<double>(good);
    row.loss = row.good_steps == 0 ? next.loss : row.loss + share * (next.loss - row.loss);
    row.gradient_norm = std::max(row.gradient_norm, next.gradient_norm);
  }
  row.step = next.step;
  row.learning_rate = next.learning_rate;
  row.bad_steps += next.bad_steps;
  row.non_finite += next.non_finite;
  row.good_steps = good;
}

/// `x` plus `step` times noise in (0, 1), kept off both ends where T would round to them.
template <typename T>
T dequantised(T x, double step, double noise) {
  const T sum = static_cast<T>(static_cast<double>(x) + step * noise);
  const auto above = static_cast<T>(static_cast<double>(x) + step);
  if (sum <= x) return std::nextafter(x, above);
  return sum < above ? sum : std::nextafter(above, x);
}

void check_options(const TrainingOptions& options) {
  const auto at_least = [](const char* key, auto value, auto lowest) {
    if (!(value >= lowest))
      fail<ConfigError>("training.{}: expected at least {}, got {}", key, lowest, value);
  };
  at_least("iterations", options.iterations, 0);
  at_least("batch_size", options.batch_size, 1);
  at_least("clip_norm", options.clip_norm, 0.0);
  at_least("validation_interval", options.validation_interval, 1);
  at_least("patience", options.patience, 0);
  at_least("checkpoint_interval", options.checkpoint_interval, 0);
  at_least("max_bad_steps", options.max_bad_steps, 0);
  at_least("time_budget", options.time_budget, 0.0);
  if (!(options.learning_rate > 0.0 && std::isfinite(options.learning_rate)))
    fail<ConfigError>("training.learning_rate: expected a positive number, got {}",
                      options.learning_rate);
  if (!(options.weight_average >= 0.0 && options.weight_average < 1.0))
    fail<ConfigError>("training.weight_average: expected a number in [0, 1), got {}",
                      options.weight_average);
  at_least("annealing_steps", options.annealing_steps, 0);
  if (!(options.annealing_start >= 0.0 && options.annealing_start <= 1.0))
    fail<ConfigError>("training.annealing_start: expected a number in [0, 1], got {}",
                      options.annealing_start);
  at_least("likelihood_steps", options.likelihood_steps, 0);
  if (!(options.likelihood_weight >= 0.0 && options.likelihood_weight <= 1.0))
    fail<ConfigError>("training.likelihood_weight: expected a number in [0, 1], got {}",
                      options.likelihood_weight);
  if (options.objective != "maximum_likelihood" && options.objective != "reverse_kl" &&
      options.objective != "mixed")
    fail<ConfigError>(
        "training.objective: expected maximum_likelihood, reverse_kl or mixed, got '{}'",
        options.objective);
  if (options.precision != "float" && options.precision != "double")
    fail<ConfigError>("training.precision: expected float or double, got '{}'", options.precision);
}

/// Weight of the likelihood in the steps after those by likelihood alone.
double likelihood_weight(const TrainingOptions& options) {
  if (options.objective == "mixed") return options.likelihood_weight;
  return options.objective == "reverse_kl" ? 0.0 : 1.0;
}

/// First steps, by maximum likelihood alone, of another objective.
std::int64_t likelihood_steps(const TrainingOptions& options) {
  return options.objective == "mixed" ? options.likelihood_steps : 0;
}

OptimizerOptions optimizer_options(const TrainingOptions& options) {
  return {options.optimizer, options.weight_decay, options.beta1, options.beta2, options.epsilon};
}

ScheduleOptions schedule_options(const TrainingOptions& options) {
  return {options.schedule,    options.warm_up,    options.decay_factor,
          options.decay_every, options.milestones, options.final_factor};
}

/// Number of rows of a table, whose sizes it checks.
std::int64_t checked_rows(const char* what, const Flow& flow, std::span<const double> rows,
                          std::span<const double> context) {
  const auto size = static_cast<std::int64_t>(rows.size());
  if (size % flow.features() != 0)
    fail<ShapeError>("{}: expected rows of {} values, got {} values", what, flow.features(), size);
  const std::int64_t count = size / flow.features();
  if (static_cast<std::int64_t>(context.size()) != count * flow.context_features())
    fail<ShapeError>("{}: expected {} rows of {} context values, got {} values", what, count,
                     flow.context_features(), context.size());
  return count;
}

/// The order of a table's rows in one epoch: Fisher and Yates, a function of seed and epoch alone.
void shuffle_rows(std::uint64_t seed, std::uint64_t epoch, std::vector<std::int64_t>& order) {
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::array<std::uint32_t, 4> words{};
  for (std::size_t left = order.size(), draw = 0; left > 1; --left, ++draw) {
    // One block of four words serves two draws.
    if (draw % 2 == 0)
      words = random_words(seed, static_cast<std::uint32_t>(Stream::kShuffle), epoch,
                           static_cast<std::uint32_t>(draw / 2));
    const double uniform = draw % 2 == 0 ? uniform_from_words(words[0], words[1])
                                         : uniform_from_words(words[2], words[3]);
    const auto pick = static_cast<std::size_t>(uniform * static_cast<double>(left));
    std::swap(order[left - 1], order[std::min(pick, left - 1)]);
  }
}

/// Samples of training by number: rows of a table, epoch after epoch, or draws of a generator.
template <typename T>
class BatchSource {
 public:
  BatchSource(const Model& model, const TrainingData& data, const TrainingOptions& options,
              ThreadPool& pool)
      : pool_(pool),
        generator_(data.generator),
        seed_(static_cast<std::uint64_t>(options.seed)),
        features_(model.flow().features()),
        context_features_(model.flow().context_features()),
        rows_(checked_rows("training data", model.flow(), data.rows, data.context)),
        table_(data.rows.begin(), data.rows.end()),
        context_(data.context.begin(), data.context.end()) {
    if (rows_ == 0 && !generator_)
      fail<DataError>(
          "training data: expected at least one row, got none (an energy alone wants "
          "training.objective=reverse_kl)");
    if (rows_ == 0 && context_features_ > 0)
      fail<ShapeError>("training data: a generator gives no context, but the model wants one");
    const auto& columns = model.options().columns;
    for (std::size_t column = 0; column < columns.size(); ++column)
      if (columns[column].integer) {
        integers_.push_back(static_cast<std::int64_t>(column));
        steps_.push_back(columns[column].step);
      }
    batch_ = rows_ > 0 ? std::min(options.batch_size, rows_) : options.batch_size;
    shuffled_ = rows_ > batch_;
  }

  std::int64_t batch() const { return batch_; }

  /// Prepares samples first, ..., first + count - 1; valid until the next call.
  std::span<const BatchInput<T>> fill(std::uint64_t first, std::int64_t count) {
    if (rows_ == 0) {
      resize(values_, count * features_);
      generate(first, count);
      inputs_[0] = {values_.data(), nullptr};
      return inputs_;
    }
    pick_rows(first, count);
    inputs_[0] = {table_.data(), order_.data()};
    inputs_[1] = {context_.data(), order_.data()};
    if (!integers_.empty()) {
      resize(values_, count * features_);
      dequantise(first, count);
      inputs_[0] = {values_.data(), nullptr};
    }
    return inputs_;
  }

  /// The first samples as they are in training, those that are finite, in double.
  void first_samples(std::vector<double>& rows, std::vector<double>& context) {
    const std::int64_t count =
        rows_ > 0 ? std::min(rows_, kInitialisationRows) : kInitialisationRows;
    const auto inputs = fill(0, count);
    for (std::int64_t sample = 0; sample < count; ++sample) {
      const auto row_of = [&](const BatchInput<T>& input, std::int64_t size) {
        const T* row = input.data + (input.rows != nullptr ? input.rows[sample] : sample) * size;
        return std::span<const T>(row, static_cast<std::size_t>(size));
      };
      const auto row = row_of(inputs[0], features_);
      const auto given = row_of(inputs[1], context_features_);
      const auto finite = [](T value) { return std::isfinite(value); };
      if (!std::all_of(row.begin(), row.end(), finite) ||
          !std::all_of(given.begin(), given.end(), finite))
        continue;
      rows.insert(rows.end(), row.begin(), row.end());
      context.insert(context.end(), given.begin(), given.end());
    }
    if (rows.empty())
      fail<DataError>("training data: none of the first {} samples is finite", count);
  }

 private:
  template <typename Array>
  static void resize(Array& array, std::int64_t size) {
    if (static_cast<std::int64_t>(array.size()) < size)
      array.resize(static_cast<std::size_t>(size));
  }

  template <typename Function>
  void for_row_blocks(std::int64_t count, const Function& function) {
    const auto task = [&](std::int64_t block, int) {
      function(block * kFillRows, std::min(kFillRows, count - block * kFillRows));
    };
    pool_.parallel((count + kFillRows - 1) / kFillRows, std::ref(task));
  }

  void generate(std::uint64_t first, std::int64_t count) {
    resize(drawn_, count * features_);
    for_row_blocks(count, [&](std::int64_t begin, std::int64_t rows) {
      double* drawn = drawn_.data() + begin * features_;
      generator_(first + static_cast<std::uint64_t>(begin), rows, drawn);
      std::copy(drawn, drawn + rows * features_, values_.data() + begin * features_);
    });
  }

  void pick_rows(std::uint64_t first, std::int64_t count) {
    resize(order_, count);
    const auto rows = static_cast<std::uint64_t>(rows_);
    for (std::int64_t sample = 0; sample < count;) {
      const std::uint64_t position = first + static_cast<std::uint64_t>(sample);
      const auto index = static_cast<std::int64_t>(position % rows);
      const std::int64_t length = std::min(count - sample, rows_ - index);
      if (shuffled_) {
        start_epoch(position / rows);
        std::copy_n(epoch_order_.begin() + index, length, order_.begin() + sample);
      } else {
        std::iota(order_.begin() + sample, order_.begin() + sample + length, index);
      }
      sample += length;
    }
  }

  void start_epoch(std::uint64_t epoch) {
    if (!epoch_order_.empty() && epoch == epoch_) return;
    epoch_order_.resize(static_cast<std::size_t>(rows_));
    shuffle_rows(seed_, epoch, epoch_order_);
    epoch_ = epoch;
  }

  void dequantise(std::uint64_t first, std::int64_t count) {
    const auto integers = static_cast<std::int64_t>(integers_.size());
    resize(noise_, (count + kFillRows - 1) / kFillRows * kFillRows * integers);
    for_row_blocks(count, [&](std::int64_t begin, std::int64_t rows) {
      T* noise = noise_.data() + begin * integers;
      kernels::random_uniform<T>(seed_, static_cast<std::uint32_t>(Stream::kDequantisation),
                                 first + static_cast<std::uint64_t>(begin), integers, rows, noise,
                                 kFillRows);
      for (std::int64_t row = 0; row < rows; ++row) {
        T* out = values_.data() + (begin + row) * features_;
        std::copy_n(table_.data() + order_[static_cast<std::size_t>(begin + row)] * features_,
                    features_, out);
        for (std::int64_t k = 0; k < integers; ++k) {
          const auto number = static_cast<std::size_t>(k);
          T& value = out[integers_[number]];
          value =
              dequantised(value, steps_[number], static_cast<double>(noise[k * kFillRows + row]));
        }
      }
    });
  }

  ThreadPool& pool_;
  SampleGenerator generator_;
  std::uint64_t seed_;
  std::int64_t features_, context_features_, rows_;
  std::vector<T> table_, context_;
  std::vector<std::int64_t> integers_;
  std::vector<double> steps_;  // of the evenly spaced columns
  std::int64_t batch_ = 0;
  bool shuffled_ = false;
  std::uint64_t epoch_ = 0;
  std::vector<std::int64_t> epoch_order_, order_;
  std::vector<T> values_, noise_;
  std::vector<double> drawn_;
  std::array<BatchInput<T>, 2> inputs_;
};

/// Exact samples of a base with a rejection step, for the parameters of the moment.
template <typename T>
class RejectionSource {
 public:
  RejectionSource(const Model& model, const TrainingOptions& options, ThreadPool& pool)
      : base_(*model.resampled()),
        average_(model.parameters().info(base_.z_average()).offset),
        seed_(static_cast<std::uint64_t>(options.seed)) {
    Graph graph(model.parameters());
    const Value z = base_.draw(graph, 0);
    executor_ = std::make_unique<Executor<T>>(
        std::make_shared<Program<T>>(
            graph, std::vector<Value>{z, base_.acceptance(z), graph.uniform({1, 1})}),
        pool);
  }

  /// `count` samples, row-major, a function of parameters, step and seed alone; valid until the
  /// next call. Every sample is the first accepted proposal of its run of proposals, the last one
  /// that the truncation allows in any case.
  const T* fill(const T* parameters, std::int64_t step, std::int64_t count) {
    const std::int64_t features = base_.features();
    samples_.clear();
    const auto wanted = static_cast<std::size_t>(count * features);
    // The average of Z says about how many proposals it takes.
    const double z = std::clamp(static_cast<double>(parameters[average_]), 0.02, 1.0);
    std::int64_t rejected = 0;
    for (std::uint64_t first = 0; samples_.size() < wanted;) {
      const auto missing =
          static_cast<double>(wanted - samples_.size()) / static_cast<double>(features);
      const auto block = static_cast<std::int64_t>(1.1 * missing / z) + 64;
      propose(parameters, step, first, block);
      for (std::int64_t row = 0; row < block && samples_.size() < wanted; ++row) {
        const auto index = static_cast<std::size_t>(row);
        const bool last = base_.truncation() > 0 && rejected + 1 >= base_.truncation();
        if (!last && !(uniform_[index] < acceptance_[index])) {
          ++rejected;
          continue;
        }
        rejected = 0;
        const T* proposal = proposals_.data() + row * features;
        samples_.insert(samples_.end(), proposal, proposal + features);
      }
      first += static_cast<std::uint64_t>(block);
      if (first > kMostProposals * static_cast<std::uint64_t>(count) && samples_.size() < wanted)
        fail<NumericalError>(
            "training: {} proposals of the resampled base gave fewer than {} samples: it accepts "
            "next to nothing; set base.truncation or lower training.learning_rate",
            first, count);
    }
    return samples_.data();
  }

 private:
  void propose(const T* parameters, std::int64_t step, std::uint64_t first, std::int64_t count) {
    const auto rows = static_cast<std::size_t>(count);
    proposals_.resize(rows * static_cast<std::size_t>(base_.features()));
    acceptance_.resize(rows);
    uniform_.resize(rows);
    T* const outputs[] = {proposals_.data(), acceptance_.data(), uniform_.data()};
    // Steps have seeds of their own, since each takes another number of proposals.
    const auto words = random_words(seed_, static_cast<std::uint32_t>(Stream::kAcceptance),
                                    static_cast<std::uint64_t>(step), 0);
    executor_->run({.parameters = parameters,
                    .counts = {&count, 1},
                    .first_samples = {&first, 1},
                    .seed = static_cast<std::uint64_t>(words[0]) << 32 | words[1],
                    .outputs = outputs});
  }

  const ResampledBase& base_;
  std::int64_t average_;
  std::uint64_t seed_;
  std::unique_ptr<Executor<T>> executor_;
  std::vector<T> proposals_, acceptance_, uniform_, samples_;
};

/// Mean negative log likelihood of fixed rows.
template <typename T>
class Validator {
 public:
  Validator(const Model& model, const TrainingData& data, std::int64_t seed, ThreadPool& pool)
      : features_(model.flow().features()),
        context_features_(model.flow().context_features()),
        rows_(checked_rows("validation data", model.flow(), data.validation_rows,
                           data.validation_context)),
        table_(data.validation_rows.begin(), data.validation_rows.end()),
        context_(data.validation_context.begin(), data.validation_context.end()) {
    if (rows_ == 0) return;
    const auto& columns = model.options().columns;
    for (std::int64_t row = 0; row < rows_; ++row)
      for (std::size_t column = 0; column < columns.size(); ++column) {
        if (!columns[column].integer) continue;
        const auto words = random_words(
            static_cast<std::uint64_t>(seed), static_cast<std::uint32_t>(Stream::kEvaluation),
            static_cast<std::uint64_t>(row), static_cast<std::uint32_t>(column));
        T& value = table_[static_cast<std::size_t>(row * features_) + column];
        value = dequantised(value, columns[column].step, uniform_from_words(words[0], words[1]));
      }
    Graph graph(model.parameters());
    const Value x = graph.input({features_, 1});
    const Value given = context_features_ > 0 ? graph.input({context_features_, 1}) : Value{};
    executor_ = std::make_unique<Executor<T>>(
        std::make_shared<Program<T>>(graph, std::vector<Value>{model.flow().log_prob(x, given)}),
        pool);
    log_prob_.resize(static_cast<std::size_t>(std::min(rows_, kValidationBlock)));
  }

  std::int64_t rows() const { return rows_; }

  double loss(const T* parameters) {
    double sum = 0.0;
    for (std::int64_t begin = 0; begin < rows_; begin += kValidationBlock) {
      const std::int64_t count = std::min(kValidationBlock, rows_ - begin);
      const BatchInput<T> inputs[] = {{table_.data() + begin * features_},
                                      {context_.data() + begin * context_features_}};
      T* const outputs[] = {log_prob_.data()};
      executor_->run(
          {.parameters = parameters, .inputs = inputs, .counts = {&count, 1}, .outputs = outputs});
      for (std::int64_t row = 0; row < count; ++row)
        sum += static_cast<double>(log_prob_[static_cast<std::size_t>(row)]);
    }
    return -sum / static_cast<double>(rows_);
  }

 private:
  std::int64_t features_, context_features_, rows_;
  std::vector<T> table_, context_, log_prob_;
  std::unique_ptr<Executor<T>> executor_;
};

}  // namespace

void History::add(std::int64_t step, bool good, double loss, double learning_rate,
                  double gradient_norm, std::int64_t non_finite) {
  HistoryRow row;
  row.step = step;
  row.loss = good ? loss : std::numeric_limits<double>::quiet_NaN();
  row.learning_rate = learning_rate;
  row.gradient_norm = good ? gradient_norm : 0.0;
  row.bad_steps = good ? 0 : 1;
  row.non_finite = non_finite;
  row.good_steps = good ? 1 : 0;
  if (open.good_steps + open.bad_steps == 0)
    open = row;
  else
    merge(open, row);
  if (open.good_steps + open.bad_steps < interval) return;
  rows.push_back(open);
  open = {};
  if (rows.size() < kHistoryRows) return;
  for (std::size_t pair = 0; pair < rows.size() / 2; ++pair) {
    rows[pair] = rows[2 * pair];
    merge(rows[pair], rows[2 * pair + 1]);
  }
  rows.resize(rows.size() / 2);
  interval *= 2;
}

const std::vector<double>& TrainerState::result() const {
  if (!best.empty()) return best;
  return average.empty() ? parameters : average;
}

/// The trainer in one precision.
class Trainer::Work {
 public:
  virtual ~Work() = default;
  virtual double step() = 0;
  virtual double validation_loss() = 0;
  virtual bool validates() const = 0;
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
            ThreadPool& pool)
      : Work(trained_model, training_options),
        pool_(pool),
        validator_(trained_model, data, training_options.seed, pool) {
    forget_normaliser();
    const double weight = likelihood_weight(options);
    const bool likelihood_first = weight < 1.0 && likelihood_steps(options) > 0;
    if (weight > 0.0 || likelihood_first) source_.emplace(model, data, options, pool_);
    std::vector<ParameterId> trainable;
    if (model.parameters().trainable_count() > 0) {
      if (likelihood_first) add_stage(1.0, data, trainable);
      add_stage(weight, data, trainable);
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

  double step() override {
    if (stages_.empty()) fail<ConfigError>("training: the model has no trainable parameters");
    if (counters.step == 0 && options.initialise_from_data && source_) initialise();
    Stage& stage = counters.step < likelihood_steps(options) ? stages_.front() : stages_.back();
    for (std::size_t domain = 0; domain < stage.counts.size(); ++domain)
      stage.first_samples[domain] = static_cast<std::uint64_t>(counters.step) *
                                    static_cast<std::uint64_t>(stage.counts[domain]);
    Executor<T>& executor = *stage.executor;
    executor.run({.parameters = parameters_.data(),
                  .inputs = inputs(stage),
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
    const double rate = options.learning_rate * schedule.factor(counters.step);
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

  bool validates() const override { return validator_.rows() > 0; }

  double validation_loss() override {
    if (!validates()) fail<DataError>("validation: expected validation rows, got none");
    if (average_.empty()) return validator_.loss(parameters_.data());
    const std::vector<T> average(average_.begin(), average_.end());
    return validator_.loss(average.data());
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
  /// The program of steps with one weight of the likelihood, and what it takes.
  struct Stage {
    std::unique_ptr<Executor<T>> executor;
    std::vector<std::int64_t> counts, buffer_offsets;
    std::vector<std::uint64_t> first_samples;
    bool data = false, context = false, latent = false;  // whether it has these inputs
    Domain draws = kShared;                              // domain of the base's samples, if any

    std::int64_t drawn() const {
      return draws == kShared ? 0 : counts[static_cast<std::size_t>(draws)];
    }
    std::int64_t samples() const { return (data ? counts[0] : 0) + drawn(); }
  };

  void add_stage(double weight, const TrainingData& data, std::vector<ParameterId>& trainable) {
    Graph graph(model.parameters(), Phase::kTraining);
    const TrainingStep step = build_step(graph, weight, data);
    Stage& stage = stages_.emplace_back();
    stage.data = step.x.valid();
    stage.context = step.context.valid();
    stage.latent = step.latent.valid();
    if (step.temperature.valid()) stage.draws = step.temperature.domain();
    std::vector<Value> outputs{step.loss, step.non_finite};
    outputs.insert(outputs.end(), step.gradients.begin(), step.gradients.end());
    for (const BufferUpdate& update : graph.buffer_updates()) {
      stage.buffer_offsets.push_back(model.parameters().info(update.buffer).offset);
      outputs.push_back(update.value);
    }
    stage.executor =
        std::make_unique<Executor<T>>(std::make_shared<Program<T>>(graph, outputs), pool_);
    for (Domain domain = 0; domain < graph.domains(); ++domain)
      stage.counts.push_back(domain > 0   ? graph.default_count(domain)
                             : stage.data ? source_->batch()
                                          : options.batch_size);
    stage.first_samples.resize(stage.counts.size());
    gradients_.resize(step.gradients.size());
    trainable = step.trainable;
  }

  TrainingStep build_step(Graph& graph, double weight, const TrainingData& data) {
    if (weight == 1.0) return maximum_likelihood(graph, model.flow(), options.rejection_weight);
    if (!data.target)
      fail<DataError>("training: the objective {} needs a target with a density",
                      options.objective);
    const std::vector<ColumnOptions>& columns = model.options().columns;
    if (data.target->circular() &&
        (columns.empty() || !std::all_of(columns.begin(), columns.end(),
                                         [](const ColumnOptions& c) { return c.periodic; })))
      fail<ConfigError>(
          "training.objective: {} for {}, whose density repeats without end, needs columns that "
          "are periodic",
          options.objective, data.target->name());
    if (!model.flow().base().reparameterised() && options.batch_size < 2)
      fail<ConfigError>(
          "training.batch_size: expected at least 2 for a covariance over the batch, got {}",
          options.batch_size);
    const TrainingStep step =
        weight == 0.0
            ? reverse_kl(graph, model.flow(), *data.target, ScoreEstimator::kCovariance,
                         options.rejection_weight)
            : mixed_likelihood(graph, model.flow(), *data.target, weight, options.batch_size,
                               ScoreEstimator::kCovariance, options.rejection_weight);
    if (step.latent.valid()) rejection_.emplace(model, options, pool_);
    temperatures_.resize(static_cast<std::size_t>(options.batch_size));
    return step;
  }

  /// What the step's graph takes, in the order of TrainingStep.
  std::span<const BatchInput<T>> inputs(const Stage& stage) {
    inputs_.clear();
    if (stage.data) {
      const auto filled = source_->fill(stage.first_samples[0], stage.counts[0]);
      inputs_.assign(filled.begin(), filled.begin() + (stage.context ? 2 : 1));
    }
    if (stage.draws == kShared) return inputs_;
    if (stage.latent)
      inputs_.push_back(
          {rejection_->fill(parameters_.data(), counters.step, stage.drawn()), nullptr});
    const std::int64_t steps = counters.step - likelihood_steps(options);
    double temperature = 1.0;
    if (options.annealing_steps > 0)
      temperature =
          std::min(1.0, options.annealing_start + static_cast<double>(steps) /
                                                      static_cast<double>(options.annealing_steps));
    std::fill(temperatures_.begin(), temperatures_.end(), static_cast<T>(temperature));
    inputs_.push_back({temperatures_.data(), nullptr});
    return inputs_;
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
    thalweg::initialise_from_data(model.flow(), model.parameters(), rows, context);
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
    const bool none_good = counters.step == options.iterations && counters.optimizer_steps == 0;
    if (none_good || counters.bad_in_a_row > options.max_bad_steps)
      fail<NumericalError>(
          "training: {} steps in a row were not finite (step {}: loss {}, gradient norm {}, {} of "
          "{} log densities not finite): lower training.learning_rate, set training.clip_norm, or "
          "look for extreme values in the data and for places where an energy is not finite, which "
          "--bounds can leave out",
          counters.bad_in_a_row, counters.step, std::isnan(loss) ? std::abs(loss) : loss, norm,
          non_finite, samples);
  }

  ThreadPool& pool_;
  std::optional<BatchSource<T>> source_;         // of data
  std::optional<RejectionSource<T>> rejection_;  // of latent samples
  std::vector<T> temperatures_;
  std::vector<BatchInput<T>> inputs_;
  Validator<T> validator_;
  std::vector<Stage> stages_;  // by likelihood alone first, if that is asked for
  std::unique_ptr<Optimizer<T>> optimizer_;
  std::vector<std::span<const T>> gradients_;
  std::vector<T> parameters_;
  std::vector<double> average_, best_;
};

/// Steps per second over about the last second.
class Speedometer {
 public:
  using Clock = std::chrono::steady_clock;

  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  double rate(std::int64_t step, double now) {
    if (mark_step_ < 0) mark_step_ = step - 1;
    const double elapsed = now - mark_time_;
    if (rate_ == 0.0 || elapsed >= 1.0) {
      const double fresh = static_cast<double>(step - mark_step_) / std::max(elapsed, 1e-9);
      if (elapsed >= 1.0) {
        rate_ = fresh;
        mark_step_ = step;
        mark_time_ = now;
      }
      return fresh;
    }
    return rate_;
  }

 private:
  Clock::time_point start_ = Clock::now();
  double mark_time_ = 0.0, rate_ = 0.0;
  std::int64_t mark_step_ = -1;
};

}  // namespace

Trainer::Trainer(Model& model, const TrainingData& data, const TrainingOptions& options,
                 ThreadPool& pool) {
  check_options(options);
  if (options.precision == "float")
    work_ = std::make_unique<TypedWork<float>>(model, data, options, pool);
  else
    work_ = std::make_unique<TypedWork<double>>(model, data, options, pool);
}

Trainer::~Trainer() = default;

double Trainer::step() { return work_->step(); }

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
  const auto out_of_patience = [&] {
    return options.patience > 0 && counters.validations_since_best >= options.patience;
  };
  while (counters.step < options.iterations) {
    if (out_of_patience()) return StopReason::kPatience;
    const double rate = options.learning_rate * work_->schedule.factor(counters.step);
    work_->step();
    if (work_->validates() &&
        (counters.step % options.validation_interval == 0 || counters.step == options.iterations)) {
      const double loss = work_->validation_loss();
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
    const double seconds = speedometer.seconds();
    if (callbacks.progress) {
      TrainingProgress progress;
      progress.step = counters.step;
      progress.iterations = options.iterations;
      progress.loss = counters.smoothed_loss;
      progress.steps_per_second = speedometer.rate(counters.step, seconds);
      progress.learning_rate = rate;
      if (!validations.empty()) progress.validation_loss = validations.back().loss;
      progress.best_validation_loss = counters.best_validation_loss;
      progress.bad_steps = counters.bad_steps;
      if (!callbacks.progress(progress)) return StopReason::kCallback;
    }
    if (options.time_budget > 0.0 && seconds >= options.time_budget &&
        counters.step < options.iterations)
      return StopReason::kTimeBudget;
  }
  return out_of_patience() ? StopReason::kPatience : StopReason::kIterations;
}

}  // namespace thalweg
