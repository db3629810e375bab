// thalweg train: from a preset, a config file or data alone to a trained run.
#include <algorithm>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/table.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/presets.h"
#include "thalweg/runs/training_run.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string source, data, target, image, energy, out, time_budget;
  std::vector<std::string> columns, condition, bounds, periodic, integers, set;
  bool drop_duplicates = false, drop_constant = false;
  bool resume = false, force = false, quiet = false;
  std::optional<std::int64_t> seed;
  int threads = 0;
};

/// Splits "a,b" and keeps the order.
std::vector<std::string> names_of(const std::vector<std::string>& given) {
  std::vector<std::string> result;
  for (const std::string& text : given)
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t comma = std::min(text.find(',', begin), text.size());
      if (comma > begin) result.push_back(text.substr(begin, comma - begin));
      begin = comma + 1;
    }
  return result;
}

/// What a user said, put over whatever `options` hold.
void apply(const Arguments& arguments, const std::string& config, RunOptions& options) {
  if (!config.empty()) read_options(options, config, arguments.source);
  DataOptions& data = options.data;
  TargetOptions& target = options.target;
  if (!arguments.data.empty()) data.path = arguments.data;
  if (!arguments.image.empty()) {
    target.image = arguments.image;
    target.name.clear();  // that of a preset
  }
  if (!arguments.target.empty()) target.name = arguments.target;
  if (!arguments.energy.empty()) target.energy = arguments.energy;
  if (!arguments.columns.empty()) data.columns = names_of(arguments.columns);
  if (!arguments.condition.empty()) data.condition = names_of(arguments.condition);
  if (!arguments.bounds.empty()) data.bounds = names_of(arguments.bounds);
  if (!arguments.periodic.empty()) data.periodic = names_of(arguments.periodic);
  if (!arguments.integers.empty()) data.integers = names_of(arguments.integers);
  data.drop_duplicates = data.drop_duplicates || arguments.drop_duplicates;
  data.drop_constant = data.drop_constant || arguments.drop_constant;
  for (const std::string& assignment : arguments.set) set_option(options, assignment);
  if (arguments.seed) options.training.seed = *arguments.seed;
  if (!arguments.time_budget.empty())
    options.training.time_budget = seconds_of(arguments.time_budget);
  for (std::string* path : {&target.energy_library, &target.image})
    if (!path->empty()) *path = std::filesystem::absolute(*path).lexically_normal().string();
  if (!data.path.empty()) {
    if (!needs_target(options)) target.name.clear();
    if (!needs_target(options) && !(target.energy + target.file()).empty())
      fail<ConfigError>(
          "energy: a run learns from points or from an energy, or by "
          "training.objective=mixed or stochastic layers from both, got {} and '{}'",
          data.path, target.energy + target.file());
    for (std::string* path : {&data.path, &data.validation, &data.test})
      if (!path->empty()) {
        *path = std::filesystem::absolute(*path).lexically_normal().string();
        if (path->ends_with('/')) path->pop_back();  // or a folder has no name
      }
  }
}

bool is_run(const std::string& path) { return std::filesystem::exists(RunFolder{path}.manifest()); }

/// The name that a run gets if the user gives none.
std::string default_out(const Arguments& arguments, const RunOptions& options) {
  std::string name = std::filesystem::path(arguments.source).stem().string();
  if (name.empty() || name == "tabular") {
    const DataOptions& data = options.data;
    const TargetOptions& target = options.target;
    name = !data.path.empty()      ? std::filesystem::path(data.path).stem().string()
           : !target.image.empty() ? std::filesystem::path(target.image).stem().string()
           : target.name.empty()   ? "energy"
                                   : target.name;
    // Other parts of an array than [0] are other runs.
    if (options.data.path.ends_with(']'))
      name += "-" + options.data.path.substr(options.data.path.rfind('[') + 1);
    std::erase(name, ']');
    std::replace(name.begin(), name.end(), ',', '-');
  }
  return "runs/" + name;
}

/// The run that --resume means where --out does not say.
std::string resumed_run(const Arguments& arguments) {
  if (!arguments.source.empty() && is_run(arguments.source)) return arguments.source;
  if ((arguments.source + arguments.data + arguments.target + arguments.image + arguments.energy)
          .empty())
    fail<ConfigError>("--resume: expected the folder of a run; give it with --out");
  RunOptions options;
  options.target.name = arguments.target;
  options.target.image = arguments.image;
  options.data.path = arguments.data;
  options.target.energy = arguments.energy;
  return default_out(arguments, options);
}

/// A resumed run may change how it trains, not what it learns and with what.
void check_changes(const std::string& out, RunOptions own, RunOptions changed) {
  for (const OptionKey& key : option_keys()) {
    const OptionPlace before = key.place(own), after = key.place(changed);
    const bool same = std::visit(
        [&](auto* value) { return *value == *std::get<decltype(value)>(after); }, before);
    const bool free = key.path == "final_proposals" ||
                      (key.path.starts_with("training.") && key.path != "training.seed" &&
                       key.path != "training.precision" && key.path != "training.optimizer");
    if (!same && !free)
      fail<ConfigError>(
          "{}: {} cannot change while a run is resumed; train anew with another --out", out,
          key.path);
  }
  const std::int64_t steps = read_manifest({out}).steps;
  if (changed.training.iterations < steps)
    fail<ConfigError>(
        "{}: has made {} steps already, so training.iterations must be at least that, got {}", out,
        steps, changed.training.iterations);
}

/// Of a run that learns from points and from an energy.
void check_target(RunOptions& options) {
  if (!has_target(options.target))
    fail<ConfigError>(
        "{}: needs an energy besides the points: give --target NAME or --energy EXPRESSION",
        options.training.objective == "mixed" ? "training.objective: 'mixed'"
                                              : "stochastic.energy");
  // An energy is of the columns by name, unless the points are a plain array.
  std::vector<std::string> names;
  for (const ColumnOptions& column : options.model.columns) names.push_back(column.name);
  if (!options.target.energy.empty() && options.target.variables.empty() &&
      names != default_names(options.model.features))
    options.target.variables = names;
  const std::shared_ptr<const Target> target = make_target(options.target);
  if (target->features() != options.model.features)
    fail<ConfigError>("{}: expected points of {} columns, as the energy has, got {}",
                      options.data.path, target->features(), options.model.features);
}

TrainingRequest resolve(const Arguments& arguments) {
  TrainingRequest request;
  request.resume = arguments.resume;
  request.force = arguments.force;
  request.out = arguments.out;
  RunOptions& options = request.options;
  if (arguments.resume && arguments.force)
    fail<ConfigError>("--resume and --force exclude each other");

  std::string config;
  const Preset* preset = nullptr;
  if (arguments.resume) {
    if (request.out.empty()) request.out = resumed_run(arguments);
  } else if (!arguments.source.empty()) {
    preset = find_preset(arguments.source);
    if (preset != nullptr) {
      options = preset->options();
    } else if (std::filesystem::exists(arguments.source)) {
      config = read_file(arguments.source);
    } else {
      std::vector<std::string> known;
      for (const Preset& entry : presets()) known.push_back(entry.name);
      fail<ConfigError>("'{}' is neither a config file nor a preset{}", arguments.source,
                        name_hint(arguments.source, known));
    }
  } else if (arguments.data.empty() && !(arguments.target + arguments.image).empty()) {
    options = find_preset("rings-resampled")->options();
  }
  const RunOptions start = options;
  if (arguments.resume) {
    // A run goes on with its own settings; --set and the like change single ones.
    const RunOptions own = read_run_options({request.out});
    options = own;
    apply(arguments, "", options);
    check_changes(request.out, own, options);
  } else {
    apply(arguments, config, options);
  }
  if (request.out.empty()) request.out = default_out(arguments, options);
  if (options.data.path.empty() && !(options.data.validation + options.data.test).empty())
    fail<ConfigError>("data.validation and data.test go with a file of points: give --data FILE");

  if (!options.data.path.empty()) {
    const auto seed = static_cast<std::uint64_t>(options.training.seed);
    request.data = load_prepared_data(options.data, seed);
    const PreparedData& data = *request.data;
    if (!arguments.resume && (preset == nullptr || preset->name == "tabular")) {
      const StochasticFlowOptions stochastic = options.model.stochastic;
      options = start;
      options.model.stochastic = stochastic;
      choose_for_data(options, data);
      apply(arguments, config, options);
    }
    fit_model_to_data(options.model, data);
    if (needs_target(options)) check_target(options);
  } else if (has_target(options.target)) {
    const std::shared_ptr<const Target> target = make_target(options.target);
    if (!target->can_sample()) {
      if (!arguments.resume && preset == nullptr) {
        const DataOptions data = options.data;
        const TargetOptions aim = options.target;
        const StochasticFlowOptions stochastic = options.model.stochastic;
        options = start;
        options.data = data;
        options.target = aim;
        options.model.stochastic = stochastic;
        choose_for_energy(options, target->features());
        apply(arguments, config, options);
        // Annealing takes half of a training, however long, unless the user says otherwise.
        options.training.annealing_steps = options.training.iterations / 2;
        apply(arguments, config, options);
      }
      if (options.training.objective != "reverse_kl")
        fail<ConfigError>(
            "training.objective: an energy cannot be sampled, so without --data it is learnt by "
            "reverse_kl, got {}",
            options.training.objective);
    }
    options.model.features = target->features();
    options.model.context_features = 0;
    options.model.columns.clear();
    if (target->circular()) options.model.columns = angle_columns(target->features());
    for (const std::string& name : target->columns())
      options.model.columns.push_back({.name = name});
    bound_columns(options.model.columns, options.data);
    options.model.context_columns.clear();
    options.model.base.classes.clear();
  } else {
    fail<ConfigError>(
        "nothing to learn: give --data FILE, --target NAME, --image FILE, --energy EXPRESSION or a "
        "preset "
        "(`thalweg list`)");
  }
  return request;
}

void describe_data(const PreparedData& data) {
  fmt::print("{} rows, {} columns{}: {} to train, {} to validate, {} to test\n", data.rows,
             data.features(),
             data.context_features() > 0
                 ? fmt::format(" given {} column{}", data.context_features(),
                               data.context_features() == 1 ? "" : "s")
                 : "",
             data.train.size(), data.validation.size(), data.test.size());
  for (const std::string& note : data.notes) fmt::print("note: {}\n", note);
}

void train(const Arguments& arguments) {
  const TrainingRequest request = resolve(arguments);
  const bool quiet = arguments.quiet;
  if (!quiet && request.data) describe_data(*request.data);
  if (!quiet) std::fflush(stdout);
  ThreadPool pool(arguments.threads);
  const std::string& out = request.out;
  const TrainingOutcome outcome = train_with_progress(
      request, pool, quiet, fmt::format("thalweg train --resume --out {}", out));
  if (quiet) return;
  fmt::print(
      "{}: {} steps in {}{}\n{}\n{}", out, outcome.steps, format_duration(outcome.seconds),
      outcome.reason == StopReason::kPatience && outcome.steps < request.options.training.iterations
          ? " (no better validation any more)"
      : outcome.reason == StopReason::kTimeBudget ? " (time is up)"
                                                  : "",
      outcome.metrics_title, metrics_text(outcome.metrics));
  fmt::print(stderr, "{}", warning_of(outcome.metrics));
  fmt::print(
      "\nlook at {}/report.html; then\n  thalweg sample {} --count 1000 --out samples.csv\n"
      "  thalweg doctor {}\n",
      out, out, out);
}

}  // namespace

void add_train(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train", "Learn a density and write a run");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("CONFIG", arguments->source,
                      "config file (.toml) or preset (`thalweg list`); not needed with --data");
  command->add_option("--data", arguments->data,
                      "points: .npy, file.npy[3], .csv, .tsv, or a folder that `data` wrote");
  command->add_option("--target", arguments->target, "built-in target (`thalweg list`)");
  command->add_option("--image", arguments->image,
                      "PNG or JPEG picture to learn as a density in the plane");
  command->add_option("--energy", arguments->energy,
                      "energy in kT to learn from, as \"0.5*x^2 + cos(3*y)\"");
  command->add_option("--columns", arguments->columns, "columns to model, as a,b,c");
  command->add_option("--condition", arguments->condition, "columns that are given, as d,e");
  command->add_option("--bounds", arguments->bounds,
                      "bounds that samples respect, as \"a=0:,b=0:1\"");
  command->add_option("--periodic", arguments->periodic,
                      "columns that wrap around, as \"phi=-180:180\"");
  command->add_option("--integers", arguments->integers,
                      "columns of whole numbers, besides those found");
  command->add_flag("--drop-duplicates", arguments->drop_duplicates,
                    "keep the first of equal rows");
  command->add_flag("--drop-constant", arguments->drop_constant,
                    "leave out columns with a single value");
  command->add_option("--out", arguments->out, "folder of the run; default runs/NAME");
  command
      ->add_option("--set", arguments->set,
                   "one setting, as training.iterations=5000; again for more")
      ->allow_extra_args(false);
  command->add_option("--seed", arguments->seed, "of every random number; default 1")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000000000000}));
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->add_option("--time-budget", arguments->time_budget,
                      "stop after 90s, 10m or 1h30m; a falling schedule is not shortened to it, so "
                      "think of --set training.schedule=constant");
  command->add_flag("--resume", arguments->resume,
                    "go on with the run in --out, with its own settings");
  command->add_flag("--force", arguments->force, "replace the run in --out");
  command->add_flag("--quiet", arguments->quiet, "say nothing but errors");
  command->footer(
      "Examples:\n"
      "  thalweg train --data points.csv\n"
      "  thalweg train --data points.csv --condition temperature --bounds \"pressure=0:\"\n"
      "  thalweg train rings-resampled --set training.iterations=5000 --out runs/rings\n"
      "  thalweg train my.toml --seed 2 --time-budget 10m\n"
      "  thalweg train --image photo.jpg --set flow.kind=spline\n"
      "  thalweg train --energy \"(x^2-4)^2 + 0.5*(y-x)^2\" --out runs/wells\n"
      "  thalweg train --resume --out runs/rings\n"
      "Ctrl-C saves the run and says how to go on; a second one quits at once.");
  command->callback([arguments] { train(*arguments); });
}

}  // namespace thalweg::cli
