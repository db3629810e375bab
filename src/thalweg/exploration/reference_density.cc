#include "thalweg/exploration/reference_density.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "thalweg/core/log_gamma.h"

namespace thalweg {
namespace {

constexpr double kWideFreedom = 5.0;
constexpr double kTailFreedom = 3.0, kTailShare = 0.2, kTailScale = 1.5;

/// log of Gamma((nu + d) / 2) / (Gamma(nu / 2) (nu pi)^(d / 2)).
double log_t_constant(double freedom, std::int64_t features) {
  const auto d = static_cast<double>(features);
  return log_gamma((freedom + d) / 2.0) - log_gamma(freedom / 2.0) -
         0.5 * d * std::log(freedom * std::numbers::pi);
}

/// What makes a normal vector one of a t distribution.
double t_stretch(int freedom, RandomSequence& random) {
  double square = 0.0;
  for (int i = 0; i < freedom; ++i) {
    const double value = random.normal();
    square += value * value;
  }
  return std::sqrt(freedom / square);
}

}  // namespace

WideReference::WideReference(Eigen::VectorXd centre, Eigen::VectorXd scale)
    : centre_(std::move(centre)),
      scale_(std::move(scale)),
      log_constant_(log_t_constant(kWideFreedom, centre_.size()) - scale_.array().log().sum()) {}

Points WideReference::draw(std::int64_t count, RandomSequence& random) const {
  Points y = normal_points(centre_.size(), count, random);
  for (std::int64_t i = 0; i < count; ++i)
    y.col(i) =
        centre_ + scale_.cwiseProduct(y.col(i)) * t_stretch(static_cast<int>(kWideFreedom), random);
  return y;
}

EnergyBatch WideReference::energy(const Points& y) const {
  const Points z = scale_.cwiseInverse().asDiagonal() * (y.colwise() - centre_);
  const Eigen::ArrayXd ratio = z.colwise().squaredNorm().transpose().array() / kWideFreedom;
  const double power = (kWideFreedom + static_cast<double>(y.rows())) / 2.0;
  EnergyBatch batch;
  batch.energy = power * ratio.log1p() - log_constant_;
  const Eigen::VectorXd factor = (2.0 * power / kWideFreedom) / (1.0 + ratio);
  batch.gradient = scale_.cwiseInverse().asDiagonal() * z * factor.asDiagonal();
  return batch;
}

HeavyMixture::HeavyMixture(Mixture mixture)
    : mixture_(std::move(mixture)),
      log_constant_(log_t_constant(kTailFreedom, mixture_.features()) -
                    static_cast<double>(mixture_.features()) * std::log(kTailScale)) {}

Points HeavyMixture::draw(std::int64_t count, RandomSequence& random) const {
  std::vector<std::int64_t> component;
  Points y = mixture_.draw(count, random, &component);
  for (std::int64_t i = 0; i < count; ++i) {
    if (random.uniform() >= kTailShare) continue;
    const auto mean = mixture_.means().col(component[static_cast<std::size_t>(i)]);
    const double stretch = kTailScale * t_stretch(static_cast<int>(kTailFreedom), random);
    y.col(i) = mean + stretch * (y.col(i) - mean);
  }
  return y;
}

EnergyBatch HeavyMixture::energy(const Points& y) const {
  const std::int64_t components = mixture_.components();
  const auto features = static_cast<double>(y.rows());
  const double spread = kTailFreedom * kTailScale * kTailScale;
  Eigen::MatrixXd logs(2 * components, y.cols());
  std::vector<Points> slopes;
  Eigen::MatrixXd tail_factors(components, y.cols());
  for (std::int64_t k = 0; k < components; ++k) {
    const Points z = mixture_.whitened(y, k);
    const Eigen::ArrayXd square = z.colwise().squaredNorm().transpose();
    const double common = std::log(mixture_.weights()[k]) - mixture_.log_determinant(k);
    logs.row(k) = -0.5 * square + (common + std::log1p(-kTailShare) -
                                   0.5 * features * std::log(2.0 * std::numbers::pi));
    logs.row(components + k) = -0.5 * (kTailFreedom + features) * (square / spread).log1p() +
                               (common + std::log(kTailShare) + log_constant_);
    tail_factors.row(k) = ((kTailFreedom + features) / spread) / (1.0 + square / spread);
    slopes.push_back(mixture_.unwhitened_slope(z, k));
  }
  EnergyBatch batch{-log_sum_exp(logs), Points::Zero(y.rows(), y.cols())};
  const Eigen::MatrixXd shares = responsibilities(logs);
  for (std::int64_t k = 0; k < components; ++k) {
    const Eigen::VectorXd factor =
        (shares.row(k).array() + shares.row(components + k).array() * tail_factors.row(k).array())
            .transpose();
    batch.gradient += slopes[static_cast<std::size_t>(k)] * factor.asDiagonal();
  }
  return batch;
}

}  // namespace thalweg
