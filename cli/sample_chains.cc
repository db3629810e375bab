// Markov chains of `thalweg sample`.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "cli/console.h"
#include "cli/sampling.h"
#include "thalweg/core/error.h"
#include "thalweg/io/table.h"
#include "thalweg/metrics/chain_diagnostics.h"
#include "thalweg/sampling/evaluate.h"
#include "thalweg/sampling/markov_chains.h"
#include "thalweg/training/run_target.h"

namespace thalweg::cli {

namespace {

constexpr std::int64_t kMostDiagnosed = 1 << 25;  // values, which are kept in memory

ChainTarget chain_target(const SampleArguments& arguments, const LoadedRun& run) {
  if (arguments.sampler == "sails" || arguments.sampler == "sails_published") {
    if (!arguments.density.empty())
      fail<ConfigError>(
          "--density: {} has a density of its own, {}; choose one for mala, hmc and independence",
          arguments.sampler, statement(ChainTarget::kSharpened));
    return ChainTarget::kSharpened;
  }
  const bool known = has_target(run.options.data) && run.options.data.path.empty();
  if (arguments.density == "target" && !known)
    fail<ConfigError>(
        "--density target: this run was trained on data, of which no density is known; use model");
  return arguments.density == "model" || !known ? ChainTarget::kModel : ChainTarget::kEnergy;
}

std::vector<WeightedKernel> chain_kernels(const SampleArguments& arguments) {
  const double local = arguments.local_probability;
  std::vector<WeightedKernel> kernels;
  if (arguments.sampler != "independence" && local > 0.0)
    kernels.push_back({make_chain_kernel(arguments.sampler, arguments.leapfrog_steps), local});
  if (arguments.sampler == "independence" || local < 1.0)
    kernels.push_back({make_chain_kernel("independence"),
                       arguments.sampler == "independence" ? 1.0 : 1.0 - local});
  return kernels;
}

/// Draws x chains x features, as they come.
struct KeptDraws {
  std::int64_t chains, features;
  std::vector<double> values;

  std::int64_t draws() const {
    return static_cast<std::int64_t>(values.size()) / (chains * features);
  }
  std::vector<double> column(std::int64_t feature) const {
    std::vector<double> result;
    for (std::int64_t chain = 0; chain < chains; ++chain)
      for (std::int64_t draw = 0; draw < draws(); ++draw)
        result.push_back(
            values[static_cast<std::size_t>((draw * chains + chain) * features + feature)]);
    return result;
  }
};

std::string mixing_text(const KeptDraws& kept, double seconds) {
  double worst = 0.0, least = INFINITY;
  for (std::int64_t feature = 0; feature < kept.features; ++feature) {
    const ChainDiagnostics found = chain_diagnostics(kept.column(feature), kept.chains);
    worst = std::max(worst, found.r_hat);
    least = std::min(least, found.effective_samples);
    if (std::isnan(found.r_hat)) worst = NAN;
  }
  if (kept.draws() < 4)
    return "  R-hat and effective samples need at least 4 draws a chain: take fewer chains\n";
  if (std::isnan(worst)) return "  R-hat is not defined: some column never changes\n";
  return fmt::format(
      "  R-hat at most {:.4f}; at least {} effective samples, {} a second after burn-in\n", worst,
      number_text(least, 0), number_text(least / seconds, 0));
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

void sample_by_chains(const SampleArguments& arguments, const LoadedRun& run,
                      std::span<const double> condition, ThreadPool& pool) {
  const Model& model = *run.model;
  const ChainTarget target = chain_target(arguments, run);
  ChainOptions options;
  options.chains = std::min(arguments.chains, arguments.count);
  options.burn_in = arguments.burn_in;
  options.thinning = arguments.thinning;
  options.step_size = arguments.step_size;
  options.seed = static_cast<std::uint64_t>(arguments.seed);
  LatentDensity density(model.flow(), model.column_maps(), target,
                        target == ChainTarget::kEnergy ? make_target(run.options.data) : nullptr);
  MarkovChains chains(std::move(density), model.parameters(), chain_kernels(arguments), options,
                      pool);
  TableWriter writer(arguments.out, column_names(run.options.model),
                     arguments.exact() ? FloatType::kFloat64 : FloatType::kFloat32);
  chains.start(rows_in_turn(condition, run.options.model.context_features, 0, options.chains));

  const std::int64_t features = model.flow().features();
  const std::int64_t draws = (arguments.count + options.chains - 1) / options.chains;
  const std::int64_t steps = options.burn_in + draws * options.thinning;
  KeptDraws kept{options.chains, features, {}};
  std::int64_t written = 0, non_finite = 0;
  ProgressDisplay progress(arguments.quiet);
  catch_interrupts();
  auto begin = std::chrono::steady_clock::now();
  while (written < arguments.count) {
    if (chains.state().steps == options.burn_in) begin = std::chrono::steady_clock::now();
    const bool keep = chains.step();
    const double done = static_cast<double>(chains.state().steps) / static_cast<double>(steps);
    if (progress.wanted(done))
      progress.show(done, fmt::format("step {} of {}", chains.state().steps, steps));
    if (interrupted()) {
      fmt::print(stderr, "thalweg: interrupted; nothing was written\n");
      throw ExitCode{kInterrupted};
    }
    if (!keep) continue;
    std::vector<double> x = chains.data();
    if (static_cast<std::int64_t>(kept.values.size() + x.size()) <= kMostDiagnosed)
      kept.values.insert(kept.values.end(), x.begin(), x.end());
    x.resize(
        static_cast<std::size_t>(std::min(options.chains, arguments.count - written) * features));
    non_finite += finish_samples(model, x, pool);
    writer.append(x);
    written += static_cast<std::int64_t>(x.size()) / features;
  }
  const double seconds = seconds_since(begin);
  writer.finish();
  if (!arguments.quiet) {
    fmt::print("{} samples in {}: {} chains, {} steps of burn-in, then every {} steps\n",
               arguments.count, arguments.out, options.chains, options.burn_in, options.thinning);
    fmt::print("  of {}{}\n", statement(target),
               arguments.sampler == "sails_published"
                   ? ", as published: only near it, since moves are judged by another kernel's odds"
                   : "");
    for (const KernelStatistics& kernel : chains.statistics())
      fmt::print("  {}: accepted {:.3f} of {} moves{}\n", kernel.kernel, kernel.acceptance(),
                 kernel.proposals,
                 kernel.step_size > 0.0 ? fmt::format(", step size {:.4g}", kernel.step_size) : "");
    fmt::print("{}", mixing_text(kept, seconds));
  }
  for (const KernelStatistics& kernel : chains.statistics())
    if (kernel.non_finite > 0)
      fmt::print(stderr, "thalweg: {} of {} moves of {} had no finite density and were refused\n",
                 kernel.non_finite, kernel.proposals, kernel.kernel);
  if (non_finite > 0)
    fmt::print(stderr, "thalweg: {} of {} samples are not finite; `thalweg doctor {}` says more\n",
               non_finite, arguments.count, arguments.run);
}

}  // namespace thalweg::cli
