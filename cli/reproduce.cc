// thalweg reproduce: the tables and figures of papers, ours beside the published ones.
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/runs/experiment_page.h"
#include "thalweg/runs/reproduction.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string experiment;
  ReproductionRequest request;
  int threads = 0;
  bool list = false, show = false, quiet = false;
};

void reproduce(const Arguments& arguments) {
  if (arguments.experiment.empty() && !arguments.list)
    fail<ConfigError>("expected the name of an experiment, or a file; --list tells the names");
  if (arguments.show && arguments.request.force)
    fail<ConfigError>("--show trains nothing, so --force has nothing to do: leave one of them out");
  if (arguments.list) {
    for (const ExperimentFile& file : experiment_files())
      fmt::print("  {:<18} {}\n", file.name, read_experiment(file.name, file.text).title);
    return;
  }
  Reproduction reproduction(find_experiment(arguments.experiment), arguments.request);
  ThreadPool pool(arguments.threads);
  ReproductionCallbacks callbacks;
  if (!arguments.quiet)
    callbacks.begins = [](const ReproductionStep& step) {
      fmt::print(stderr, "run {} of {}: {}, {}, seed {}\n", step.number, step.total, step.row,
                 step.column, step.seed);
    };
  callbacks.train = [&](const RunPlan& request) {
    return train_with_progress(request, pool, arguments.quiet, "the same command");
  };
  callbacks.failed = [](const ReproductionStep& step, const NumericalError& error) {
    fmt::print(stderr, "thalweg: {}, {}, seed {}: {}\n", step.row, step.column, step.seed,
               error.what());
  };
  {
    const StopsByInterrupt stops;
    ProgressDisplay display(arguments.quiet);
    const ShowsWork shows(display);
    if (arguments.show)
      reproduction.load();
    else
      reproduction.train(pool, callbacks);
    write_experiment_page(reproduction, pool);
  }
  fmt::print("{}\nlook at {}/report.html\n", experiment_text(reproduction),
             reproduction.page_folder());
  if (const std::int64_t failed = reproduction.results().failed;
      failed > 0 && reproduction.lacks_results())
    fail<NumericalError>("{}: {} of the runs diverged, and some rows have no result",
                         reproduction.experiment().name, failed);
}

}  // namespace

void add_reproduce(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("reproduce", "Published tables and figures, ours beside theirs");
  auto arguments = std::make_shared<Arguments>();
  ReproductionRequest& request = arguments->request;
  command->add_option("EXPERIMENT", arguments->experiment,
                      "a name such as rbd/table-1, or an experiment file of your own");
  command->add_flag("--list", arguments->list, "names of all experiments");
  command->add_option("--scale", request.scale, "length of each training; 0.1: a tenth")
      ->check(CLI::Range(1e-6, 100.0));
  command->add_option("--seeds", request.seeds, "runs of each kind; else what the table has")
      ->check(CLI::Range(1, 1000));
  command->add_option("--rows", request.rows, "only these rows, by key")->delimiter(',');
  command->add_option("--columns", request.columns, "only these columns, by key")->delimiter(',');
  command->add_option("--data", request.data,
                      "folder with the tables that `thalweg data` wrote, one folder each");
  command->add_option("--out", request.out, "where runs, tables and pictures go");
  command->add_flag("--show", arguments->show, "only show what is there already");
  command->add_flag("--force", request.force, "train again what is there");
  command->add_flag("--quiet", arguments->quiet, "no progress");
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->footer(
      "Finished runs are kept: after an interruption the same command goes on.\n"
      "Examples:\n"
      "  thalweg reproduce --list\n"
      "  thalweg reproduce rbd/table-1 --scale 0.1 --seeds 1\n"
      "  thalweg reproduce rbd/figure-3 --scale 0.1\n"
      "  thalweg reproduce rbd/table-9 --data uci --rows power");
  command->callback([arguments] { reproduce(*arguments); });
}

}  // namespace thalweg::cli
