#include "thalweg/metrics/small_table_fits.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double kRidge = 1e-9;  // of each variance, against rounding

/// Rows as columns of a matrix.
MatrixXd checked(const char* function, std::span<const double> x, std::int64_t features) {
  if (features < 1 || x.size() % static_cast<std::size_t>(features) != 0)
    fail<ShapeError>("{}: expected rows of {} values, got {} values", function, features, x.size());
  const auto rows = static_cast<Index>(x.size()) / features;
  if (rows < 3) fail<DataError>("{}: expected at least 3 rows, got {}", function, rows);
  if (!std::all_of(x.begin(), x.end(), [](double value) { return std::isfinite(value); }))
    fail<DataError>("{}: a value is not finite; remove its row", function);
  return Eigen::Map<const RowMatrix>(x.data(), rows, features).transpose();
}

MatrixXd covariance_of(const MatrixXd& x, const VectorXd& mean) {
  const MatrixXd centred = x.colwise() - mean;
  MatrixXd result = centred * centred.transpose() / static_cast<double>(x.cols());
  result.diagonal() *= 1.0 + kRidge;
  return result;
}

MatrixXd lower_factor(const char* function, const MatrixXd& covariance) {
  const Eigen::LLT<MatrixXd> cholesky(covariance);
  if (cholesky.info() != Eigen::Success)
    fail<NumericalError>(
        "{}: the covariance is not positive definite: columns depend on each other; "
        "drop one",
        function);
  return cholesky.matrixL();
}

/// U, upper triangular, with U covariance U^T = 1.
MatrixXd upper_whitening(const char* function, const MatrixXd& covariance) {
  // The factor of the inverse from below: with columns reversed, a lower factor is an upper one.
  const MatrixXd lower = lower_factor(function, covariance.reverse());
  const MatrixXd upper = lower.reverse();  // covariance = upper upper^T
  return upper.triangularView<Eigen::Upper>().solve(
      MatrixXd::Identity(covariance.rows(), covariance.cols()));
}

FittedGaussianMixture empty_mixture(Index features, std::size_t components) {
  const auto width = static_cast<std::size_t>(features);
  return {features, std::vector<double>(components, 1.0 / static_cast<double>(components)),
          std::vector<double>(components * width), std::vector<double>(components * width * width)};
}

void set_component(FittedGaussianMixture& mixture, Index k, const VectorXd& mean,
                   const MatrixXd& factor) {
  const Index width = mixture.features;
  Eigen::Map<VectorXd>(mixture.means.data() + k * width, width) = mean;
  Eigen::Map<RowMatrix>(mixture.factors.data() + k * width * width, width, width) = factor;
}

/// log of the mean over `points` (features x points) of N(x; point, bandwidth^2) in whitened
/// coordinates; with `leave_out` x are the points themselves and each is left out of its own mean.
VectorXd kernel_log_densities(const MatrixXd& points, const MatrixXd& x, double bandwidth,
                              bool leave_out) {
  const auto features = static_cast<double>(points.rows());
  const double count = static_cast<double>(points.cols()) - (leave_out ? 1.0 : 0.0);
  const double constant = -std::log(count) - features * std::log(bandwidth) -
                          0.5 * features * std::log(2.0 * std::numbers::pi);
  VectorXd result(x.cols());
  for (Index row = 0; row < x.cols(); ++row) {
    Eigen::RowVectorXd joint =
        (-0.5 / (bandwidth * bandwidth)) * (points.colwise() - x.col(row)).colwise().squaredNorm();
    if (leave_out) joint[row] = -INFINITY;
    const double peak = joint.maxCoeff();
    result[row] = peak + std::log((joint.array() - peak).exp().sum()) + constant;
  }
  return result;
}

}  // namespace

FittedGaussianMixture fit_shrunk_gaussian(std::span<const double> values, std::int64_t features) {
  const MatrixXd x = checked("fit_shrunk_gaussian", values, features);
  const auto rows = static_cast<double>(x.cols());
  const VectorXd mean = x.rowwise().mean();
  MatrixXd covariance = covariance_of(x, mean);
  const VectorXd deviation = covariance.diagonal().cwiseSqrt().cwiseMax(1e-300);
  const MatrixXd standard = (x.colwise() - mean).array().colwise() / deviation.array();
  double variance = 0.0, square = 0.0;
  for (Index i = 0; i < features; ++i)
    for (Index j = 0; j < i; ++j) {
      const Eigen::ArrayXd products = standard.row(i).array() * standard.row(j).array();
      const double correlation = products.mean();
      variance += (products - correlation).square().sum() * rows / std::pow(rows - 1.0, 3.0);
      square += correlation * correlation;
    }
  const double intensity = square > 0.0 ? std::clamp(variance / square, 0.0, 1.0) : 1.0;
  const VectorXd diagonal = covariance.diagonal();
  covariance *= 1.0 - intensity;
  covariance.diagonal() = diagonal;
  FittedGaussianMixture result = empty_mixture(features, 1);
  set_component(result, 0, mean, lower_factor("fit_shrunk_gaussian", covariance));
  return result;
}

FittedGaussianMixture fit_whitened_mixture(std::span<const double> values, std::int64_t features,
                                           const GaussianMixtureFitOptions& options,
                                           std::uint64_t seed) {
  const MatrixXd x = checked("fit_whitened_mixture", values, features);
  const VectorXd mean = x.rowwise().mean();
  const MatrixXd lower = lower_factor("fit_whitened_mixture", covariance_of(x, mean));
  const MatrixXd whitened = lower.triangularView<Eigen::Lower>().solve((x.colwise() - mean).eval());
  FittedGaussianMixture result = fit_gaussian_mixture(
      {whitened.data(), static_cast<std::size_t>(whitened.size())}, features, options, seed);
  for (Index k = 0; k < result.components(); ++k) {
    const VectorXd centre =
        lower * Eigen::Map<const VectorXd>(result.means.data() + k * features, features) + mean;
    const MatrixXd factor =
        lower * Eigen::Map<const RowMatrix>(result.factors.data() + k * features * features,
                                            features, features);
    set_component(result, k, centre, factor);
  }
  return result;
}

FittedGaussianMixture fit_elliptical(std::span<const double> values, std::int64_t features) {
  constexpr double kScales[] = {0.35, 0.6, 1.0, 1.7, 3.0, 6.0};
  constexpr Index kCount = std::size(kScales);
  constexpr int kIterations = 200;
  const MatrixXd x = checked("fit_elliptical", values, features);
  VectorXd mean = x.rowwise().mean();
  MatrixXd covariance = covariance_of(x, mean);
  Eigen::ArrayXd weights = Eigen::ArrayXd::Constant(kCount, 1.0 / kCount);
  Eigen::ArrayXd precisions(kCount), constants(kCount);
  for (Index j = 0; j < kCount; ++j) {
    precisions[j] = 1.0 / (kScales[j] * kScales[j]);
    constants[j] = -static_cast<double>(features) * std::log(kScales[j]);
  }
  double previous = -INFINITY;
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    const MatrixXd lower = lower_factor("fit_elliptical", covariance);
    const Eigen::RowVectorXd squares = lower.triangularView<Eigen::Lower>()
                                           .solve((x.colwise() - mean).eval())
                                           .colwise()
                                           .squaredNorm();
    Eigen::ArrayXXd joint = (-0.5 * precisions.matrix() * squares).array();
    joint.colwise() += weights.max(1e-300).log() + constants;
    const Eigen::RowVectorXd peak = joint.colwise().maxCoeff();
    joint = (joint.rowwise() - peak.array()).exp();
    const Eigen::Array<double, 1, Eigen::Dynamic> sums = joint.colwise().sum();
    joint.rowwise() /= sums;
    const double likelihood =
        (peak.array() + sums.log()).mean() - lower.diagonal().array().log().sum();
    if (likelihood - previous < 1e-6) break;
    previous = likelihood;
    weights = joint.rowwise().mean();
    const Eigen::RowVectorXd pull = precisions.matrix().transpose() * joint.matrix();
    mean = x * pull.transpose() / pull.sum();
    const MatrixXd centred = x.colwise() - mean;
    covariance = (centred.array().rowwise() * pull.array()).matrix() * centred.transpose() /
                 static_cast<double>(x.cols());
    covariance.diagonal() *= 1.0 + kRidge;
  }
  FittedGaussianMixture result = empty_mixture(features, std::size(kScales));
  const MatrixXd lower = lower_factor("fit_elliptical", covariance);
  weights = weights.max(1e-12);
  weights /= weights.sum();
  for (Index j = 0; j < kCount; ++j) {
    result.weights[static_cast<std::size_t>(j)] = weights[j];
    set_component(result, j, mean, kScales[j] * lower);
  }
  return result;
}

std::vector<double> whitening_factor(std::span<const double> values, std::int64_t features) {
  const MatrixXd x = checked("whitening_factor", values, features);
  const RowMatrix upper = upper_whitening("whitening_factor", covariance_of(x, x.rowwise().mean()));
  return {upper.data(), upper.data() + upper.size()};
}

std::vector<double> FittedKernelDensity::log_prob(std::span<const double> x) const {
  if (features < 1 || x.size() % static_cast<std::size_t>(features) != 0)
    fail<ShapeError>("FittedKernelDensity: expected rows of {} values, got {} values", features,
                     x.size());
  const auto rows = [&](std::span<const double> of) {
    return Eigen::Map<const RowMatrix>(of.data(), static_cast<Index>(of.size()) / features,
                                       features);
  };
  const Eigen::Map<const RowMatrix> factor(upper.data(), features, features);
  const VectorXd result = kernel_log_densities(factor * rows(points).transpose(),
                                               factor * rows(x).transpose(), bandwidth, false)
                              .array() +
                          factor.diagonal().array().log().sum();
  return {result.begin(), result.end()};
}

FittedKernelDensity fit_kernel_density(std::span<const double> values, std::int64_t features) {
  const MatrixXd x = checked("fit_kernel_density", values, features);
  FittedKernelDensity result{
      features, {values.begin(), values.end()}, whitening_factor(values, features)};
  const MatrixXd whitened =
      Eigen::Map<const RowMatrix>(result.upper.data(), features, features) * x;
  // Evenly on a logarithmic scale around the normal reference rule n^(-1 / (features + 4)).
  const double reference =
      std::pow(static_cast<double>(x.cols()), -1.0 / (static_cast<double>(features) + 4.0));
  double best = -INFINITY;
  for (double factor = 0.2; factor < 2.0; factor *= 1.15) {
    const double likelihood =
        kernel_log_densities(whitened, whitened, factor * reference, true).mean();
    if (!(likelihood > best)) continue;
    best = likelihood;
    result.bandwidth = factor * reference;
  }
  return result;
}

}  // namespace thalweg
