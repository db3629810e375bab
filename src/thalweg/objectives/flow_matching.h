// The loss of continuous flows that needs no integration (Lipman et al. 2023).
#pragma once

#include <string>

#include "thalweg/objectives/objective.h"

namespace thalweg {

/// Conditional flow matching along straight paths (Lipman et al. 2023, eq. 23 with sigma_min = 0):
/// with x1 a row of data, x0 a draw of the base, t uniform in (0, 1) and x = (1 - t) x0 + t x1, the
/// mean over the batch of
///
///     |v(x, t, c) - (x1 - x0)|^2 / features.
///
/// Its least value is not 0 but the mean variance of x1 - x0 given x and t. A step takes one value
/// of v and no integral. The flow is one Continuous layer alone, since other layers would only make
/// its task look easier; for the same reason no gradient goes to the base, which stays as it is.
///
/// Which draw belongs to which row is `pairing`'s matter: see Pairing.
class FlowMatching : public Objective {
 public:
  explicit FlowMatching(Pairing pairing = Pairing::kIndependent) : pairing_(pairing) {}
  std::string name() const override { return "flow_matching"; }
  bool trains_base() const override { return false; }
  /// Throws ConfigError for a flow of anything but one continuous layer, for a base with a
  /// rejection step, and for equivariant pairs of a base that is not one of particles.
  Loss build(StepBuilder& step) const override;

 private:
  Pairing pairing_;
};

}  // namespace thalweg
