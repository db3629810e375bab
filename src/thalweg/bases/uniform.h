// Uniform on intervals and circles.
#pragma once

#include <string>
#include <vector>

#include "thalweg/bases/base.h"

namespace thalweg {

/// Independent features: uniform on [0, 1], both ends included, with density 0 elsewhere; those
/// that `circular` flags are uniform on the circle, drawn in [-pi, pi) and of density 1 / (2 pi)
/// for any number, for all that are whole turns apart are one angle.
class Uniform : public Base {
 public:
  /// `circular` is empty or has one flag a feature; throws ConfigError else.
  Uniform(const std::string& name, std::int64_t features, const std::vector<bool>& circular = {});

 protected:
  Value build_log_prob(Value z, Value context) const override;
  Value build_draw(Graph& graph, Domain domain, Value context) const override;

 private:
  std::vector<double> on_circle_;  ///< 1 for an angle, else 0
};

}  // namespace thalweg
