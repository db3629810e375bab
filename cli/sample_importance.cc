// Importance sampling of `thalweg sample`.
#include <algorithm>
#include <cmath>

#include "cli/console.h"
#include "cli/sampling.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/io/table.h"
#include "thalweg/metrics/importance.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/plan.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg::cli {

namespace {

constexpr std::int64_t kBlock = 65536;  // rows worked on at a time

/// What the weights' tail says of them; a tail takes 25.
std::string pareto_text(std::span<const double> log_weights) {
  if (log_weights.size() < 25) return "";
  const double shape = pareto_shape(log_weights);
  return fmt::format("\n  Pareto k {:.3f}{}", shape,
                     shape < 0.7 ? "" : ": above 0.7 what the weights give is not reliable");
}

}  // namespace

void sample_by_importance(const SampleArguments& arguments, const LoadedRun& run,
                          std::span<const double> condition, ThreadPool& pool) {
  if (!has_target(run.options.target))
    fail<ConfigError>(
        "--sampler importance: this run was trained on data, of which no density is known to "
        "weight samples by; use naive, or sails");
  const ModelOptions& model = run.options.model;
  const std::int64_t features = model.features;
  const RowFunction log_target = target_log_density(make_target(run.options.target), pool);
  const bool resample = arguments.weights == "resample";
  std::vector<std::string> names = column_names(model);
  if (!resample) names.emplace_back("log_weight");
  // Log weights may be large numbers with small differences.
  TableWriter writer(arguments.out, names,
                     arguments.exact() || !resample ? FloatType::kFloat64 : FloatType::kFloat32);
  FlowSampler sampler(*run.model, pool, static_cast<std::uint64_t>(arguments.seed),
                      Precision::kDouble);
  std::vector<double> kept, log_weights;
  catch_interrupts();
  for (std::int64_t done = 0; done < arguments.count;) {
    const std::int64_t block = std::min(kBlock, arguments.count - done);
    std::vector<double> log_density;
    const std::vector<double> x = sampler.next(
        block, rows_in_turn(condition, model.context_features, done, block), &log_density);
    const std::vector<double> energies = log_target(x);
    std::vector<double> rows;
    for (std::int64_t row = 0; row < block; ++row) {
      const auto index = static_cast<std::size_t>(row);
      log_weights.push_back(energies[index] - log_density[index]);
      const auto from = x.begin() + row * features;
      std::vector<double>& to = resample ? kept : rows;
      to.insert(to.end(), from, from + features);
      if (!resample) rows.push_back(log_weights.back());
    }
    writer.append(rows);
    done += block;
    if (interrupted()) {
      fmt::print(stderr, "thalweg: interrupted; nothing was written\n");
      throw ExitCode{kInterrupted};
    }
  }
  const ImportanceEstimate estimate = importance_estimate(log_weights);
  if (resample)
    for (const std::int64_t row : resampled_rows(
             log_weights,
             RandomSequence(static_cast<std::uint64_t>(arguments.seed), Stream::kAcceptance)
                 .uniform()))
      writer.append({kept.data() + row * features, static_cast<std::size_t>(features)});
  writer.finish();
  if (!arguments.quiet)
    fmt::print(
        "{} samples in {}: draws of the flow, {}\n"
        "  of the density that the run was trained for, not the flow's own\n"
        "  effective share {:.4f} (Kish), log of the integral of exp(-energy) {:.5f} +- {:.5f}{}\n",
        arguments.count, arguments.out,
        resample ? "resampled by their weights (some rows repeat)"
                 : "with the logarithm of their weights as column log_weight",
        estimate.effective_share, estimate.log_integral, log_integral_error(estimate, *run.model),
        pareto_text(log_weights));
}

}  // namespace thalweg::cli
