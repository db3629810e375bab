// Infinitely smooth monotone maps of intervals and circles: mixtures of bumps (Koehler, Kraemer,
// Noe 2021, section 4).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/transforms/monotone_mixture.h"

namespace thalweg {

/// How a bump rises from 0, rho(x) on [0, 1] with rho(0) = 0.
enum class Ramp : std::uint8_t {
  kExponential,  ///< exp(alpha (1 - x^-power)), with a learned alpha: smooth to any order
  kMonomial,     ///< x^power: power - 1 continuous derivatives of the map
};

/// Names of all ramps: "exponential", "monomial".
std::vector<std::string> ramp_names();
/// Ramp by name; throws ConfigError that lists the names.
Ramp ramp_by_name(std::string_view name);

struct BumpMixtureOptions {
  std::int64_t components = 8;     ///< at least 1
  double smallest_density = 1e-6;  ///< of a component, in (0, 1): slopes of the map are not below
  Ramp ramp = Ramp::kExponential;
  std::int64_t power = 0;  ///< exponential: 1 or 2; monomial: 2 to 20; 0: 1 and 3
  bool circular = false;
  bool one_width = false;  ///< circular: all bumps as wide as the authors' code has them
};

/// Throws ConfigError, naming `name`, for options out of range.
void check_bump_options(const std::string& name, const BumpMixtureOptions& options);

/// rho(u) / (rho(u) + rho(1 - u)), eq. 6 there: 0 for u <= 0, 1 for u >= 1, and in between strictly
/// increasing, with all the derivatives that the ramp has vanishing at both ends. `alpha` is
/// positive, at least 0.86 for derivatives that are right to rounding, and empty for monomials.
Value generalised_sigmoid(const BumpMixtureOptions& options, Value u, Value alpha);

/// The map of [0, 1] onto itself f(x) = sum over k of w_k ((1 - c_k) (G_k(x) - G_k(0)) / (G_k(1) -
/// G_k(0)) + c_k x), eq. 7 there, with G_k(x) = s(a_k (x - b_k) + 1/2), s the generalised sigmoid;
/// the same formula continues it to all of the line. Of a circle of length 1 the bumps are no wider
/// than it and their copies at b_k + 1, b_k + 2, ... are added, so that f(x + 1) = f(x) + 1.
class BumpMixture : public MonotoneMixture {
 public:
  explicit BumpMixture(const BumpMixtureOptions& options) : options_(options) {}

  /// Of one map, from any real numbers, in this order: K weights (w = softmax), K locations (b =
  /// running sums of softmax), K widths (a = exp(tanh); of a circle exp((1 + tanh) / 2), or with
  /// one_width 1.3086 whatever they are), K floors (c = smallest + (1 - smallest) sigmoid(raw + 2))
  /// and, of exponential ramps, K of alpha = 10 sigmoid(raw - 3) + 0.8656721: the published
  /// parameters, shifted so that zeros are nearly the identity.
  std::int64_t raw_parameters() const override;
  std::vector<Value> parameters(Value raw) const override;
  Value operator()(Value x, const std::vector<Value>& parameters) const override;
  Interval around_root(Value y, const std::vector<Value>& parameters) const override;

 private:
  Value bumps(Value x, Value location, Value sharpness, Value alpha) const;
  BumpMixtureOptions options_;
};

}  // namespace thalweg
