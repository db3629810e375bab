// Elementwise map between columns on the line and the unit interval.
#pragma once

#include <string>
#include <vector>

#include "thalweg/transforms/transform.h"

namespace thalweg {

/// z = Phi(x) in [0, 1] for the columns that are flagged, with Phi the distribution function of the
/// standard normal: what is uniform inside is normal outside, so that tails are those of a normal.
/// Other columns stay. Log-determinants of inverse() keep full accuracy however far out x is, where
/// z itself rounds to 0 or 1. forward() stays within 8.3 deviations of the normal, whatever z.
class NormalCdfColumns : public Transform {
 public:
  /// One flag a feature.
  NormalCdfColumns(const std::string& name, const std::vector<bool>& flags);

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  std::vector<double> flags_;  ///< 1 for columns that are mapped
};

}  // namespace thalweg
