// Learned invertible linear maps by LU factors (Kingma and Dhariwal 2018; Oliva et al. 2018).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/transforms/transform.h"

namespace thalweg {

/// Inverse direction: z = P (L U x) + b with a fixed permutation P, L unit lower triangular and U
/// upper triangular with a positive diagonal. Starts with L = U = 1 and b = 0. One matrix holds the
/// strict lower part of L, the strict upper part of U and, on its diagonal, the logarithm of U's.
/// Both directions are one dense product a sample; forward() inverts L U once a batch.
class LULinear : public Transform {
 public:
  /// `order` is P (z[i] = (L U x + b')[order[i]]), kept as `name`.order; empty for none. Features
  /// of x that `circular` flags as angles pass as they are, and no other sees them; empty: none is.
  /// Throws ConfigError unless `order` is a permutation of the features, and for flags of another
  /// number.
  LULinear(ParameterStore& parameters, const std::string& name, std::int64_t features,
           const std::vector<std::int32_t>& order = {}, const std::vector<bool>& circular = {});

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  struct Product {
    Value matrix, bias, log_det;  // P L U and P b
  };
  Product product(Graph& graph) const;

  std::vector<std::int32_t> order_;
  std::vector<double> on_line_;  ///< 1 for a feature of x that is mapped, 0 for an angle
  ParameterId factors_, bias_;
};

}  // namespace thalweg
