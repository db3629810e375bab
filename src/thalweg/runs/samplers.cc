#include "thalweg/runs/samplers.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/core/text.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/io/table.h"
#include "thalweg/runs/chain_sampler.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/molecule_samples.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/settings.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

namespace {

/// Sizes of blocks that samples are drawn in: as many rows as take about half a second, for
/// progress and interruptions between them. Samples do not depend on it.
class BlockSize {
 public:
  explicit BlockSize(int threads) : least_(std::min<std::int64_t>(kMost, 128 * threads)) {}

  std::int64_t next(std::int64_t left) {
    const double now =
        std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    constexpr double kSeconds = 0.5;
    if (last_ > 0.0) {
      const double factor = std::clamp(kSeconds / (now - last_), 0.25, 16.0);
      rows_ =
          std::clamp(static_cast<std::int64_t>(factor * static_cast<double>(rows_)), least_, kMost);
    }
    last_ = now;
    return std::min(rows_, left);
  }

 private:
  static constexpr std::int64_t kMost = 65536;  // rows in memory at a time
  std::int64_t least_, rows_ = least_;
  double last_ = 0.0;  // when the last block began
};

/// Tells of samples that are drawn; whether no more are wanted.
bool told_to_stop(const SampleCallbacks& callbacks, std::int64_t done, std::int64_t count) {
  if (callbacks.progress) callbacks.progress(done, count);
  return callbacks.interrupted && callbacks.interrupted();
}

/// Draws of the flow itself.
class NaiveSampler : public RunSampler {
 public:
  NaiveSampler(const LoadedRun& run, const SampleRequest& request, ThreadPool& pool)
      : run_(run),
        request_(request),
        pool_(pool),
        sampler_(*run.model, pool, static_cast<std::uint64_t>(request.seed), precision()) {}

  std::vector<std::string> columns() const override { return column_names(run_.options.model); }
  FloatType float_type() const override { return sample_type(run_, request_.precision); }

  SampleResult draw(const SampleSink& sink, const SampleCallbacks& callbacks) override {
    SampleResult result;
    const std::int64_t width = run_.options.model.context_features;
    BlockSize size(pool_.threads());
    while (result.count < request_.count) {
      const std::int64_t block = size.next(request_.count - result.count);
      sink(sampler_.next(block, rows_in_turn(request_.condition, width, result.count, block)));
      result.count += block;
      if ((result.interrupted = told_to_stop(callbacks, result.count, request_.count))) break;
    }
    const SamplingStatistics& statistics = sampler_.statistics();
    result.non_finite = statistics.non_finite;
    result.unsolved = statistics.unsolved;
    if (run_.model->resampled() != nullptr)
      result.proposals_a_sample =
          static_cast<double>(statistics.proposals) / static_cast<double>(result.count);
    return result;
  }

 private:
  Precision precision() const { return request_.precision.value_or(run_.precision()); }

  const LoadedRun& run_;
  const SampleRequest request_;
  ThreadPool& pool_;
  FlowSampler sampler_;
};

/// Rejection control (Liu, Chen and Wong 1998): a draw of weight w is kept with probability
/// min(1, w / c), and then weighs max(w, c). Weighted means are as exact as those of all draws, of
/// weights that are more alike the larger c is.
class RejectionControl {
 public:
  RejectionControl(double log_threshold, std::int64_t seed)
      : log_threshold_(log_threshold), seed_(static_cast<std::uint64_t>(seed)) {}

  /// The log weight of a draw if it is kept.
  std::optional<double> kept(double log_weight, std::int64_t draw) const {
    // Words of index 0 are those of other queues of a base.
    const auto words = random_words(seed_, static_cast<std::uint32_t>(Stream::kAcceptance),
                                    static_cast<std::uint64_t>(draw), 1);
    if (!(std::log(uniform_from_words(words[0], words[1])) < log_weight - log_threshold_))
      return std::nullopt;
    return std::max(log_weight, log_threshold_);
  }

 private:
  double log_threshold_;
  std::uint64_t seed_;
};

/// Draws with their weights under what the run was trained for.
class WeightedSampler : public RunSampler {
 public:
  std::vector<std::string> columns() const override {
    std::vector<std::string> names = column_names(run_.options.model);
    if (!resample_) names.emplace_back("log_weight");
    return names;
  }
  FloatType float_type() const override {
    return resample_ ? sample_type(run_, request_.precision) : FloatType::kFloat64;
  }
  std::int64_t condition_row(std::int64_t sample, std::int64_t given) const override {
    return (resample_ ? resampled_[static_cast<std::size_t>(sample)] : sample) % given;
  }

  SampleResult draw(const SampleSink& sink, const SampleCallbacks& callbacks) override {
    SampleResult result;
    const std::int64_t features = run_.options.model.features;
    std::vector<double> held, log_weights, kept_log_weights;
    RejectionSummary rejection;
    std::optional<RejectionControl> control;
    if (reject_) {
      log_weights = pilots();
      rejection.pilots = std::ssize(log_weights);
      const double log_mean = importance_estimate(smoothed_weights(log_weights)).log_integral;
      rejection.log_threshold = log_mean + std::log(request_.threshold);
      control.emplace(rejection.log_threshold, request_.seed);
    }
    std::int64_t non_finite = 0;
    BlockSize size(pool_.threads());
    while (result.count < request_.count) {
      const std::int64_t left = request_.count - result.count;
      const std::int64_t block = control ? draws_for(left, rejection) : size.next(left);
      const std::int64_t first = std::ssize(log_weights);
      std::vector<double> of_block;
      const std::vector<double> x = next(first, block, of_block);
      log_weights.insert(log_weights.end(), of_block.begin(), of_block.end());
      std::vector<double> rows;
      for (std::int64_t row = 0; row < block; ++row) {
        double log_weight = of_block[static_cast<std::size_t>(row)];
        const auto from = x.begin() + row * features;
        if (control) {
          const std::optional<double> kept = control->kept(log_weight, first + row);
          if (!kept) continue;
          ++rejection.kept;
          if (result.count == request_.count) continue;
          kept_log_weights.push_back(log_weight = *kept);
          if (!std::all_of(from, from + features, [](double v) { return std::isfinite(v); }))
            ++non_finite;
        }
        std::vector<double>& to = resample_ ? held : rows;
        to.insert(to.end(), from, from + features);
        if (!resample_) rows.push_back(log_weight);
        ++result.count;
      }
      rejection.draws += block;
      sink(rows);
      if ((result.interrupted = told_to_stop(callbacks, result.count, request_.count)))
        return result;
    }
    const SmoothedWeights smoothed = smoothed_weights(log_weights);
    ImportanceEstimate estimate = importance_estimate(smoothed);
    if (resample_) {
      resampled_ = resampled_rows(
          log_weights,
          RandomSequence(static_cast<std::uint64_t>(request_.seed), Stream::kAcceptance).uniform());
      for (const std::int64_t row : resampled_)
        sink({held.data() + row * features, static_cast<std::size_t>(features)});
    }
    if (control) {
      rejection.effective_share = estimate.effective_share;
      result.rejection = rejection;
      estimate.effective_share =
          importance_estimate(smoothed_weights(kept_log_weights)).effective_share;
    }
    estimate.log_integral_error = log_integral_error(estimate, *run_.model);
    result.importance = {estimate, std::nullopt, 0, endless_};
    if (!endless_.empty()) result.importance->estimate.log_integral_error = std::nan("");
    if (!std::isnan(smoothed.pareto_k)) result.importance->pareto_k = smoothed.pareto_k;
    finish(result);
    if (control) result.non_finite = non_finite;  // most such draws weigh nothing
    return result;
  }

 protected:
  WeightedSampler(const LoadedRun& run, const SampleRequest& request, ThreadPool& pool)
      : run_(run),
        request_(request),
        pool_(pool),
        resample_(request.weights == "resample"),
        reject_(request.weights == "reject") {
    if (!run.target())
      fail<ConfigError>(
          "--sampler {}: this run was trained on data, of which no density is known to "
          "weight samples by; use naive, or sails",
          request.sampler);
    if (!resample_ && !reject_ && !request.weights.empty() && request.weights != "column")
      fail<ConfigError>("--weights: expected column, resample or reject, got '{}'",
                        request.weights);
    if (!(request.threshold > 0.0 && request.threshold <= kLargestThreshold))
      fail<ConfigError>("samples: expected a threshold above 0, up to {}, got {}",
                        kLargestThreshold, request.threshold);
    if (const std::optional<Exploration> exploration = run.exploration())
      endless_ = exploration->endless;
  }

  /// The next `count` draws, from number `first` on, and the logarithms of their weights.
  virtual std::vector<double> next(std::int64_t first, std::int64_t count,
                                   std::vector<double>& log_weights) = 0;
  /// What is to be said of all of them.
  virtual void finish(SampleResult& result) const = 0;
  /// Log weights may be large numbers with small differences.
  Precision precision() const { return request_.precision.value_or(Precision::kDouble); }
  const LoadedRun& run() const { return run_; }
  const SampleRequest& request() const { return request_; }

 private:
  static constexpr double kLargestThreshold = 100.0;

  /// Log weights of the first draws, more of them where none has weight.
  std::vector<double> pilots() {
    constexpr std::int64_t kFewest = 1024, kMost = 1 << 20;
    std::vector<double> log_weights;
    for (std::int64_t count = kFewest; std::ssize(log_weights) < kMost; count *= 2) {
      std::vector<double> more;
      next(std::ssize(log_weights), count, more);
      log_weights.insert(log_weights.end(), more.begin(), more.end());
      if (std::ranges::any_of(more, [](double w) { return w > -INFINITY; })) break;
    }
    return log_weights;
  }

  /// About as many draws as `left` samples need, by numbers that depend on the seed alone. Throws
  /// NumericalError where next to none is kept.
  static std::int64_t draws_for(std::int64_t left, const RejectionSummary& so_far) {
    constexpr std::int64_t kHopeless = 1'000'000, kFewest = 128, kMost = 8192;
    if (so_far.draws / kHopeless > so_far.kept)
      fail<NumericalError>(
          "--weights reject: {} of {} draws were kept, since few weigh nearly all; lower "
          "--threshold, or take --weights column, which says what they are worth",
          so_far.kept, so_far.draws);
    const double rate =
        (static_cast<double>(so_far.kept) + 1.0) / (static_cast<double>(so_far.draws) + 1.0);
    return static_cast<std::int64_t>(std::clamp(std::ceil(static_cast<double>(left) / rate),
                                                static_cast<double>(kFewest),
                                                static_cast<double>(kMost)));
  }

  const LoadedRun& run_;
  const SampleRequest request_;
  ThreadPool& pool_;
  const bool resample_, reject_;
  std::string endless_;                  // see Exploration
  std::vector<std::int64_t> resampled_;  // draws that the samples are
};

/// Draws of the flow.
class ImportanceSampler : public WeightedSampler {
 public:
  ImportanceSampler(const LoadedRun& run, const SampleRequest& request, ThreadPool& pool)
      : WeightedSampler(run, request, pool),
        log_target_(target_log_density(run.target(), pool)),
        sampler_(*run.model, pool, static_cast<std::uint64_t>(request.seed), precision()) {}

 private:
  std::vector<double> next(std::int64_t first, std::int64_t count,
                           std::vector<double>& log_weights) override {
    std::vector<double> log_density;
    std::vector<double> x = sampler_.next(
        count,
        rows_in_turn(request().condition, run().options.model.context_features, first, count),
        &log_density);
    log_weights = counted_log_density(log_target_, x, undefined_);
    for (std::size_t row = 0; row < log_weights.size(); ++row) log_weights[row] -= log_density[row];
    return x;
  }

  void finish(SampleResult& result) const override {
    result.non_finite = sampler_.statistics().non_finite;
    result.unsolved = sampler_.statistics().unsolved;
    result.importance->undefined = undefined_;
  }

  RowFunction log_target_;
  FlowSampler sampler_;
  std::int64_t undefined_ = 0;
};

/// The same, moved to the target level by level.
class AnnealedRunSampler : public WeightedSampler {
 public:
  AnnealedRunSampler(const LoadedRun& run, const SampleRequest& request, ThreadPool& pool)
      : WeightedSampler(run, request, pool),
        sampler_(*run.model, run.target(),
                 {.levels = request.levels,
                  .leapfrog_steps = request.leapfrog_steps,
                  .step_size = request.step_size,
                  .seed = static_cast<std::uint64_t>(request.seed),
                  .precision = precision()},
                 pool) {}

 private:
  std::vector<double> next(std::int64_t /*first*/, std::int64_t count,
                           std::vector<double>& log_weights) override {
    return sampler_.next(count, log_weights);
  }

  void finish(SampleResult& result) const override {
    result.non_finite = sampler_.non_finite();
    result.unsolved = sampler_.unsolved();
    result.importance->undefined = sampler_.undefined();
    result.annealing = {sampler_.levels(), sampler_.evaluations()};
  }

  AnnealedSampler sampler_;
};

/// In which order columns go into a file without names, in which the first one is read as x0:
/// those called so by their numbers, then the others. Empty: as they are, by which a file of the
/// model's columns alone is read. Throws ConfigError where they would be taken for others.
std::vector<std::size_t> order_by_number(const std::vector<std::string>& names) {
  std::vector<std::size_t> order, others;
  bool gap = false;
  for (std::size_t number = 0; number < names.size(); ++number) {
    const auto found = std::ranges::find(names, fmt::format("x{}", number));
    if (found != names.end()) {
      gap |= order.size() < number;
      order.push_back(static_cast<std::size_t>(found - names.begin()));
    }
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    if (std::ranges::find(order, i) == order.end()) others.push_back(i);
  if (gap) {
    const bool all_found = std::ranges::none_of(others, [&](std::size_t i) {
      const std::string& name = names[i];
      return name.size() > 1 && name[0] == 'x' &&
             std::all_of(name.begin() + 1, name.end(), [](char c) { return c >= '0' && c <= '9'; });
    });
    if (all_found)
      fail<ConfigError>(
          "--out: columns {} in a file without names would be read back as x0 to x{}; write .csv, "
          "which has names",
          fmt::join(names, ", "), names.size() - 1);
    return {};
  }
  if (order.empty() || (std::ranges::is_sorted(order) && order.back() + 1 == order.size()))
    return {};
  order.insert(order.end(), others.begin(), others.end());
  return order;
}

/// Rows of a sampler as a table has them: with derived columns in the order of the data, then what
/// the sampler adds, then the condition; of a file without `names` in order_by_number().
class SampleRows {
 public:
  SampleRows(const LoadedRun& run, const SampleRequest& request, const RunSampler& sampler,
             bool with_names = true)
      : model_(run.options.model),
        request_(request),
        sampler_(sampler),
        condition_(model_.context_columns),
        own_(sampler.columns().size()) {
    std::vector<std::string> names = sampler.columns();
    std::vector<ColumnOptions> of_model = model_.columns, columns;
    of_model.resize(own_);
    for (const DerivedColumn& column : model_.derived) {
      names.push_back(column.name);
      of_model.push_back(column.written());
    }
    const auto features = static_cast<std::size_t>(model_.features);
    for (const std::size_t number : order_of_data(features, model_.derived))
      order_.push_back(number < features ? number : number - features + own_);
    for (std::size_t number = features; number < own_; ++number) order_.push_back(number);
    for (const std::size_t number : order_) {
      names_.push_back(names[number]);
      columns.push_back(of_model[number]);
    }
    content_ = contents_of(columns);
    if (with_condition()) {
      names_.insert(names_.end(), condition_.names().begin(), condition_.names().end());
      content_.resize(columns.size());
      content_.insert(content_.end(), condition_.content().begin(), condition_.content().end());
    }
    if (!with_names) by_number_ = order_by_number(names_);
  }

  const std::vector<std::string>& names() const { return names_; }
  const std::vector<ColumnText>& content() const { return content_; }

  /// The next rows, valid until the next call.
  std::span<const double> join(std::span<const double> rows) {
    if (!with_condition() && model_.derived.empty() && by_number_.empty()) return rows;
    joined_.clear();
    const auto width = static_cast<std::size_t>(model_.context_features);
    const std::size_t given = with_condition() ? request_.condition.size() / width : 0;
    for (std::size_t begin = 0; begin < rows.size(); begin += own_, ++written_) {
      const std::span<const double> drawn = rows.subspan(begin, own_);
      unordered_.assign(drawn.begin(), drawn.end());
      std::span<const double> condition;
      if (with_condition()) {
        const auto row = static_cast<std::size_t>(
            sampler_.condition_row(written_, static_cast<std::int64_t>(given)));
        condition = std::span(request_.condition).subspan(row * width, width);
      }
      if (!model_.derived.empty()) {
        const auto own = drawn.first(model_.columns.size());
        others_.assign(own.begin(), own.end());
        others_.insert(others_.end(), condition.begin(), condition.end());
        for (const DerivedColumn& column : model_.derived) unordered_.push_back(column(others_));
      }
      for (const std::size_t number : order_) joined_.push_back(unordered_[number]);
      if (with_condition()) condition_.append(condition, joined_);
      if (by_number_.empty()) continue;
      const auto row = joined_.end() - std::ssize(by_number_);
      unordered_.assign(row, joined_.end());
      std::ranges::transform(by_number_, row,
                             [&](std::size_t column) { return unordered_[column]; });
    }
    return joined_;
  }

 private:
  bool with_condition() const { return model_.context_features > 0; }

  const ModelOptions& model_;
  const SampleRequest& request_;
  const RunSampler& sampler_;
  ConditionTable condition_;
  std::size_t own_;  // columns of the sampler
  std::vector<std::string> names_;
  std::vector<ColumnText> content_;
  std::vector<std::size_t> order_;  // of the sampler's and the derived columns
  std::vector<std::size_t> by_number_;
  std::vector<double> joined_, others_, unordered_;
  std::int64_t written_ = 0;
};

bool is_same_file(const std::string& a, const std::string& b) {
  namespace fs = std::filesystem;
  const auto plain = [](const std::string& path) { return fs::absolute(path).lexically_normal(); };
  std::error_code error;
  return plain(a) == plain(b) || fs::equivalent(a, b, error);
}

template <typename Sampler>
std::unique_ptr<RunSampler> make(const LoadedRun& run, const SampleRequest& request,
                                 ThreadPool& pool) {
  return std::make_unique<Sampler>(run, request, pool);
}

}  // namespace

KindTable<SamplerKind>& sampler_kinds() {
  static KindTable<SamplerKind> kinds({
      {"naive", "the flow's own draws", make<NaiveSampler>},
      {"importance", "those, weighted by what the run was trained for", make<ImportanceSampler>,
       false, true},
      {"annealed", "those, moved to it by Hamiltonian steps between densities on the way, weighted",
       make<AnnealedRunSampler>, false, true, true},
      {"sails", "Markov chains, exact, of a sharper density than the flow's", make_chain_sampler,
       true},
      {"sails_published", "the same as published, which only comes near it", make_chain_sampler,
       true},
      {"mala", "Markov chains with Langevin steps in latent space", make_chain_sampler, true},
      {"hmc", "Markov chains with Hamiltonian steps there", make_chain_sampler, true},
      {"independence", "Markov chains that propose draws of the flow", make_chain_sampler, true},
  });
  return kinds;
}

FloatType sample_type(const LoadedRun& run, std::optional<Precision> precision) {
  const ModelOptions& model = run.options.model;
  const auto keeps = [](const std::vector<double>& values) {
    return std::ranges::all_of(values, [](double value) {
      return std::isnan(value) || std::abs(value) <= 0x1p24 || static_cast<float>(value) == value;
    });
  };
  const auto fits = [&](const ColumnOptions& column) {
    return fits_single_precision(column) && keeps(column.values) && keeps(column.atoms) &&
           keeps(column.levels);
  };
  const bool single = precision.value_or(run.precision()) == Precision::kFloat &&
                      std::ranges::all_of(model.columns, fits) &&
                      std::ranges::all_of(model.context_columns, fits) &&
                      std::ranges::all_of(model.derived, [&](const DerivedColumn& column) {
                        return keeps(column.values) && column.date.empty();
                      });
  return single ? FloatType::kFloat32 : FloatType::kFloat64;
}

std::unique_ptr<RunSampler> make_sampler(const LoadedRun& run, const SampleRequest& request,
                                         ThreadPool& pool) {
  const SamplerKind& kind = sampler_kinds().find("sampler", request.sampler);
  const SampleRequest usual;
  if (!kind.chains && (request.chains != usual.chains || request.burn_in != usual.burn_in ||
                       request.thinning != usual.thinning || request.density != usual.density ||
                       request.local_probability != usual.local_probability))
    fail<ConfigError>(
        "samples: chains, burn_in, thinning, local_probability and density are of samplers with "
        "chains: expected none with {}",
        kind.name);
  if (!kind.chains && !kind.annealed &&
      (request.leapfrog_steps != usual.leapfrog_steps || request.step_size != usual.step_size))
    fail<ConfigError>(
        "samples: leapfrog_steps and step_size are of samplers that move: expected none with {}",
        kind.name);
  if (kind.annealed && request.levels == 1 &&
      (request.leapfrog_steps != usual.leapfrog_steps || request.step_size != usual.step_size))
    fail<ConfigError>(
        "samples: with one level nothing moves: leapfrog_steps and step_size are of 2 levels or "
        "more");
  if (!kind.annealed && request.levels != usual.levels)
    fail<ConfigError>("samples: levels are of sampler annealed: expected none with {}", kind.name);
  if (!kind.weighted && !request.weights.empty())
    fail<ConfigError>(
        "samples: weights are of samplers importance and annealed: expected none with {}",
        kind.name);
  if (request.weights != "reject" && request.threshold != usual.threshold)
    fail<ConfigError>("samples: a threshold is of weights that reject: expected none");
  if (request.count < 1)
    fail<ConfigError>("samples: expected a count of at least 1, got {}", request.count);
  if (request.seed < 0)
    fail<ConfigError>("samples: expected a seed of at least 0, got {}", request.seed);
  const std::int64_t width = run.options.model.context_features;
  const auto given = static_cast<std::int64_t>(request.condition.size());
  if (width == 0 ? given > 0 : given == 0 || given % width != 0)
    fail<ShapeError>("samples: expected a condition of {} columns, got {} numbers", width, given);
  return kind.make(run, request, pool);
}

std::vector<double> load_condition(const LoadedRun& run, const std::string& file) {
  if (run.options.model.context_features == 0) {
    if (!file.empty()) fail<ConfigError>("--condition: this model has no condition");
    return {};
  }
  if (file.empty())
    fail<ConfigError>("this model is conditional: give its condition with --condition FILE");
  return rows_for_model(run.read_table(file, false), run.options.model, false).context;
}

void refuse_source(const LoadedRun& run, const std::string& out, const std::string& other) {
  namespace fs = std::filesystem;
  RunOptions options = run.options;
  std::vector<std::string> named = {other}, sources;
  for (const std::string* path : input_files(options)) named.push_back(*path);
  for (const std::string& path : named) {
    if (path.empty()) continue;
    sources.push_back(path.ends_with(']') ? path.substr(0, path.rfind('[')) : path);
    if (std::error_code error; fs::is_directory(path, error))
      for (const auto& entry : fs::directory_iterator(path, error))
        sources.push_back(entry.path().string());
  }
  for (const std::string& path : sources)
    if (is_same_file(path, out))
      fail<ConfigError>(
          "--out: '{}' is a file that this comes from, or the run; give it another name", out);
}

SampleResult sample_to_file(const LoadedRun& run, const SampleRequest& request,
                            const std::string& out, ThreadPool& pool,
                            const SampleCallbacks& callbacks) {
  if (!request.chains_out.empty() && is_same_file(request.chains_out, out))
    fail<ConfigError>("--chains-out: is the file of --out as well, '{}'; give it another name",
                      out);
  refuse_source(run, out, request.condition_file);
  const std::unique_ptr<RunSampler> sampler = make_sampler(run, request, pool);
  if (run.model->flow().coordinates() != nullptr)
    return sample_positions(run, *sampler, out, pool, callbacks);
  SampleRows rows(run, request, *sampler, !out.ends_with(".npy"));
  TableWriter writer(out, rows.names(), sampler->float_type(), rows.content());
  SampleResult result = sampler->draw(
      [&](std::span<const double> drawn) { writer.append(rows.join(drawn)); }, callbacks);
  if (!result.interrupted) writer.finish();
  return result;
}

SampledTable sample_table(const LoadedRun& run, const SampleRequest& request, ThreadPool& pool,
                          const SampleCallbacks& callbacks) {
  const std::unique_ptr<RunSampler> sampler = make_sampler(run, request, pool);
  SampleRows rows(run, request, *sampler);
  SampledTable result;
  Table& table = result.table;
  table.names = rows.names();
  table.content = rows.content();
  table.values.reserve(static_cast<std::size_t>(request.count) * table.names.size());
  result.result = sampler->draw(
      [&](std::span<const double> drawn) {
        const std::span<const double> joined = rows.join(drawn);
        table.values.insert(table.values.end(), joined.begin(), joined.end());
      },
      callbacks);
  table.rows = std::ssize(table.values) / table.columns();
  return result;
}

std::vector<double> sample_run(const LoadedRun& run, const SampleRequest& request,
                               ThreadPool& pool) {
  std::vector<double> x;
  make_sampler(run, request, pool)
      ->draw([&](std::span<const double> rows) { x.insert(x.end(), rows.begin(), rows.end()); },
             {});
  return x;
}

}  // namespace thalweg
