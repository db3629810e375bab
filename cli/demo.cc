// thalweg demo: what a resampled base does for a density with holes, in a minute.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/run_report.h"
#include "cli/training_run.h"
#include "thalweg/core/error.h"
#include "thalweg/report/progress.h"
#include "thalweg/report/text_table.h"
#include "thalweg/training/presets.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string out = "thalweg-demo";
  std::int64_t iterations = 3000;
  int threads = 0;
};

/// Divergence in nats after 20 000 iterations, in this program's terms.
struct Reference {
  const char* preset;
  const char* label;
  const char* nats;
};
constexpr Reference kReferences[] = {{"rings-normal", "Gaussian base", "0.076"},
                                     {"rings-resampled", "resampled base", "0.026"}};

std::string figure_text(const std::vector<Figure>& figures, const std::string& name) {
  const auto found = std::find_if(figures.begin(), figures.end(),
                                  [&](const Figure& figure) { return figure.name == name; });
  return found == figures.end() ? "-" : fmt::format("{:.4f}", found->value);
}

void demo(const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  ThreadPool pool(arguments.threads);
  fmt::print(
      "Two rings have a hole that a flow cannot make out of one Gaussian. A resampled base\n"
      "learns to reject draws, and makes it there.\n\n");
  std::fflush(stdout);
  std::vector<LoadedRun> runs;
  std::vector<std::vector<Figure>> figures;
  for (const Reference& reference : kReferences) {
    TrainingRequest request;
    request.options = find_preset(reference.preset)->options();
    TrainingOptions& training = request.options.training;
    training.iterations = arguments.iterations;
    // A short training gains most from a rate that ends low.
    training.schedule = "cosine";
    training.clip_norm = 10.0;
    request.options.final_proposals = 1 << 20;
    request.out = arguments.out + "/" + reference.preset;
    request.force = std::filesystem::exists(RunFolder{request.out}.manifest());
    request.resume_hint = fmt::format("thalweg demo --out {}", arguments.out);
    fmt::print(stderr, "{}\n", reference.preset);
    request.report = false;
    run_training(std::move(request), pool);
    runs.push_back(load_run(arguments.out + "/" + reference.preset));
    figures.push_back(evaluate_run(runs.back(), held_out_points(runs.back(), "", {}), {}, pool));
  }
  write_run_report({&runs[0], &runs[1]}, figures, {}, arguments.out, pool);

  TextTable table;
  table.header = {"two rings", "KL, nats", "reference, 20 000 steps", "integral"};
  for (std::size_t i = 0; i < runs.size(); ++i)
    table.rows.push_back({kReferences[i].label, figure_text(figures[i], "kl_nats"),
                          kReferences[i].nats, figure_text(figures[i], "integral")});
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
