// Mixtures of Moebius maps of the circle (Rezende et al. 2020, Normalizing Flows on Tori and
// Spheres, section 2.1.1).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "thalweg/transforms/find_root.h"

namespace thalweg {

/// The map of a circle of length 1 f(x) = sum over k of p_k (h_k(x) - h_k(0)), with f(x + 1) = f(x)
/// + 1. h_k is the Moebius map of the disk with centre w_k that keeps the circle, as an angle over
/// 2 pi: its slope is Poisson's kernel (1 - |w|^2) / |exp(2 pi i x) - w|^2, and so
///
///     h(x) = x + arg(1 - conj(w) exp(2 pi i x)) / -pi,
///
/// which needs no branch. It is analytic; slopes are between (1 - |w|) / (1 + |w|) and the inverse.
class MoebiusMixture : public MonotoneFunction {
 public:
  explicit MoebiusMixture(std::int64_t components) : components_(components) {}

  /// Of one map, from any real numbers, in this order: K weights (p = softmax), K real and K
  /// imaginary parts v (w = 0.99 v / sqrt(1 + |v|^2), to v is added 0.3 exp(2 pi i k / K), so that
  /// zeros are nearly the identity and the maps differ).
  std::int64_t raw_parameters() const { return 3 * components_; }
  /// The parameters of maps side by side, from `raw`, raw_parameters() x maps.
  std::vector<Value> parameters(Value raw) const;
  /// f(x), x being 1 x maps.
  Value operator()(Value x, const std::vector<Value>& parameters) const override;
  /// x with f(x) = y, on all of the line.
  static Value inverse(const std::shared_ptr<const MoebiusMixture>& mixture, Value y,
                       const std::vector<Value>& parameters, const RootSearch& search = {});

 private:
  std::int64_t components_;
};

}  // namespace thalweg
