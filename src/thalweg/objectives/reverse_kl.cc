#include "thalweg/objectives/reverse_kl.h"

#include <algorithm>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {

ReverseKl::ReverseKl(std::shared_ptr<const Target> target, const ReverseKlOptions& options)
    : target_(std::move(target)), options_(options) {
  if (!target_) fail<ConfigError>("reverse KL: expected a target, got none");
  if (!(options.annealing_start >= 0.0 && options.annealing_start <= 1.0))
    fail<ConfigError>("training.annealing_start: expected a number in [0, 1], got {}",
                      options.annealing_start);
  if (options.annealing_steps < 0)
    fail<ConfigError>("training.annealing_steps: expected at least 0, got {}",
                      options.annealing_steps);
}

Loss ReverseKl::build(StepBuilder& step) const {
  Graph& graph = step.graph();
  const Flow& flow = step.flow();
  if (flow.context_features() > 0)
    fail<ConfigError>("reverse KL: a flow with a context cannot be trained from an energy");
  if (target_->features() != flow.features())
    fail<ShapeError>("reverse KL: expected a target of {} features, got {} of {}", flow.features(),
                     target_->name(), target_->features());
  const Base& base = flow.base();
  if (!base.reparameterised() && step.samples() < 2)
    fail<ConfigError>(
        "training.batch_size: expected at least 2 for a covariance over the batch, got {}",
        step.samples());
  const Domain domain = step.draws();
  Value z = step.latent(domain);
  if (!base.reparameterised()) z = stop_gradient(z);
  const Value temperature = step.number(domain, [options = options_](std::int64_t number) {
    if (options.annealing_steps == 0) return 1.0;
    return std::min(1.0,
                    options.annealing_start + static_cast<double>(number - options.first_step) /
                                                  static_cast<double>(options.annealing_steps));
  });
  const Mapped mapped = flow.forward(z);
  const Value log_base = base.log_prob(z);
  const Value rest = -(mapped.log_det + temperature * target_->log_density(mapped.value));
  const Value integrand = log_base + rest;
  const Value divergence = batch_mean(integrand, domain);
  const Value reward = acceptance_reward(graph, base, options_.rejection_weight);
  Loss loss{.value = divergence - reward,
            .non_finite = batch_sum(1.0 - is_finite(integrand), domain)};
  if (base.reparameterised()) return loss;
  Value weight = stop_gradient(integrand);
  Value samples = graph.count(domain);
  if (options_.estimator == ScoreEstimator::kCovariance) {
    weight = stop_gradient(integrand - divergence);
    samples = samples - 1.0;
  }
  loss.surrogate =
      batch_mean(rest, domain) + batch_sum(weight * log_base, domain) / samples - reward;
  return loss;
}

}  // namespace thalweg
