#include "thalweg/objectives/mixed.h"

#include "thalweg/core/error.h"
#include "thalweg/objectives/maximum_likelihood.h"

namespace thalweg {

TrainingStep mixed_likelihood(Graph& graph, const Flow& flow, const Target& target,
                              double likelihood_weight, std::int64_t samples,
                              ScoreEstimator estimator, double rejection_weight) {
  if (!(likelihood_weight > 0.0 && likelihood_weight < 1.0))
    fail<ConfigError>("mixed likelihood: expected a weight between 0 and 1, got {}",
                      likelihood_weight);
  TrainingStep step = maximum_likelihood(graph, flow, rejection_weight);
  const TrainingStep reverse =
      reverse_kl(graph, flow, target, estimator, rejection_weight, graph.add_domain(samples));
  const double rest = 1.0 - likelihood_weight;
  step.latent = reverse.latent;
  step.temperature = reverse.temperature;
  step.loss = likelihood_weight * step.loss + rest * reverse.loss;
  step.non_finite = step.non_finite + reverse.non_finite;
  for (std::size_t i = 0; i < step.gradients.size(); ++i)
    step.gradients[i] = likelihood_weight * step.gradients[i] + rest * reverse.gradients[i];
  return step;
}

}  // namespace thalweg
