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

constexpr std::int64_t kDrawn = 1000;  // points of a picture
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
  const ChainTarget target = sails                            ? ChainTarget::kSharpened
                             : has_target(run.options.target) ? ChainTarget::kEnergy
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

PointCloud point_cloud(std::string title, std::span<const double> x) {
  PointCloud cloud;
  cloud.title = std::move(title);
  for (std::size_t i = 0; i + 1 < std::min(x.size(), static_cast<std::size_t>(2 * kDrawn));
       i += 2) {
    cloud.x.push_back(x[i]);
    cloud.y.push_back(x[i + 1]);
  }
  return cloud;
}

HeatMapPlot latent_maps(const LoadedRun& run, ThreadPool& pool) {
  constexpr double kReach = 4.0, kDepth = 10.0;
  constexpr std::int64_t kCells = 200;
  std::vector<double> z;
  for (std::int64_t row = 0; row < kCells; ++row)
    for (std::int64_t column = 0; column < kCells; ++column)
      for (const std::int64_t cell : {column, row})
        z.push_back(kReach * ((2.0 * static_cast<double>(cell) + 1.0) / kCells - 1.0));
  HeatMapPlot plot;
  plot.title = "Latent space";
  plot.x_label = "z0";
  plot.y_label = "z1";
  plot.x_range = plot.y_range = {-kReach, kReach};
  plot.colour_range = {{-kDepth, 0.0}};
  const Model& model = *run.model;
  const auto add = [&](const char* title, ChainTarget target) {
    const LatentDensity density = latent_density(run, target);
    const RowFunction log_density = row_function(
        model.parameters(), 2, [&](Value at) { return density.at(at, {}, {}).log_density; }, pool);
    Grid grid;
    grid.title = title;
    grid.columns = grid.rows = kCells;
    grid.values = log_density(z);
    double top = -INFINITY;
    for (const double value : grid.values)
      if (value < INFINITY) top = std::max(top, value);
    for (double& value : grid.values) value = value - top >= -kDepth ? value - top : -kDepth;
    plot.panels.push_back(std::move(grid));
  };
  add("log p_Z", ChainTarget::kEnergy);
  add("log q_Z/|J_f|", ChainTarget::kSharpened);
  add("log q_Z", ChainTarget::kModel);
  return plot;
}

}  // namespace thalweg
