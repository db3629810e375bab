#include "thalweg/runs/reproduction.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "thalweg/core/error.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/json_file.h"
#include "thalweg/runs/computed_experiments.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/exploration_start.h"
#include "thalweg/runs/option_table.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/runs/settings.h"

namespace thalweg {

namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

std::string metrics_file(const std::string& folder) { return folder + "/metrics.json"; }

/// The metrics of a finished run, if there is one, which must have been made with `settings` and,
/// unless it is empty or the run does not say, by files whose hash is `data`.
std::optional<RunResult> load_result(const std::string& folder, const std::string& settings,
                                     const std::string& data) {
  const std::string file = metrics_file(folder);
  if (!fs::exists(file)) return std::nullopt;
  RunResult result;
  const JsonObject json = read_json_file(file, "delete it, and it is made anew");
  if (json.has("settings") && json.text("settings") != settings)
    fail<ConfigError>(
        "{}: was made with other settings than the experiment has now; --force makes it anew, "
        "--out names another place",
        file);
  if (!data.empty() && json.has("data") && json.text("data") != data)
    fail<ConfigError>(
        "{}: was made with other files than --data has now; --force makes it anew, --out names "
        "another place",
        file);
  result.seed = json.whole("seed");
  result.steps = json.whole("steps");
  result.seconds = json.number("seconds");
  for (const JsonObject& entry : json.objects("metrics"))
    result.metrics.push_back({entry.text("name"), entry.text("label"), entry.number_or_nan("value"),
                              entry.number_or_nan("error")});
  return result;
}

/// Tells that the last training of a cell diverged, by which error and, after it, with which
/// settings; beside its folder, which then is not made.
std::string diverged_file(const std::string& folder) { return folder + ".diverged"; }

bool diverged_with(const std::string& settings, const std::string& folder) {
  const std::string path = diverged_file(folder);
  return fs::exists(path) && read_file(path).ends_with("\n" + settings);
}

/// JSON itself has no infinities, and null for NaN.
nlohmann::ordered_json json_number(double value) {
  if (std::isinf(value)) return value > 0.0 ? "inf" : "-inf";
  return value;
}

void save_result(const std::string& folder, const std::string& settings, const std::string& data,
                 const RunResult& result) {
  nlohmann::ordered_json json;
  json["settings"] = settings;
  if (!data.empty()) json["data"] = data;
  json["seed"] = result.seed;
  json["steps"] = result.steps;
  json["seconds"] = result.seconds;
  json["metrics"] = nlohmann::ordered_json::array();
  for (const Metric& metric : result.metrics)
    json["metrics"].push_back({{"name", metric.name},
                               {"label", metric.label},
                               {"value", json_number(metric.value)},
                               {"error", json_number(metric.error)}});
  fs::create_directories(folder);
  write_file_atomically(metrics_file(folder), json.dump(2) + "\n");
  fs::remove(diverged_file(folder));
}

/// The settings of `options` that have these paths.
std::vector<Setting> settings_of(RunOptions options, const std::set<std::string>& keys) {
  std::vector<Setting> settings;
  for (const OptionKey& key : option_keys())
    if (keys.contains(key.path))
      settings.push_back({key.path, std::visit([](auto* kept) -> OptionValue { return *kept; },
                                               key.place(options))});
  return settings;
}

/// The settings of a plan with what a run sets itself once it has begun, as `made` has it: by an
/// exploration, by the search for a weight, or as the members of a stack.
RunOptions with_found(RunOptions settings, const RunOptions& made, const RunPlan& plan) {
  if (explores(settings)) {
    settings.model.columns = made.model.columns;
    if (plan.choose_base) settings.model.base = made.model.base;
    if (plan.choose_objective) settings.training.objective = made.training.objective;
  }
  if (settings.training.reconstruction_search)
    settings.training.reconstruction_weight = made.training.reconstruction_weight;
  if (settings.model.base.kind == "stack") {
    settings.model.base = made.model.base;
    settings.training.iterations = made.training.iterations;
  }
  // A run that does not say how its rows were split has them as rows that do not follow each other.
  if (settings.data.block_rows == 0 && plan.data && plan.data->block_rows == 1)
    settings.data.block_rows = made.data.block_rows;
  return settings;
}

/// What the experiment asks for stands in place of what every evaluation says.
void add_metrics(RunResult& result, std::vector<Metric> metrics) {
  for (Metric& metric : metrics) {
    std::erase_if(result.metrics, [&](const Metric& old) { return old.name == metric.name; });
    result.metrics.push_back(std::move(metric));
  }
}

}  // namespace

const Metric* RunResult::find(const std::string& name) const {
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [&](const Metric& metric) { return metric.name == name; });
  return found == metrics.end() ? nullptr : &*found;
}

Reproduction::Reproduction(Experiment experiment, ReproductionRequest request)
    : experiment_(std::move(experiment)), request_(std::move(request)) {
  keep_rows(experiment_, request_.rows);
  keep_columns(experiment_, request_.columns);
  seeds_ = request_.seeds > 0 ? request_.seeds : experiment_.seeds;
  const auto folder = [&](const std::string& name) {
    return fmt::format("{}/{}/scale-{}", request_.out, name, request_.scale);
  };
  runs_folder_ = folder(experiment_.of.empty() ? experiment_.name : experiment_.of);
  page_folder_ = folder(experiment_.name);
  clear();
}

void Reproduction::clear() {
  results_ = {};
  results_.truths.resize(experiment_.rows.size());
  results_.runs.resize(experiment_.rows.size(),
                       std::vector<std::vector<RunResult>>(experiment_.columns.size()));
}

std::string Reproduction::part_folder(std::size_t row, const std::string& part,
                                      std::int64_t seed) const {
  return fmt::format("{}/{}/{}/seed-{}", runs_folder_, experiment_.rows[row].key, part, seed);
}

std::string Reproduction::cell_folder(const Cell& cell) const {
  return part_folder(cell.row, experiment_.columns[cell.column].key, cell.seed);
}

std::string Reproduction::run_folder(const Cell& cell) const {
  const ExperimentPart& part = experiment_.columns[cell.column];
  return part_folder(cell.row, part.run.empty() ? part.key : part.run, cell.seed);
}

std::string Reproduction::truth_folder(std::size_t row, std::int64_t seed) const {
  return part_folder(row, "truth", seed);
}

/// What decides on a result, as the experiment's file has it.
std::string Reproduction::settings_text(std::size_t row, const ExperimentPart* column) const {
  const ExperimentPart& part = experiment_.rows[row];
  std::string text = experiment_.settings + "\n" + part.settings + "\n" + part.data + "\n";
  if (column != nullptr) text += column->settings + "\n" + column->sampler + "\n";
  // Only where there are some: earlier results stay what they are.
  if (column != nullptr && !column->run.empty()) text += "run " + column->run + "\n";
  if (experiment_.defaults) text += "defaults\n";
  return text + experiment_.judging;
}

std::optional<RunResult> Reproduction::known_cell(const Cell& cell, const std::string& data) const {
  return load_result(cell_folder(cell), settings_text(cell.row, &experiment_.columns[cell.column]),
                     data);
}

std::optional<RunResult> Reproduction::known_truth(std::size_t row, std::int64_t seed,
                                                   const std::string& data) const {
  return load_result(truth_folder(row, seed), settings_text(row, nullptr), data);
}

std::string Reproduction::data_hash(const Cell& cell) {
  if (!experiment_.computed.empty() || experiment_.rows[cell.row].data.empty()) return "";
  RunOptions settings = options(cell);
  std::string hashes;
  const auto add = [&](const std::string& path) {
    const auto [found, fresh] = file_hashes_.try_emplace(path);
    if (fresh) found->second = content_hash(read_file(path));
    hashes += found->second;
  };
  for (const std::string* path : input_files(settings)) {
    if (path->empty()) continue;
    if (!fs::is_directory(*path)) {
      add(*path);
      continue;
    }
    std::set<std::string> files;
    for (const fs::directory_entry& entry : fs::directory_iterator(*path))
      if (entry.is_regular_file() &&
          (entry.path().extension() == ".npy" || entry.path().extension() == ".toml"))
        files.insert(entry.path().string());
    for (const std::string& file : files) add(file);
  }
  return content_hash(hashes);
}

RunOptions Reproduction::options(const Cell& cell) const {
  const ExperimentPart& row = experiment_.rows[cell.row];
  // Defaults are scaled with the rest, once they are chosen.
  RunOptions result = experiment_options(experiment_, row, experiment_.columns[cell.column],
                                         cell.seed, experiment_.defaults ? 1.0 : request_.scale);
  if (row.data.empty()) return result;
  if (request_.data.empty())
    fail<ConfigError>("{}: row '{}' needs {}: give the folder that holds it with --data DIR",
                      experiment_.name, row.key, row.data);
  (result.target.image.empty() ? result.data.path : result.target.image) = row.data;
  for (std::string* path : input_files(result))
    if (!path->empty()) *path = (fs::absolute(request_.data) / *path).lexically_normal().string();
  std::set<std::string> keys = experiment_keys(experiment_, row, experiment_.columns[cell.column]);
  take_folder_settings(result, keys);
  return result;
}

/// What is wrong with an experiment shows before the first hour is spent.
void Reproduction::check(bool data) const {
  if (!experiment_.computed.empty()) return;
  for (std::size_t row = 0; row < experiment_.rows.size(); ++row)
    for (std::size_t column = 0; column < experiment_.columns.size(); ++column) {
      experiment_options(experiment_, experiment_.rows[row], experiment_.columns[column], 1,
                         request_.scale);
      if (!data) continue;
      RunOptions settings = options({row, column, 1});
      for (const std::string* path : input_files(settings))
        if (!path->empty() && !fs::exists(*path))
          fail<DataError>("{}: no such file; --data names the folder that holds {}", *path,
                          experiment_.rows[row].data);
      if (settings.data.path.empty()) make_target(settings.target);
    }
}

RunResult Reproduction::judge_truth(std::size_t row, std::int64_t seed, ThreadPool& pool) const {
  const RunOptions settings = options({row, 0, seed});
  RunResult result;
  result.seed = seed;
  const auto number = static_cast<std::uint64_t>(seed);
  if (experiment_.dynamics)
    add_metrics(result, dynamics_metrics(
                            energy_traces(settings, nullptr, *experiment_.dynamics, number, pool)));
  if (!experiment_.profile && !experiment_.samplers && !experiment_.histogram) return result;
  const std::shared_ptr<const Target> target = make_target(settings.target);
  if (experiment_.profile)
    add_metrics(result, profile_metrics(true_profile_samples(*target, *experiment_.profile, number),
                                        target, *experiment_.profile, pool));
  if (experiment_.samplers)
    add_metrics(result, sample_metrics(true_samples(*target, *experiment_.samplers, number), target,
                                       *experiment_.samplers, number, pool));
  if (experiment_.histogram)
    add_metrics(result, histogram_metrics(true_histogram(*target, *experiment_.histogram, number),
                                          target, pool));
  return result;
}

RunResult Reproduction::judge(const Cell& cell, const LoadedRun& run,
                              const std::optional<PreparedData>& data, ThreadPool& pool) const {
  RunResult result;
  result.seed = cell.seed;
  result.steps = run.manifest.steps;
  result.seconds = run.manifest.seconds;
  const auto seed = static_cast<std::uint64_t>(cell.seed);
  const std::string& sampler = experiment_.columns[cell.column].sampler;
  // The density of a run is the same whatever its sampler.
  if (sampler.empty() || sampler == "naive") {
    Evaluation evaluation = evaluate_run(run, data, pool, {.as_published = true});
    result.metrics = std::move(evaluation.metrics);
    if (!experiment_.rows[cell.row].known.empty())
      result.metrics.push_back(
          {"warnings", "warnings", static_cast<double>(evaluation.warnings.size()), 0.0, 0});
  }
  if (experiment_.dynamics)
    add_metrics(result, dynamics_metrics(energy_traces(run.options, run.model.get(),
                                                       *experiment_.dynamics, seed, pool)));
  if (!experiment_.profile && !experiment_.histogram && sampler.empty()) return result;
  const std::shared_ptr<const Target> target = run.target();
  if (experiment_.profile)
    add_metrics(result, profile_metrics(profile_samples(run, target, *experiment_.profile, pool),
                                        target, *experiment_.profile, pool));
  if (experiment_.histogram)
    add_metrics(result,
                histogram_metrics(run_histogram(run, *target, *experiment_.histogram, seed, pool),
                                  target, pool));
  if (!sampler.empty()) {
    const SamplerResult samples = run_sampler(run, sampler, *experiment_.samplers, seed, pool);
    add_metrics(result, samples.metrics);
    add_metrics(result, sample_metrics(samples.x, target, *experiment_.samplers, seed, pool));
  }
  return result;
}

RunResult Reproduction::compute(const Cell& cell, ThreadPool& pool) const {
  const auto start = std::chrono::steady_clock::now();
  RunResult result;
  result.seed = cell.seed;
  result.metrics = find_computed_kind(experiment_.computed, experiment_.name)
                       .metrics(experiment_.rows[cell.row].key,
                                experiment_.columns[cell.column].key, cell.seed, pool);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

RunPlan Reproduction::training_request(const Cell& cell) {
  RunPlan training;
  if (experiment_.defaults) {
    const ExperimentPart& row = experiment_.rows[cell.row];
    std::set<std::string> keys =
        experiment_keys(experiment_, row, experiment_.columns[cell.column]);
    keys.insert("seed");
    if (!row.data.empty()) keys.merge(std::set<std::string>{"data.path", "data.image"});
    training = plan_run({.settings = settings_of(options(cell), keys), .out = run_folder(cell)});
    scale_training(training.options.training, request_.scale);
  } else {
    training.options = options(cell);
    RunOptions& settings = training.options;
    if (!settings.data.path.empty()) {
      if (is_mean_free(settings.model)) settle_particles(settings);
      settings.data.closed = is_on_unit_interval(settings.model);
      if (settings.data.particles > 0) settings.model.base.dimensions = settings.data.particles;
      training.data =
          load_prepared_data(settings.data, static_cast<std::uint64_t>(settings.training.seed));
      fit_model_to_data(settings.model, *training.data);
    } else {
      settings.model.features = make_target(settings.target)->features();
    }
  }
  const RunOptions& settings = training.options;
  training.out = run_folder(cell);
  training.report = false;
  const RunFolder run{training.out};
  const bool renew = request_.force && renewed_.insert(training.out).second;
  const bool there = fs::exists(run.manifest());
  if (there && !renew) {
    RunOptions made = read_run_options(run);
    if (write_options(made) != write_options(with_found(settings, made, training)))
      fail<ConfigError>(
          "{}: was made with other settings than this version's; --force trains it anew",
          training.out);
    // A run that ended before its first checkpoint has nothing to go on from.
    training.resume = fs::exists(run.checkpoint());
    if (training.resume) training.options = std::move(made);
  }
  training.force = there && !training.resume;
  return training;
}

bool Reproduction::train(ThreadPool& pool, const ReproductionCallbacks& callbacks) {
  clear();
  check(true);
  ReproductionStep step;
  step.number = 0;
  step.total =
      experiment_.rows.size() * experiment_.columns.size() * static_cast<std::size_t>(seeds_);
  for (step.seed = 1; step.seed <= seeds_; ++step.seed)
    for (std::size_t row = 0; row < experiment_.rows.size(); ++row) {
      step.row = experiment_.rows[row].name;
      if (!experiment_.truth.empty()) {
        std::optional<RunResult> truth;
        const std::string data = data_hash({row, 0, step.seed});
        if (!request_.force) truth = known_truth(row, step.seed, data);
        if (!truth)
          save_result(truth_folder(row, step.seed), settings_text(row, nullptr), data,
                      *(truth = judge_truth(row, step.seed, pool)));
        results_.truths[row].push_back(std::move(*truth));
      }
      for (std::size_t column = 0; column < experiment_.columns.size(); ++column) {
        ++step.number;
        if (experiment_.columns[column].published_only) continue;
        step.column = experiment_.columns[column].name;
        const Cell cell{row, column, step.seed};
        std::optional<RunResult> result;
        const std::string data = data_hash(cell);
        const auto save = [&] {
          save_result(cell_folder(cell), settings_text(row, &experiment_.columns[column]), data,
                      *result);
        };
        if (!request_.force) result = known_cell(cell, data);
        if (!result) {
          if (callbacks.begins) callbacks.begins(step);
          try {
            if (!experiment_.computed.empty()) {
              result = compute(cell, pool);
              save();
              results_.runs[row][column].push_back(std::move(*result));
              continue;
            }
            const RunPlan training = training_request(cell);
            const TrainingOutcome outcome =
                callbacks.train ? callbacks.train(training) : run_training(training, pool);
            if (outcome.reason == StopReason::kCallback) return false;
            result = judge(cell, load_run(training.out), training.data, pool);
          } catch (const NumericalError& error) {
            if (callbacks.failed) callbacks.failed(step, error);
            fs::create_directories(fs::path(cell_folder(cell)).parent_path());
            write_file_atomically(
                diverged_file(cell_folder(cell)),
                error.what() + "\n"s + settings_text(row, &experiment_.columns[column]));
            ++results_.failed;
            continue;
          }
          save();
        }
        results_.runs[row][column].push_back(std::move(*result));
      }
    }
  return true;
}

void Reproduction::load() {
  clear();
  check(false);
  for (std::size_t row = 0; row < experiment_.rows.size(); ++row)
    for (std::int64_t seed = 1; seed <= seeds_; ++seed) {
      if (auto truth = known_truth(row, seed, ""))
        results_.truths[row].push_back(std::move(*truth));
      for (std::size_t column = 0; column < experiment_.columns.size(); ++column)
        if (const Cell cell{row, column, seed}; auto result = known_cell(cell, ""))
          results_.runs[row][column].push_back(std::move(*result));
        else if (diverged_with(settings_text(row, &experiment_.columns[column]), cell_folder(cell)))
          ++results_.failed;
    }
}

bool Reproduction::lacks_results() const {
  for (const std::vector<std::vector<RunResult>>& row : results_.runs)
    for (std::size_t column = 0; column < row.size(); ++column)
      if (row[column].empty() && !experiment_.columns[column].published_only) return true;
  return false;
}

std::optional<LoadedRun> Reproduction::first_run(std::size_t row, std::size_t column) const {
  const Cell cell{row, column, 1};
  if (!fs::exists(metrics_file(cell_folder(cell)))) return std::nullopt;
  return load_run(run_folder(cell));
}

}  // namespace thalweg
