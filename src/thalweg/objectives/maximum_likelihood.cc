#include "thalweg/objectives/maximum_likelihood.h"

namespace thalweg {

Value row_log_prob(StepBuilder& step) {
  const auto& [y, context, log_det] = step.rows();
  const Value log_prob = step.flow().log_prob(y, context, step.layers());
  return log_det.valid() ? log_prob + log_det : log_prob;
}

Loss MaximumLikelihood::build(StepBuilder& step) const { return of_rows(step, row_log_prob(step)); }

Loss MaximumLikelihood::of_rows(StepBuilder& step, Value log_prob) const {
  const Flow& flow = step.flow();
  const Value given = flow.base().context_features() > 0 ? step.rows().context : Value{};
  return {.value = -batch_mean(log_prob) -
                   acceptance_reward(step.graph(), flow.base(), rejection_weight_, given),
          .non_finite = batch_sum(1.0 - is_finite(log_prob))};
}

}  // namespace thalweg
