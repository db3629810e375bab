// thalweg train: from a preset, a config file or data alone to a trained run.
#include <algorithm>
#include <memory>
#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/io/xyz_file.h"
#include "thalweg/molecules/named_system.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/molecule_exploration.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/training_run.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string source, data, weights, forces, header, target, image, energy, constants_file, out;
  std::string molecule, topology, z_matrix, solvent;
  std::string time_budget;
  std::vector<std::string> columns, condition, bounds, periodic, integers, kinds, missing;
  std::vector<std::string> constants, set;
  bool drop_duplicates = false, drop_constant = false, drop_missing = false;
  bool resume = false, force = false, quiet = false;
  std::optional<std::int64_t> seed;
  std::optional<double> temperature;
  int threads = 0;
};

std::vector<std::string> names_of(const std::vector<std::string>& given) {
  std::vector<std::string> result;
  for (const std::string& text : given)
    for (std::string& part : split_list(text))
      if (!part.empty()) result.push_back(std::move(part));
  return result;
}

RunRequest request_of(const Arguments& arguments) {
  RunRequest request{.source = arguments.source,
                     .out = arguments.out,
                     .resume = arguments.resume,
                     .force = arguments.force};
  const bool molecule =
      !arguments.molecule.empty() || !arguments.topology.empty() || !arguments.source.empty();
  for (const auto& [option, given] : {std::pair{"--z-matrix", !arguments.z_matrix.empty()},
                                      {"--solvent", !arguments.solvent.empty()},
                                      {"--temperature", arguments.temperature.has_value()}})
    if (given && !molecule && !arguments.resume)
      fail<ConfigError>("{}: is of a molecule, which --molecule names", option);
  const auto set = [&](const char* key, OptionValue value) {
    request.settings.push_back({key, std::move(value)});
  };
  for (const auto& [key, text] : {std::pair{"data.path", &arguments.data},
                                  {"data.image", &arguments.image},
                                  {"data.target", &arguments.target},
                                  {"energy", &arguments.energy},
                                  {"data.weights", &arguments.weights},
                                  {"data.forces", &arguments.forces},
                                  {"data.header", &arguments.header},
                                  {"molecule.topology", &arguments.topology},
                                  {"molecule.z_matrix", &arguments.z_matrix},
                                  {"molecule.solvent", &arguments.solvent},
                                  {"constants_file", &arguments.constants_file}})
    if (!text->empty()) set(key, *text);
  if (!arguments.molecule.empty() && !is_system_file(arguments.molecule)) {
    if (!arguments.topology.empty())
      fail<ConfigError>("--topology: {} names the atoms already; give one of the two",
                        arguments.molecule);
    if (!arguments.solvent.empty())
      fail<ConfigError>("--solvent: is of AMBER topologies, and {} is none", arguments.molecule);
  }
  if (!arguments.molecule.empty())
    set(is_system_file(arguments.molecule) ? "molecule.system" : "molecule.topology",
        arguments.molecule);
  if (arguments.temperature) set("molecule.temperature", *arguments.temperature);
  for (const auto& [key, list] : {std::pair{"data.columns", &arguments.columns},
                                  {"data.condition", &arguments.condition},
                                  {"data.bounds", &arguments.bounds},
                                  {"data.periodic", &arguments.periodic},
                                  {"data.integers", &arguments.integers},
                                  {"data.kinds", &arguments.kinds},
                                  {"data.missing", &arguments.missing},
                                  {"constants", &arguments.constants}})
    if (!list->empty()) set(key, names_of(*list));
  if (arguments.drop_duplicates) set("data.drop_duplicates", true);
  if (arguments.drop_constant) set("data.drop_constant", true);
  if (arguments.drop_missing) set("data.drop_missing", true);
  for (const std::string& assignment : arguments.set)
    request.settings.push_back(parse_setting(assignment));
  if (arguments.seed) set("seed", *arguments.seed);
  if (!arguments.time_budget.empty())
    set("training.time_budget", seconds_of(arguments.time_budget));
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

RunPlan plan_with_progress(RunRequest request, bool quiet) {
  constexpr std::int64_t kSoonRead = 100'000'000;
  ProgressDisplay display(quiet);
  request.reading = [&](std::int64_t bytes, std::int64_t total) {
    const double share = static_cast<double>(bytes) / static_cast<double>(total);
    if (total > kSoonRead && display.wanted(share))
      display.show(share, fmt::format("{} of {} MB read", bytes / 1'000'000, total / 1'000'000));
  };
  return plan_run(request);
}

/// Simulates a molecule of which there are no positions.
void simulate_first(RunRequest& request, int threads, bool quiet) {
  catch_interrupts();
  ThreadPool pool(threads);
  ProgressDisplay display(quiet);
  if (!give_positions(request, pool, simulation_callbacks(display, quiet))) {
    display.clear();
    fmt::print(stderr,
               "thalweg: interrupted while the molecule was simulated; all is saved; the same "
               "command goes on\n");
    throw ExitCode{kInterrupted};
  }
}

void train(const Arguments& arguments) {
  const bool quiet = arguments.quiet;
  RunRequest request = request_of(arguments);
  check_output(request);
  if (wants_positions(request)) simulate_first(request, arguments.threads, quiet);
  const RunPlan plan = plan_with_progress(std::move(request), quiet);
#ifdef __GLIBC__
  // Columns that were sorted leave holes, as large as the data, that nothing fills.
  malloc_trim(0);
#endif
  for (const std::string& warning : plan.warnings) fmt::print(stderr, "warning: {}\n", warning);
  if (!quiet && plan.data) describe_data(*plan.data);
  if (!quiet) std::fflush(stdout);
  ThreadPool pool(arguments.threads);
  const std::string& out = plan.out;
  const TrainingOutcome outcome =
      train_with_progress(plan, pool, quiet, fmt::format("thalweg train --resume --out {}", out));
  if (quiet) return;
  const bool stack = plan.options.model.base.kind == "stack";
  fmt::print(
      "{}: {} in {}{}\n{}", out, stack ? "a stack, fitted" : fmt::format("{} steps", outcome.steps),
      format_duration(outcome.seconds),
      outcome.reason == StopReason::kPatience && outcome.steps < plan.options.training.iterations
          ? " (no better validation any more)"
      : outcome.shortened ? " (schedule and annealing were shortened to the time budget)"
      : outcome.reason == StopReason::kTimeBudget ? " (time is up)"
                                                  : "",
      evaluation_text(outcome.evaluation));
  fmt::print(stderr, "{}", warnings_text(outcome.evaluation));
  const bool molecules = is_xyz_path(plan.options.data.path);
  const std::string condition = plan.options.model.context_features == 0 ? ""
                                : molecules ? " --condition molecules.xyz"
                                            : " --condition conditions.csv";
  fmt::print(
      "\nlook at {}/report.html; then\n  thalweg sample {}{} --count 1000 --out samples.{}\n"
      "  thalweg doctor {}\n",
      out, out, condition,
      molecules                                  ? "xyz"
      : plan.options.model.molecule.rows.empty() ? "csv"
                                                 : "npy",
      out);
}

}  // namespace

void add_train(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train", "Learn a density and write a run");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("CONFIG", arguments->source,
                      "config file (.toml) or preset (`thalweg list`); not needed with --data");
  command->add_option(
      "--data", arguments->data,
      "points: .npy, file.npy[3], .csv, .tsv, .txt, the latter also as .gz, .xyz, or "
      "a folder that `data` wrote");
  command->add_option("--target", arguments->target, "built-in target (`thalweg list`)");
  command->add_option("--image", arguments->image,
                      "PNG or JPEG picture to learn as a density in the plane");
  command->add_option("--energy", arguments->energy,
                      "energy in kT to learn from, as \"0.5*x^2 + (y^2 - 2)^2\"");
  command->add_option("--constants", arguments->constants,
                      "named numbers of the energy, as \"a=2.5,y=[1, 2, 3]\"");
  command->add_option("--constants-file", arguments->constants_file,
                      "file of them: .toml with numbers, lists and matrices, or a table");
  command->add_option("--columns", arguments->columns,
                      "columns to model, as a,b,c; one with a comma as '\"a,b\",c'");
  command->add_option("--condition", arguments->condition, "columns that are given, as d,e");
  command->add_option("--bounds", arguments->bounds,
                      "bounds that samples respect, as \"a=0:,b=0:1\"");
  command->add_option("--periodic", arguments->periodic,
                      "columns that wrap around, as \"phi=-180:180\"");
  command->add_option("--integers", arguments->integers,
                      "columns of whole numbers, besides those found");
  command->add_option("--weights", arguments->weights, "column that says how much each row counts");
  command->add_option("--forces", arguments->forces,
                      "file of forces, in kT, of the rows of --data, to be matched besides; of a "
                      "molecule in kJ/mol/nm");
  command->add_option(
      "--molecule", arguments->molecule,
      "learn positions of this molecule: a system (.xml, .prmtop), which gives "
      "energies too, or a PDB; --data is then a trajectory: .npy, .dcd, .nc, .ncrst or .pdb");
  command->add_option("--topology", arguments->topology,
                      "PDB with names of the molecule's atoms, for phi, psi and chirality");
  command->add_option("--z-matrix", arguments->z_matrix,
                      "table of the atoms that each is placed by (.csv); else made along bonds");
  command->add_option("--solvent", arguments->solvent, "of a .prmtop: none, obc1 or obc2")
      ->check(CLI::IsMember({"none", "obc1", "obc2"}));
  command
      ->add_option("--temperature", arguments->temperature,
                   "of the molecule's energy in kT, K; default 300")
      ->check(CLI::Range(1e-3, 1e9));
  command->add_option("--kinds", arguments->kinds,
                      "kinds of columns where those found are not right, as "
                      "\"month=category,age=continuous\"; \"wages=missing\": learn that a value is "
                      "missing");
  command->add_option("--missing", arguments->missing,
                      "texts that stand for missing values besides NA and the like, as \"?,-\"");
  command
      ->add_option("--header", arguments->header,
                   "whether the first row of --data has names: auto, yes or no")
      ->check(CLI::IsMember({"auto", "yes", "no"}));
  command->add_flag("--drop-duplicates", arguments->drop_duplicates,
                    "keep the first of equal rows");
  command->add_flag("--drop-missing", arguments->drop_missing,
                    "leave out rows with a missing value that --kinds does not name");
  command->add_flag("--drop-constant", arguments->drop_constant,
                    "leave out columns with a single value");
  command->add_option("--out", arguments->out, "folder of the run; default runs/NAME")
      ->check([](const std::string& name) {
        return name.empty() ? "expected the name of a folder" : "";
      });
  command
      ->add_option("--set", arguments->set,
                   "one setting, as training.iterations=5000; again for more")
      ->allow_extra_args(false);
  command->add_option("--seed", arguments->seed, "of every random number; default 1")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000000000000}));
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->add_option(
      "--time-budget", arguments->time_budget,
      "what all may take, as 90s, 10m or 1h30m: schedule and annealing are shortened "
      "to it, and some of it is left for the evaluation");
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
      "  thalweg train --energy \"sum(i, 0, 9, (x[i] - m)^2)/2\" --constants m=3\n"
      "  thalweg train --molecule system.xml --topology start.pdb --data md/trajectory.npy\n"
      "  thalweg train --molecule system.xml --topology start.pdb    # simulates it first\n"
      "  thalweg train --resume --out runs/rings\n"
      "Ctrl-C saves the run and says how to go on; a second one quits at once.");
  command->callback([arguments] { train(*arguments); });
}

}  // namespace thalweg::cli
