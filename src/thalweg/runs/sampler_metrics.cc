#include "thalweg/runs/sampler_metrics.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/metrics/chain_diagnostics.h"
#include "thalweg/metrics/rosenblatt_distance.h"
#include "thalweg/metrics/sample_divergence.h"
#include "thalweg/runs/run_chains.h"
#include "thalweg/sampling/flow_sampler.h"
#include "thalweg/sampling/markov_chains.h"

namespace thalweg {

namespace {

constexpr double kFarMass = 0.999;

std::vector<double> normalised_log_density(std::span<const double> x,
                                           const std::shared_ptr<const Target>& target,
                                           ThreadPool& pool) {
  std::vector<double> values = target_log_density(target, pool)(x);
  for (double& value : values) value -= target->log_normaliser().value_or(0.0);
  return values;
}

}  // namespace

SamplerResult run_sampler(const LoadedRun& run, const std::string& sampler,
                          const SamplerRequest& request, std::uint64_t seed, ThreadPool& pool) {
  const Model& model = *run.model;
  SamplerResult result;
  if (sampler == "naive") {
    result.x = FlowSampler(model, pool, seed, Precision::kDouble).next(request.samples);
    return result;
  }
  const bool sails = sampler == "sails" || sampler == "sails_published";
  const ChainTarget target = sails          ? ChainTarget::kSharpened
                             : run.target() ? ChainTarget::kEnergy
                                            : ChainTarget::kModel;
  ChainOptions options;
  options.chains = std::min(request.chains, request.samples);
  options.burn_in = request.burn_in;
  options.thinning = request.thinning;
  options.step_size = request.step_size;
  options.seed = seed;
  MarkovChains chains(latent_density(run, target),
                      chain_kernels(sampler, request.local_probability), options, pool);
  chains.start();
  const auto wanted = static_cast<std::size_t>(request.samples * model.flow().features());
  while (result.x.size() < wanted)
    if (chains.step()) {
      const std::vector<double> x = chains.data();
      result.x.insert(result.x.end(), x.begin(), x.end());
    }
  for (const KernelStatistics& kernel : chains.statistics()) {
    const bool local = kernel.step_size > 0.0;
    result.metrics.push_back({local ? "accepted_local" : "accepted_global",
                              local ? "accepted, local" : "accepted, global", kernel.acceptance()});
    if (local) result.metrics.push_back({"step_size", "step size", kernel.step_size});
  }
  result.metrics.push_back(
      {"r_hat", "R-hat",
       worst_diagnostics(result.x, options.chains, model.flow().features()).r_hat});
  result.x.resize(wanted);
  return result;
}

std::vector<double> true_samples(const Target& target, const SamplerRequest& request,
                                 std::uint64_t seed) {
  return target_samples(target, seed, Stream::kSampling, 0, request.samples);
}

std::vector<Metric> sample_metrics(std::span<const double> x,
                                   const std::shared_ptr<const Target>& target,
                                   const SamplerRequest& request, std::uint64_t seed,
                                   ThreadPool& pool) {
  const std::vector<double> exact =
      target_samples(*target, seed, Stream::kEvaluation, 0, request.samples);
  const std::vector<double> log_density = normalised_log_density(x, target, pool);
  double mean = 0.0;
  for (const double value : log_density) mean += value / static_cast<double>(log_density.size());
  std::vector<Metric> metrics = {
      {"sample_log_density", "mean log density", mean},
      {"sample_kl", "KL, nats", neighbour_divergence(x, exact, target->features(), pool)}};
  if (target->features() == 2)
    metrics.insert(
        metrics.end(),
        {{"sample_ks", "KS", plane_distance(x, exact, pool)},
         {"sample_ks_justel", "KS, Justel et al.",
          rosenblatt_distance(x, target_log_density(target, pool), target->half_width())}});
  const std::vector<double> truth = normalised_log_density(exact, target, pool);
  metrics.push_back({"off_modes", fmt::format("outside {:g} %", 100.0 * request.mass),
                     share_outside(log_density, truth, request.mass)});
  metrics.push_back({"far_off_modes", fmt::format("outside {:g} %", 100.0 * kFarMass),
                     share_outside(log_density, truth, kFarMass)});
  return metrics;
}

}  // namespace thalweg
