#include "thalweg/objectives/maximum_likelihood.h"

namespace thalweg {

Loss MaximumLikelihood::build(StepBuilder& step) const {
  const Flow& flow = step.flow();
  const auto& [y, context, log_det] = step.rows();
  Value log_prob = flow.log_prob(y, context, step.layers());
  if (log_det.valid()) log_prob = log_prob + log_det;
  const Value given = flow.base().context_features() > 0 ? context : Value{};
  return {.value = -batch_mean(log_prob) -
                   acceptance_reward(step.graph(), flow.base(), rejection_weight_, given),
          .non_finite = batch_sum(1.0 - is_finite(log_prob))};
}

}  // namespace thalweg
