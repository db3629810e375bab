// thalweg doctor: is a trained model sound?
#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/metrics/model_check.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/run_folder.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string run, precision;
  std::int64_t samples = 0, seed = 1;
  int threads = 0;
  bool ignore_hash = false;
};

/// Whether one of them is broken.
bool print_findings(const std::vector<Finding>& findings) {
  const char* const words[] = {"good", "doubtful", "BROKEN"};
  bool broken = false;
  for (const Finding& finding : findings) {
    fmt::print("{:<9} {:<22} {}\n          {}\n", words[static_cast<int>(finding.verdict)],
               finding.name, finding.text, finding.meaning);
    broken = broken || finding.verdict == Verdict::kBroken;
  }
  return broken;
}

/// Of a model that computes soundly: whether it has what its energy has.
void print_verdict(const RunVerdict& verdict) {
  std::string text = "\n";
  for (const std::vector<std::string>& sentences : {verdict.disagreements, verdict.cautions})
    for (const std::string& sentence : sentences) text += fmt::format("warning: {}\n", sentence);
  text += verdict.lost()
              ? "The model is not what its energy says: train it again, longer or with another "
                "flow or base, and compare."
          : verdict.explored && verdict.disagreements.empty() && verdict.cautions.empty()
              ? "The model is sound: " + verdict.text()
              : "The model computes soundly; " + verdict.text();
  if (text.ends_with('.')) text.pop_back();
  fmt::print("{}; {}.\n", text, kUnseenModes);
}

/// A model can be examined without its energy, whose file may be gone.
std::optional<RunVerdict> verdict_if_there(const LoadedRun& run, const Arguments& arguments,
                                           ThreadPool& pool) {
  try {
    run.target();
  } catch (const Error& error) {
    if (!run.options.target.image.empty()) return std::nullopt;
    RunVerdict verdict = unexplored_verdict();
    verdict.cautions = {fmt::format("the energy cannot be asked: {}", error.what())};
    return verdict;
  }
  return verdict_of(run, pool, {.seed = arguments.seed});
}

void examine(const Arguments& arguments) {
  const StopsByInterrupt stops;
  ProgressDisplay display(false);
  const ShowsWork shows(display);
  ThreadPool pool(arguments.threads);
  const LoadedRun run = load_run(arguments.run, {.verify = !arguments.ignore_hash});
  const std::vector<Finding> findings =
      check_model(*run.model, run.usual_context(), arguments.samples,
                  static_cast<std::uint64_t>(arguments.seed), pool,
                  precision_of(arguments.precision).value_or(run.precision()));
  display.clear();
  bool broken = print_findings(findings);
  std::fflush(stdout);
  const std::optional<RunVerdict> verdict = verdict_if_there(run, arguments, pool);
  display.clear();
  if (verdict) print_findings(verdict->findings);
  if (!broken && !verdict) {
    fmt::print(
        "\nThe model computes soundly; how near it comes to its data is what `thalweg evaluate {}` "
        "says.\n",
        arguments.run);
    return;
  }
  if (!broken) {
    print_verdict(*verdict);
    if (verdict->lost()) throw ExitCode{kCheckFailed};
    return;
  }
  fmt::print(
      "\nThe model is broken: do not trust its densities; train it again, with a lower {}.\n",
      run.options.model.stochastic.kinds.empty()
          ? "training.learning_rate or training.clip_norm"
          : "stochastic.step_size or training.learning_rate");
  throw ExitCode{kCheckFailed};
}

}  // namespace

void add_doctor(CLI::App& app) {
  CLI::App* command = app.add_subcommand("doctor", "Check that a trained model is sound");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("RUN", arguments->run, "folder of a run")->required();
  command
      ->add_option("--samples", arguments->samples,
                   "of the model, to examine it at; else 8192, or as many as take some minutes")
      ->check(CLI::Range(std::int64_t{16}, std::int64_t{10000000}));
  command->add_option("--seed", arguments->seed, "of these samples")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000000000000}));
  add_precision(*command, arguments->precision);
  add_ignore_hash(*command, arguments->ignore_hash);
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->footer(
      "Examples:\n  thalweg doctor runs/points\nExit code 5 if something is broken, or the "
      "exploration of an energy found what the model lacks.");
  command->callback([arguments] { examine(*arguments); });
}

}  // namespace thalweg::cli
