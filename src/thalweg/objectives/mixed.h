// A mixture of maximum likelihood and reverse Kullback-Leibler divergence.
#pragma once

#include <cstdint>
#include <string>

#include "thalweg/objectives/maximum_likelihood.h"
#include "thalweg/objectives/reverse_kl.h"

namespace thalweg {

/// `likelihood_weight` times the loss of one objective on data plus the rest to 1 times that of
/// another on samples of the base, in a domain of their own. Of a flow with stochastic layers these
/// are the divergences between paths (Wu, Koehler, Noe 2020, eqs. 14 and 13).
class MixedLikelihood : public Objective {
 public:
  /// The first `likelihood_steps` steps are by `likelihood` alone. Throws ConfigError for a weight
  /// that is not between 0 and 1 and for negative steps.
  MixedLikelihood(MaximumLikelihood likelihood, ReverseKl reverse, double likelihood_weight,
                  std::int64_t likelihood_steps = 0);
  std::string name() const override { return "mixed"; }
  const Target* target() const override { return reverse_.target(); }
  Loss build(StepBuilder& step) const override;
  std::int64_t first_steps() const override { return likelihood_steps_; }
  const Objective* first() const override { return &likelihood_; }

 private:
  MaximumLikelihood likelihood_;
  ReverseKl reverse_;
  double weight_;
  std::int64_t likelihood_steps_;
};

}  // namespace thalweg
