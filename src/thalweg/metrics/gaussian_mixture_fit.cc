#include "thalweg/metrics/gaussian_mixture_fit.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {

namespace {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr Index kBlock = 4096;  // rows worked on at a time

/// log(weight_k) + log N(x | k) as components x rows; `x` is features x rows.
MatrixXd joint_log_densities(const FittedGaussianMixture& mixture, const MatrixXd& x) {
  const Index features = mixture.features;
  MatrixXd result(mixture.components(), x.cols());
  for (Index k = 0; k < mixture.components(); ++k) {
    const Eigen::Map<const RowMatrix> factor(mixture.factors.data() + k * features * features,
                                             features, features);
    const Eigen::Map<const VectorXd> mean(mixture.means.data() + k * features, features);
    const MatrixXd whitened =
        factor.triangularView<Eigen::Lower>().solve((x.colwise() - mean).eval());
    const double constant = std::log(mixture.weights[static_cast<std::size_t>(k)]) -
                            factor.diagonal().array().log().sum() -
                            0.5 * static_cast<double>(features) * std::log(2.0 * std::numbers::pi);
    result.row(k) = (constant - 0.5 * whitened.colwise().squaredNorm().array()).matrix();
  }
  return result;
}

/// log of the sum over components, in place of which the densities' shares are left.
VectorXd normalise_shares(MatrixXd& joint) {
  const Eigen::RowVectorXd peak = joint.colwise().maxCoeff();
  joint = (joint.rowwise() - peak).array().exp().matrix();
  const Eigen::RowVectorXd sums = joint.colwise().sum();
  joint.array().rowwise() /= sums.array();
  return (peak.array() + sums.array().log()).matrix().transpose();
}

/// Maximum likelihood parameters given each row's shares (components x rows).
void update(FittedGaussianMixture& mixture, const MatrixXd& x, const MatrixXd& shares,
            const VectorXd& ridge, bool diagonal) {
  const Index features = mixture.features;
  for (Index k = 0; k < mixture.components(); ++k) {
    const VectorXd share = shares.row(k).transpose();
    const double total = share.sum();
    // A component without rows keeps its place with next to no weight.
    mixture.weights[static_cast<std::size_t>(k)] =
        std::max(total, 1e-12) / static_cast<double>(x.cols());
    if (total < 1e-8) continue;
    Eigen::Map<VectorXd> mean(mixture.means.data() + k * features, features);
    mean = x * share / total;
    const MatrixXd centred = x.colwise() - mean;
    MatrixXd covariance = (centred.array().rowwise() * share.transpose().array()).matrix() *
                          centred.transpose() / total;
    covariance.diagonal() += ridge;
    if (diagonal) covariance = covariance.diagonal().asDiagonal().toDenseMatrix();
    const Eigen::LLT<MatrixXd> cholesky(covariance);
    if (cholesky.info() != Eigen::Success)
      fail<NumericalError>(
          "fit_gaussian_mixture: the covariance of component {} is not positive definite: columns "
          "depend on each other; drop one or raise the regularisation",
          k);
    Eigen::Map<RowMatrix>(mixture.factors.data() + k * features * features, features, features) =
        cholesky.matrixL();
  }
}

/// Rows nearest to centres that k-means++ draws, as shares of 0 or 1; distances in units of the
/// columns' deviations.
MatrixXd starting_shares(const MatrixXd& x, std::int64_t components, const VectorXd& deviation,
                         RandomSequence& random) {
  const MatrixXd scaled = x.array().colwise() / deviation.array();
  VectorXd nearest = VectorXd::Constant(x.cols(), INFINITY);
  std::vector<Index> owner(static_cast<std::size_t>(x.cols()), 0);
  Index chosen = static_cast<Index>(random.below(static_cast<std::uint64_t>(x.cols())));
  for (std::int64_t k = 0; k < components; ++k) {
    const VectorXd centre = scaled.col(chosen);
    for (Index row = 0; row < x.cols(); ++row) {
      const double distance = (scaled.col(row) - centre).squaredNorm();
      if (distance < nearest[row]) {
        nearest[row] = distance;
        owner[static_cast<std::size_t>(row)] = k;
      }
    }
    double left = random.uniform() * nearest.sum();
    for (chosen = 0; chosen + 1 < x.cols() && (left -= nearest[chosen]) > 0.0;) ++chosen;
  }
  MatrixXd shares = MatrixXd::Zero(components, x.cols());
  for (Index row = 0; row < x.cols(); ++row)
    shares(owner[static_cast<std::size_t>(row)], row) = 1.0;
  return shares;
}

}  // namespace

std::vector<double> FittedGaussianMixture::log_prob(std::span<const double> x) const {
  if (features < 1 || x.size() % static_cast<std::size_t>(features) != 0)
    fail<ShapeError>("FittedGaussianMixture: expected rows of {} values, got {} values", features,
                     x.size());
  const auto rows = static_cast<Index>(x.size()) / features;
  std::vector<double> result(static_cast<std::size_t>(rows));
  for (Index begin = 0; begin < rows; begin += kBlock) {
    const Index count = std::min(kBlock, rows - begin);
    const MatrixXd block =
        Eigen::Map<const RowMatrix>(x.data() + begin * features, count, features).transpose();
    MatrixXd joint = joint_log_densities(*this, block);
    Eigen::Map<VectorXd>(result.data() + begin, count) = normalise_shares(joint);
  }
  return result;
}

FittedGaussianMixture FittedGaussianMixture::leading(std::int64_t count) const {
  if (count < 1 || count > features)
    fail<ShapeError>("FittedGaussianMixture: expected 1 to {} columns, got {}", features, count);
  FittedGaussianMixture result{count, weights, {}, {}};
  for (std::int64_t row = 0; row < components(); ++row) {
    const auto mean = means.begin() + row * features;
    result.means.insert(result.means.end(), mean, mean + count);
    // The factor of a leading block is the leading block of the factor.
    for (std::int64_t i = 0; i < count; ++i) {
      const auto line = factors.begin() + (row * features + i) * features;
      result.factors.insert(result.factors.end(), line, line + count);
    }
  }
  return result;
}

FittedGaussianMixture fit_gaussian_mixture(std::span<const double> x, std::int64_t features,
                                           const GaussianMixtureFitOptions& options,
                                           std::uint64_t seed) {
  if (features < 1 || x.size() % static_cast<std::size_t>(features) != 0)
    fail<ShapeError>("fit_gaussian_mixture: expected rows of {} values, got {} values", features,
                     x.size());
  if (options.components < 1)
    fail<ConfigError>("fit_gaussian_mixture: expected at least 1 component, got {}",
                      options.components);
  const auto all_rows = static_cast<std::int64_t>(x.size()) / features;
  if (all_rows < std::max<std::int64_t>(2, options.components))
    fail<DataError>("fit_gaussian_mixture: expected at least {} rows for {} components, got {}",
                    std::max<std::int64_t>(2, options.components), options.components, all_rows);
  if (!std::all_of(x.begin(), x.end(), [](double value) { return std::isfinite(value); }))
    fail<DataError>("fit_gaussian_mixture: a value is not finite; remove its row");

  RandomSequence random(seed, Stream::kEvaluation);
  std::vector<std::int64_t> order(static_cast<std::size_t>(all_rows));
  std::iota(order.begin(), order.end(), 0);
  const std::int64_t rows = std::min(all_rows, std::max(options.maximum_rows, options.components));
  if (rows < all_rows)
    for (std::int64_t i = 0; i < rows; ++i)
      std::swap(order[static_cast<std::size_t>(i)],
                order[static_cast<std::size_t>(i) +
                      random.below(static_cast<std::uint64_t>(all_rows - i))]);
  MatrixXd chosen(features, rows);
  for (Index row = 0; row < rows; ++row)
    chosen.col(row) = Eigen::Map<const VectorXd>(
        x.data() + order[static_cast<std::size_t>(row)] * features, features);

  const VectorXd mean = chosen.rowwise().mean();
  const VectorXd variance = (chosen.colwise() - mean).array().square().rowwise().mean().matrix();
  const VectorXd ridge = (options.regularisation * variance).cwiseMax(1e-300);
  const auto components = static_cast<std::size_t>(options.components);
  const auto width = static_cast<std::size_t>(features);
  FittedGaussianMixture mixture{features, std::vector<double>(components),
                                std::vector<double>(components * width),
                                std::vector<double>(components * width * width)};
  // Every component starts as the whole cloud, for those that the start leaves without rows.
  const MatrixXd whole = MatrixXd::Constant(options.components, rows, 1.0);
  update(mixture, chosen, whole, ridge, options.diagonal);
  if (components == 1) return mixture;
  update(mixture, chosen,
         starting_shares(chosen, options.components, variance.cwiseSqrt().cwiseMax(1e-300), random),
         ridge, options.diagonal);
  double previous = -INFINITY;
  for (std::int64_t iteration = 0; iteration < options.iterations; ++iteration) {
    MatrixXd shares = joint_log_densities(mixture, chosen);
    const double likelihood = normalise_shares(shares).mean();
    update(mixture, chosen, shares, ridge, options.diagonal);
    if (likelihood - previous < options.tolerance) break;
    previous = likelihood;
  }
  return mixture;
}

}  // namespace thalweg
