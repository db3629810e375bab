// Monotone rational-quadratic splines (Durkan, Bekasov, Murray, Papamakarios 2019).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "thalweg/nn/network.h"
#include "thalweg/transforms/map_transforms.h"

namespace thalweg {

/// A spline from [-bound, bound] onto itself with `bins` pieces; outside it is the identity. It has
/// a continuous first derivative; its second one jumps at the knots. A circular spline instead maps
/// a circle of circumference 2 bound onto itself: any real number stands for the point that is a
/// whole number of turns away, the slopes at the seam agree, and the image is turned by a learned
/// shift, so that nothing marks the seam (Rezende et al. 2020, section 2.2).
struct SplineOptions {
  std::int64_t bins = 8;  ///< at least 2
  double bound = 3.0;     ///< positive
  /// Of widths and heights, as a share of the range, and of slopes; at least 1e-6 bins, so that
  /// knots stay apart in float, and below 1 / bins.
  double smallest = 1e-3;
  bool circular = false;
  /// Widths, heights and slopes as zuko has them: softmax and exp of raw numbers that are clipped
  /// softly, to sqrt(1000) of each other and to slopes from 0.001 to 1000, in place of softmax and
  /// softplus from `smallest` on. Not for circular ones.
  bool soft_clip = false;
};

/// Throws ConfigError, naming `name`, for options out of range.
void check_spline_options(const std::string& name, const SplineOptions& options);

/// Parameters of one feature: `bins` widths, `bins` heights, `bins` - 1 slopes at the inner knots;
/// for a circular spline also the slope at the seam, which comes before them, and the shift.
inline std::int64_t spline_parameters(const SplineOptions& options) {
  return 3 * options.bins + (options.circular ? 1 : -1);
}

/// Splines of several features, made from `raw`, spline_parameters() x features, any real numbers;
/// zeros give the identity. Bins lie along the features axis and features along the items, where
/// running sums and sums over bins are cheap.
struct Splines {
  Value widths, heights;            ///< bins x features
  Value left_slopes, right_slopes;  ///< bins x features
  double bound = 0.0;
  Value shift;  ///< 1 x features; empty unless the splines are circular
};
Splines make_splines(Value raw, const SplineOptions& options);

/// y = spline(x), elementwise (eqs. 4 and 5 there), x being features x 1; log_det is summed over
/// the features. A NaN stays; x at the bound or beyond keeps its value, but for circular splines,
/// whose y is in [-bound, bound], and NaN where x is infinite. Each result is the exact
/// one for an x and a y that are off by some epsilons of the bound, whatever the parameters.
Mapped apply_splines(const Splines& splines, Value x);
/// x with spline(x) = y, by the root of a quadratic (eqs. 6 to 8) in a form without cancellation or
/// negative discriminant. As accurate as apply_splines.
Mapped invert_splines(const Splines& splines, Value y);

/// Splines of features some of which are angles: those get circular splines of circumference 2 pi,
/// with the bins of the others.
class MixedSplines : public FeatureMaps {
 public:
  /// `circular` says which features are angles; empty stands for none. Throws ConfigError, naming
  /// `name`, for a `circular` of another length or options out of range.
  MixedSplines(const std::string& name, std::int64_t features, const SplineOptions& options,
               const std::vector<bool>& circular = {});

 protected:
  std::int64_t parameters_of(bool circular) const override;
  Mapped map(bool circular, bool invert, Value raw, Value x) const override;

 private:
  SplineOptions line_, circle_;
};

struct ElementwiseSplineOptions {
  SplineOptions spline = {};
  std::vector<bool> circular = {};  ///< which features are angles in [-pi, pi]; empty: none
  /// With a context, a network from it to what is added to the splines' own parameters. Empty: an
  /// Mlp of 64-64 whose last layer starts at 0.
  NetworkFactory conditioner = {};
  std::int64_t context_features = 0;
};

/// A spline of its own for each feature; z = spline(x). Starts as the identity. Being the one
/// flexible map that needs no second feature, it is the transform for one-dimensional data (after a
/// standardisation, for only [-bound, bound] is bent); in more dimensions it shapes the marginals.
class ElementwiseSpline : public ElementwiseMaps {
 public:
  /// Throws ConfigError for options out of range.
  ElementwiseSpline(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                    std::int64_t features, const ElementwiseSplineOptions& options = {});
};

struct SplineCouplingOptions {
  /// Default: the first half (rounded up) is kept and conditions, the second is moved.
  bool swap = false;            ///< the other way round
  std::vector<bool> mask = {};  ///< true: moved; replaces the halves
  SplineOptions spline = {};
  /// Which features are angles in [-pi, pi]; empty: none. The network sees kept ones by their
  /// cosine and sine.
  std::vector<bool> circular = {};
  /// Network from the kept features to the splines' parameters. Empty: a residual network of 2
  /// blocks, 64 wide, whose last layer starts at 0, so that the layer starts as the identity.
  NetworkFactory conditioner = {};
  std::int64_t context_features = 0;
};

/// Coupling that moves its features by splines, z = spline(x), whose parameters come from the kept
/// ones.
class SplineCoupling : public MapCoupling {
 public:
  /// Throws ConfigError for bad sizes, options out of range or a bad mask.
  SplineCoupling(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                 std::int64_t features, const SplineCouplingOptions& options = {});
};

}  // namespace thalweg
