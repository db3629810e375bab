#include "thalweg/objectives/mixed.h"

#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {

MixedLikelihood::MixedLikelihood(MaximumLikelihood likelihood, ReverseKl reverse,
                                 double likelihood_weight, std::int64_t likelihood_steps)
    : likelihood_(std::move(likelihood)),
      reverse_(std::move(reverse)),
      weight_(likelihood_weight),
      likelihood_steps_(likelihood_steps) {
  if (!(likelihood_weight >= 0.0 && likelihood_weight <= 1.0))
    fail<ConfigError>("training.likelihood_weight: expected a number in [0, 1], got {}",
                      likelihood_weight);
  if (likelihood_steps < 0)
    fail<ConfigError>("training.likelihood_steps: expected at least 0, got {}", likelihood_steps);
}

Loss MixedLikelihood::build(StepBuilder& step) const {
  // An end of the weight is the pure objective, which asks for nothing of the other.
  if (weight_ == 1.0) return likelihood_.build(step);
  if (weight_ == 0.0) return reverse_.build(step);
  const Loss data = likelihood_.build(step);
  const Loss energy = reverse_.build(step);
  const auto mix = [&](Value a, Value b) { return weight_ * a + (1.0 - weight_) * b; };
  Loss loss{.value = mix(data.value, energy.value),
            .non_finite = data.non_finite + energy.non_finite};
  if (energy.surrogate.valid()) loss.surrogate = mix(data.value, energy.surrogate);
  return loss;
}

}  // namespace thalweg
