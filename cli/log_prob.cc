// thalweg log-prob: the log density of points under a trained model.
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/datasets/column_kinds.h"
#include "thalweg/flows/unsolved.h"
#include "thalweg/io/table.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/samplers.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string run, data, out, precision, weights;
  std::int64_t draws = 0;
  int threads = 0;
  bool quiet = false;
  bool ignore_hash = false;
};

std::string mean_text(const MeanLogDensity& mean) {
  if (mean.counted == 0) return "no mean, since none that counts is finite";
  return fmt::format(
      "mean {} +- {} nats{}{}", number_text(mean.finite.mean, 5), number_text(mean.finite.error, 5),
      mean.zero + mean.undefined == 0 ? ""
                                      : fmt::format(" over the {} that are finite", mean.counted),
      mean.blocks == 0
          ? ""
          : fmt::format(" (rows follow each other: the error is of {} blocks)", mean.blocks));
}

void log_prob(const Arguments& arguments) {
  const StopsByInterrupt stops;
  ProgressDisplay display(arguments.quiet);
  const ShowsWork shows(display);
  ThreadPool pool(arguments.threads);
  const LoadedRun run = load_run(arguments.run, {.verify = !arguments.ignore_hash});
  refuse_source(run, arguments.out, arguments.data);
  const Table points = run.read_table(arguments.data, true, arguments.weights);
  std::vector<std::string> texts;
  const std::string weights =
      arguments.weights.empty() ? own_weights(run, points, texts) : arguments.weights;
  const auto [values, mean, warnings, unsolved] =
      log_densities(run, points, pool,
                    {.precision = precision_of(arguments.precision),
                     .draws = arguments.draws,
                     .weights = weights,
                     .in_order = true});
  display.clear();
  texts.insert(texts.end(), warnings.begin(), warnings.end());
  for (const std::string& warning : texts) fmt::print(stderr, "warning: {}\n", warning);
  TableWriter writer(arguments.out, {"log_prob"});
  writer.append(values);
  writer.finish();
  if (!arguments.quiet)
    fmt::print("{} log densities in {}; {}{}\n", values.size(), arguments.out, mean_text(mean),
               weights.empty() ? "" : fmt::format(", weighted by '{}'", weights));
  if (!arguments.quiet && run.model->flow().coordinates() != nullptr)
    fmt::print("they are of positions in nm, whatever the place, all orientations being alike\n");
  const std::string measure = measure_text(run.options.model.columns);
  if (!arguments.quiet && !measure.empty()) fmt::print("they are of {}\n", measure);
  if (unsolved > 0)
    fmt::print(
        stderr, "warning: {}\n",
        unsolved_text(run.model->flow(), fmt::format("{} of {} rows", unsolved, values.size())));
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
  command
      ->add_option("DATA", arguments->data,
                   "points with the columns of the training data; of a molecule positions: .npy, "
                   ".dcd, .nc, .ncrst or .pdb")
      ->required();
  command->add_option("--out", arguments->out, ".npy, .csv, .tsv or .txt file to write")
      ->required();
  command->add_option("--weights", arguments->weights,
                      "column that says how much each point counts in the mean; else that of the "
                      "run's training, if it is there");
  add_precision(*command, arguments->precision);
  command
      ->add_option("--importance-samples", arguments->draws,
                   "draws a point, of a flow with random layers; else what the run says")
      ->check(CLI::Range(1, 1000000));
  add_ignore_hash(*command, arguments->ignore_hash);
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--quiet", arguments->quiet, "say nothing but errors");
  command->footer(
      "Examples:\n  thalweg log-prob runs/points new.csv --out log_prob.csv\n"
      "  thalweg log-prob runs/chain new.csv --out log_prob.csv --weights w");
  command->callback([arguments] { log_prob(*arguments); });
}

}  // namespace thalweg::cli
