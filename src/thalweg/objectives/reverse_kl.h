// Reverse Kullback-Leibler divergence: learning from an energy alone.
#pragma once

#include "thalweg/flows/flow.h"
#include "thalweg/objectives/training_step.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// How the gradient of a base's own parameters is estimated where draws cannot be differentiated.
enum class ScoreEstimator : std::uint8_t {
  kCovariance,  ///< Stimper, Schoelkopf, Hernandez-Lobato 2022, eq. 10, with 1 / (n - 1)
  kPlain,       ///< the same without centring (eq. 22): for comparison
};

/// Builds the step in `graph`, whose phase should be kTraining. The loss is the mean over samples z
/// of the base of log p(z) - log|det dF/dz| - temperature log p*(F(z)), p* unnormalised, so it is
/// the divergence up to log of the target's integral.
///
/// A base with derivatives through its draws gets them (and `latent` is empty). Else the flow's
/// gradient is that at fixed z (eq. 11 there) and the base's is the covariance of its score with
/// the integrand (eq. 10), which a constant added to log p* does not change. A base with a
/// rejection step wants its exact samples in `latent`; other bases draw in the graph.
/// `rejection_weight` times Z of a resampled base is taken off the loss (see acceptance_reward).
/// The samples are those of `domain`. Of a flow with stochastic layers it is the divergence of
/// paths (Wu, Koehler, Noe 2020, eq. 13), with derivatives through the moves where they have any.
/// Throws ConfigError for a flow with a context, ShapeError if the target has another number of
/// features.
TrainingStep reverse_kl(Graph& graph, const Flow& flow, const Target& target,
                        ScoreEstimator estimator = ScoreEstimator::kCovariance,
                        double rejection_weight = 0.0, Domain domain = 0);

}  // namespace thalweg
