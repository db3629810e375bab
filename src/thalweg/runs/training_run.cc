#include "thalweg/runs/training_run.h"

#include <chrono>
#include <filesystem>

#include "thalweg/core/error.h"
#include "thalweg/core/interrupts.h"
#include "thalweg/core/version.h"
#include "thalweg/exploration/exploration_file.h"
#include "thalweg/exploration/gradient_check.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/io/folder_lock.h"
#include "thalweg/io/input_file.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/evaluation_cost.h"
#include "thalweg/runs/evaluation_parts.h"
#include "thalweg/runs/exploration_start.h"
#include "thalweg/runs/new_folder.h"
#include "thalweg/runs/run_report.h"
#include "thalweg/runs/stack_fit.h"
#include "thalweg/sampling/flow_sampler.h"
#include "thalweg/sampling/normaliser.h"
#include "thalweg/training/checkpoint.h"

namespace thalweg {

namespace {

namespace fs = std::filesystem;

/// Where a run is written that is to replace the one in `out`: beside it, in a folder that is not
/// there or holds a run that ended before its first checkpoint, which makes room. All others stay.
std::string successor_folder(const std::string& out) {
  std::error_code error;
  for (int number = 1;; ++number) {
    const std::string folder = number == 1 ? out + ".new" : fmt::format("{}.new-{}", out, number);
    if (!fs::exists(folder, error)) return folder;
    if (!fs::is_directory(folder, error)) continue;
    bool unfinished = fs::is_empty(folder, error);
    if (fs::exists(RunFolder{folder}.manifest(), error)) {
      const std::string status = read_manifest({folder}).status;
      unfinished = (status == "begun" || status == "interrupted") &&
                   !fs::exists(RunFolder{folder}.checkpoint(), error);
    }
    if (!unfinished) continue;
    try {
      const FolderLock lock(folder, "");  // Another process may be at its beginning.
    } catch (const Error&) {
      continue;
    }
    fs::remove_all(folder, error);
    return folder;
  }
}

/// The folder a training writes to, which takes its final place when the training is over.
class OutputFolder {
 public:
  OutputFolder(const std::string& out, bool resume, bool force) : final_(out), folder_{out} {
    replaces_ = check_training_folder(out, resume, force);
    if (resume) {
      hold(out);
      remove_stale_files(out);
      return;
    }
    if (replaces_) {
      hold(out);
      folder_.path = successor_folder(out);
    }
    std::error_code error;
    if (!fs::create_directories(folder_.path, error) && error)
      fail<DataError>("{}: cannot make the folder: {}; choose another --out", folder_.path,
                      error.message());
    created_ = true;
    hold(folder_.path);
  }

  ~OutputFolder() {
    // Without a checkpoint there is nothing that could be continued.
    std::error_code error;
    if (created_ && !kept_ && !fs::exists(folder_.checkpoint(), error))
      fs::remove_all(folder_.path, error);
  }

  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const RunFolder& folder() const { return folder_; }
  /// Whether there is an older run that this one is to replace.
  bool replaces() const { return replaces_; }

  /// Puts the new run in the place of the old one.
  void keep() {
    kept_ = true;
    if (!replaces_) return;
    replace_folder(folder_.path, final_);
    folder_.path = final_;
    replaces_ = false;
  }

 private:
  void hold(const std::string& folder) {
    locks_.push_back(
        std::make_unique<const FolderLock>(folder, "wait for it to end, or choose another --out"));
  }

  std::string final_;
  RunFolder folder_;
  std::vector<std::unique_ptr<const FolderLock>> locks_;
  bool replaces_ = false, created_ = false, kept_ = false;
};

/// Rows that TrainingData points to.
struct LearntRows {
  std::vector<double> x, context, weights, forces;
  std::vector<double> validation, validation_context, validation_weights;
};

TrainingData training_data(const RunPlan& plan, const std::shared_ptr<const Target>& target,
                           const std::optional<Exploration>& exploration, LearntRows& rows) {
  TrainingData result;
  result.target = target;
  if (plan.data) {
    const PreparedData& data = *plan.data;
    rows.x = take_rows(data.x, data.features(), data.train);
    rows.context = take_rows(data.context, data.context_features(), data.train);
    rows.validation = take_rows(data.x, data.features(), data.validation);
    rows.validation_context = take_rows(data.context, data.context_features(), data.validation);
    if (!data.weights.empty()) {
      rows.weights = take_rows(data.weights, 1, data.train);
      rows.validation_weights = take_rows(data.weights, 1, data.validation);
    }
    if (!data.forces.empty())
      rows.forces = take_rows(data.forces, std::ssize(data.forces) / data.rows, data.train);
    result.rows = rows.x;
    result.context = rows.context;
    result.forces = rows.forces;
    result.weights = rows.weights;
    // A stack was fitted to the rows for validation, too.
    if (plan.options.model.base.kind == "stack") return result;
    result.validation_rows = rows.validation;
    result.validation_context = rows.validation_context;
    result.validation_weights = rows.validation_weights;
    return result;
  }
  const auto seed = static_cast<std::uint64_t>(plan.options.training.seed);
  if (exploration) {
    ExplorationRows explored = rows_of(*exploration);
    rows.x = std::move(explored.train);
    rows.validation = std::move(explored.validation);
    result.rows = rows.x;
    result.validation_rows = rows.validation;
    return result;
  }
  if (!target->can_sample()) return result;
  const auto samples = static_cast<std::uint64_t>(plan.options.target.samples);
  result.generator = [target, seed, samples](std::uint64_t first, std::int64_t count, double* out) {
    for (std::int64_t done = 0; done < count;) {
      const std::uint64_t number = first + static_cast<std::uint64_t>(done);
      const std::uint64_t begin = samples > 0 ? number % samples : number;
      const std::int64_t length =
          samples > 0
              ? std::min<std::int64_t>(count - done, static_cast<std::int64_t>(samples - begin))
              : count - done;
      const std::vector<double> points =
          target_samples(*target, seed, Stream::kTarget, begin, length);
      out = std::copy(points.begin(), points.end(), out);
      done += length;
    }
  };
  return result;
}

/// Of the files that a run learns from.
std::string hash_of(const RunPlan& plan) {
  std::string hash = plan.data ? points_hash(*plan.data) : "";
  const TargetOptions& target = plan.options.target;
  for (const std::string& file :
       {target.energy_library, target.constants_file, target.image, target.system})
    if (!file.empty()) hash += content_hash(read_file(file));
  return hash;
}

/// Where the energy is NaN among draws of the model; empty if nowhere.
std::string undefined_energy(const Model& model, const std::shared_ptr<const Target>& target,
                             std::uint64_t seed, ThreadPool& pool) {
  constexpr std::int64_t kDraws = 1000;
  if (!target || model.flow().context_features() > 0) return "";
  return find_undefined_energy(
      target, FlowSampler(model, pool, seed, Precision::kDouble).next(kDraws), pool);
}

const char* status_of(StopReason reason) {
  switch (reason) {
    case StopReason::kCallback:
      return "interrupted";
    case StopReason::kTimeBudget:
      return "stopped";
    default:
      return "finished";
  }
}

/// Of a time budget, what Z, the evaluation and the page are to take: some seconds, or less than a
/// tenth of the whole, and what the evaluation's densities are expected to take.
double seconds_to_finish(double budget, bool report, double densities) {
  constexpr double kShare = 0.35, kMost = 30.0;
  const double usual = std::min(kShare * budget, kMost);
  return report ? std::min(kShare * budget, usual + densities) : 0.1 * usual;
}

/// What the end of a training within a time budget takes, measured before it begins.
struct Finish {
  DensityEvaluator density;  // compiled once
  EvaluationCost cost;
  EvaluationRows wanted;

  Finish(const LoadedRun& run, const std::shared_ptr<const Target>& target,
         const std::optional<PreparedData>& data, ThreadPool& pool)
      : density(evaluation_density(run, pool)),
        cost(run, density, pool),
        wanted(evaluation_rows(run, available(target, data), density)) {}

  static std::int64_t available(const std::shared_ptr<const Target>& target,
                                const std::optional<PreparedData>& data) {
    if (data) return std::ssize(data->test.empty() ? data->validation : data->test);
    return target && target->can_sample() ? kTargetSamples : 0;
  }
};

/// Why a call took longer than its time budget, in a sentence; empty if it did not.
std::string overrun_text(double budget, double training, double all) {
  constexpr double kAllowed = 1.1;
  if (budget <= 0.0 || all <= kAllowed * budget) return "";
  return fmt::format(
      "all took {} of a time budget of {}: the training ended after {}, and the least that an "
      "evaluation and its page take of this model took {} more",
      format_duration(all), format_duration(budget), format_duration(training),
      format_duration(all - training));
}

/// Estimates Z of a resampled base by `most` proposals, or as many as `seconds` allow; 0: no limit.
void estimate_within(double seconds, std::int64_t most, Model& model, std::uint64_t seed,
                     ThreadPool& pool, Precision precision) {
  std::int64_t proposals = most;
  if (constexpr std::int64_t kFew = 1 << 17; seconds > 0.0 && most > kFew) {
    const auto begin = std::chrono::steady_clock::now();
    estimate_normaliser(model, kFew, seed, pool, precision);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    const double allowed = static_cast<double>(kFew) * seconds / std::max(taken.count(), 1e-9);
    if (allowed <= static_cast<double>(kFew)) return;
    proposals = static_cast<std::int64_t>(std::min(allowed, static_cast<double>(most)));
  }
  estimate_normaliser(model, proposals, seed, pool, precision);
}

/// Writes files of a run; where that fails, the error says what is left of the training.
template <typename Write>
void saying_what_is_kept(const RunFolder& folder, const RunManifest& manifest, Write write) {
  try {
    write();
  } catch (const DataError& error) {
    std::error_code none;
    if (!fs::exists(folder.checkpoint(), none))
      fail<DataError>("{}; nothing of this training is kept", error.what());
    fail<DataError>("{}; its first {} steps are kept: --resume --out {} goes on from there",
                    error.what(), manifest.steps, folder.path);
  }
}

/// Of a call that ended before there was anything to keep.
TrainingOutcome interrupted_early() {
  TrainingOutcome nothing;
  nothing.reason = StopReason::kCallback;
  return nothing;
}

}  // namespace

TrainingOutcome run_training(const RunPlan& plan, ThreadPool& pool, const RunCallbacks& callbacks) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  RunOptions options = plan.options;
  const std::string checkpoint = RunFolder{plan.out}.checkpoint();
  const bool resumes = plan.resume && fs::exists(checkpoint);
  // A model that exists is what its run says, not what data would make of it today.
  if (resumes) options.model = read_run_options({plan.out}).model;
  const auto seed = static_cast<std::uint64_t>(options.training.seed);

  // All that can be refused is refused before anything is written.
  std::shared_ptr<const Target> target = plan.target;
  if (!target && has_target(options.target))
    target = target_for_model(make_target(options.target), options.model);
  const bool stacks = options.model.base.kind == "stack";
  if (stacks) {
    check_stack(options.model, plan.data ? &*plan.data : nullptr);
    options.training.iterations = 0;  // Its members are trained when they are fitted.
  }
  OutputFolder output(plan.out, plan.resume, plan.force);
  const RunFolder& folder = output.folder();
  std::optional<Exploration> exploration;
  if (explores(options)) {
    if (resumes) {
      exploration = read_exploration(folder.exploration());
    } else {
      ExplorationOptions wanted = options.exploration;
      if (options.training.time_budget > 0.0) wanted.seconds = 0.3 * options.training.time_budget;
      exploration =
          explore(target, options.model.columns, wanted, seed, pool,
                  {.progress = callbacks.exploring, .interrupted = callbacks.interrupted});
      if (!exploration) return interrupted_early();
      fit_model_to_exploration(options, *exploration, plan.choose_base);
      // The reverse divergence of a flow that reaches beyond a wall is infinite.
      constexpr double kWall = 1e-4;
      if (plan.choose_objective && exploration->infinite_share > kWall)
        options.training.objective = "maximum_likelihood";
      if (callbacks.explored) callbacks.explored(*exploration);
    }
  }
  LoadedRun run(target);
  run.options = options;
  const std::shared_ptr<const Target> moved =
      moves_by_target(options.model.stochastic) ? target : nullptr;
  if (resumes) {
    run.model = load_checkpoint_model(checkpoint, options.model, moved, seed);
  } else if (stacks) {
    run.model = fit_stack(options.model, *plan.data, seed, 0.5 * options.training.time_budget, pool,
                          {.progress = callbacks.fitting, .interrupted = callbacks.interrupted});
    if (!run.model) return interrupted_early();
    run.options.model = options.model;
  } else {
    run.model = std::make_unique<Model>(options.model, seed, moved);
  }
  LearntRows rows;
  if (exploration && !resumes) start_base(*run.model, *exploration, pool);
  const TrainingData data = training_data(plan, target, exploration, rows);
  if (!resumes && options.training.objective == "free_form" &&
      options.training.reconstruction_search) {
    constexpr std::int64_t kSearchSteps = 400;
    const ReconstructionSearch search = search_reconstruction_weight(
        [&] { return std::make_unique<Model>(options.model, seed, moved); }, data, options.training,
        std::min(kSearchSteps, options.training.iterations), pool, callbacks.interrupted,
        [&, until = seconds() + 0.3 * options.training.time_budget] {
          return options.training.time_budget > 0.0 && seconds() > until;
        });
    if (search.weight == 0.0) return interrupted_early();
    options.training.reconstruction_weight = search.weight;
    run.options.training = options.training;
    if (callbacks.searched) callbacks.searched(search);
  }
  Trainer trainer(*run.model, data, options.training, pool);
  const std::int64_t validation_rows =
      std::min(std::ssize(rows.validation) / options.model.features,
               options.training.validation_rows > 0 ? options.training.validation_rows : INT64_MAX);
  rows = {};  // The trainer has what it needs in its own precision.
  const std::string hash = hash_of(plan);

  RunManifest& manifest = run.manifest;
  manifest.seed = options.training.seed;
  if (plan.resume) {
    manifest = read_manifest(folder);
    if (manifest.data_hash != hash)
      fail<DataError>("{}: {} changed since this run began; train anew with --force",
                      options.data.path + options.target.file(),
                      plan.data                      ? "the data have"
                      : options.target.image.empty() ? "the energy has"
                                                     : "the picture has");
    trainer.restore(load_checkpoint(folder.checkpoint(), run.model->parameters()));
  }
  // Format 5 tells by which rules its data were prepared, which stay those that it began with.
  manifest.format = plan.resume && manifest.format < 5 ? 4 : kRunFormat;
  manifest.program = version();
  manifest.status = "begun";
  manifest.model_hash.clear();  // There is a new model at the end.
  manifest.data_hash = hash;
  const double earlier = manifest.seconds;
  const auto save_state = [&] {
    saying_what_is_kept(folder, manifest, [&] {
      save_checkpoint(folder.checkpoint(), run.model->parameters(), trainer.state());
    });
    manifest.steps = trainer.counters().step;
    manifest.returns = trainer.counters().returns;
    manifest.seconds = earlier + seconds();
    write_manifest(folder, manifest);
  };
  saying_what_is_kept(folder, manifest, [&] {
    if (plan.keep_points) keep_points(folder, options.data);
    // A process that is killed in between must not leave a hash of other settings.
    manifest.settings_hash.clear();
    if (plan.resume) write_manifest(folder, manifest);
    manifest.settings_hash = write_run_options(folder, options);
    if (exploration && !resumes) write_exploration(folder.exploration(), *exploration);
    write_manifest(folder, manifest);
  });

  StopReason reason{};
  const double budget = options.training.time_budget;
  std::optional<Finish> end;
  if (budget > 0.0 && plan.report) end.emplace(run, target, plan.data, pool);
  const double finish = budget > 0.0 ? seconds_to_finish(budget, plan.report,
                                                         end ? end->cost.seconds(end->wanted) : 0.0)
                                     : 0.0;
  {
    TrainingCallbacks training;
    // What came before is part of the budget as well; 0 would be no limit.
    if (budget > 0.0) training.time_budget = std::max(budget - finish - seconds(), 1e-3);
    if (end) training.validation_seconds = end->cost.validation_seconds(validation_rows);
    training.progress = [&](const TrainingProgress& progress) {
      if (callbacks.progress) callbacks.progress(progress);
      return !(callbacks.interrupted && callbacks.interrupted());
    };
    training.checkpoint = save_state;
    try {
      reason = trainer.run(training);
    } catch (const NumericalError& error) {
      const std::string where = undefined_energy(*run.model, target, seed, pool);
      if (where.empty()) throw;
      fail<NumericalError>("{}; {}", error.what(), where);
    }
  }
  save_state();
  manifest.status = status_of(reason);
  const bool stopped = reason == StopReason::kCallback;
  // Someone who pressed Ctrl-C does not want to wait.
  const std::int64_t proposals =
      stopped ? std::min<std::int64_t>(options.final_proposals, 1 << 18) : options.final_proposals;
  estimate_within(0.2 * finish, proposals, *run.model, seed, pool, run.precision());
  save_parameters(folder.model(), run.model->parameters());
  manifest.model_hash = content_hash(read_file(folder.model()));
  write_metrics(folder.metrics(), trainer.history());
  write_manifest(folder, manifest);
  run.folder = folder;
  TrainingOutcome outcome;
  outcome.reason = reason;
  outcome.shortened = trainer.shortened();
  outcome.steps = trainer.counters().step;
  outcome.seconds = manifest.seconds;
  outcome.folder = folder.path;
  if (stopped && output.replaces()) return outcome;  // The older run stays, the new one beside it.
  const auto judge = [&] {
    const double trained = seconds();
    // Without densities a page takes some seconds.
    constexpr double kPage = 0.3, kMostPage = 15.0;
    EvaluationOptions wanted;
    if (end)
      wanted.parts =
          end->cost.within(budget - trained - std::min(kPage * finish, kMostPage), end->wanted);
    DensityEvaluator density =
        end ? std::move(end->density) : evaluation_density(run, pool, wanted);
    const HeldOut points = held_out_points(run, "", plan.data, density, wanted);
    outcome.evaluation = evaluate_run(run, points, plan.data, density, pool, wanted);
    std::vector<std::string>& warnings = outcome.evaluation.warnings;
    const auto warn = [&](std::string text) {
      if (!text.empty()) warnings.push_back(std::move(text));
    };
    if (end) warn(shortened_text(*wanted.parts, end->wanted));
    write_run_report({{run_name(plan.out), &run}}, {outcome.evaluation}, plan.data, folder.path,
                     pool);
    warn(overrun_text(budget, trained, seconds()));
  };
  if (!stopped && plan.report) {
    try {
      std::optional<InterruptScope> scope;
      if (callbacks.interrupted) scope.emplace(callbacks.interrupted);
      judge();
    } catch (const InterruptedError&) {
      if (!callbacks.interrupted) throw;
      outcome.evaluation = {};
      outcome.unjudged = true;
    }
  }
  output.keep();
  outcome.folder = folder.path;
  return outcome;
}

}  // namespace thalweg
