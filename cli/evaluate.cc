// thalweg evaluate: log likelihood beside plain models, divergences where the truth is known, and
// of an energy what it integrates to, its columns, and the verdict of its exploration.
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/evaluation_json.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string run, data;
  bool json = false;
  std::int64_t draws = 0, rows = 0;
  std::optional<std::int64_t> seed;
  int threads = 0;
  bool ignore_hash = false;
};

void evaluate(const Arguments& arguments) {
  const StopsByInterrupt stops;
  ProgressDisplay display(arguments.json);
  const ShowsWork shows(display);
  ThreadPool pool(arguments.threads);
  const LoadedRun run = load_run(arguments.run, {.verify = !arguments.ignore_hash});
  const std::optional<PreparedData> data = run.data();
  const EvaluationOptions options{
      .seed = arguments.seed, .draws = arguments.draws, .rows = arguments.rows};
  DensityEvaluator density = evaluation_density(run, pool, options);
  const HeldOut points = held_out_points(run, arguments.data, data, density, options);
  const Evaluation evaluation = evaluate_run(run, points, data, density, pool, options);
  display.clear();
  if (arguments.json) {
    fmt::print("{}\n", evaluation_json(arguments.run, points, evaluation));
    return;
  }
  fmt::print("{}: {}", arguments.run, evaluation_text(evaluation));
  fmt::print(stderr, "{}", warnings_text(evaluation));
}

}  // namespace

void add_evaluate(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("evaluate", "How good a model is, and what it says of an energy");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("RUN", arguments->run, "folder of a run")->required();
  command->add_option("--data", arguments->data,
                      "points to judge on, in place of the run's test rows");
  command
      ->add_option("--importance-samples", arguments->draws,
                   "draws a point, of a flow with random layers; else what the run says")
      ->check(CLI::Range(1, 1000000));
  command
      ->add_option("--rows", arguments->rows,
                   "held-out rows at most, evenly spaced; else as many as take about a minute")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000000000}));
  command->add_option("--seed", arguments->seed, "of what is drawn to judge; else the run's")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000000000000}));
  command->add_flag("--json", arguments->json, "print JSON");
  add_ignore_hash(*command, arguments->ignore_hash);
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->footer(
      "Examples:\n  thalweg evaluate runs/points\n"
      "  thalweg evaluate runs/points --data new.csv --json");
  command->callback([arguments] { evaluate(*arguments); });
}

}  // namespace thalweg::cli
