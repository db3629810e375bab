// Mixtures of bumps against their formulas in long double, round trips, and what they are for:
// derivatives that do not jump, where those of splines do.
#include "thalweg/transforms/bump_mixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/transforms/rational_quadratic_spline.h"
#include "thalweg/transforms/smooth_coupling.h"

namespace thalweg::testing {
namespace {

using Real = long double;
using Values = std::vector<Value>;

/// Eqs. 6 and 7 of Koehler, Kraemer, Noe 2021 as they stand, with the circle's copies one by one.
class Reference {
 public:
  Reference(const std::vector<double>& raw, const BumpMixtureOptions& options)
      : options_(options), count_(static_cast<std::size_t>(options.components)) {
    const auto sigmoid = [](Real a) { return 1.0L / (1.0L + std::exp(-a)); };
    weight_ = softmax(raw, 0);
    location_ = softmax(raw, 1);
    for (std::size_t k = 1; k < count_; ++k) location_[k] += location_[k - 1];
    for (std::size_t k = 0; k < count_; ++k) {
      const Real width = std::tanh(static_cast<Real>(raw[2 * count_ + k]));
      sharpness_.push_back(
          options.one_width ? 1.3086L : std::exp(options.circular ? (1.0L + width) / 2.0L : width));
      const Real least = options.smallest_density;
      floor_.push_back(least + (1.0L - least) * sigmoid(raw[3 * count_ + k] + 2.0L));
      alpha_.push_back(options.ramp == Ramp::kExponential
                           ? 10.0L * sigmoid(raw[4 * count_ + k] - 3.0L) + 0.8656721L
                           : 0.0L);
    }
  }

  Real operator()(Real x) const {
    Real total = 0.0L;
    for (std::size_t k = 0; k < count_; ++k) {
      const Real end = whole(k, 1.0L) - whole(k, 0.0L);
      total +=
          weight_[k] * ((1.0L - floor_[k]) * (whole(k, x) - whole(k, 0.0L)) / end + floor_[k] * x);
    }
    return total;
  }

 private:
  std::vector<Real> softmax(const std::vector<double>& raw, std::size_t part) const {
    std::vector<Real> result;
    Real total = 0.0L;
    for (std::size_t k = 0; k < count_; ++k) {
      result.push_back(std::exp(static_cast<Real>(raw[part * count_ + k])));
      total += result.back();
    }
    for (Real& value : result) value /= total;
    return result;
  }
  Real ramp(std::size_t k, Real u) const {
    if (u <= 0.0L) return 0.0L;
    if (options_.ramp == Ramp::kMonomial) return std::pow(u, static_cast<Real>(options_.power));
    return std::exp(alpha_[k] * (1.0L - std::pow(u, -static_cast<Real>(options_.power))));
  }
  Real bump(std::size_t k, Real x) const {
    const Real u = sharpness_[k] * (x - location_[k]) + 0.5L;
    if (u <= 0.0L || u >= 1.0L) return u <= 0.0L ? 0.0L : 1.0L;
    return ramp(k, u) / (ramp(k, u) + ramp(k, 1.0L - u));
  }
  /// Of a circle the sum of the copies, less what those below would have counted.
  Real whole(std::size_t k, Real x) const {
    if (!options_.circular) return bump(k, x);
    Real total = 0.0L;
    for (int copy = -6; copy <= 6; ++copy)
      total += bump(k, x - static_cast<Real>(copy)) - (copy < 0 ? 1.0L : 0.0L);
    return total;
  }

  BumpMixtureOptions options_;
  std::size_t count_;
  std::vector<Real> weight_, location_, sharpness_, floor_, alpha_;
};

std::vector<double> normals(std::int64_t count, double scale, std::uint64_t number) {
  RandomSequence random(2, Stream::kEvaluation, number);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = scale * random.normal();
  return values;
}

std::vector<double> spaced(double from, double to, std::int64_t count) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(from + (to - from) * static_cast<double>(i) / static_cast<double>(count - 1));
  return values;
}

const std::vector<BumpMixtureOptions>& variants() {
  static const std::vector<BumpMixtureOptions> list = [] {
    std::vector<BumpMixtureOptions> all;
    for (const bool circular : {false, true})
      for (const std::int64_t count : {1, 8, 40}) {
        all.push_back({.components = count, .power = 1, .circular = circular});
        all.push_back({.components = count, .power = 2, .circular = circular});
        all.push_back(
            {.components = count, .ramp = Ramp::kMonomial, .power = 4, .circular = circular});
      }
    all.push_back({.components = 8, .power = 1, .circular = true, .one_width = true});
    return all;
  }();
  return list;
}

std::string name_of(const BumpMixtureOptions& options) {
  return fmt::format("{} bumps, {} {}{}", options.components,
                     options.ramp == Ramp::kExponential ? "exponential" : "monomial", options.power,
                     options.one_width  ? ", circular as published"
                     : options.circular ? ", circular"
                                        : "");
}

struct Found {
  std::vector<double> image, slope, back;
};
template <typename T = double>
Found found(const BumpMixtureOptions& options, const std::vector<double>& raw,
            const std::vector<double>& x) {
  const ParameterStore none;
  Graph graph(none);
  const auto mixture = std::make_shared<const BumpMixture>(options);
  const Value parameters = graph.constant({mixture->raw_parameters(), 1}, raw);
  const Value at = graph.input({1, 1});
  const Values made = mixture->parameters(parameters);
  const Value image = (*mixture)(at, made);
  const Value slope = jvp({image}, {at}, {graph.constant(1.0)})[0];
  const std::vector<T> given(x.begin(), x.end());
  const auto results =
      run_graph<T>(graph, {image, slope, inverse(mixture, image, made)}, {given}, {std::ssize(x)});
  const auto whole = [](const std::vector<T>& values) {
    return std::vector<double>(values.begin(), values.end());
  };
  return {whole(results[0]), whole(results[1]), whole(results[2])};
}

TEST(BumpMixture, FollowsItsFormula) {
  const std::vector<double> x = spaced(0.0, 1.0, 401);
  for (const BumpMixtureOptions& options : variants()) {
    SCOPED_TRACE(name_of(options));
    for (const double scale : {0.0, 1.0, 3.0}) {
      const std::vector<double> raw =
          normals(BumpMixture(options).raw_parameters(), scale, options.components);
      const Reference reference(raw, options);
      const Found values = found(options, raw, x);
      for (std::size_t i = 0; i < x.size(); ++i) {
        ASSERT_NEAR(values.image[i], static_cast<double>(reference(x[i])),
                    3e-14 + 3e-15 * values.slope[i])
            << x[i];
        const Real h = 1e-6L;
        const Real slope = (reference(x[i] + h) - reference(x[i] - h)) / (2.0L * h);
        ASSERT_NEAR(values.slope[i], static_cast<double>(slope), 1e-6 * (1.0 + values.slope[i]));
        ASSERT_GE(values.slope[i], 0.999e-6);
      }
    }
  }
}

TEST(BumpMixture, TakesTheUnitIntervalToItself) {
  for (const BumpMixtureOptions& options : variants()) {
    SCOPED_TRACE(name_of(options));
    const std::vector<double> raw = normals(BumpMixture(options).raw_parameters(), 2.0, 9);
    const Found values = found(options, raw, {0.0, 1.0, 2.0, -3.0});
    EXPECT_NEAR(values.image[0], 0.0, 1e-16);
    EXPECT_NEAR(values.image[1], 1.0, 1e-15);
    if (options.circular) {
      EXPECT_NEAR(values.image[2], 2.0, 1e-14);
      EXPECT_NEAR(values.image[3], -3.0, 1e-14);
    }
  }
}

// Rounding of f moves its root by that over the slope.
TEST(BumpMixture, RoundTripsToRounding) {
  const std::vector<double> x = spaced(0.0, 1.0, 601);
  for (const BumpMixtureOptions& options : variants()) {
    SCOPED_TRACE(name_of(options));
    for (const double scale : {0.5, 3.0})
      for (std::uint64_t number = 0; number < 5; ++number) {
        const std::vector<double> raw =
            normals(BumpMixture(options).raw_parameters(), scale, 20 + number);
        const Found values = found(options, raw, x);
        const Found single = found<float>(options, raw, x);
        for (std::size_t i = 0; i < x.size(); ++i) {
          ASSERT_NEAR(values.back[i], x[i], 2e-15 + 4e-15 / values.slope[i]) << x[i];
          if (values.slope[i] > 1e-2) {
            ASSERT_NEAR(values.back[i], x[i], 1e-12);
          }
          ASSERT_NEAR(single.back[i], x[i], 4e-7 + 2e-6 / values.slope[i]) << x[i];
        }
      }
  }
}

/// Derivatives of log f', from the first to the third, at x in the unit of the map.
std::vector<std::vector<double>> log_slope_derivatives(const FeatureMaps& maps,
                                                       const std::vector<double>& raw,
                                                       const std::vector<double>& x) {
  const ParameterStore none;
  Graph graph(none);
  const Value at = graph.input({1, 1});
  const Value parameters = graph.constant({std::ssize(raw), 1}, raw);
  Value last = maps.apply(parameters, at).log_det;
  Values derivatives;
  for (int order = 0; order < 3; ++order) derivatives.push_back(last = vjp({last}, {}, {at})[0]);
  return run_graph(graph, derivatives, {x}, {std::ssize(x)});
}

/// The largest change of each derivative of log f' across the middle of neighbouring points.
std::vector<double> jumps(const FeatureMaps& maps, const std::vector<double>& raw,
                          const std::vector<double>& places, double turn = 0.0) {
  std::vector<double> x;
  for (const double place : places)
    for (const double side : {-1e-7, 1e-7}) x.push_back(place + side);
  if (turn > 0.0)  // across the seam
    x.insert(x.end(), {0.5 * turn - 1e-7, -0.5 * turn + 1e-7});
  std::vector<double> largest;
  for (const std::vector<double>& values : log_slope_derivatives(maps, raw, x)) {
    double change = 0.0;
    for (std::size_t i = 0; i < values.size(); i += 2)
      change = std::max(change, std::abs(values[i + 1] - values[i]));
    largest.push_back(change);
  }
  return largest;
}

// A force is the first derivative of the log density; it and its derivatives change over 2e-7 by
// their slope alone, wherever bumps begin and end and at the seam. A spline's do jump at knots.
TEST(BumpMixture, HasForcesThatDoNotJumpWhereSplinesDo) {
  for (const bool circular : {false, true}) {
    SCOPED_TRACE(circular);
    const std::vector<bool> flags{circular};
    const SmoothMaps bumps("bumps", 1, {.bumps = {.components = 4}}, flags);
    const std::vector<double> raw = normals(bumps.parameters(), 1.0, 3);
    // Beginnings and ends of the bumps, in [0, 1].
    std::vector<double> places;
    double sum = 0.0, location = 0.0;
    for (std::size_t k = 0; k < 4; ++k) sum += std::exp(raw[4 + k]);
    for (std::size_t k = 0; k < 4; ++k) {
      location += std::exp(raw[4 + k]) / sum;
      const double width = std::tanh(raw[8 + k]);
      const double half = 0.5 / std::exp(circular ? 0.5 * (1.0 + width) : width);
      for (const double end : {location - half, location + half})
        if (circular)
          places.push_back(2.0 * std::numbers::pi * (end - std::floor(end) - 0.5));
        else if (end > 0.0 && end < 1.0)
          places.push_back(end);
    }
    ASSERT_GE(places.size(), 2U);
    const double turn = circular ? 2.0 * std::numbers::pi : 0.0;
    const std::vector<double> smooth = jumps(bumps, raw, places, turn);
    EXPECT_LT(smooth[0], 1e-3);
    EXPECT_LT(smooth[1], 1e-2);
    EXPECT_LT(smooth[2], 1.0);

    const MixedSplines splines("splines", 1, {.bins = 4, .bound = 1.0}, flags);
    const std::vector<double> other = normals(splines.parameters(), 1.0, 3);
    std::vector<double> knots;
    double total = 0.0, knot = 0.0;
    for (std::size_t k = 0; k < 4; ++k) total += std::exp(other[k]);
    for (std::size_t k = 0; k < 3; ++k) {
      knot += std::exp(other[k]) / total * (1.0 - 4e-3) + 1e-3;
      knots.push_back((circular ? std::numbers::pi : 1.0) * (2.0 * knot - 1.0));
    }
    EXPECT_GT(jumps(splines, other, knots, turn)[0], 0.1);
  }
}

TEST(BumpMixture, HasAsManyDerivativesAsItsRamp) {
  // The generalised sigmoid of x^k near 0 is x^k: the k-th derivative is the first that jumps.
  const ParameterStore none;
  for (const std::int64_t power : {2, 3}) {
    Graph graph(none);
    const Value u = graph.input({1, 1});
    Value last = generalised_sigmoid({.ramp = Ramp::kMonomial, .power = power}, u, {});
    Values derivatives;
    for (std::int64_t order = 0; order < power; ++order)
      derivatives.push_back(last = vjp({last}, {}, {u})[0]);
    const auto values = run_graph(graph, derivatives, {{-1e-9, 1e-9, 1.0 - 1e-9, 1.0 + 1e-9}}, {4});
    for (std::size_t order = 0; order < values.size(); ++order)
      for (const std::size_t end : {0U, 2U}) {
        const double jump = std::abs(values[order][end + 1] - values[order][end]);
        if (static_cast<std::int64_t>(order) + 1 < power)
          EXPECT_LT(jump, 1e-7);
        else
          EXPECT_NEAR(jump, std::tgamma(static_cast<double>(power) + 1.0), 1e-5);
      }
  }
  // And exponential ones have none that jumps; the largest of the first four derivatives falls to 0
  // at both ends, though it is above 1000 between.
  Graph graph(none);
  const Value u = graph.input({1, 1});
  Value last = generalised_sigmoid({}, u, graph.constant(2.0));
  Values derivatives;
  for (int order = 0; order < 4; ++order) derivatives.push_back(last = vjp({last}, {}, {u})[0]);
  const auto values =
      run_graph(graph, derivatives, {{0.0, 1e-3, 0.02, 0.3, 0.7, 0.98, 0.999, 1.0}}, {8});
  for (const std::vector<double>& each : values) {
    for (const std::size_t end : {0U, 1U, 2U, 5U, 6U, 7U}) EXPECT_LT(std::abs(each[end]), 1e-20);
    EXPECT_GT(std::abs(each[3]), 0.5);
  }
}

TEST(BumpMixture, GoesOnBeyondTheUnitInterval) {
  // Where nothing but rounding leads, maps and inverses are still those of the formula.
  const std::vector<double> x{-3.0, -0.1, -1e-3, 1.001, 1.1, 4.0};
  for (const BumpMixtureOptions& options : variants()) {
    SCOPED_TRACE(name_of(options));
    const std::vector<double> raw = normals(BumpMixture(options).raw_parameters(), 0.5, 4);
    const Reference reference(raw, options);
    const Found values = found(options, raw, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(values.image[i], static_cast<double>(reference(x[i])), 1e-12) << x[i];
      EXPECT_NEAR(values.back[i], x[i], 1e-6) << x[i];
    }
  }
}

TEST(BumpMixture, StartsNearTheIdentity) {
  const std::vector<double> x = spaced(0.0, 1.0, 101);
  for (const bool circular : {false, true})
    for (const std::int64_t count : {8, 40}) {
      const BumpMixtureOptions options{.components = count, .circular = circular};
      const std::vector<double> raw(static_cast<std::size_t>(BumpMixture(options).raw_parameters()),
                                    0.0);
      for (const double slope : found(options, raw, x).slope) EXPECT_NEAR(slope, 1.0, 0.08);
    }
}

TEST(BumpMixture, RefusesOptionsOutOfRange) {
  const auto made = [](const BumpMixtureOptions& options) {
    return SmoothMaps("layer", 2, {.bumps = options}, {});
  };
  EXPECT_THROW(made({.components = 0}), ConfigError);
  EXPECT_THROW(made({.smallest_density = 0.0}), ConfigError);
  EXPECT_THROW(made({.power = 3}), ConfigError);
  EXPECT_THROW(made({.ramp = Ramp::kMonomial, .power = 1}), ConfigError);
  EXPECT_THROW(SmoothMaps("layer", 2, {}, {true}), ConfigError);
  EXPECT_THROW(ramp_by_name("linear"), ConfigError);
  for (const std::string& name : ramp_names()) EXPECT_NO_THROW(ramp_by_name(name));
}

TEST(SmoothCoupling, KeepsTheUnitIntervalAndItsEnds) {
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  const SmoothCoupling coupling(parameters, "layer", random, 2,
                                {.maps = {.bumps = {.components = 40}}});
  for (double& value : parameters.flat()) value += 0.5 * random.normal();
  Graph graph(parameters);
  const Value x = graph.input({2, 1});
  const Value z = coupling.inverse(x).value;
  std::vector<double> points;
  for (const double kept : spaced(0.0, 1.0, 50))
    for (const double moved : {0.0, 1.0}) points.insert(points.end(), {kept, moved});
  const Values outputs{z, coupling.forward(x).value};
  const std::vector<float> single(points.begin(), points.end());
  const auto exact = run_graph(graph, outputs, {points}, {100});
  const auto rounded = run_graph<float>(graph, outputs, {single}, {100});
  for (std::size_t k = 0; k < 2; ++k)
    for (std::size_t i = 1; i < points.size(); i += 2) {
      EXPECT_NEAR(exact[k][i], points[i], 1e-13);
      EXPECT_GE(exact[k][i], 0.0);
      EXPECT_LE(exact[k][i], 1.0);
      EXPECT_GE(rounded[k][i], 0.0F);
      EXPECT_LE(rounded[k][i], 1.0F);
    }
}

}  // namespace
}  // namespace thalweg::testing
