// Maximum likelihood: the loss of exact-density flows.
#pragma once

#include <string>

#include "thalweg/objectives/objective.h"

namespace thalweg {

/// The mean of -log p(x) over the batch, less `rejection_weight` times Z of a resampled base (see
/// acceptance_reward). Of a flow with stochastic layers it is that of paths (Wu, Koehler, Noe 2020,
/// eq. 14).
class MaximumLikelihood : public Objective {
 public:
  explicit MaximumLikelihood(double rejection_weight = 0.0) : rejection_weight_(rejection_weight) {}
  std::string name() const override { return "maximum_likelihood"; }
  Loss build(StepBuilder& step) const override;
  /// The same of what row_log_prob() gave.
  Loss of_rows(StepBuilder& step, Value log_prob) const;

 private:
  double rejection_weight_;
};

/// log p of the step's rows, 1 x 1.
Value row_log_prob(StepBuilder& step);

}  // namespace thalweg
