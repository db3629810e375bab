#include "thalweg/transforms/rational_quadratic_spline.h"

#include <cmath>

#include "thalweg/core/error.h"

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
Mapped join(Value original, Value inside, Value mapped, Value slopes) {
  const Value zero = original.graph->constant(0.0);
  return {transpose(select(inside, mapped, original)), sum(select(inside, slopes, zero))};
}

Value inside_bound(Value row, double bound) { return less(abs(row), row.graph->constant(bound)); }

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
  const auto extents = [&](std::int64_t start) {
    const double free = 1.0 - options.smallest * static_cast<double>(bins);
    return softmax(slice(raw, start, bins), kBins) * (range * free) + range * options.smallest;
  };
  // Shifted so that 0 gives slope 1.
  const double shift = std::log(std::expm1(1.0 - options.smallest));
  const Value slopes = softplus(slice(raw, 2 * bins, bins - 1) + shift) + options.smallest;
  const Value one = broadcast(graph.constant(1.0), {1, raw.items()});
  return {extents(0), extents(bins), concat({one, slopes}), concat({slopes, one}), options.bound};
}

Mapped apply_splines(const Splines& splines, Value x) {
  const Value row = transpose(x);
  const Value limited = clamp(row, -splines.bound, splines.bound);
  const Knots knots = make_knots(splines, splines.widths);
  const Piece piece =
      find_piece(splines, knots, make_knots(splines, splines.heights), knots.left, limited);
  const Value place = (limited - piece.left_x) / piece.width;
  const Value steepness = piece.height / piece.width;
  const Value both = place * (1.0 - place);
  const Value y = piece.left_y +
                  piece.height * (steepness * square(place) + piece.left_slope * both) /
                      (steepness + (piece.left_slope + piece.right_slope - 2.0 * steepness) * both);
  return join(row, inside_bound(row, splines.bound), y, log_slope(piece, place));
}

Mapped invert_splines(const Splines& splines, Value y) {
  const Value row = transpose(y);
  const Value limited = clamp(row, -splines.bound, splines.bound);
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
  return join(row, inside_bound(row, splines.bound), x, -log_slope(piece, place));
}

ElementwiseSpline::ElementwiseSpline(ParameterStore& parameters, const std::string& name,
                                     RandomSequence& random, std::int64_t features,
                                     const ElementwiseSplineOptions& options)
    : Transform(name, features, options.context_features), spline_(options.spline) {
  check_spline_options(name, spline_);
  const std::int64_t count = spline_parameters(spline_);
  raw_ = parameters.add(name + ".raw", count, features, 0.0);
  if (options.context_features > 0) {
    const NetworkFactory factory =
        options.conditioner ? options.conditioner : mlp_factory({.zero_output = true});
    conditioner_ = factory(parameters, name + ".conditioner", random, options.context_features,
                           count * features, 0);
  }
}

Splines ElementwiseSpline::splines(Graph& graph, Value context) const {
  Value raw = graph.parameter(raw_);
  if (conditioner_) raw = raw + reshape((*conditioner_)(context), raw.shape());
  return make_splines(raw, spline_);
}

Mapped ElementwiseSpline::build_forward(Value z, Value context) const {
  return invert_splines(splines(*z.graph, context), z);
}

Mapped ElementwiseSpline::build_inverse(Value x, Value context) const {
  return apply_splines(splines(*x.graph, context), x);
}

SplineCoupling::SplineCoupling(ParameterStore& parameters, const std::string& name,
                               RandomSequence& random, std::int64_t features,
                               const SplineCouplingOptions& options)
    : Transform(name, features, options.context_features),
      split_(name, features, options.swap, options.mask),
      spline_(options.spline) {
  check_spline_options(name, spline_);
  const NetworkFactory factory =
      options.conditioner ? options.conditioner : residual_network_factory({.zero_output = true});
  conditioner_ = factory(parameters, name + ".conditioner", random, split_.kept(),
                         spline_parameters(spline_) * split_.moved(), options.context_features);
}

Splines SplineCoupling::splines(Value kept, Value context) const {
  const Value raw = (*conditioner_)(kept, context);
  return make_splines(reshape(raw, {spline_parameters(spline_), split_.moved()}), spline_);
}

Mapped SplineCoupling::build_forward(Value z, Value context) const {
  const auto [kept, moved] = split_.split(z);
  const auto [value, log_det] = invert_splines(splines(kept, context), moved);
  return {split_.join({kept, value}), log_det};
}

Mapped SplineCoupling::build_inverse(Value x, Value context) const {
  const auto [kept, moved] = split_.split(x);
  const auto [value, log_det] = apply_splines(splines(kept, context), moved);
  return {split_.join({kept, value}), log_det};
}

}  // namespace thalweg
