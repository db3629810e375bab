#include "thalweg/objectives/reverse_kl.h"

#include "thalweg/core/error.h"

namespace thalweg {

TrainingStep reverse_kl(Graph& graph, const Flow& flow, const Target& target,
                        ScoreEstimator estimator, double rejection_weight, Domain domain) {
  const ScopeName scope(graph, "reverse KL");
  if (flow.context_features() > 0)
    fail<ConfigError>("reverse KL: a flow with a context cannot be trained from an energy");
  if (target.features() != flow.features())
    fail<ShapeError>("reverse KL: expected a target of {} features, got {} of {}", flow.features(),
                     target.name(), target.features());
  const Base& base = flow.base();
  TrainingStep step;
  Value z = base.draw(graph, domain);
  if (base.acceptance(z).valid()) z = step.latent = graph.input({flow.features(), 1}, domain);
  if (!base.reparameterised()) z = stop_gradient(z);
  step.temperature = graph.input({1, 1}, domain);
  const Mapped mapped = flow.forward(z);
  const Value log_base = base.log_prob(z);
  const Value rest = -(mapped.log_det + step.temperature * target.log_density(mapped.value));
  const Value integrand = log_base + rest;
  const Value divergence = batch_mean(integrand, domain);
  const Value reward = acceptance_reward(graph, base, rejection_weight);
  step.loss = divergence - reward;
  step.non_finite = batch_sum(1.0 - is_finite(integrand), domain);
  if (base.reparameterised()) {
    add_gradients(step, step.loss);
    return step;
  }
  Value weight = stop_gradient(integrand);
  Value samples = graph.count(domain);
  if (estimator == ScoreEstimator::kCovariance) {
    weight = stop_gradient(integrand - divergence);
    samples = samples - 1.0;
  }
  add_gradients(step,
                batch_mean(rest, domain) + batch_sum(weight * log_base, domain) / samples - reward);
  return step;
}

}  // namespace thalweg
