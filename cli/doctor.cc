// thalweg doctor: is a trained model sound?
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/metrics/model_check.h"
#include "thalweg/runs/run_folder.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string run, precision;
  std::int64_t samples = 8192, seed = 1;
  int threads = 0;
  bool ignore_hash = false;
};

void examine(const Arguments& arguments) {
  ThreadPool pool(arguments.threads);
  const LoadedRun run = load_run(arguments.run, {.verify = !arguments.ignore_hash});
  const char* const words[] = {"good", "doubtful", "BROKEN"};
  bool broken = false;
  for (const Finding& finding :
       check_model(*run.model, run.usual_context(), arguments.samples,
                   static_cast<std::uint64_t>(arguments.seed), pool,
                   precision_of(arguments.precision).value_or(run.precision()))) {
    fmt::print("{:<9} {:<22} {}\n          {}\n", words[static_cast<int>(finding.verdict)],
               finding.name, finding.text, finding.meaning);
    broken = broken || finding.verdict == Verdict::kBroken;
  }
  if (!broken) {
    fmt::print("\nThe model is sound.\n");
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
  command->add_option("--samples", arguments->samples, "of the model, to examine it at")
      ->check(CLI::Range(std::int64_t{16}, std::int64_t{10000000}));
  command->add_option("--seed", arguments->seed, "of these samples")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000000000000}));
  add_precision(*command, arguments->precision);
  add_ignore_hash(*command, arguments->ignore_hash);
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->footer("Examples:\n  thalweg doctor runs/points\nExit code 5 if something is broken.");
  command->callback([arguments] { examine(*arguments); });
}

}  // namespace thalweg::cli
