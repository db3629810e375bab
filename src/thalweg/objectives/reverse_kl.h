// Reverse Kullback-Leibler divergence: learning from an energy alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "thalweg/objectives/objective.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// How the gradient of a base's own parameters is estimated where draws cannot be differentiated.
enum class ScoreEstimator : std::uint8_t {
  kCovariance,  ///< Stimper, Schoelkopf, Hernandez-Lobato 2022, eq. 10, with 1 / (n - 1)
  kPlain,       ///< the same without centring (eq. 22): for comparison
};

struct ReverseKlOptions {
  double rejection_weight = 0.0;  ///< see acceptance_reward
  double annealing_start = 1.0;   ///< factor on the target's log density at first, in [0, 1]
  /// Steps after which that factor has grown by 1; it ends at 1. 0: it is 1 all along.
  std::int64_t annealing_steps = 0;
  std::int64_t first_step = 0;  ///< of the training, from which those steps count
  ScoreEstimator estimator = ScoreEstimator::kCovariance;
};

/// The mean over samples z of the base of log p(z) - log|det dF/dz| - temperature log p*(F(z)), p*
/// unnormalised, so it is the divergence up to log of the target's integral; the temperature is the
/// factor of the annealing.
///
/// A base with derivatives through its draws gets them. Else the flow's gradient is that at fixed z
/// (eq. 11 there) and the base's is the covariance of its score with the integrand (eq. 10), which
/// a constant added to log p* does not change. `rejection_weight` times Z of a resampled base is
/// taken off the loss. Of a flow with stochastic layers it is the divergence of paths (Wu, Koehler,
/// Noe 2020, eq. 13), with derivatives through the moves where they have any.
class ReverseKl : public Objective {
 public:
  /// build() throws ConfigError for a flow with a context, and for less than two samples where a
  /// covariance is taken over them; ShapeError if the target has another number of features. Throws
  /// ConfigError without a target and for an annealing out of range.
  explicit ReverseKl(std::shared_ptr<const Target> target, const ReverseKlOptions& options = {});
  std::string name() const override { return "reverse_kl"; }
  const Target* target() const override { return target_.get(); }
  Loss build(StepBuilder& step) const override;

 private:
  std::shared_ptr<const Target> target_;
  ReverseKlOptions options_;
};

}  // namespace thalweg
