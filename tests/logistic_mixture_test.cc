// Mixtures of logistic distributions against their formula in long double, with their inverses, and
// as maps of features.
#include "thalweg/transforms/logistic_mixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

#include "monotone_mixture_check.h"
#include "thalweg/transforms/smooth_maps.h"

namespace thalweg::testing {
namespace {

using Real = long double;
using Values = std::vector<Value>;

std::shared_ptr<const LogisticMixture> mixture_of(std::int64_t components) {
  return std::make_shared<const LogisticMixture>(LogisticMixtureOptions{.components = components});
}

/// The formula as it stands, from the side whose share is small.
class Reference {
 public:
  explicit Reference(const std::vector<double>& raw) : count_((raw.size() - 2) / 3) {
    const auto bounded = [](Real a) { return std::exp(3.0L * std::tanh(a / 3.0L)); };
    Real total = 0.0L;
    for (std::size_t k = 0; k < count_; ++k) {
      weight_.push_back(std::exp(static_cast<Real>(raw[k])));
      total += weight_.back();
      const Real n = static_cast<Real>(count_);
      location_.push_back(raw[count_ + k] + (2.0L * static_cast<Real>(k) - n + 1.0L) / n);
      width_.push_back(bounded(raw[2 * count_ + k]));
    }
    for (Real& weight : weight_) weight /= total;
    scale_ = bounded(raw[3 * count_]);
    shift_ = raw[3 * count_ + 1];
  }
  Real operator()(Real x) const {
    return scale_ * ((1.0L - kLine) * std::log(share(x, 1.0L) / share(x, -1.0L)) + kLine * x) +
           shift_;
  }
  Real slope(Real x) const {
    Real density = 0.0L;
    for (std::size_t k = 0; k < count_; ++k) {
      const Real u = (x - location_[k]) / width_[k];
      density += weight_[k] / width_[k] / ((1.0L + std::exp(-u)) * (1.0L + std::exp(u)));
    }
    return scale_ * ((1.0L - kLine) * density / (share(x, 1.0L) * share(x, -1.0L)) + kLine);
  }

 private:
  static constexpr Real kLine = 1e-6L;
  /// F(x), or 1 - F(x).
  Real share(Real x, Real side) const {
    Real sum = 0.0L;
    for (std::size_t k = 0; k < count_; ++k)
      sum += weight_[k] / (1.0L + std::exp(-side * (x - location_[k]) / width_[k]));
    return sum;
  }

  std::size_t count_;
  std::vector<Real> weight_, location_, width_;
  Real scale_, shift_;
};

std::vector<double> places(double bound, int count = 201) {
  std::vector<double> x;
  for (int i = 0; i < count; ++i) x.push_back(bound * (2.0 * i / (count - 1) - 1.0));
  return x;
}

TEST(LogisticMixture, FollowsItsFormulaIntoItsTails) {
  for (const std::int64_t components : {1, 3, 8})
    for (const double scale : {0.0, 0.5, 2.0, 6.0}) {
      const auto mixture = mixture_of(components);
      const std::vector<double> raw = normals(mixture->raw_parameters(), scale, 1);
      const Reference reference(raw);
      const std::vector<double> x = places(50.0);
      const auto values = map_and_inverse(mixture, raw, x);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double image = static_cast<double>(reference(x[i]));
        EXPECT_NEAR(values[0][i], image, 1e-13 * (1.0 + std::abs(image))) << x[i];
        const double slope = static_cast<double>(reference.slope(x[i]));
        EXPECT_NEAR(values[1][i], slope, 1e-11 * slope) << x[i];
      }
    }
}

TEST(LogisticMixture, HasAnInverseWithItsDerivatives) {
  for (const double scale : {0.3, 1.0}) {
    const std::vector<double> raw = normals(26, scale, 3);
    const Reference reference(raw);
    const std::vector<double> x = places(6.0);
    expect_inverse(map_and_inverse(mixture_of(8), raw, x), x,
                   [&](Real at) { return reference.slope(at); });
  }
}

// Parameters as wild as a network may give: narrow components far apart, between which the map is
// nearly flat. What is wanted of x is that f(x) is y but for rounding of f: at the largest slope,
// some epsilons of x make it.
template <typename T>
void expect_roots(double tolerance) {
  for (std::uint64_t number = 0; number < 60; ++number) {
    const std::int64_t components = number % 3 == 0 ? 1 : (number % 3 == 1 ? 4 : 16);
    const auto mixture = mixture_of(components);
    const double scale = 0.5 * static_cast<double>(1 + number / 6);
    const std::vector<double> raw = normals(mixture->raw_parameters(), scale, 100 + number);
    const Reference reference(raw);
    const std::vector<double> x = places(20.0, 401);
    const auto values = map_and_inverse<T>(mixture, raw, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto found = static_cast<double>(values[2][i]), y = static_cast<double>(values[0][i]);
      const double slope = static_cast<double>(
          std::max(reference.slope(found), reference.slope(static_cast<Real>(x[i]))));
      EXPECT_NEAR(static_cast<double>(reference(found)), y,
                  tolerance * (1.0 + std::abs(y) + slope * (1.0 + std::abs(x[i]))))
          << number << " " << x[i];
    }
  }
}

TEST(LogisticMixture, FindsRootsOfStrainedMaps) {
  expect_roots<double>(1e-14);
  expect_roots<float>(2e-6);
}

TEST(LogisticMixture, StartsNearTheIdentity) {
  for (const std::int64_t components : {1, 2, 8}) {
    const auto mixture = mixture_of(components);
    const std::vector<double> raw(static_cast<std::size_t>(mixture->raw_parameters()), 0.0);
    const std::vector<double> x = places(6.0);
    const auto values = map_and_inverse(mixture, raw, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(values[0][i], x[i], 0.25);
      EXPECT_NEAR(values[1][i], 1.0, 0.12);
    }
  }
}

// Beside an angle, which has its own parameters after those of the line.
TEST(LogisticMixture, MovesFeaturesOfTheLine) {
  const SmoothMaps maps("maps", 2, {.bumps = {.components = 3}, .line = LineMap::kLogistics},
                        {true, false});
  ASSERT_EQ(maps.parameters(), 11 + 16);
  const std::vector<double> raw = normals(27, 1.0, 4);
  const ParameterStore none;
  Graph graph(none);
  const Value at = graph.input({2, 1});
  const Value parameters = graph.constant({27, 1}, raw);
  const Mapped there = maps.apply(parameters, at), back = maps.invert(parameters, there.value);
  const std::vector<double> x = {-3.0, -30.0, 0.5, 0.0, 2.9, 7.0};
  const auto values =
      run_graph(graph, {there.value, back.value, there.log_det, back.log_det}, {x}, {3});
  const Reference reference(std::vector<double>(raw.begin(), raw.begin() + 11));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_LE(std::abs(values[0][2 * i]), std::numbers::pi);
    EXPECT_NEAR(values[0][2 * i + 1], static_cast<double>(reference(x[2 * i + 1])), 1e-12);
    EXPECT_NEAR(values[1][2 * i], x[2 * i], 1e-12);
    EXPECT_NEAR(values[1][2 * i + 1], x[2 * i + 1], 1e-12);
    EXPECT_NEAR(values[2][i] + values[3][i], 0.0, 1e-11);
  }
}

}  // namespace
}  // namespace thalweg::testing
