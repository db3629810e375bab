// Force matching: learning from the slope of a target's log density besides points.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "thalweg/objectives/maximum_likelihood.h"
#include "thalweg/objectives/reverse_kl.h"

namespace thalweg {

struct ForceMatchingOptions {
  double force_weight = 0.001;    ///< of the squared error of forces, in (0, 1]
  double energy_weight = 0.0;     ///< of the reverse KL divergence, in [0, 1 - force_weight]
  bool of_data = false;           ///< forces are those that come with the rows, not the target's
  double rejection_weight = 0.0;  ///< see acceptance_reward
  /// With an energy weight: so many first steps go without it, the likelihood having its share. The
  /// energies of draws of a flow that knows little are all but noise.
  std::int64_t first_steps = 0;
};

/// force_weight times the mean over rows x of |d/dx log q(x) - d/dx log p*(x)|^2, energy_weight
/// times the loss of a reverse KL divergence, and the rest to 1 times that of maximum likelihood
/// (Koehler, Kraemer, Noe 2021, eqs. 4 and 5). Energies being in kT, forces are in kT over the
/// units of the data. Its gradient takes a derivative of log q by x and by the parameters: a flow
/// with kinks in its slopes, as splines have, gets one that leaves these out.
class ForceMatching : public Objective {
 public:
  /// Throws ConfigError for weights out of range and without a target, which only forces of data
  /// without a reverse KL do not need. build() throws ConfigError
  /// for a flow with a context whose forces do not come with the rows, with random layers, or whose
  /// layers know a derivative of their log-determinant as an estimate alone, ShapeError if the
  /// target has another number of features.
  ForceMatching(std::shared_ptr<const Target> target, const ForceMatchingOptions& options,
                const ReverseKlOptions& reverse = {});
  std::string name() const override { return "force_matching"; }
  const Target* target() const override { return target_.get(); }
  Loss build(StepBuilder& step) const override;
  std::int64_t first_steps() const override { return first_ ? options_.first_steps : 0; }
  const Objective* first() const override { return first_.get(); }

 private:
  std::shared_ptr<const Target> target_;
  ForceMatchingOptions options_;
  MaximumLikelihood likelihood_;
  std::optional<ReverseKl> reverse_;
  std::unique_ptr<const ForceMatching> first_;  // without energies
};

/// d/dx log q(x), features x 1, at the x that the transforms of a flow from number `layers` on make
/// of `y`, elementwise. Of a molecule's internal coordinates, by the positions of its atoms, 3
/// atoms x 1, in the frame of InternalCoordinates::to_positions. Throws ShapeError.
Value flow_forces(const Flow& flow, Value y, std::size_t layers, Value context = {});
/// d/dx log p*(x) there, without derivatives of its own.
Value target_forces(const Flow& flow, const Target& target, Value y, std::size_t layers);

}  // namespace thalweg
