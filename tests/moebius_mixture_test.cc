// Mixtures of Moebius maps of the circle against the maps of the plane that they are, round trips,
// and derivatives of the inverse.
#include "thalweg/transforms/moebius_mixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <memory>
#include <numbers>
#include <vector>

#include "monotone_mixture_check.h"
#include "thalweg/core/error.h"
#include "thalweg/transforms/smooth_maps.h"

namespace thalweg::testing {
namespace {

using Real = long double;
using Complex = std::complex<Real>;
using Values = std::vector<Value>;

constexpr Real kTurn = 2.0L * std::numbers::pi_v<Real>;

/// Of raw parameters, as Rezende et al. have it: h(z) = (1 - |w|^2) / |z - w|^2 (z - w) - w.
class Reference {
 public:
  explicit Reference(const std::vector<double>& raw) : count_(raw.size() / 3) {
    Real total = 0.0L;
    for (std::size_t k = 0; k < count_; ++k) {
      weight_.push_back(std::exp(static_cast<Real>(raw[k])));
      total += weight_.back();
      const Real place = kTurn * static_cast<Real>(k) / static_cast<Real>(count_);
      const Complex v =
          Complex(raw[count_ + k], raw[2 * count_ + k]) + std::polar(static_cast<Real>(0.3), place);
      centre_.push_back(static_cast<Real>(0.99) * v / std::sqrt(1.0L + std::norm(v)));
    }
    for (Real& weight : weight_) weight /= total;
  }

  /// Of x in [0, 1), by the angle of the image from that of 1, in [0, 1).
  Real operator()(Real x) const {
    Real sum = 0.0L;
    for (std::size_t k = 0; k < count_; ++k) {
      const Real turns = std::arg(image(k, x) / image(k, 0.0L)) / kTurn;
      sum += weight_[k] * (turns - std::floor(turns));
    }
    return sum;
  }
  Real slope(Real x) const {
    Real sum = 0.0L;
    for (std::size_t k = 0; k < count_; ++k)
      sum += weight_[k] * (1.0L - std::norm(centre_[k])) /
             std::norm(std::polar(1.0L, kTurn * x) - centre_[k]);
    return sum;
  }

 private:
  Complex image(std::size_t k, Real x) const {
    const Complex away = std::polar(1.0L, kTurn * x) - centre_[k];
    return (1.0L - std::norm(centre_[k])) / std::norm(away) * away - centre_[k];
  }

  std::size_t count_;
  std::vector<Real> weight_;
  std::vector<Complex> centre_;
};

std::vector<std::vector<double>> found(std::int64_t components, const std::vector<double>& raw,
                                       const std::vector<double>& x) {
  return map_and_inverse(std::make_shared<const MoebiusMixture>(components), raw, x);
}

std::vector<double> places() {
  std::vector<double> x;
  for (int i = 0; i < 200; ++i) x.push_back((i + 0.37) / 200.0);
  return x;
}

TEST(MoebiusMixture, IsTheMapOfThePlane) {
  for (const std::int64_t components : {1, 3, 8})
    for (const double scale : {0.0, 0.5, 2.0}) {
      const std::vector<double> raw = normals(3 * components, scale, 1);
      const Reference reference(raw);
      const std::vector<double> x = places();
      const auto values = found(components, raw, x);
      for (std::size_t i = 0; i < x.size(); ++i) {
        EXPECT_NEAR(values[0][i], static_cast<double>(reference(x[i])), 1e-13) << x[i];
        const double slope = static_cast<double>(reference.slope(x[i]));
        EXPECT_NEAR(values[1][i], slope, 1e-12 * slope) << x[i];
      }
    }
}

TEST(MoebiusMixture, GoesOnAroundTheCircle) {
  const std::vector<double> raw = normals(9, 1.0, 2);
  const std::vector<double> x = {0.0, 1.0, 0.3, 1.3, -1.7};
  const auto values = found(3, raw, x);
  EXPECT_NEAR(values[0][0], 0.0, 1e-15);
  EXPECT_NEAR(values[0][1], 1.0, 1e-14);
  EXPECT_NEAR(values[0][3] - values[0][2], 1.0, 1e-14);
  EXPECT_NEAR(values[0][4] - values[0][2], -2.0, 1e-14);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(values[2][i], x[i], 1e-12);
}

TEST(MoebiusMixture, HasAnInverseWithItsDerivatives) {
  for (const double scale : {0.3, 1.0}) {
    const std::vector<double> raw = normals(24, scale, 3);
    const Reference reference(raw);
    const std::vector<double> x = places();
    expect_inverse(found(8, raw, x), x, [&](Real at) { return reference.slope(at); });
  }
}

TEST(MoebiusMixture, StartsNearTheIdentity) {
  const auto values = found(8, std::vector<double>(24, 0.0), places());
  for (const double slope : values[1]) EXPECT_NEAR(slope, 1.0, 0.01);
}

// As the map of angles of smooth flows: in and out of [-pi, pi], with forces that do not jump at
// the seam.
TEST(MoebiusMixture, MovesAngles) {
  const SmoothMaps maps("maps", 1, {.bumps = {.components = 4}, .circle = CircleMap::kMoebius},
                        {true});
  ASSERT_EQ(maps.parameters(), 13);
  const std::vector<double> raw = normals(13, 1.0, 4);
  const ParameterStore none;
  Graph graph(none);
  const Value at = graph.input({1, 1});
  const Value parameters = graph.constant({13, 1}, raw);
  const Mapped there = maps.apply(parameters, at), back = maps.invert(parameters, there.value);
  Values outputs{there.value, back.value, there.log_det, back.log_det};
  for (int order = 0; order < 3; ++order)
    outputs.push_back(vjp({order == 0 ? there.log_det : outputs.back()}, {}, {at})[0]);
  const double pi = std::numbers::pi;
  const std::vector<double> x = {-3.0, -1.0, 0.5, 2.9, pi - 1e-8, -pi + 1e-8};
  const auto values = run_graph(graph, outputs, {x}, {std::ssize(x)});
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_LE(std::abs(values[0][i]), pi);
    EXPECT_NEAR(std::remainder(values[1][i] - x[i], 2.0 * pi), 0.0, 1e-12);
    EXPECT_NEAR(values[2][i] + values[3][i], 0.0, 1e-11);
  }
  for (std::size_t order = 4; order < 7; ++order)
    EXPECT_NEAR(values[order][4], values[order][5], 1e-5 * (1.0 + std::abs(values[order][4])));
  EXPECT_THROW(circle_map_by_name("spline"), ConfigError);
  for (const std::string& name : circle_map_names()) EXPECT_NO_THROW(circle_map_by_name(name));
}

}  // namespace
}  // namespace thalweg::testing
