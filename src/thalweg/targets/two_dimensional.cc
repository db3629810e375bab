#include "thalweg/targets/two_dimensional.h"

#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr int kMoonGaussians = 32;  // of each half circle

/// Distance from 0, with derivative 0 at 0 in place of NaN.
Value norm(Value x) {
  return sqrt(maximum(sum(square(x), Axis::kFeatures), x.graph->constant(1e-30)));
}

class DualMoon : public Target {
 public:
  DualMoon() : Target("dual_moon", 2) {}

  std::vector<double> sample(RandomSequence& random) const override {
    // The factor in x_1 is a mixture of two normals, that in r is at most 1; beyond |x_2| = 4 it is
    // below exp(-50).
    while (true) {
      const double side = random.uniform() < 0.5 ? -2.0 : 2.0;
      const double first = side + 0.3 * random.normal();
      const double second = 4.0 * (2.0 * random.uniform() - 1.0);
      const double distance = std::hypot(first, second) - 2.0;
      if (random.uniform() < std::exp(-distance * distance / 0.08)) return {first, second};
    }
  }

  std::optional<double> log_normaliser() const override { return 0.804214448632162; }
  double half_width() const override { return 3.0; }

 protected:
  Value build_log_density(Value x) const override {
    const Value first = slice(x, 0, 1);
    return square(norm(x) - 2.0) * (-1.0 / 0.08) + square(first - 2.0) * (-1.0 / 0.18) +
           softplus(first * (-8.0 / 0.18));
  }
};

class TwoRings : public Target {
 public:
  TwoRings() : Target("two_rings", 2) {}

  std::vector<double> sample(RandomSequence& random) const override {
    // The radius has density r exp(-32 (r - i)^2), so ring i has mass i to double accuracy, and a
    // normal radius is accepted in proportion to r (10 standard deviations out at most).
    const double ring = random.uniform() < 1.0 / 3.0 ? 1.0 : 2.0;
    while (true) {
      const double radius = ring + random.normal() / 8.0;
      if (random.uniform() * (ring + 1.25) >= radius) continue;
      const double angle = 2.0 * kPi * random.uniform();
      return {radius * std::cos(angle), radius * std::sin(angle)};
    }
  }

  std::optional<double> log_normaliser() const override {
    // 2 pi times the sum of the radial integrals; their tails below r = 0 are under 1e-15 of them.
    return std::log(2.0 * kPi * std::sqrt(2.0 * kPi) / 8.0 * 3.0);
  }
  double half_width() const override { return 3.0; }

 protected:
  Value build_log_density(Value x) const override {
    const Value radii = x.graph->constant({1, 2}, {1.0, 2.0});
    return log_sum_exp(-32.0 * square(norm(x) - radii), Axis::kItems);
  }
};

class DoubleWell : public Target {
 public:
  DoubleWell() : Target("double_well", 2) {}

  std::vector<double> sample(RandomSequence& random) const override {
    // |x_1| = r has the density exp(-(r^2 - 3)^2) cosh(r / 2), at most 1.42 times a normal one
    // around sqrt(3) with variance 1/6.
    const double middle = std::sqrt(3.0);
    while (true) {
      const double r = middle + random.normal() / std::sqrt(6.0);
      const double uniform = random.uniform();
      if (r < 0.0) continue;
      const double narrow = -std::pow(r * r - 3.0, 2) + 3.0 * (r - middle) * (r - middle);
      if (1.42 * uniform >= std::exp(narrow) * std::cosh(0.5 * r)) continue;
      const bool right = random.uniform() * (1.0 + std::exp(-r)) < 1.0;
      return {right ? r : -r, random.normal()};
    }
  }

  std::optional<double> log_normaliser() const override { return 10.293479707073868; }
  double half_width() const override { return 4.0; }

 protected:
  Value build_log_density(Value x) const override {
    const Value first = slice(x, 0, 1);
    const Value square_of_first = square(first);
    return first * 0.5 + square_of_first * 6.0 - square(square_of_first) -
           0.5 * square(slice(x, 1, 1));
  }
};

/// Equal isotropic Gaussians; normalised.
class EqualGaussians : public Target {
 public:
  EqualGaussians(std::string name, std::vector<std::array<double, 2>> centres, double deviation,
                 double half_width)
      : Target(std::move(name), 2),
        centres_(std::move(centres)),
        deviation_(deviation),
        half_width_(half_width) {}

  std::vector<double> sample(RandomSequence& random) const override {
    const auto& centre = centres_[static_cast<std::size_t>(random.below(centres_.size()))];
    const double first = centre[0] + deviation_ * random.normal();
    return {first, centre[1] + deviation_ * random.normal()};
  }

  std::optional<double> log_normaliser() const override { return 0.0; }
  double half_width() const override { return half_width_; }

 protected:
  Value build_log_density(Value x) const override {
    const auto count = static_cast<std::int64_t>(centres_.size());
    std::vector<double> values;
    for (const std::size_t axis : {std::size_t{0}, std::size_t{1}})
      for (const auto& centre : centres_) values.push_back(centre[axis]);
    const Value centres = x.graph->constant({2, count}, std::move(values));
    const double variance = deviation_ * deviation_;
    const Value exponents = sum(square(x - centres), Axis::kFeatures) * (-0.5 / variance);
    return log_sum_exp(exponents, Axis::kItems) -
           std::log(static_cast<double>(count) * 2.0 * kPi * variance);
  }

 private:
  std::vector<std::array<double, 2>> centres_;
  double deviation_, half_width_;
};

class TwoAngles : public Target {
 public:
  TwoAngles() : Target("two_angles", 2) {}

  std::vector<double> sample(RandomSequence& random) const override {
    const auto von_mises = [&](double concentration) {
      while (true) {
        const double angle = kPi * (2.0 * random.uniform() - 1.0);
        if (random.uniform() < std::exp(concentration * (std::cos(angle) - 1.0))) return angle;
      }
    };
    const auto wrap = [](double angle) { return std::remainder(angle, 2.0 * kPi); };
    const double first = kPi + von_mises(kFirst);
    return {wrap(first), wrap(2.0 * first + von_mises(kSecond))};
  }

  std::optional<double> log_normaliser() const override {
    return 2.0 * std::log(2.0 * kPi) + std::log(std::cyl_bessel_i(0.0, kFirst)) +
           std::log(std::cyl_bessel_i(0.0, kSecond));
  }
  double half_width() const override { return kPi; }
  bool circular() const override { return true; }

 protected:
  Value build_log_density(Value x) const override {
    const Value first = slice(x, 0, 1);
    return -kFirst * cos(first) + kSecond * cos(slice(x, 1, 1) - 2.0 * first);
  }

 private:
  static constexpr double kFirst = 2.0, kSecond = 4.0;  // concentrations
};

std::vector<std::array<double, 2>> circle(int count, double radius) {
  std::vector<std::array<double, 2>> centres;
  for (int i = 0; i < count; ++i) {
    const double angle = 2.0 * kPi * i / count;
    centres.push_back({radius * std::sin(angle), radius * std::cos(angle)});
  }
  return centres;
}

}  // namespace

std::unique_ptr<Target> make_dual_moon() { return std::make_unique<DualMoon>(); }

std::unique_ptr<Target> make_circle_of_gaussians() {
  return std::make_unique<EqualGaussians>("circle_of_gaussians", circle(8, 2.0),
                                          std::sqrt((2.0 - std::numbers::sqrt2) / 9.0), 3.0);
}

std::unique_ptr<Target> make_two_rings() { return std::make_unique<TwoRings>(); }

std::unique_ptr<Target> make_two_angles() { return std::make_unique<TwoAngles>(); }

std::unique_ptr<Target> make_double_well() { return std::make_unique<DoubleWell>(); }
std::unique_ptr<Target> make_two_moons() {
  std::vector<std::array<double, 2>> centres;
  for (int i = 0; i < kMoonGaussians; ++i) {
    const double angle = kPi * (i + 0.5) / kMoonGaussians;
    const double first = std::cos(angle) - 0.5;
    const double second = std::sin(angle) - 0.25;
    centres.push_back({first, second});
    centres.push_back({-first, -second});
  }
  return std::make_unique<EqualGaussians>("two_moons", std::move(centres), 0.1, 2.0);
}

std::unique_ptr<Target> make_ring_of_gaussians(std::string name, int count, double deviation) {
  if (count < 2 || !(deviation > 0.0 && deviation < 1.0))
    fail<ConfigError>("{}: expected at least 2 Gaussians and a deviation in (0, 1), got {} and {}",
                      name, count, deviation);
  const double radius = std::sqrt(2.0 * (1.0 - deviation * deviation));
  return std::make_unique<EqualGaussians>(std::move(name), circle(count, radius), deviation,
                                          radius + 5.0 * deviation);
}

std::unique_ptr<Target> make_grid_of_gaussians(std::string name, int side, double spacing,
                                               double deviation) {
  if (side < 1 || !(spacing > 0.0) || !(deviation > 0.0))
    fail<ConfigError>("{}: expected a side of at least 1 and positive lengths, got {}, {} and {}",
                      name, side, spacing, deviation);
  const double middle = 0.5 * (side - 1);
  std::vector<std::array<double, 2>> centres;
  for (int i = 0; i < side; ++i)
    for (int j = 0; j < side; ++j)
      centres.push_back({spacing * (i - middle), spacing * (j - middle)});
  return std::make_unique<EqualGaussians>(std::move(name), std::move(centres), deviation,
                                          spacing * middle + 5.0 * deviation);
}

}  // namespace thalweg
