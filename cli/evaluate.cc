// thalweg evaluate: held-out log likelihood beside plain models, and divergences where the truth is
// known.
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/runs/evaluation.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string run, data;
  bool json = false;
  std::int64_t draws = 0;
  std::optional<std::int64_t> seed;
  int threads = 0;
  bool ignore_hash = false;
};

void evaluate(const Arguments& arguments) {
  ThreadPool pool(arguments.threads);
  LoadedRun run = load_run(arguments.run, {.verify = !arguments.ignore_hash});
  if (arguments.draws > 0) run.options.importance_samples = arguments.draws;
  const std::optional<PreparedData> data = run.data();
  // The split has been made: what is left are draws of the model and of its target.
  if (arguments.seed) run.options.training.seed = *arguments.seed;
  const HeldOut points = held_out_points(run, arguments.data, data);
  const std::vector<Metric> metrics = evaluate_run(run, points, data, pool);
  if (arguments.json) {
    nlohmann::ordered_json json;
    json["run"] = arguments.run;
    json["points"] = points.source;
    json["rows"] = points.rows;
    for (const Metric& metric : metrics) {
      json[metric.name] = metric.value;
      if (metric.error > 0.0) json[metric.name + "_error"] = metric.error;
    }
    fmt::print("{}\n", json.dump(2));
    return;
  }
  fmt::print("{}: {}\n{}", arguments.run, metrics_title(points), metrics_text(metrics));
  fmt::print(stderr, "{}", warning_of(metrics));
}

}  // namespace

void add_evaluate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("evaluate", "Held-out log likelihood and divergences");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("RUN", arguments->run, "folder of a run")->required();
  command->add_option("--data", arguments->data,
                      "points to judge on, in place of the run's test rows");
  command
      ->add_option("--importance-samples", arguments->draws,
                   "draws a point, of a flow with random layers; else what the run says")
      ->check(CLI::Range(1, 1000000));
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
