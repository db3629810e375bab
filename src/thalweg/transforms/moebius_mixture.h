// Mixtures of Moebius maps of the circle (Rezende et al. 2020, Normalizing Flows on Tori and
// Spheres, section 2.1.1).
#pragma once

#include <cstdint>
#include <vector>

#include "thalweg/transforms/monotone_mixture.h"

namespace thalweg {

/// The map of a circle of length 1 f(x) = sum over k of p_k (h_k(x) - h_k(0)), with f(x + 1) = f(x)
/// + 1. h_k is the Moebius map of the disk with centre w_k that keeps the circle, as an angle over
/// 2 pi: its slope is Poisson's kernel (1 - |w|^2) / |exp(2 pi i x) - w|^2, and so
///
///     h(x) = x + arg(1 - conj(w) exp(2 pi i x)) / -pi,
///
/// which needs no branch. It is analytic; slopes are between (1 - |w|) / (1 + |w|) and the inverse.
class MoebiusMixture : public MonotoneMixture {
 public:
  explicit MoebiusMixture(std::int64_t components) : components_(components) {}

  /// Of one map, from any real numbers, in this order: K weights (p = softmax), K real and K
  /// imaginary parts v (w = 0.99 v / sqrt(1 + |v|^2), to v is added 0.3 exp(2 pi i k / K), so that
  /// zeros are nearly the identity and the maps differ).
  std::int64_t raw_parameters() const override { return 3 * components_; }
  std::vector<Value> parameters(Value raw) const override;
  Value operator()(Value x, const std::vector<Value>& parameters) const override;
  Interval around_root(Value y, const std::vector<Value>& parameters) const override;

 private:
  std::int64_t components_;
};

}  // namespace thalweg
