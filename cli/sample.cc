// thalweg sample: draws from a trained model, block by block or by Markov chains.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/sampling.h"
#include "thalweg/core/error.h"
#include "thalweg/io/table.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg::cli {

std::vector<std::string> column_names(const ModelOptions& model) {
  std::vector<std::string> names;
  for (const ColumnOptions& column : model.columns) names.push_back(column.name);
  return names.empty() ? default_names(model.features) : names;
}

std::vector<double> rows_in_turn(std::span<const double> condition, std::int64_t width,
                                 std::int64_t first, std::int64_t count) {
  std::vector<double> rows;
  if (width == 0) return rows;
  const std::int64_t given = static_cast<std::int64_t>(condition.size()) / width;
  for (std::int64_t row = first; row < first + count; ++row) {
    const auto begin = condition.begin() + row % given * width;
    rows.insert(rows.end(), begin, begin + width);
  }
  return rows;
}

namespace {

constexpr std::int64_t kBlock = 65536;  // rows in memory at a time

void sample_naively(const SampleArguments& arguments, const LoadedRun& run,
                    std::span<const double> condition, ThreadPool& pool) {
  const ModelOptions& model = run.options.model;
  TableWriter writer(arguments.out, column_names(model),
                     arguments.exact() ? FloatType::kFloat64 : FloatType::kFloat32);
  // Random moves go by differences of energies, which in float may drown in the energies.
  const bool exact = arguments.exact() || !model.stochastic.kinds.empty();
  FlowSampler sampler(*run.model, pool, static_cast<std::uint64_t>(arguments.seed),
                      exact ? Precision::kDouble : Precision::kFloat);
  catch_interrupts();
  for (std::int64_t done = 0; done < arguments.count;) {
    const std::int64_t block = std::min(kBlock, arguments.count - done);
    writer.append(
        sampler.next(block, rows_in_turn(condition, model.context_features, done, block)));
    done += block;
    if (interrupted()) {
      fmt::print(stderr, "thalweg: interrupted; nothing was written\n");
      throw ExitCode{kInterrupted};
    }
  }
  writer.finish();
  const SamplingStatistics& statistics = sampler.statistics();
  if (!arguments.quiet)
    fmt::print("{} samples in {}{}\n", arguments.count, arguments.out,
               run.model->resampled() == nullptr
                   ? ""
                   : fmt::format(" ({:.2f} proposals a sample)",
                                 static_cast<double>(statistics.proposals) /
                                     static_cast<double>(arguments.count)));
  if (statistics.non_finite > 0)
    fmt::print(stderr, "thalweg: {} of {} samples are not finite; `thalweg doctor {}` says more\n",
               statistics.non_finite, arguments.count, arguments.run);
}

bool same_file(const std::string& a, const std::string& b) {
  namespace fs = std::filesystem;
  return fs::absolute(a).lexically_normal() == fs::absolute(b).lexically_normal();
}

void sample(const SampleArguments& arguments) {
  ThreadPool pool(arguments.threads);
  const LoadedRun run = load_run(arguments.run);
  ModelRows given;
  if (run.options.model.context_features > 0) {
    if (arguments.condition.empty())
      fail<ConfigError>("this model is conditional: give its condition with --condition FILE");
    given = rows_for_model(load_table(arguments.condition), run.options.model, false);
  } else if (!arguments.condition.empty()) {
    fail<ConfigError>("--condition: this model has no condition");
  }
  if (arguments.sampler == "naive")
    sample_naively(arguments, run, given.context, pool);
  else if (arguments.sampler == "importance")
    sample_by_importance(arguments, run, given.context, pool);
  else
    sample_by_chains(arguments, run, given.context, pool);
}

}  // namespace

void add_sample(CLI::App& app) {
  CLI::App* command = app.add_subcommand("sample", "Draw from a trained model");
  auto arguments = std::make_shared<SampleArguments>();
  command->add_option("RUN", arguments->run, "folder of a run")->required();
  command->add_option("--count", arguments->count, "number of samples; may exceed memory")
      ->required()
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000000000000}));
  command->add_option("--out", arguments->out, ".npy, .csv, .tsv or .txt file to write")
      ->required();
  command->add_option("--condition", arguments->condition,
                      "file with the condition's columns; rows are used in turn");
  command->add_option("--seed", arguments->seed, "the same seed gives the same samples")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000000000000}));
  command->add_option("--precision", arguments->precision, "float or double")
      ->check(CLI::IsMember({"float", "double"}));
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--quiet", arguments->quiet, "say nothing but errors");

  command
      ->add_option("--sampler", arguments->sampler,
                   "naive: the flow's own draws; importance: those, weighted by what the run was "
                   "trained for; or Markov chains: sails, sails_published, mala, hmc, independence")
      ->check(CLI::IsMember(
          {"naive", "importance", "sails", "sails_published", "mala", "hmc", "independence"}));
  CLI::Option* weights =
      command
          ->add_option("--weights", arguments->weights,
                       "of importance: column, log_weight; or resample, by weight")
          ->check(CLI::IsMember({"column", "resample"}));
  std::vector<CLI::Option*> of_chains = {
      command->add_option("--chains", arguments->chains, "chains at once; 1000 unless given")
          ->check(CLI::Range(std::int64_t{1}, std::int64_t{10000000})),
      command->add_option("--burn-in", arguments->burn_in, "steps before the first sample; 500")
          ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000000})),
      command->add_option("--thinning", arguments->thinning, "steps between samples of a chain; 10")
          ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000000000})),
      command
          ->add_option("--step-size", arguments->step_size,
                       "of sails, mala and hmc; 0: found during burn-in")
          ->check(CLI::Range(0.0, 1e9)),
      command
          ->add_option(
              "--local-probability", arguments->local_probability,
              "of a step by sails, mala or hmc; else a draw from the base is proposed; 0.5")
          ->check(CLI::Range(0.0, 1.0)),
      command->add_option("--leapfrog-steps", arguments->leapfrog_steps, "of hmc; 8")
          ->check(CLI::Range(1, 10000)),
      command
          ->add_option("--density", arguments->density,
                       "what mala, hmc and independence sample: model, or target: what the run was "
                       "trained for, if that is known")
          ->check(CLI::IsMember({"model", "target"})),
      command->add_option("--chains-out", arguments->chains_out,
                          ".npy file for chains x draws x columns, to look at or to go on from"),
      command->add_flag("--resume", arguments->resume,
                        "go on with the chains in --chains-out, as if they had never stopped"),
      command
          ->add_option("--save-interval", arguments->save_interval,
                       "seconds between savings of --chains-out; 60")
          ->check(CLI::Range(0.0, 1e9))};
  command->footer(
      "Examples:\n  thalweg sample runs/points --count 1000 --out samples.csv\n"
      "  thalweg sample runs/points --count 100000000 --out samples.npy --seed 7\n"
      "  thalweg sample runs/points --count 10000 --out sharp.csv --sampler sails --thinning 50\n"
      "  thalweg sample runs/well --count 10000 --out well.csv --sampler importance\n"
      "  thalweg sample runs/well --count 10000 --out well.csv --sampler mala --density target "
      "--thinning 100 \\\n"
      "      --chains 100 --chains-out chains.npy");
  command->callback([arguments, of_chains, weights] {
    const bool chains = arguments->sampler != "naive" && arguments->sampler != "importance";
    for (const CLI::Option* option : of_chains)
      if (!chains && option->count() > 0)
        fail<ConfigError>("{}: is for Markov chains; choose them with --sampler",
                          option->get_name());
    if (arguments->sampler != "importance" && weights->count() > 0)
      fail<ConfigError>("--weights: is for --sampler importance");
    if (arguments->resume && arguments->chains_out.empty())
      fail<ConfigError>("--resume: say with --chains-out FILE which chains are to go on");
    if (!arguments->chains_out.empty() && same_file(arguments->chains_out, arguments->out))
      fail<ConfigError>("--chains-out: is the file of --out as well, '{}'; give it another name",
                        arguments->out);
    if (!arguments->chains_out.empty() && !arguments->resume &&
        std::filesystem::exists(arguments->chains_out))
      fail<ConfigError>(
          "--chains-out: '{}' is there already: go on with --resume, remove it, or give another "
          "name",
          arguments->chains_out);
    if (!arguments->chains_out.empty() && !arguments->chains_out.ends_with(".npy"))
      fail<ConfigError>("--chains-out: expected a .npy file, got '{}'", arguments->chains_out);
    sample(*arguments);
  });
}

}  // namespace thalweg::cli
