// thalweg sample: draws from a trained model, block by block or by Markov chains.
#include <fmt/ranges.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/flows/unsolved.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/molecule_samples.h"
#include "thalweg/runs/samplers.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string run, out, condition, precision;
  SampleRequest request;
  int threads = 0;
  bool quiet = false;
  bool ignore_hash = false;
  bool molecule = false;  // found in the run
};

std::string starts_text(const ChainSummary& chains) {
  if (!chains.starts) return "";
  return fmt::format(
      "  R-hat between {} groups of first draws {:.4f}; {:.3g} % of the chains left "
      "theirs\n",
      chains.starts->groups, chains.starts->r_hat, 100.0 * chains.starts->left);
}

std::string mixing_text(const ChainSummary& chains) {
  constexpr double kMixed = 1.05;  // largest R-hat of chains that have forgotten their starts
  if (!chains.worst)
    return "  R-hat and effective samples need at least 4 draws a chain: take fewer chains\n";
  const ChainDiagnostics& worst = *chains.worst;
  if (std::isnan(worst.r_hat))
    return "  R-hat is not defined: some column never changes, or chains have particles of their "
           "own\n";
  const double share = static_cast<double>(chains.diagnosed) / static_cast<double>(chains.draws);
  return fmt::format(
             "  R-hat at most {:.4f}{}; at least {} effective samples{}, {} a second after "
             "burn-in\n",
             worst.r_hat,
             worst.r_hat > kMixed
                 ? " (above 1.05: draws still show where their chains began; raise "
                   "--thinning)"
                 : "",
             number_text(worst.effective_samples, 0),
             chains.diagnosed < chains.draws
                 ? fmt::format(" in the first {} draws of each chain", chains.diagnosed)
                 : "",
             number_text(worst.effective_samples / (share * chains.seconds), 0)) +
         starts_text(chains);
}

std::string chains_text(const Arguments& arguments, const ChainSummary& chains) {
  std::string text = fmt::format(
      ": {} chains, {} steps of burn-in, then every {} steps\n  of {}{}\n", chains.chains,
      chains.burn_in, chains.thinning, statement(chains.target),
      arguments.request.sampler == "sails_published"
          ? ", as published: only near it, since moves are judged by another kernel's odds"
          : "");
  for (const KernelStatistics& kernel : chains.kernels)
    text += fmt::format(
        "  {}: accepted {:.3f} of {} moves{}\n", kernel.kernel, kernel.acceptance(),
        kernel.proposals,
        kernel.step_size > 0.0 ? fmt::format(", step size {:.4g}", kernel.step_size) : "");
  return text + mixing_text(chains);
}

std::string importance_text(const Arguments& arguments, const SampleResult& result) {
  const ImportanceSummary& importance = *result.importance;
  if (importance.undefined > 0)
    fmt::print(stderr,
               "warning: the energy of {} {} is no number, which counts as a density of 0\n",
               importance.undefined, result.rejection ? "draws" : "samples");
  const ImportanceEstimate& estimate = importance.estimate;
  std::string moved;
  if (const auto& rejection = result.rejection) {
    const double kept =
        static_cast<double>(rejection->kept) / static_cast<double>(rejection->draws);
    moved = fmt::format(
        "  kept {:.3g} % of {} draws, the lighter the less often; effective share of all {:.4f};\n"
        "  the integral is that of all, not the mean of what the samples weigh\n",
        100.0 * kept, format_count(rejection->draws), rejection->effective_share);
    if (!result.annealing)
      moved += fmt::format("  {} evaluations of the energy\n",
                           format_count(rejection->draws + rejection->pilots));
  }
  if (result.annealing) {
    std::string accepted;
    for (const AnnealingLevel& level : result.annealing->levels)
      accepted += fmt::format("{}{:.2f}", accepted.empty() ? "" : ", ", level.acceptance());
    moved += fmt::format("  {} levels, moves between accepted: {}; {} evaluations of the energy\n",
                         result.annealing->levels.size() + 1, accepted.empty() ? "none" : accepted,
                         format_count(result.annealing->evaluations));
  }
  const bool reliable = !std::isnan(estimate.log_integral_error);
  return fmt::format(
      ": draws of the flow, {}{}\n"
      "  of the density that the run was trained for, not the flow's own\n{}"
      "  effective share {:.4f}{} (Kish, the largest weights smoothed), log of the integral of "
      "exp(-energy) {:.5f}{}\n{}",
      result.annealing ? "moved to the target, " : "",
      arguments.request.weights == "resample" ? "resampled by their weights (some rows repeat)"
      : arguments.molecule ? fmt::format("with the logarithms of their weights in {}",
                                         log_weight_path(arguments.out))
                           : "with the logarithm of their weights as column log_weight",
      moved, estimate.effective_share, result.rejection ? " of the samples" : "",
      estimate.log_integral,
      reliable ? fmt::format(" +- {:.5f}", estimate.log_integral_error) : ", not reliable",
      importance.pareto_k
          ? fmt::format("  Pareto k {:.3f}{}\n", *importance.pareto_k,
                        reliable || !importance.endless.empty()
                            ? ""
                            : ": the weights have a tail too heavy for what they give, and no "
                              "error of it is valid")
          : "  too few draws to tell from their weights whether what they give is reliable\n");
}

[[noreturn]] void end_interrupted(const Arguments& arguments, const SampleResult& result) {
  const std::string& chains = arguments.request.chains_out;
  if (result.chains && !chains.empty())
    fmt::print(stderr,
               "thalweg: interrupted after step {}; {} draws of each chain are in {}; go on with "
               "the same command and --resume\n",
               result.chains->steps, result.chains->diagnosed, chains);
  else
    fmt::print(
        stderr, "thalweg: interrupted; nothing was written{}\n",
        result.chains ? " (with --chains-out FILE chains are saved and go on with --resume)" : "");
  throw ExitCode{kInterrupted};
}

void sample(Arguments arguments) {
  ThreadPool pool(arguments.threads);
  const LoadedRun run = load_run(arguments.run, {.verify = !arguments.ignore_hash});
  arguments.molecule = run.model->flow().coordinates() != nullptr;
  SampleRequest& request = arguments.request;
  request.condition = load_condition(run, arguments.condition);
  request.condition_file = arguments.condition;
  const std::string outside =
      outside_of_training(run.options.model.context_columns, request.condition);
  if (!outside.empty()) fmt::print(stderr, "warning: {}\n", outside);
  request.precision = precision_of(arguments.precision);
  SampleResult result;
  {
    catch_interrupts();
    ProgressDisplay display(arguments.quiet);
    const bool chains = sampler_kinds().find("--sampler", request.sampler).chains;
    SampleCallbacks callbacks;
    callbacks.progress = [&](std::int64_t step, std::int64_t steps) {
      const double done = static_cast<double>(step) / static_cast<double>(steps);
      if (display.wanted(done))
        display.show(done, fmt::format("{} {} of {}", chains ? "step" : "sample",
                                       format_count(step), format_count(steps)));
    };
    callbacks.interrupted = interrupted;
    // Chains end between steps, where they can be saved; all else at once.
    std::optional<StopsByInterrupt> at_once;
    if (!chains) at_once.emplace();
    try {
      result = sample_to_file(run, request, arguments.out, pool, callbacks);
    } catch (const InterruptedError&) {
      result.interrupted = true;
    }
  }
  if (result.interrupted) end_interrupted(arguments, result);
  if (!arguments.quiet)
    fmt::print("{} samples in {}{}", request.count, arguments.out,
               result.chains       ? chains_text(arguments, *result.chains)
               : result.importance ? importance_text(arguments, result)
               : result.proposals_a_sample > 0.0
                   ? fmt::format(" ({:.2f} proposals a sample)\n", result.proposals_a_sample)
                   : "\n");
  if (result.importance && !result.importance->endless.empty())
    fmt::print(stderr, "warning: {}\n", result.importance->endless);
  if (result.chains)
    for (const std::string& warning : result.chains->warnings)
      fmt::print(stderr, "warning: {}\n", warning);
  if (result.chains)
    for (const KernelStatistics& kernel : result.chains->kernels)
      if (kernel.non_finite > 0)
        fmt::print(stderr, "thalweg: {} of {} moves of {} had no finite density and were refused\n",
                   kernel.non_finite, kernel.proposals, kernel.kernel);
  if (result.unsolved > 0)
    fmt::print(stderr, "warning: {}\n",
               unsolved_samples_text(fmt::format("{} of the {}", result.unsolved,
                                                 result.rejection ? "draws" : "samples")));
  if (result.non_finite > 0)
    fmt::print(stderr, "thalweg: {} of {} samples are not finite; `thalweg doctor {}` says more\n",
               result.non_finite, request.count, arguments.run);
}

/// What --sampler says of its choices.
std::string samplers_text() {
  std::vector<std::string> parts;
  for (const SamplerKind& entry : sampler_kinds().rows())
    parts.push_back(fmt::format("{}: {}", entry.name, entry.summary));
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

void add_sample(CLI::App& app) {
  CLI::App* command = app.add_subcommand("sample", "Draw from a trained model");
  auto arguments = std::make_shared<Arguments>();
  SampleRequest& request = arguments->request;
  command->add_option("RUN", arguments->run, "folder of a run")->required();
  command->add_option("--count", request.count, "number of samples; may exceed memory")
      ->required()
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000000000000}));
  command
      ->add_option("--out", arguments->out,
                   ".npy, .csv, .tsv or .txt file to write; of a molecule .npy, .dcd, .nc or .pdb; "
                   "of sets of molecules also .xyz")
      ->required();
  command->add_option("--condition", arguments->condition,
                      "file with the condition's columns; rows are used in turn");
  command->add_option("--seed", request.seed, "the same seed gives the same samples")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000000000000}));
  add_precision(*command, arguments->precision);
  add_ignore_hash(*command, arguments->ignore_hash);
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--quiet", arguments->quiet, "say nothing but errors");

  command->add_option("--sampler", request.sampler, samplers_text())
      ->check(CLI::IsMember(sampler_kinds().names()));
  CLI::Option* weights = command
                             ->add_option("--weights", request.weights,
                                          "of importance and annealed: column, log_weight, which "
                                          "is the default; resample, by weight; or reject: keep "
                                          "light draws at random, for weights that are more alike")
                             ->check(CLI::IsMember({"column", "resample", "reject"}));
  CLI::Option* threshold =
      command
          ->add_option("--threshold", request.threshold,
                       "of --weights reject: mean weights below which a draw is light; 1.5")
          ->check(CLI::Range(1e-6, 100.0));
  CLI::Option* levels =
      command
          ->add_option("--levels", request.levels,
                       "of annealed: densities from the flow's to the target's; 8")
          ->check(CLI::Range(1, 100000));
  std::vector<CLI::Option*> of_moves = {
      command
          ->add_option("--step-size", request.step_size,
                       "of sails, mala, hmc and annealed; 0: found during burn-in, or beforehand")
          ->check(CLI::Range(0.0, 1e9)),
      command
          ->add_option("--leapfrog-steps", request.leapfrog_steps,
                       "of hmc, and of annealed at each level; 8")
          ->check(CLI::Range(1, 10000))};
  std::vector<CLI::Option*> of_chains = {
      command->add_option("--chains", request.chains, "chains at once; 1000 unless given")
          ->check(CLI::Range(std::int64_t{1}, std::int64_t{10000000})),
      command->add_option("--burn-in", request.burn_in, "steps before the first sample; 500")
          ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000000})),
      command->add_option("--thinning", request.thinning, "steps between samples of a chain; 10")
          ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000000000})),
      command
          ->add_option(
              "--local-probability", request.local_probability,
              "of a step by sails, mala or hmc; else a draw from the base is proposed; 0.5")
          ->check(CLI::Range(0.0, 1.0)),
      command
          ->add_option("--density", request.density,
                       "what mala, hmc and independence sample: model, or target: what the run was "
                       "trained for, if that is known")
          ->check(CLI::IsMember({"model", "target"})),
      command->add_option("--chains-out", request.chains_out,
                          ".npy file for chains x draws x columns, to look at or to go on from"),
      command->add_flag("--resume", request.resume,
                        "go on with the chains in --chains-out, as if they had never stopped"),
      command
          ->add_option("--save-interval", request.save_interval,
                       "seconds between savings of --chains-out; 60")
          ->check(CLI::Range(0.0, 1e9))};
  command->footer(
      "Examples:\n  thalweg sample runs/points --count 1000 --out samples.csv\n"
      "  thalweg sample runs/points --count 100000000 --out samples.npy --seed 7\n"
      "  thalweg sample runs/points --count 10000 --out sharp.csv --sampler sails --thinning 50\n"
      "  thalweg sample runs/well --count 10000 --out well.csv --sampler importance\n"
      "  thalweg sample runs/peptide --count 1000 --out peptide.dcd\n"
      "  thalweg sample runs/peptide --count 100000 --out peptide.npy --sampler annealed\n"
      "  thalweg sample runs/peptide --count 100000 --out peptide.npy --sampler importance "
      "--weights reject\n"
      "  thalweg sample runs/well --count 10000 --out well.csv --sampler mala --density target "
      "--thinning 100 \\\n"
      "      --chains 100 --chains-out chains.npy");
  command->callback([arguments, of_chains, of_moves, weights, threshold, levels] {
    const SamplerKind& sampler = sampler_kinds().find("--sampler", arguments->request.sampler);
    for (const CLI::Option* option : of_chains)
      if (!sampler.chains && option->count() > 0)
        fail<ConfigError>("{}: is for Markov chains; choose them with --sampler",
                          option->get_name());
    for (const CLI::Option* option : of_moves)
      if (!sampler.chains && !sampler.annealed && option->count() > 0)
        fail<ConfigError>("{}: is for samplers that move; choose them with --sampler",
                          option->get_name());
    if (!sampler.weighted && weights->count() > 0)
      fail<ConfigError>("--weights: is for --sampler importance or annealed");
    if (arguments->request.weights != "reject" && threshold->count() > 0)
      fail<ConfigError>("--threshold: is for --weights reject");
    if (!sampler.annealed && levels->count() > 0)
      fail<ConfigError>("--levels: is for --sampler annealed");
    sample(*arguments);
  });
}

}  // namespace thalweg::cli
