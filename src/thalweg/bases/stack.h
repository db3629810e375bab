// A mixture of densities of any kinds.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "thalweg/bases/base.h"

namespace thalweg {

/// sum over k of weight_k p_k(z) of its members, which keep their own parameters; a draw is one of
/// a member that is chosen by the weights. Weights start equal and are not trained: see
/// stacking_weights().
class Stack : public Base {
 public:
  /// Throws ConfigError without members, and for members that reject draws, take a context or have
  /// other features than the first.
  Stack(ParameterStore& parameters, const std::string& name,
        std::vector<std::shared_ptr<const Base>> members);
  bool reparameterised() const override { return false; }
  const std::vector<std::shared_ptr<const Base>>& members() const { return members_; }
  /// Sets positive weights, which need not sum to 1. Throws ShapeError.
  void set_weights(ParameterStore& parameters, std::span<const double> weights) const;
  /// Weights of the members, summing to 1.
  std::vector<double> weights(const ParameterStore& parameters) const;

 protected:
  Value build_log_prob(Value z, Value context) const override;
  Value build_draw(Graph& graph, Domain domain, Value context) const override;

 private:
  std::vector<std::shared_ptr<const Base>> members_;
  ParameterId logits_;  // 1 x members
};

}  // namespace thalweg
