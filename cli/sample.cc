// thalweg sample: draws from a trained model, block by block.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/io/table.h"
#include "thalweg/sampling/evaluate.h"
#include "thalweg/training/prepare_data.h"
#include "thalweg/training/run_folder.h"

namespace thalweg::cli {

namespace {

constexpr std::int64_t kBlock = 65536;  // rows in memory at a time

struct Arguments {
  std::string run, out, condition, precision = "float";
  std::int64_t count = 0, seed = 1;
  int threads = 0;
  bool quiet = false;
};

std::vector<std::string> column_names(const ModelOptions& model) {
  std::vector<std::string> names;
  for (const ColumnOptions& column : model.columns) names.push_back(column.name);
  return names.empty() ? default_names(model.features) : names;
}

void sample(const Arguments& arguments) {
  ThreadPool pool(arguments.threads);
  const LoadedRun run = load_run(arguments.run);
  const ModelOptions& model = run.options.model;
  ModelRows given;
  if (model.context_features > 0) {
    if (arguments.condition.empty())
      fail<ConfigError>("this model is conditional: give its condition with --condition FILE");
    given = rows_for_model(load_table(arguments.condition), model, false);
  } else if (!arguments.condition.empty()) {
    fail<ConfigError>("--condition: this model has no condition");
  }
  const bool exact = arguments.precision == "double";
  TableWriter writer(arguments.out, column_names(model),
                     exact ? FloatType::kFloat64 : FloatType::kFloat32);
  FlowSampler sampler(*run.model, pool, static_cast<std::uint64_t>(arguments.seed),
                      exact ? Precision::kDouble : Precision::kFloat);
  catch_interrupts();
  for (std::int64_t done = 0; done < arguments.count;) {
    const std::int64_t block = std::min(kBlock, arguments.count - done);
    std::vector<double> context;
    for (std::int64_t row = done; row < done + block && given.rows > 0; ++row) {
      const auto begin = given.context.begin() + row % given.rows * model.context_features;
      context.insert(context.end(), begin, begin + model.context_features);
    }
    writer.append(sampler.next(block, context));
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

}  // namespace

void add_sample(CLI::App& app) {
  CLI::App* command = app.add_subcommand("sample", "Draw from a trained model");
  auto arguments = std::make_shared<Arguments>();
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
  command->footer(
      "Examples:\n  thalweg sample runs/points --count 1000 --out samples.csv\n"
      "  thalweg sample runs/points --count 100000000 --out samples.npy --seed 7");
  command->callback([arguments] { sample(*arguments); });
}

}  // namespace thalweg::cli
