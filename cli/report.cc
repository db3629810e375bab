// thalweg report: a page for one run, or several side by side.
#include <array>
#include <filesystem>
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
  ThreadPool pool(arguments.threads);
  std::vector<LoadedRun> loaded;
  std::vector<NamedRun> runs;
  std::vector<std::vector<Metric>> metrics;
  std::optional<PreparedData> first_data;
  for (const std::string& path : arguments.runs) {
    loaded.push_back(load_run(path, {.verify = !arguments.ignore_hash}));
    const LoadedRun& run = loaded.back();
    std::optional<PreparedData> data = run.data();
    metrics.push_back(evaluate_run(run, held_out_points(run, "", data), data, pool));
    if (loaded.size() == 1) first_data = std::move(data);
  }
  for (const LoadedRun& run : loaded) {
    // Pictures and metrics of one target would stand beside models of another.
    const auto aim = [](const TargetOptions& target) {
      return std::array{target.name, target.image, target.energy, target.energy_library};
    };
    if (aim(run.options.target) != aim(loaded.front().options.target))
      fail<ConfigError>("{} and {} were trained for different targets: give each a report",
                        arguments.runs.front(), arguments.runs[runs.size()]);
    runs.push_back({run_name(run.folder.path), &run});
  }
  const std::string out = !arguments.out.empty()       ? arguments.out
                          : arguments.runs.size() == 1 ? arguments.runs[0]
                                                       : "report";
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) fail<DataError>("{}: cannot make the folder: {}", out, error.message());
  write_run_report(runs, metrics, first_data, out, pool);
  fmt::print("{}/report.html\n", out);
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
