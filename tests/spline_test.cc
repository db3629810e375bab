// Rational-quadratic splines against the formulas in long double: at and beyond the bounds, at the
// knots, with extreme bins and slopes, in float and double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/transforms/rational_quadratic_spline.h"

namespace thalweg::testing {
namespace {

using Real = long double;

/// One spline written down from eqs. 4 and 5 of Durkan et al. 2019, its inverse by bisection.
class Reference {
 public:
  Reference(const std::vector<double>& raw, const SplineOptions& options) : bound_(options.bound) {
    const auto bins = static_cast<std::size_t>(options.bins);
    const Real range = 2.0L * bound_, smallest = options.smallest;
    const auto knots = [&](std::size_t start) {
      const Real largest =
          *std::max_element(raw.begin() + static_cast<std::ptrdiff_t>(start),
                            raw.begin() + static_cast<std::ptrdiff_t>(start + bins));
      Real total = 0.0L;
      for (std::size_t i = 0; i < bins; ++i) total += std::exp(raw[start + i] - largest);
      std::vector<Real> result{-bound_};
      for (std::size_t i = 0; i < bins; ++i)
        result.push_back(result.back() +
                         range * (smallest + (1.0L - smallest * static_cast<Real>(bins)) *
                                                 std::exp(raw[start + i] - largest) / total));
      return result;
    };
    x_ = knots(0);
    y_ = knots(bins);
    slopes_.push_back(1.0L);
    const Real shift = std::log(std::expm1(1.0L - smallest));
    for (std::size_t i = 0; i + 1 < bins; ++i) {
      const Real value = raw[2 * bins + i] + shift;
      slopes_.push_back(smallest + (value > 0.0L ? value + std::log1p(std::exp(-value))
                                                 : std::log1p(std::exp(value))));
    }
    slopes_.push_back(1.0L);
  }

  Real value(Real x) const {
    if (!(std::abs(x) < bound_)) return x;
    const auto [i, place] = locate(x);
    const Real height = y_[i + 1] - y_[i], steep = height / (x_[i + 1] - x_[i]);
    const Real rest = 1.0L - place;
    return y_[i] + height * (steep * place * place + slopes_[i] * place * rest) /
                       (steep + (slopes_[i] + slopes_[i + 1] - 2.0L * steep) * place * rest);
  }
  Real slope(Real x) const {
    if (!(std::abs(x) < bound_)) return 1.0L;
    const auto [i, place] = locate(x);
    const Real steep = (y_[i + 1] - y_[i]) / (x_[i + 1] - x_[i]);
    const Real rest = 1.0L - place;
    const Real below = steep + (slopes_[i] + slopes_[i + 1] - 2.0L * steep) * place * rest;
    return steep * steep *
           (slopes_[i + 1] * place * place + 2.0L * steep * place * rest +
            slopes_[i] * rest * rest) /
           (below * below);
  }
  /// By how much a change of a knot, relative to the pieces around x, exceeds that change.
  Real sharpness(Real x) const {
    const auto [i, place] = locate(x);
    return 1.0L / (x_[i + 1] - x_[i]) + 1.0L / (y_[i + 1] - y_[i]);
  }
  const std::vector<Real>& x() const { return x_; }
  const std::vector<Real>& y() const { return y_; }

 private:
  std::pair<std::size_t, Real> locate(Real x) const {
    std::size_t i = 0;
    while (i + 2 < x_.size() && x >= x_[i + 1]) ++i;
    return {i, (x - x_[i]) / (x_[i + 1] - x_[i])};
  }

  Real bound_;
  std::vector<Real> x_, y_, slopes_;
};

/// Value, log-slope and their gradients of one spline, run in T.
template <typename T>
struct SplineRun {
  std::vector<T> value, log_slope, by_x;
  std::vector<T> by_raw;  ///< of the sum over the points of value and log-slope
};

template <typename T>
SplineRun<T> run_spline(const std::vector<double>& raw, const SplineOptions& options, bool inverse,
                        const std::vector<T>& points, bool sum_gradient) {
  ParameterStore parameters;
  const ParameterId id = parameters.add("raw", spline_parameters(options), 1, raw);
  Graph graph(parameters);
  const Value x = graph.input({1, 1});
  const Value unconstrained = graph.parameter(id);
  const Splines splines = make_splines(unconstrained, options);
  const Mapped mapped = inverse ? invert_splines(splines, x) : apply_splines(splines, x);
  const std::vector<Value> gradients = vjp({mapped.value, mapped.log_det}, {}, {x, unconstrained});
  std::vector<Value> outputs{mapped.value, mapped.log_det, gradients[0]};
  if (sum_gradient) outputs.push_back(gradients[1]);

  ThreadPool pool(1);
  const auto program = std::make_shared<const Program<T>>(graph, outputs);
  Executor<T> executor(program, pool);
  const std::vector<T> stored(raw.begin(), raw.end());
  const std::vector<BatchInput<T>> slots{{points.data(), nullptr}};
  const std::vector<std::int64_t> counts{static_cast<std::int64_t>(points.size())};
  SplineRun<T> run;
  run.value.resize(points.size());
  run.log_slope.resize(points.size());
  run.by_x.resize(points.size());
  std::vector<T*> pointers{run.value.data(), run.log_slope.data(), run.by_x.data()};
  if (sum_gradient) pointers.push_back(nullptr);
  executor.run({.parameters = stored.data(),
                .inputs = slots,
                .counts = counts,
                .seed = 1,
                .outputs = pointers});
  if (sum_gradient) {
    const auto values = executor.shared_output(3);
    run.by_raw.assign(values.begin(), values.end());
  }
  return run;
}

struct Case {
  std::string name;
  SplineOptions options;
  std::vector<double> raw;
};

/// Splines as strained as numbers allow: random ones, and single bins that take all the range.
std::vector<Case> strained_cases() {
  std::vector<Case> cases;
  RandomSequence random(5, Stream::kInitialisation);
  for (const std::int64_t bins : {2, 8, 31}) {
    for (const double smallest : {1e-3, 1e-6 * static_cast<double>(bins)}) {
      const SplineOptions options{.bins = bins, .bound = 3.0, .smallest = smallest};
      const auto add = [&](const std::string& name, std::vector<double> raw) {
        cases.push_back({fmt::format("{} bins, smallest {}, {}", bins, smallest, name), options,
                         std::move(raw)});
      };
      const auto count = static_cast<std::size_t>(spline_parameters(options));
      const auto n = static_cast<std::size_t>(bins);
      for (const double scale : {2.0, 50.0, 1e3})
        for (int repeat = 0; repeat < 8; ++repeat) {
          std::vector<double> raw(count);
          // Signs alone, or any size up to the scale.
          for (double& value : raw)
            value = repeat % 2 == 0 ? scale * (2.0 * random.uniform() - 1.0)
                                    : (random.uniform() < 0.5 ? -scale : scale);
          add(fmt::format("random {} number {}", scale, repeat), std::move(raw));
        }
      for (const double slope : {-1e3, -50.0, 0.0, 50.0, 1e3})
        for (const std::size_t wide : {std::size_t{0}, n / 2, n - 1})
          for (const std::size_t high : {std::size_t{0}, n / 2, n - 1}) {
            std::vector<double> raw(count, 0.0);
            raw[wide] = 1e3;
            raw[n + high] = 1e3;
            // Slopes that alternate, unless 0.
            for (std::size_t i = 2 * n; i < count; ++i) raw[i] = i % 2 == 0 ? slope : -slope;
            add(fmt::format("bin {} wide, {} high, slopes {}", wide, high, slope), std::move(raw));
          }
    }
  }
  return cases;
}

/// Points at, around and between the knots and the bounds, and in the tails.
template <typename T>
std::vector<T> points_at(const std::vector<Real>& knots) {
  const T infinity = std::numeric_limits<T>::infinity();
  std::vector<T> points{T(0), -T(0), T(7), T(-7), T(1e6), T(-1e6)};
  for (const Real knot : knots) {
    const T at = static_cast<T>(knot);
    for (const T point : {at, std::nextafter(at, infinity), std::nextafter(at, -infinity)})
      points.push_back(point);
  }
  for (std::size_t i = 0; i + 1 < knots.size(); ++i)
    for (const Real share : {1e-3L, 0.1L, 0.37L, 0.5L, 0.75L, 0.999L})
      points.push_back(static_cast<T>(knots[i] + share * (knots[i + 1] - knots[i])));
  RandomSequence random(6, Stream::kEvaluation);
  for (int i = 0; i < 40; ++i) points.push_back(static_cast<T>(8.0 * random.uniform() - 4.0));
  std::sort(points.begin(), points.end());
  return points;
}

/// How far off x and y may be of an exact pair: roundings of knots and of the map itself.
template <typename T>
Real slack(const SplineOptions& options) {
  return (16.0L + 4.0L * static_cast<Real>(options.bins)) * std::numeric_limits<T>::epsilon() *
         options.bound;
}

/// y = spline(x) for some x and y within the slack, and the log-slope is one of this neighbourhood.
template <typename T>
void expect_pair(const Reference& reference, const SplineOptions& options, T x, T y, T log_slope) {
  const Real off = slack<T>(options);
  const Real at = x;
  EXPECT_GE(static_cast<Real>(y), reference.value(at - off) - off);
  EXPECT_LE(static_cast<Real>(y), reference.value(at + off) + off);
  Real lowest = std::numeric_limits<Real>::infinity(), highest = -lowest, sharpness = 0.0L;
  std::vector<Real> around;
  for (int i = -32; i <= 32; ++i) around.push_back(at + off * static_cast<Real>(i) / 32.0L);
  for (const Real knot : reference.x())
    if (std::abs(knot - at) < off) around.push_back(knot);
  for (const Real point : around) {
    const Real near = std::log(reference.slope(point));
    lowest = std::min(lowest, near);
    highest = std::max(highest, near);
    sharpness = std::max(sharpness, reference.sharpness(point));
  }
  // Steepnesses are quotients of differences of knots; the extremes lie between the points tried.
  const Real rounding = 4.0L * off * sharpness + 0.1L * (highest - lowest) +
                        64.0L * std::numeric_limits<T>::epsilon();
  EXPECT_GE(static_cast<Real>(log_slope), lowest - rounding);
  EXPECT_LE(static_cast<Real>(log_slope), highest + rounding);
}

template <typename T>
class Spline : public ::testing::Test {};
using Precisions = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Spline, Precisions);

TYPED_TEST(Spline, IsExactForANearbyPairHoweverStrained) {
  using T = TypeParam;
  for (const Case& entry : strained_cases()) {
    SCOPED_TRACE(entry.name);
    const Reference reference(entry.raw, entry.options);
    for (const bool inverse : {false, true}) {
      SCOPED_TRACE(inverse ? "inverse" : "forward");
      const std::vector<T> points = points_at<T>(inverse ? reference.y() : reference.x());
      const SplineRun<T> run = run_spline<T>(entry.raw, entry.options, inverse, points, true);
      for (std::size_t i = 0; i < points.size(); ++i) {
        SCOPED_TRACE(fmt::format("at {}", points[i]));
        const T value = run.value[i], log_slope = run.log_slope[i];
        ASSERT_TRUE(std::isfinite(value) && std::isfinite(log_slope) && std::isfinite(run.by_x[i]))
            << value << " " << log_slope << " " << run.by_x[i];
        if (std::abs(points[i]) >= T(3)) {
          // At the bounds and beyond to the bit.
          ASSERT_EQ(value, points[i]);
          ASSERT_EQ(log_slope, T(0));
          ASSERT_EQ(run.by_x[i], T(1));
        } else if (inverse) {
          expect_pair<T>(reference, entry.options, value, points[i], -log_slope);
        } else {
          expect_pair<T>(reference, entry.options, points[i], value, log_slope);
        }
        // Sorted points stay sorted, up to rounding.
        if (i > 0) {
          const Real before = run.value[i - 1];
          EXPECT_GE(static_cast<Real>(value), before - 2.0L * slack<T>(entry.options));
        }
        if (::testing::Test::HasFailure()) return;
      }
      for (const T value : run.by_raw) ASSERT_TRUE(std::isfinite(value));
    }
  }
}

TYPED_TEST(Spline, RoundTripsWithinEpsilonsOverTheSlope) {
  using T = TypeParam;
  for (const Case& entry : strained_cases()) {
    SCOPED_TRACE(entry.name);
    const Reference reference(entry.raw, entry.options);
    const std::vector<T> points = points_at<T>(reference.x());
    const SplineRun<T> there = run_spline<T>(entry.raw, entry.options, false, points, false);
    const SplineRun<T> back = run_spline<T>(entry.raw, entry.options, true, there.value, false);
    const Real off = 2.0L * slack<T>(entry.options);
    for (std::size_t i = 0; i < points.size(); ++i) {
      // x' is between the points where the spline is y - off and y + off, and off further.
      const Real x = points[i], found = back.value[i];
      ASSERT_GE(reference.value(found + off), reference.value(x - off) - off) << points[i];
      ASSERT_LE(reference.value(found - off), reference.value(x + off) + off) << points[i];
    }
  }
}

TYPED_TEST(Spline, RoundTripsToEpsilonsWhereItIsNotSteep) {
  using T = TypeParam;
  const SplineOptions options{.bins = 8, .bound = 3.0};
  RandomSequence random(9, Stream::kInitialisation);
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::vector<double> raw(static_cast<std::size_t>(spline_parameters(options)));
    for (double& value : raw) value = 2.0 * random.uniform() - 1.0;
    const std::vector<T> points = points_at<T>(Reference(raw, options).x());
    const SplineRun<T> there = run_spline<T>(raw, options, false, points, false);
    const SplineRun<T> back = run_spline<T>(raw, options, true, there.value, false);
    // Measured: at most 10 epsilons of the bound in x and 34 in the log-slope.
    const T off = T(3) * std::numeric_limits<T>::epsilon();
    for (std::size_t i = 0; i < points.size(); ++i) {
      ASSERT_NEAR(back.value[i], points[i], T(100) * off);
      ASSERT_NEAR(back.log_slope[i], -there.log_slope[i], T(400) * off);
    }
  }
}

TYPED_TEST(Spline, StartsAsTheIdentity) {
  using T = TypeParam;
  for (const std::int64_t bins : {2, 7, 8, 64}) {
    const SplineOptions options{.bins = bins, .bound = 3.0};
    const std::vector<double> raw(static_cast<std::size_t>(spline_parameters(options)), 0.0);
    const std::vector<T> points = points_at<T>(Reference(raw, options).x());
    const T epsilon = std::numeric_limits<T>::epsilon();
    for (const bool inverse : {false, true}) {
      const SplineRun<T> run = run_spline<T>(raw, options, inverse, points, false);
      for (std::size_t i = 0; i < points.size(); ++i) {
        ASSERT_NEAR(run.value[i], points[i], T(4) * epsilon * T(3));
        ASSERT_NEAR(run.log_slope[i], T(0), T(16) * epsilon);
      }
    }
  }
}

TYPED_TEST(Spline, PassesOnWhatIsNotFinite) {
  using T = TypeParam;
  const SplineOptions options{.bins = 4, .bound = 3.0};
  const std::vector<double> raw(static_cast<std::size_t>(spline_parameters(options)), 0.3);
  const T infinity = std::numeric_limits<T>::infinity();
  for (const bool inverse : {false, true}) {
    const SplineRun<T> run = run_spline<T>(
        raw, options, inverse, {infinity, -infinity, std::numeric_limits<T>::quiet_NaN()}, false);
    EXPECT_EQ(run.value[0], infinity);
    EXPECT_EQ(run.value[1], -infinity);
    EXPECT_TRUE(std::isnan(run.value[2]));
  }
}

TEST(SplineOptions, KeepsKnotsApart) {
  EXPECT_NO_THROW(check_spline_options("layer", {.bins = 8, .smallest = 8e-6}));
  EXPECT_THROW(check_spline_options("layer", {.bins = 8, .smallest = 7e-6}), ConfigError);
}

TEST(SplineDerivatives, FirstToThirdAreThoseOfTheFormula) {
  const SplineOptions options{.bins = 5, .bound = 3.0};
  RandomSequence random(13, Stream::kInitialisation);
  for (int repeat = 0; repeat < 10; ++repeat) {
    std::vector<double> raw(static_cast<std::size_t>(spline_parameters(options)));
    for (double& value : raw) value = 3.0 * random.uniform() - 1.5;
    const Reference reference(raw, options);
    std::vector<double> points{-4.0, 5.0};
    for (std::size_t i = 0; i + 1 < reference.x().size(); ++i)
      for (const Real share : {0.02L, 0.3L, 0.5L, 0.81L, 0.98L})
        points.push_back(static_cast<double>(reference.x()[i] +
                                             share * (reference.x()[i + 1] - reference.x()[i])));
    std::vector<double> images;
    images.reserve(points.size());
    for (const double point : points) images.push_back(static_cast<double>(reference.value(point)));

    ParameterStore parameters;
    const ParameterId id = parameters.add("raw", spline_parameters(options), 1, raw);
    Graph graph(parameters);
    const Value x = graph.input({1, 1});
    const Value y = graph.input({1, 1});
    const Value one = graph.constant(1.0);
    const Splines splines = make_splines(graph.parameter(id), options);
    std::vector<Value> outputs;
    // Reverse, forward over it, reverse over both; and the slope by the log-determinant.
    const auto derivatives = [&](const Mapped& mapped, Value at) {
      const Value first = vjp({mapped.value}, {}, {at})[0];
      const Value second = jvp({first}, {at}, {one})[0];
      const Value third = vjp({second}, {}, {at})[0];
      for (const Value value : {first, second, third, exp(mapped.log_det)})
        outputs.push_back(value + 0.0 * at);
    };
    derivatives(apply_splines(splines, x), x);
    derivatives(invert_splines(splines, y), y);
    const auto values =
        run_graph(graph, outputs, {points, images}, {static_cast<std::int64_t>(points.size())});
    for (std::size_t i = 0; i < points.size(); ++i) {
      SCOPED_TRACE(fmt::format("at {}", points[i]));
      // Differences of the slope in long double, of fourth order: off by about 1e-12 and 1e-8.
      const Real at = points[i], h = 1e-3L;
      const auto slope = [&](Real steps) { return reference.slope(at + steps * h); };
      const Real first = slope(0.0L);
      const Real second =
          (8.0L * (slope(1.0L) - slope(-1.0L)) - (slope(2.0L) - slope(-2.0L))) / (12.0L * h);
      const Real third = (16.0L * (slope(1.0L) + slope(-1.0L)) - (slope(2.0L) + slope(-2.0L)) -
                          30.0L * slope(0.0L)) /
                         (12.0L * h * h);
      const auto near = [](Real got, Real expected, Real relative) {
        EXPECT_NEAR(static_cast<double>(got), static_cast<double>(expected),
                    static_cast<double>(relative * (1.0L + std::abs(expected))));
      };
      near(values[0][i], first, 1e-10L);
      near(values[1][i], second, 1e-5L);
      near(values[2][i], third, 1e-4L);
      near(values[3][i], first, 1e-10L);
      // Of the inverse function.
      near(values[4][i], 1.0L / first, 1e-10L);
      near(values[5][i], -second / (first * first * first), 1e-5L);
      near(values[6][i], (3.0L * second * second - first * third) / std::pow(first, 5.0L), 1e-4L);
      near(values[7][i], 1.0L / first, 1e-10L);
    }
  }
}

TEST(CircularSpline, HasNoSeam) {
  const double pi = std::numbers::pi;
  const SplineOptions options{.bins = 5, .bound = pi, .circular = true};
  RandomSequence random(17, Stream::kInitialisation);
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::vector<double> raw(static_cast<std::size_t>(spline_parameters(options)));
    for (double& value : raw) value = 4.0 * random.uniform() - 2.0;
    raw.back() = 40.0 * (random.uniform() - 0.5);  // Shifts of several turns.
    // The seam of the preimage and of the image, which is the preimage of -shift, from both sides.
    const double gap = 1e-7;
    for (const bool inverse : {false, true}) {
      SCOPED_TRACE(inverse ? "inverse" : "forward");
      const double image =
          run_spline<double>(raw, options, !inverse, {std::nextafter(pi, 0.0)}, false).value[0];
      for (const double seam : {pi, image}) {
        const std::vector<double> points{seam - gap, seam + gap, seam - 2.0 * pi - gap,
                                         seam - 2.0 * pi + gap};
        const SplineRun<double> run = run_spline<double>(raw, options, inverse, points, false);
        for (std::size_t i = 1; i < points.size(); ++i) {
          // The slope is continuous and so is the density; slopes are below 200, their relative
          // change below 2000 a unit.
          EXPECT_NEAR(std::remainder(run.value[i] - run.value[0], 2.0 * pi), 0.0, 400.0 * gap);
          EXPECT_NEAR(run.log_slope[i], run.log_slope[0], 4000.0 * gap);
        }
        for (const double value : run.value) EXPECT_LE(std::abs(value), pi);
      }
    }
    // Once round the circle it has gone round once.
    std::vector<double> round;
    const int steps = 2000;
    for (int i = 0; i <= steps; ++i) round.push_back(pi * (2.0 * i / steps - 1.0));
    const SplineRun<double> run = run_spline<double>(raw, options, false, round, false);
    double turned = 0.0, area = 0.0;
    for (int i = 0; i < steps; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double moved = std::remainder(run.value[at + 1] - run.value[at], 2.0 * pi);
      EXPECT_GT(moved, 0.0);
      turned += moved;
      area += std::exp(run.log_slope[at]) / steps;
    }
    EXPECT_NEAR(turned, 2.0 * pi, 1e-10);
    EXPECT_NEAR(area, 1.0, 1e-2);  // Mean slope, by the rectangle rule.
  }
}

TEST(CircularSpline, AgreesWithTheSplineOfTheSameKnots) {
  // With slopes of 1 at the seam and no shift it is the ordinary one.
  const SplineOptions line{.bins = 6, .bound = 2.0};
  const SplineOptions circle{.bins = 6, .bound = 2.0, .circular = true};
  RandomSequence random(19, Stream::kInitialisation);
  std::vector<double> raw(static_cast<std::size_t>(spline_parameters(line)));
  for (double& value : raw) value = 2.0 * random.normal();
  std::vector<double> around = raw;
  around.insert(around.begin() + 12, 0.0);
  around.push_back(0.0);
  std::vector<double> points;
  for (int i = 0; i < 100; ++i) points.push_back(1.99 * (2.0 * random.uniform() - 1.0));
  for (const bool inverse : {false, true}) {
    const SplineRun<double> expected = run_spline<double>(raw, line, inverse, points, false);
    std::vector<double> turned = points;
    for (double& point : turned) point += 12.0;  // Three turns.
    const SplineRun<double> run = run_spline<double>(around, circle, inverse, turned, false);
    for (std::size_t i = 0; i < points.size(); ++i) {
      EXPECT_NEAR(run.value[i], expected.value[i], 1e-11);
      EXPECT_NEAR(run.log_slope[i], expected.log_slope[i], 1e-9);
    }
  }
}

TYPED_TEST(Spline, CircularOnesAreFiniteHoweverStrained) {
  using T = TypeParam;
  const SplineOptions options{.bins = 8, .bound = std::numbers::pi, .circular = true};
  RandomSequence random(23, Stream::kInitialisation);
  for (const double scale : {2.0, 50.0, 1e3})
    for (int repeat = 0; repeat < 10; ++repeat) {
      std::vector<double> raw(static_cast<std::size_t>(spline_parameters(options)));
      for (double& value : raw) value = random.uniform() < 0.5 ? -scale : scale;
      std::vector<T> points;
      const T seam = static_cast<T>(std::numbers::pi);
      for (int turn = -3; turn <= 3; ++turn)
        for (const T at : {seam, std::nextafter(seam, T(0)), std::nextafter(seam, T(9)), T(0)})
          points.push_back(static_cast<T>(turn) * T(2) * seam + at);
      for (int i = 0; i < 100; ++i) points.push_back(static_cast<T>(20.0 * random.normal()));
      for (const bool inverse : {false, true}) {
        const SplineRun<T> run = run_spline<T>(raw, options, inverse, points, true);
        for (std::size_t i = 0; i < points.size(); ++i) {
          ASSERT_TRUE(std::isfinite(run.log_slope[i]) && std::isfinite(run.by_x[i]));
          ASSERT_LE(std::abs(run.value[i]), seam);
        }
        for (const T value : run.by_raw) ASSERT_TRUE(std::isfinite(value));
      }
    }
}

}  // namespace
}  // namespace thalweg::testing
