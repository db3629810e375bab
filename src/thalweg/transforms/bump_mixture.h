// Infinitely smooth monotone maps of intervals and circles: mixtures of bumps (Koehler, Kraemer,
// Noe 2021, section 4).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/transforms/feature_maps.h"
#include "thalweg/transforms/find_root.h"
#include "thalweg/transforms/moebius_mixture.h"

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

/// What moves angles: mixtures of bumps, or of Moebius maps (see MoebiusMixture).
enum class CircleMap : std::uint8_t { kBumps, kMoebius };

/// Names of all maps of angles: "bumps", "moebius".
std::vector<std::string> circle_map_names();
/// Map by name; throws ConfigError that lists the names.
CircleMap circle_map_by_name(std::string_view name);

struct BumpMixtureOptions {
  std::int64_t components = 8;     ///< at least 1
  double smallest_density = 1e-6;  ///< of a component, in (0, 1): slopes of the map are not below
  Ramp ramp = Ramp::kExponential;
  std::int64_t power = 0;  ///< exponential: 1 or 2; monomial: 2 to 20; 0: 1 and 3
  bool circular = false;
  RootSearch search = {};
  CircleMap circle = CircleMap::kBumps;  ///< of MixedBumps: what moves its angles
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
class BumpMixture : public MonotoneFunction {
 public:
  explicit BumpMixture(const BumpMixtureOptions& options) : options_(options) {}

  /// Of one map, from any real numbers, in this order: K weights (w = softmax), K locations (b =
  /// running sums of softmax), K widths (a = exp(tanh); of a circle exp((1 + tanh) / 2)), K floors
  /// (c = smallest + (1 - smallest) sigmoid(raw + 2)) and, of exponential ramps, K of alpha = 10
  /// sigmoid(raw - 3) + 0.8656721: the published parameters, shifted so that zeros are nearly the
  /// identity.
  std::int64_t raw_parameters() const;
  /// The parameters of maps side by side, from `raw`, raw_parameters() x maps.
  std::vector<Value> parameters(Value raw) const;
  /// f(x), x being 1 x maps.
  Value operator()(Value x, const std::vector<Value>& parameters) const override;
  /// x with f(x) = y, on all of the line.
  static Value inverse(const std::shared_ptr<const BumpMixture>& mixture, Value y,
                       const std::vector<Value>& parameters);

 private:
  Value bumps(Value x, Value location, Value sharpness, Value alpha) const;
  BumpMixtureOptions options_;
};

/// Bump mixtures of features in [0, 1] and of angles in [-pi, pi], or for these Moebius mixtures.
/// An angle also has a shift, the last of its parameters, by which its image is turned. Values in
/// [0, 1] stay there.
class MixedBumps : public FeatureMaps {
 public:
  /// `circular` says which features are angles; empty stands for none. Throws ConfigError, naming
  /// `name`, for a `circular` of another length or options out of range.
  MixedBumps(const std::string& name, std::int64_t features, const BumpMixtureOptions& options,
             const std::vector<bool>& circular = {});

 protected:
  std::int64_t parameters_of(bool circular) const override;
  Mapped map(bool circular, bool invert, Value raw, Value x) const override;

 private:
  std::shared_ptr<const BumpMixture> line_, circle_;
  std::shared_ptr<const MoebiusMixture> moebius_;  // in place of circle_, or null
  RootSearch search_;
};

}  // namespace thalweg
