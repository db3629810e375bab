#include "thalweg/transforms/rational_quadratic_spline.h"

#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/transforms/affine_coupling.h"
#include "thalweg/transforms/circle.h"

namespace thalweg {
namespace {

constexpr Axis kBins = Axis::kFeatures;

/// One piece a feature, 1 x features: position and extent of the bin that a value lies in.
struct Piece {
  Value left_x, left_y, width, height, left_slope, right_slope;
};

/// Both ends of each piece along one axis. An extent is taken as their difference, so that a value
/// between them lies at a place in [0, 1] after rounding, too.
struct Knots {
  Value left, right;
};

Knots make_knots(const Splines& splines, Value extents) {
  const Value left = cumulative_sum(extents, false, true) - splines.bound;
  const Value last = broadcast(extents.graph->constant(splines.bound), {1, extents.items()});
  return {left, concat({slice(left, 1, left.features() - 1), last})};
}

/// The piece whose extents along one axis (`knots`) hold `value`, 1 x features and inside the
/// bound.
Piece find_piece(const Splines& splines, const Knots& x, const Knots& y, Value knots, Value value) {
  const std::int64_t bins = splines.widths.features();
  // 1 up to the bin of the value, 0 after it; the first knot is the bound itself.
  const Value reached = less_equal(knots, value);
  const Value here = reached - pad(slice(reached, 1, bins - 1), 0, bins);
  const auto pick = [&](Value values) { return sum(here * values, kBins); };
  const Value left_x = pick(x.left);
  const Value left_y = pick(y.left);
  return {left_x,
          left_y,
          pick(x.right) - left_x,
          pick(y.right) - left_y,
          pick(splines.left_slopes),
          pick(splines.right_slopes)};
}

/// Logarithm of the slope at `place` in [0, 1] along the piece (eq. 5).
Value log_slope(const Piece& piece, Value place) {
  const Value steepness = piece.height / piece.width;
  const Value rest = 1.0 - place;
  const Value both = place * rest;
  const Value numerator =
      piece.right_slope * square(place) + 2.0 * steepness * both + piece.left_slope * square(rest);
  const Value denominator =
      steepness + (piece.left_slope + piece.right_slope - 2.0 * steepness) * both;
  return 2.0 * (log(steepness) - log(denominator)) + log(numerator);
}

/// The identity outside of the bound, and the sum of the log-slopes.
Mapped join(const Splines& splines, Value original, Value mapped, Value slopes) {
  if (splines.shift.valid()) return {transpose(mapped), sum(slopes)};
  const Value inside = less(abs(original), original.graph->constant(splines.bound));
  const Value zero = original.graph->constant(0.0);
  return {transpose(select(inside, mapped, original)), sum(select(inside, slopes, zero))};
}

}  // namespace

void check_spline_options(const std::string& name, const SplineOptions& options) {
  if (options.bins < 2)
    fail<ConfigError>("{}: expected at least 2 spline bins, got {}", name, options.bins);
  if (!(options.bound > 0.0) || !std::isfinite(options.bound))
    fail<ConfigError>("{}: expected a positive spline bound, got {}", name, options.bound);
  // The rounding of a running sum in float stays below this, so knots never coincide.
  const double least = 1e-6 * static_cast<double>(options.bins);
  const double largest = 1.0 / static_cast<double>(options.bins);
  if (!(options.smallest >= least && options.smallest < largest))
    fail<ConfigError>("{}: expected a smallest spline bin in [{}, 1/{}), got {}", name, least,
                      options.bins, options.smallest);
}

Splines make_splines(Value raw, const SplineOptions& options) {
  Graph& graph = *raw.graph;
  const std::int64_t bins = options.bins;
  const double range = 2.0 * options.bound;
  const double clip = std::log(1000.0);
  const auto extents = [&](std::int64_t start) {
    if (options.soft_clip)
      return softmax(soft_clip(slice(raw, start, bins), 0.5 * clip), kBins) * range;
    const double free = 1.0 - options.smallest * static_cast<double>(bins);
    return softmax(slice(raw, start, bins), kBins) * (range * free) + range * options.smallest;
  };
  // Shifted so that 0 gives slope 1.
  const double shift = std::log(std::expm1(1.0 - options.smallest));
  const auto slopes = [&](std::int64_t start, std::int64_t count) {
    if (options.soft_clip) return exp(soft_clip(slice(raw, start, count), clip));
    return softplus(slice(raw, start, count) + shift) + options.smallest;
  };
  const Value seam =
      options.circular ? slopes(2 * bins, 1) : broadcast(graph.constant(1.0), {1, raw.items()});
  const Value inner = slopes(2 * bins + (options.circular ? 1 : 0), bins - 1);
  return {extents(0),
          extents(bins),
          concat({seam, inner}),
          concat({inner, seam}),
          options.bound,
          options.circular ? slice(raw, 3 * bins, 1) : Value{}};
}

Mapped apply_splines(const Splines& splines, Value x) {
  const Value row = transpose(x);
  const double bound = splines.bound;
  const bool circular = splines.shift.valid();
  const Value limited = circular ? wrapped(row, bound) : clamp(row, -bound, bound);
  const Knots knots = make_knots(splines, splines.widths);
  const Piece piece =
      find_piece(splines, knots, make_knots(splines, splines.heights), knots.left, limited);
  const Value place = (limited - piece.left_x) / piece.width;
  const Value steepness = piece.height / piece.width;
  const Value both = place * (1.0 - place);
  const Value y = piece.left_y +
                  piece.height * (steepness * square(place) + piece.left_slope * both) /
                      (steepness + (piece.left_slope + piece.right_slope - 2.0 * steepness) * both);
  return join(splines, row, circular ? wrapped(y + splines.shift, bound) : y,
              log_slope(piece, place));
}

Mapped invert_splines(const Splines& splines, Value y) {
  const Value row = transpose(y);
  const double bound = splines.bound;
  const Value limited =
      splines.shift.valid() ? wrapped(row - splines.shift, bound) : clamp(row, -bound, bound);
  const Knots knots = make_knots(splines, splines.heights);
  const Piece piece =
      find_piece(splines, make_knots(splines, splines.widths), knots, knots.left, limited);
  const Value steepness = piece.height / piece.width;
  // Eqs. 6 to 8 divided by the height of the piece: with r the rise, u = left_slope (1 - r) -
  // right_slope r and s the steepness, the discriminant is u^2 + 4 s^2 r (1 - r), a sum of what is
  // not negative, and so is each part of the root in the form for the sign of u.
  const Value rise = (limited - piece.left_y) / piece.height;
  const Value rest = 1.0 - rise;
  const Value lean = piece.left_slope * rest - piece.right_slope * rise;
  const Value falling = less(lean, y.graph->constant(0.0));
  const Value twice = 2.0 * steepness;
  const Value common =
      select(falling, -lean, lean) + sqrt(square(lean) + square(twice) * (rise * rest));
  const Value place =
      select(falling, common, twice * rise) / (common + twice * select(falling, rest, rise));
  const Value x = piece.left_x + piece.width * place;
  return join(splines, row, x, -log_slope(piece, place));
}

MixedSplines::MixedSplines(const std::string& name, std::int64_t features,
                           const SplineOptions& options, const std::vector<bool>& circular)
    : FeatureMaps(name, features, circular), line_(options), circle_(options) {
  check_spline_options(name, options);
  line_.circular = false;
  circle_.circular = true;
  circle_.bound = std::numbers::pi;
}

std::int64_t MixedSplines::parameters_of(bool circular) const {
  return spline_parameters(circular ? circle_ : line_);
}

Mapped MixedSplines::map(bool circular, bool invert, Value raw, Value x) const {
  const Splines splines = make_splines(raw, circular ? circle_ : line_);
  return invert ? invert_splines(splines, x) : apply_splines(splines, x);
}

ElementwiseSpline::ElementwiseSpline(ParameterStore& parameters, const std::string& name,
                                     RandomSequence& random, std::int64_t features,
                                     const ElementwiseSplineOptions& options)
    : ElementwiseMaps(
          parameters, name, random, features,
          std::make_unique<MixedSplines>(name, features, options.spline, options.circular),
          options.conditioner, options.context_features) {}

SplineCoupling::SplineCoupling(ParameterStore& parameters, const std::string& name,
                               RandomSequence& random, std::int64_t features,
                               const SplineCouplingOptions& options)
    : MapCoupling(
          parameters, name, random, FeatureSplit(name, features, options.swap, options.mask),
          options.circular, false,
          [&](std::int64_t moved, const std::vector<bool>& circular) {
            return std::make_unique<MixedSplines>(name, moved, options.spline, circular);
          },
          options.conditioner, options.context_features) {}

}  // namespace thalweg
