// The loss of free-form flows (Draxler, Sorrenson et al. 2024, Algorithm 1).
#pragma once

#include <cstdint>
#include <string>

#include "thalweg/objectives/objective.h"

namespace thalweg {

struct FreeFormLossOptions {
  double reconstruction_weight = 100.0;  ///< beta; positive
  std::int64_t probes = 1;               ///< K; 1 to the number of features
  /// beta in the first step; it grows to `reconstruction_weight` by equal factors in
  /// `reconstruction_steps` steps. 0: that weight all along.
  double reconstruction_start = 0.0;
  std::int64_t reconstruction_steps = 0;
  double noise = 0.0;             ///< deviation of what is added to rows, in those of the columns
  double rejection_weight = 0.0;  ///< see acceptance_reward
};

/// The mean over the batch of -log p(z) - sum of log-determinants + beta times the reconstruction
/// errors |x - g(f(x))|^2 of the free-form layers. Layers are passed from the data to the base, the
/// free-form ones by their encoders, with K random directions for the gradient of log|det J_f|
/// (FreeForm::estimate), all others by their inverse. The loss that is told is the mean
/// reconstruction error, in squared deviations of the columns, since the value of what is minimised
/// is no likelihood.
class FreeFormLoss : public Objective {
 public:
  /// Throws ConfigError for options out of range; build() for more probes than features and for a
  /// flow without a free-form layer.
  explicit FreeFormLoss(const FreeFormLossOptions& options = {});
  std::string name() const override { return "free_form"; }
  Loss build(StepBuilder& step) const override;
  bool trains_encoders() const override { return true; }

  /// beta in a step, from 0.
  double reconstruction_weight(std::int64_t step) const;

 private:
  FreeFormLossOptions options_;
};

}  // namespace thalweg
