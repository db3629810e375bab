// thalweg demo: what a resampled base does for a density with holes, in a minute.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/report/progress.h"
#include "thalweg/report/text_table.h"
#include "thalweg/runs/presets.h"
#include "thalweg/runs/run_report.h"
#include "thalweg/runs/training_run.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string out = "thalweg-demo";
  std::int64_t iterations = 3000;
  int threads = 0;
};

struct DemoRun {
  const char* preset;
  const char* label;
};
constexpr DemoRun kRuns[] = {{"rings-normal", "Gaussian base"},
                             {"rings-resampled", "resampled base"}};

enum class Progress : std::uint8_t { kNone, kInterrupted, kFinished };

/// How far an earlier demo with the same settings came with one of its runs.
Progress earlier_progress(const RunFolder& folder, const RunOptions& options) {
  if (!std::filesystem::exists(folder.manifest()) ||
      write_options(read_run_options(folder)) != write_options(options))
    return Progress::kNone;
  if (read_manifest(folder).status == "finished") return Progress::kFinished;
  return std::filesystem::exists(folder.checkpoint()) ? Progress::kInterrupted : Progress::kNone;
}

std::string metric_text(const std::vector<Metric>& metrics, const std::string& name) {
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [&](const Metric& metric) { return metric.name == name; });
  return found == metrics.end() ? "-" : fmt::format("{:.4f}", found->value);
}

void demo(const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  ThreadPool pool(arguments.threads);
  fmt::print(
      "Two rings have a hole that a flow cannot make out of one Gaussian. A resampled base\n"
      "learns to reject draws, and makes it there.\n\n");
  std::fflush(stdout);
  std::vector<RunPlan> plans;
  std::vector<Progress> earlier;
  for (const DemoRun& run : kRuns) {
    // A short training gains most from a rate that ends low.
    RunPlan& plan =
        plans.emplace_back(plan_run({.source = run.preset,
                                     .settings = {{"training.iterations", arguments.iterations},
                                                  {"training.schedule", "cosine"},
                                                  {"training.clip_norm", 10.0},
                                                  {"final_proposals", std::int64_t{1} << 20}},
                                     .out = arguments.out + "/" + run.preset}));
    plan.report = false;
    earlier.push_back(earlier_progress({plan.out}, plan.options));
  }
  // A demo that was interrupted goes on; a complete one starts anew.
  const bool go_on =
      std::find(earlier.begin(), earlier.end(), Progress::kInterrupted) != earlier.end();
  std::vector<LoadedRun> runs;
  std::vector<Evaluation> evaluations;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    RunPlan& plan = plans[i];
    const std::string& out = plan.out;
    plan.resume = earlier[i] == Progress::kInterrupted;
    plan.force = !plan.resume && std::filesystem::exists(RunFolder{out}.manifest());
    fmt::print(stderr, "{}{}\n", kRuns[i].preset, plan.resume ? ", resumed" : "");
    if (!go_on || earlier[i] != Progress::kFinished)
      train_with_progress(plan, pool, false,
                          fmt::format("thalweg demo --out {} --iterations {}", arguments.out,
                                      arguments.iterations));
    runs.push_back(load_run(out));
    evaluations.push_back(evaluate_run(runs.back(), {}, pool));
  }
  write_run_report({{kRuns[0].preset, &runs[0]}, {kRuns[1].preset, &runs[1]}}, evaluations, {},
                   arguments.out, pool);

  TextTable table;
  table.header = {"two rings", "KL, nats", "integral"};
  for (std::size_t i = 0; i < runs.size(); ++i)
    table.rows.push_back({kRuns[i].label, metric_text(evaluations[i].metrics, "kl_nats"),
                          metric_text(evaluations[i].metrics, "integral")});
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print(
      "{}\nKL(target || model) after {} steps each; smaller is better. {} in all.\n\n"
      "look at   {}/report.html\n"
      "try next  thalweg train rings-resampled\n"
      "          thalweg train --data your_points.csv\n"
      "          thalweg doctor {}/rings-resampled\n",
      plain_table(table), arguments.iterations, format_duration(seconds), arguments.out,
      arguments.out);
}

}  // namespace

void add_demo(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("demo", "Two rings with a Gaussian and with a resampled base");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--out", arguments->out, "folder for the two runs and the report");
  command->add_option("--iterations", arguments->iterations, "training steps of each")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{10000000}));
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->footer("Examples:\n  thalweg demo\n  thalweg demo --out /tmp/demo --iterations 20000");
  command->callback([arguments] { demo(*arguments); });
}

}  // namespace thalweg::cli
