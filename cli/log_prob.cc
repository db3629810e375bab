// thalweg log-prob: the log density of points under a trained model.
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/datasets/column_kinds.h"
#include "thalweg/io/table.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/log_densities.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string run, data, out, precision;
  std::int64_t draws = 0;
  int threads = 0;
  bool quiet = false;
  bool ignore_hash = false;
};

void log_prob(const Arguments& arguments) {
  std::error_code error;
  if (std::filesystem::equivalent(arguments.data, arguments.out, error))
    fail<ConfigError>("--out: is the file of the points, '{}'; give it another name",
                      arguments.out);
  ThreadPool pool(arguments.threads);
  const LoadedRun run = load_run(arguments.run, {.verify = !arguments.ignore_hash});
  const Table points = run.read_table(arguments.data);
  const auto [values, mean, outside, unsolved] =
      log_densities(run, points, pool,
                    {.precision = precision_of(arguments.precision), .draws = arguments.draws});
  if (!outside.empty()) fmt::print(stderr, "warning: {}\n", outside);
  TableWriter writer(arguments.out, {"log_prob"});
  writer.append(values);
  writer.finish();
  if (!arguments.quiet)
    fmt::print("{} log densities in {}; mean {} +- {} nats\n", values.size(), arguments.out,
               number_text(mean.finite.mean, 5), number_text(mean.finite.error, 5));
  const std::string measure = measure_text(run.options.model.columns);
  if (!arguments.quiet && !measure.empty()) fmt::print("they are of {}\n", measure);
  if (unsolved > 0)
    fmt::print(stderr,
               "warning: no latent point was found for {} of {} rows, which the model may not "
               "reach; their log densities are makeshifts, those at the encoder's f(x)\n",
               unsolved, values.size());
  if (mean.zero + mean.undefined > 0)
    fmt::print(stderr,
               "thalweg: {} of {} log densities are not finite and not in the mean: {} are -inf, a "
               "density of 0; {} are undefined\n",
               mean.zero + mean.undefined, values.size(), mean.zero, mean.undefined);
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
  add_precision(*command, arguments->precision);
  command
      ->add_option("--importance-samples", arguments->draws,
                   "draws a point, of a flow with random layers; else what the run says")
      ->check(CLI::Range(1, 1000000));
  add_ignore_hash(*command, arguments->ignore_hash);
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--quiet", arguments->quiet, "say nothing but errors");
  command->footer("Examples:\n  thalweg log-prob runs/points new.csv --out log_prob.csv");
  command->callback([arguments] { log_prob(*arguments); });
}

}  // namespace thalweg::cli
