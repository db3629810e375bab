// Divergence and integral of a density in the plane.
#include <algorithm>
#include <optional>

#include "thalweg/flows/unsolved.h"
#include "thalweg/metrics/grid_divergence.h"
#include "thalweg/metrics/model_check.h"
#include "thalweg/runs/evaluation_parts.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

namespace {

/// Whether Stimper et al. 2022 published their metric on a grid for a target.
bool published_grid(const std::string& target) {
  return target == "dual_moon" || target == "circle_of_gaussians" || target == "two_rings";
}

}  // namespace

std::vector<Metric> grid_metrics(const LoadedRun& run, bool as_published, std::uint64_t seed,
                                 DensityEvaluator& evaluator, ThreadPool& pool,
                                 std::vector<std::string>& warnings) {
  std::vector<Metric> metrics;
  const std::shared_ptr<const Target> target = run.target();
  const auto log_normaliser = target->log_normaliser();
  std::int64_t points = 0, unsolved = 0;
  const auto of_points = [&](DensityEvaluator& densities, std::span<const double> x) {
    std::vector<double> values = densities.log_prob(x);
    points += std::ssize(values);
    unsolved += densities.unsolved();
    return values;
  };
  const PlaneLogDensity model = [&](std::span<const double> x) { return of_points(evaluator, x); };
  if (log_normaliser) {
    const GridDivergence divergence =
        grid_divergence(target_log_density(target, pool), *log_normaliser, model,
                        std::max(3.0, target->half_width()));
    metrics.push_back({"kl_nats", "KL(target || model), nats", divergence.nats});
    if (as_published && published_grid(target->name())) {
      metrics.push_back({"kl_as_published", "KL as published", divergence.as_published});
      metrics.push_back(
          {"kl_published_floor", "  its value for an exact model", divergence.published_floor});
    }
    metrics.push_back({"kl_not_finite", "  grid points without a density",
                       static_cast<double>(divergence.non_finite), 0.0, 0});
  }
  // The density of paths is an estimate, whose noise hides what a grid says.
  if (!run.options.model.stochastic.kinds.empty()) return metrics;
  // Of angles one turn; the density repeats.
  const auto& columns = run.options.model.columns;
  const bool turns = !columns.empty() && columns.front().periodic;
  // One draw of an estimated density has its mean, which is all that an integral takes.
  std::optional<DensityEvaluator> one_draw;
  if (evaluator.draws() > 1) one_draw.emplace(*run.model, pool, Precision::kDouble);
  DensityEvaluator& plain = one_draw ? *one_draw : evaluator;
  // Where an energy of the user's own has its mass, samples show.
  const GridIntegral integral =
      log_normaliser
          ? grid_integral([&](std::span<const double> x) { return of_points(plain, x); },
                          turns ? target->half_width() : 8.0,
                          plain.affordable_cells(run.model->flow().stochastic() ? 200 : 800))
          : density_integral(
                plain, FlowSampler(*run.model, pool, seed, Precision::kDouble).next(10000), {});
  metrics.push_back({"integral", "integral of the density", integral.value});
  metrics.push_back({"integral_not_finite", "  grid points where it is not finite",
                     static_cast<double>(integral.non_finite), 0.0, 0});
  if (unsolved > 0)
    warnings.push_back(fmt::format(
        "{}; the integral of the density, {:.4f}, need not be 1",
        unsolved_text(run.model->flow(), fmt::format("{:.2g} % of the grid's points",
                                                     100.0 * static_cast<double>(unsolved) /
                                                         static_cast<double>(points))),
        integral.value));
  return metrics;
}

}  // namespace thalweg
