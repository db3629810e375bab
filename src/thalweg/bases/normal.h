// Diagonal normal base.
#pragma once

#include <string>

#include "thalweg/bases/base.h"

namespace thalweg {

/// Normal distribution with independent features: mean 0 and scale 1, which are fixed, or start
/// there and are trained.
class Normal : public Base {
 public:
  Normal(ParameterStore& parameters, const std::string& name, std::int64_t features,
         bool trainable = false);

 protected:
  Value build_log_prob(Value z, Value context) const override;
  Value build_draw(Graph& graph, Domain domain, Value context) const override;

 private:
  bool trainable_;
  ParameterId mean_, log_scale_;
};

}  // namespace thalweg
