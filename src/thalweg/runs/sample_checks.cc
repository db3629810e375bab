// What some samples of a model say beside exact ones of its target.
#include <algorithm>
#include <cmath>

#include "thalweg/runs/evaluation_parts.h"
#include "thalweg/runs/sampler_metrics.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

std::vector<Metric> sample_check_metrics(const LoadedRun& run, std::uint64_t seed,
                                         ThreadPool& pool) {
  const std::shared_ptr<const Target> target = run.target();
  const SamplerRequest request{.samples = 2000};  // half a second's work
  const std::vector<double> x =
      FlowSampler(*run.model, pool, seed, Precision::kDouble).next(request.samples);
  if (!std::all_of(x.begin(), x.end(), [](double value) { return std::isfinite(value); }))
    return {};
  const std::vector<Metric> model = sample_metrics(x, target, request, seed, pool);
  const std::vector<Metric> exact =
      sample_metrics(true_samples(*target, request, seed), target, request, seed, pool);
  std::vector<Metric> metrics;
  for (const auto& [name, label] :
       {std::pair{"sample_kl", "KL(model || target) by neighbours"},
        std::pair{"off_modes", "samples outside of 97.5 % regions"},
        std::pair{"sample_ks_justel", "KS in the plane, from the density"}})
    for (std::size_t i = 0; i < model.size(); ++i) {
      if (model[i].name != name) continue;
      metrics.push_back({name, label, model[i].value, 0.0, 4});
      metrics.push_back(
          {std::string(name) + "_floor", "  of exact samples", exact[i].value, 0.0, 4});
    }
  return metrics;
}

}  // namespace thalweg
