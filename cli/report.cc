// thalweg report: a page for one run, or several side by side.
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/runs/run_report.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::vector<std::string> runs;
  std::string out;
  int threads = 0;
  bool ignore_hash = false;
};

void report(const Arguments& arguments) {
  const StopsByInterrupt stops;
  ThreadPool pool(arguments.threads);
  ProgressDisplay display(false);
  const ShowsWork shows(display);
  const std::string page =
      report_runs(arguments.runs, arguments.out, pool, {.verify = !arguments.ignore_hash});
  display.clear();
  fmt::print("{}\n", page);
}

}  // namespace

void add_report(CLI::App& app) {
  CLI::App* command = app.add_subcommand("report", "A page with pictures and tables of runs");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("RUN", arguments->runs, "folders of runs; several are set side by side")
      ->required();
  command->add_option("--out", arguments->out,
                      "folder for the page; default: that of the run, or `report` for several");
  add_ignore_hash(*command, arguments->ignore_hash);
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->footer(
      "Examples:\n  thalweg report runs/points\n"
      "  thalweg report runs/rings-normal runs/rings-resampled --out comparison");
  command->callback([arguments] { report(*arguments); });
}

}  // namespace thalweg::cli
