// thalweg evaluate: log likelihood beside plain models, divergences where the truth is known, and
// of an energy what it integrates to, its columns, and the verdict of its exploration.
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
  std::int64_t draws = 0, rows = 0;
  std::optional<std::int64_t> seed;
  int threads = 0;
  bool ignore_hash = false;
};

void add_columns(nlohmann::ordered_json& json, const TargetSummary& summary) {
  const std::size_t width = summary.columns.size();
  for (std::size_t i = 0; i < width; ++i) {
    const ColumnStatistics& column = summary.columns[i];
    if (column.circular) {
      json["directions"][column.name] = {{"mean", column.direction.direction},
                                         {"concentration", column.direction.concentration}};
      continue;
    }
    auto& quantiles = json["quantiles"][column.name];
    for (std::size_t q = 0; q < kQuantiles.size(); ++q)
      quantiles[fmt::format("{:g}", 100.0 * kQuantiles[q])] = column.quantiles[q];
    auto& correlations = json["correlations"][column.name];
    for (std::size_t j = 0; j < width; ++j)
      if (!summary.columns[j].circular)
        correlations[summary.columns[j].name] = summary.correlations[i * width + j];
  }
}

void evaluate(const Arguments& arguments) {
  ThreadPool pool(arguments.threads);
  const LoadedRun run = load_run(arguments.run, {.verify = !arguments.ignore_hash});
  const std::optional<PreparedData> data = run.data();
  const EvaluationOptions options{
      .seed = arguments.seed, .draws = arguments.draws, .rows = arguments.rows};
  DensityEvaluator density = evaluation_density(run, pool, options);
  const HeldOut points = held_out_points(run, arguments.data, data, density, options);
  const Evaluation evaluation = evaluate_run(run, points, data, density, pool, options);
  if (arguments.json) {
    nlohmann::ordered_json json;
    json["run"] = arguments.run;
    json["points"] = points.source;
    json["rows"] = points.rows;
    for (const Metric& metric : evaluation.metrics) {
      json[metric.name] = metric.value;
      // One that is not valid is null.
      if (metric.error != 0.0) json[metric.name + "_error"] = metric.error;
    }
    if (evaluation.columns) add_columns(json, *evaluation.columns);
    if (evaluation.verdict) {
      json["verdict"] = evaluation.verdict->text();
      json["explored"] = evaluation.verdict->explored;
      if (evaluation.verdict->explored) json["exploration_method"] = evaluation.verdict->method;
    }
    json["warnings"] = evaluation.warnings;
    fmt::print("{}\n", json.dump(2));
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
