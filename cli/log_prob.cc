// thalweg log-prob: the log density of points under a trained model.
#include <algorithm>
#include <cmath>
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/io/table.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/sampling/density_evaluator.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string run, data, out, precision = "float";
  std::int64_t draws = 0;
  int threads = 0;
  bool quiet = false;
};

void log_prob(const Arguments& arguments) {
  ThreadPool pool(arguments.threads);
  const LoadedRun run = load_run(arguments.run);
  ModelRows points = rows_for_model(load_table(arguments.data), run.options.model);
  // The density of an evenly spaced value is that of the middle of its gap.
  const std::vector<ColumnOptions>& columns = run.options.model.columns;
  for (std::size_t i = 0; i < points.x.size() && !columns.empty(); ++i) {
    const ColumnOptions& column = columns[i % columns.size()];
    if (column.integer) points.x[i] += 0.5 * column.step;
  }
  TableWriter writer(arguments.out, {"log_prob"});
  DensityEvaluator evaluator(
      *run.model, pool, arguments.precision == "double" ? Precision::kDouble : Precision::kFloat,
      arguments.draws > 0 ? arguments.draws : run.options.importance_samples);
  const std::vector<double> values = evaluator.log_prob(points.x, points.context);
  writer.append(values);
  writer.finish();
  double mean = 0.0, square = 0.0;
  std::int64_t finite = 0;
  for (const double value : values)
    if (std::isfinite(value)) {
      ++finite;
      const double before = value - mean;
      mean += before / static_cast<double>(finite);
      square += before * (value - mean);
    }
  const auto count = static_cast<double>(finite);
  if (!arguments.quiet)
    fmt::print("{} log densities in {}; mean {} +- {} nats\n", values.size(), arguments.out,
               number_text(mean, 5),
               number_text(finite > 1 ? std::sqrt(square / (count - 1.0) / count) : 0.0, 5));
  if (finite < points.rows) {
    const auto zero = std::count(values.begin(), values.end(), -INFINITY);
    fmt::print(stderr,
               "thalweg: {} of {} log densities are not finite and not in the mean: {} are -inf, a "
               "density of 0; {} are undefined\n",
               points.rows - finite, points.rows, zero, points.rows - finite - zero);
  }
}

}  // namespace

void add_log_prob(CLI::App& app) {
  CLI::App* command = app.add_subcommand("log-prob", "Log density of points, in nats");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("RUN", arguments->run, "folder of a run")->required();
  command->add_option("DATA", arguments->data, "points with the columns of the training data")
      ->required();
  command->add_option("--out", arguments->out, ".npy, .csv, .tsv or .txt file to write")
      ->required();
  command->add_option("--precision", arguments->precision, "float or double")
      ->check(CLI::IsMember({"float", "double"}));
  command
      ->add_option("--importance-samples", arguments->draws,
                   "draws a point, of a flow with random layers; else what the run says")
      ->check(CLI::Range(1, 1000000));
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--quiet", arguments->quiet, "say nothing but errors");
  command->footer("Examples:\n  thalweg log-prob runs/points new.csv --out log_prob.csv");
  command->callback([arguments] { log_prob(*arguments); });
}

}  // namespace thalweg::cli
