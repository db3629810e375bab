// Continuously indexed layers (Cornish, Caterini, Deligiannidis, Doucet 2020, Relaxing Bijectivity
// Constraints with Continuously Indexed Normalising Flows).
#pragma once

#include <memory>
#include <string>

#include "thalweg/nn/network.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

struct ContinuouslyIndexedOptions {
  std::int64_t index_features = 1;  ///< of u; at least 1
  /// Networks from u to [t; s], and from z and x to mean and log deviation of u. Empty: Mlps of
  /// 32-32. They must not start at 0, where a gradient never tells u to matter.
  NetworkFactory network = {};
  std::int64_t context_features = 0;
};

/// x = z exp(s(u)) + t(u), with an index u of p(u | z), a diagonal normal; its density is an
/// integral over u. So forward() draws u ~ p(u | z) and inverse() draws u ~ q(u | x), a diagonal
/// normal as well, and what they give as log_det is
/// log|det dz/dx| + log p(u | z) - log q(u | x) for inverse (with forward, the opposite of it at
/// the u it drew). So log_prob of a flow with such layers is one draw of an estimate whose mean is
/// a lower bound on log p(x), and the mean of its exponential is p(x): the logarithm
/// of a mean over draws comes as close as asked. Samples of such a flow are exact.
/// Scales and deviations lie between exp(-5) and exp(5).
class ContinuouslyIndexed : public Transform {
 public:
  /// Adds its parameters under `name`. Throws ConfigError for fewer than 1 index feature.
  ContinuouslyIndexed(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                      std::int64_t features, const ContinuouslyIndexedOptions& options = {});
  bool stochastic() const override { return true; }

  /// z at a given u, index features x 1, and log|det dz/dx| + log p(u | z): its exponential times
  /// the density of z integrates over u to that of x. Throws ShapeError.
  Mapped inverse_at(Value x, Value u, Value context = {}) const;

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  struct Index {
    Value u, log_density;
  };
  Index draw(const Network& network, Value given, Value context) const;
  Value log_density(const Network& network, Value u, Value given, Value context) const;

  std::int64_t index_features_;
  std::unique_ptr<Network> affine_, prior_, posterior_;
};

}  // namespace thalweg
