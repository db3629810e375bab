// Residual flow (Chen et al. 2019; Behrmann et al. 2019).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/nn/lipschitz_mlp.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

/// How a residual layer finds log|det(I + J)|, J the Jacobian of its network.
enum class ResidualLogDet : std::uint8_t {
  kAutomatic,  ///< exact up to 8 features, where that is the quicker, too, else the series
  kExact,      ///< J from forward derivatives, then elimination: cost of `features` derivatives
  kSeries,     ///< in training graphs the series estimator; in evaluation graphs exact
};

/// Names of all: "auto", "exact", "series".
std::vector<std::string> residual_log_det_names();
/// By name; throws ConfigError that lists the names.
ResidualLogDet residual_log_det_by_name(std::string_view name);

struct ResidualOptions {
  std::vector<std::int64_t> hidden = {64, 64};
  double lipschitz = 0.9;  ///< bound on the Lipschitz constant of g, in (0, 1)
  ResidualLogDet log_det = ResidualLogDet::kAutomatic;
  std::int64_t context_features = 0;
};

/// z = x + g(x) with g a LipschitzMlp, so that x is found from z.
///
/// inverse() (x to z) costs one evaluation and the log-determinant. The symmetric part of I + J is
/// positive definite, so elimination needs no pivoting and the determinant is positive.
///
/// forward() (z to x) iterates x <- z - g(x), which comes closer by the factor `lipschitz` each
/// time, until the first error is reduced to 1e-4, and ends with two Newton steps: round trips are
/// good to about 1e-12 in double and 1e-6 in float, derivatives to third order exact to the same.
/// Above 128 features the Newton steps use a power series, and second derivatives are not exact.
///
/// The series estimator takes one probe v of random signs a sample:
/// sum over k of (-1)^(k+1) / k w_k v^T J^k v, where w_k is 1 up to k = 10, and beyond is 1 / P(N
/// >= k) if the sample's random number of terms N is at least k, else 0; P(N >= k) = lipschitz^(k -
/// 10). So it is unbiased for the sum of the K terms that a graph holds; K is chosen such that what
/// is left out, at most features * lipschitz^(K+1) / ((K+1) (1 - lipschitz)), is below 1e-3 a
/// feature (49 terms at 0.9), and far below where J is smaller than its bound. Its gradient is that
/// of v^T (sum of (-1)^k w_(k+1) J^k) stopped, times J v, which needs no derivative of the powers
/// (Chen et al. 2019, eqs. 6 and 8); so second derivatives of the series are not right.
class Residual : public Transform {
 public:
  /// Adds its parameters under `name`. Throws ConfigError for sizes or options out of range.
  Residual(ParameterStore& parameters, const std::string& name, RandomSequence& random,
           std::int64_t features, const ResidualOptions& options = {});

  const LipschitzMlp& network() const { return network_; }

  bool exact_slopes() const override;

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  Value log_det(const LipschitzMlp::Linearised& at, Value x) const;
  Value series_log_det(const LipschitzMlp::Linearised& at, Value x) const;
  Value solve(const LipschitzMlp::Linearised& at, Value right_side) const;

  ResidualOptions options_;
  LipschitzMlp network_;
};

}  // namespace thalweg
