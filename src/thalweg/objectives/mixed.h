// A mixture of maximum likelihood and reverse Kullback-Leibler divergence.
#pragma once

#include <cstdint>

#include "thalweg/objectives/reverse_kl.h"
#include "thalweg/objectives/training_step.h"

namespace thalweg {

/// Builds the step in `graph`, whose phase should be kTraining. The loss is `likelihood_weight`, in
/// (0, 1), times that of maximum_likelihood on the data, in domain 0, plus the rest to 1 times that
/// of reverse_kl, on samples of the base in a domain of their own with `samples` by default. Of a
/// flow with stochastic layers these are the divergences between paths (Wu, Koehler, Noe 2020, eqs.
/// 14 and 13). Throws ConfigError for a weight out of range and as these do.
TrainingStep mixed_likelihood(Graph& graph, const Flow& flow, const Target& target,
                              double likelihood_weight, std::int64_t samples,
                              ScoreEstimator estimator = ScoreEstimator::kCovariance,
                              double rejection_weight = 0.0);

}  // namespace thalweg
