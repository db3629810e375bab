// A flow as a base: what another base draws its proposals from.
#pragma once

#include <memory>
#include <string>

#include "thalweg/flows/flow.h"

namespace thalweg {

/// The density of a flow, 0 in evaluation graphs where it is too far out for numbers, its own
/// draws, and their derivatives where its base has them.
class FlowBase : public Base {
 public:
  /// Throws ConfigError for a flow whose base has a rejection step.
  FlowBase(std::string name, std::shared_ptr<const Flow> flow);
  bool reparameterised() const override { return flow_->base().reparameterised(); }

 protected:
  Value build_log_prob(Value z, Value context) const override;
  Value build_draw(Graph& graph, Domain domain, Value context) const override;

 private:
  std::shared_ptr<const Flow> flow_;
};

}  // namespace thalweg
