// Uniform on the circle for angles, normal for other features.
#pragma once

#include <string>
#include <vector>

#include "thalweg/bases/base.h"

namespace thalweg {

/// Independent features: those that `circular` flags are uniform on the circle, drawn in [-pi, pi)
/// and of density 1 / (2 pi) for any number, for all that are whole turns apart are one angle; the
/// others are normal with mean 0 and scale 1.
class PartlyCircular : public Base {
 public:
  /// One flag a feature. Throws ConfigError for none.
  PartlyCircular(const std::string& name, const std::vector<bool>& circular);

 protected:
  Value build_log_prob(Value z, Value context) const override;
  Value build_draw(Graph& graph, Domain domain, Value context) const override;

 private:
  std::vector<double> on_line_;  ///< 1 for a feature that is normal, else 0
};

}  // namespace thalweg
