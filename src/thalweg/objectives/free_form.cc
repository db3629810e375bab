#include "thalweg/objectives/free_form.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/transforms/free_form.h"

namespace thalweg {

FreeFormLoss::FreeFormLoss(const FreeFormLossOptions& options) : options_(options) {
  const auto finite = [](double value) { return std::isfinite(value); };
  if (!(options.reconstruction_weight > 0.0 && finite(options.reconstruction_weight)))
    fail<ConfigError>("training.reconstruction_weight: expected a positive number, got {}",
                      options.reconstruction_weight);
  if (!(options.reconstruction_start >= 0.0 && finite(options.reconstruction_start)))
    fail<ConfigError>(
        "training.reconstruction_start: expected a positive number, or 0 for the weight all along, "
        "got {}",
        options.reconstruction_start);
  if (options.reconstruction_steps < 0)
    fail<ConfigError>("training.reconstruction_steps: expected at least 0, got {}",
                      options.reconstruction_steps);
  if (options.probes < 1)
    fail<ConfigError>("training.probes: expected at least 1, got {}", options.probes);
  if (!(options.noise >= 0.0 && finite(options.noise)))
    fail<ConfigError>("training.noise: expected a number of at least 0, got {}", options.noise);
}

double FreeFormLoss::reconstruction_weight(std::int64_t step) const {
  const double last = options_.reconstruction_weight, first = options_.reconstruction_start;
  if (first == 0.0 || options_.reconstruction_steps == 0) return last;
  const double done =
      std::min(1.0, static_cast<double>(step) / static_cast<double>(options_.reconstruction_steps));
  return first * std::pow(last / first, done);
}

Loss FreeFormLoss::build(StepBuilder& step) const {
  Graph& graph = step.graph();
  const Flow& flow = step.flow();
  const auto& [y, context, outer] = step.rows();
  const Value given = flow.base().context_features() > 0 ? context : Value{};
  Value x = options_.noise > 0.0
                ? y + flow.base().along(
                          options_.noise * graph.normal({flow.features(), 1}, y.domain()), given)
                : y;
  Value log_prob = graph.constant(0.0), reconstruction;
  for (std::size_t i = std::min(step.layers(), flow.transforms().size()); i-- > 0;) {
    const auto* layer = dynamic_cast<const FreeForm*>(flow.transforms()[i].get());
    if (layer == nullptr) {
      const Mapped mapped = flow.inverse(x, context, i, i + 1);
      log_prob = log_prob + mapped.log_det;
      x = mapped.value;
      continue;
    }
    const ScopeName scope(graph, layer->name());
    const Value probes = orthogonal_probes(graph, y.domain(), flow.base(), given, options_.probes);
    const auto estimate =
        layer->estimate(x, layer->context_features() > 0 ? context : Value{}, probes);
    log_prob = log_prob + estimate.log_det;
    reconstruction =
        reconstruction.valid() ? reconstruction + estimate.reconstruction : estimate.reconstruction;
    x = estimate.z;
  }
  if (!reconstruction.valid())
    fail<ConfigError>(
        "training.objective: free_form needs a flow with a free-form layer: set flow.kind = "
        "\"free_form\"");
  log_prob = log_prob + flow.log_base(x, context);
  const bool scheduled = options_.reconstruction_start > 0.0 && options_.reconstruction_steps > 0;
  const Value weight =
      scheduled
          ? step.number(y.domain(),
                        [own = *this](std::int64_t at) { return own.reconstruction_weight(at); })
          : graph.constant(options_.reconstruction_weight);
  const Value each = weight * reconstruction - log_prob;
  return {.value = batch_mean(reconstruction),
          .non_finite = batch_sum(1.0 - is_finite(each)),
          .surrogate = batch_mean(each) -
                       acceptance_reward(graph, flow.base(), options_.rejection_weight, given)};
}

}  // namespace thalweg
