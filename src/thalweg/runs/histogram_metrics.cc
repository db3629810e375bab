#include "thalweg/runs/histogram_metrics.h"

#include <algorithm>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

PlaneHistogram run_histogram(const LoadedRun& run, const Target& target,
                             const HistogramRequest& request, std::uint64_t seed,
                             ThreadPool& pool) {
  return plane_histogram(
      FlowSampler(*run.model, pool, seed, Precision::kDouble).next(request.samples),
      target.half_width(), request.bins);
}

PlaneHistogram true_histogram(const Target& target, const HistogramRequest& request,
                              std::uint64_t seed) {
  return plane_histogram(target_samples(target, seed, Stream::kSampling, 0, request.samples),
                         target.half_width(), request.bins);
}

std::vector<Metric> histogram_metrics(const PlaneHistogram& samples,
                                      const std::shared_ptr<const Target>& target,
                                      ThreadPool& pool) {
  const auto log_normaliser = target->log_normaliser();
  if (!log_normaliser)
    fail<ConfigError>("{}: a histogram needs a target whose integral is known", target->name());
  const PlaneHistogram exact = plane_histogram(target_log_density(target, pool), *log_normaliser,
                                               samples.half_width, samples.bins);
  return {{"histogram_kl", "KL(target || samples), by histogram",
           histogram_divergence(exact, samples)}};
}

Grid histogram_panel(std::string title, const PlaneHistogram& histogram) {
  Grid grid;
  grid.title = std::move(title);
  grid.rows = grid.columns = histogram.bins;
  grid.values = histogram.shares;
  const double side = 2.0 * histogram.half_width / static_cast<double>(histogram.bins);
  for (double& value : grid.values) value /= side * side;
  return grid;
}

}  // namespace thalweg
