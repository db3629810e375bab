// Monotone maps of the line by mixtures of logistic distributions (Ho, Chen, Srinivas, Duan, Abbeel
// 2019, Flow++, section 3.2).
#pragma once

#include <cstdint>
#include <vector>

#include "thalweg/transforms/monotone_mixture.h"

namespace thalweg {

struct LogisticMixtureOptions {
  std::int64_t components = 8;  ///< at least 1
  double smallest_density =
      1e-6;  ///< in (0, 1): the share c of a straight line, which bounds slopes
};

/// The map of the line onto itself
///
///     f(x) = A ((1 - c) logit F(x) + c x) + b,   F(x) = sum over k of w_k sigmoid((x - m_k) /
///     s_k),
///
/// analytic, with slopes between A c and A (1 - c + c s) / s, s the least of all s_k; far out it
/// becomes straight, so that the tails of a density stay what they are.
class LogisticMixture : public MonotoneMixture {
 public:
  explicit LogisticMixture(const LogisticMixtureOptions& options) : options_(options) {}

  /// Of one map, in this order: K weights (w = softmax), K locations (m = raw + (2 k - K + 1) / K,
  /// k from 0, so that components differ where all are 0 and f is nearly the identity), K widths (s
  /// = exp(3 tanh(raw / 3))), and one each for A = exp(3 tanh(raw / 3)) and b.
  std::int64_t raw_parameters() const override { return 3 * options_.components + 2; }
  std::vector<Value> parameters(Value raw) const override;
  Value operator()(Value x, const std::vector<Value>& parameters) const override;
  Interval around_root(Value y, const std::vector<Value>& parameters) const override;

 private:
  LogisticMixtureOptions options_;
};

}  // namespace thalweg
