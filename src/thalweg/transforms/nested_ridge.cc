#include "thalweg/transforms/nested_ridge.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "thalweg/core/error.h"
#include "thalweg/core/finite.h"

namespace thalweg {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr std::array<double, 5> kStrengths = {1.0, 10.0, 100.0, 1000.0, 10000.0};
constexpr Index kFolds = 5;
constexpr Index kFewestRows = 10;

/// Centred columns and what they were.
struct Centred {
  MatrixXd values;
  VectorXd means;
};

Centred centre(MatrixXd values) {
  VectorXd means = values.colwise().mean();
  values.rowwise() -= means.transpose();
  return {std::move(values), std::move(means)};
}

/// The lower half of X^T X.
MatrixXd moments_of(const MatrixXd& x) {
  MatrixXd moments = MatrixXd::Zero(x.cols(), x.cols());
  // Eigen would bind a reference to the first of no elements.
  if (x.size() > 0) moments.selfadjointView<Eigen::Lower>().rankUpdate(x.transpose());
  return moments;
}

/// The Cholesky factor of moments + strength, in the lower half.
MatrixXd factor_of(const MatrixXd& moments, double strength) {
  MatrixXd factor = moments;
  factor.diagonal().array() += strength;
  const Eigen::LLT<Eigen::Ref<MatrixXd>> in_place(factor);
  return factor;
}

/// Slopes of a target on the leading `count` regressors: the leading block of a Cholesky factor is
/// the factor of the leading block.
VectorXd solve_leading(const MatrixXd& factor, Index count, const VectorXd& products) {
  const auto block = factor.topLeftCorner(count, count).triangularView<Eigen::Lower>();
  VectorXd slopes = products.head(count);
  block.solveInPlace(slopes);
  block.transpose().solveInPlace(slopes);
  return slopes;
}

/// Sums of squared errors in the rows left out, strengths x targets.
MatrixXd errors_left_out(const MatrixXd& x, const MatrixXd& y, const MatrixXd& moments,
                         const MatrixXd& products, const std::vector<Index>& counts) {
  MatrixXd errors = MatrixXd::Zero(static_cast<Index>(kStrengths.size()), y.cols());
  for (Index fold = 0; fold < kFolds; ++fold) {
    const auto left_out = Eigen::seq(fold, Eigen::last, kFolds);
    const MatrixXd fold_x = x(left_out, Eigen::all);
    const MatrixXd fold_y = y(left_out, Eigen::all);
    const MatrixXd fold_moments = moments - moments_of(fold_x);
    const MatrixXd fold_products = products - fold_x.transpose() * fold_y;
    for (std::size_t s = 0; s < kStrengths.size(); ++s) {
      const MatrixXd factor = factor_of(fold_moments, kStrengths[s]);
      for (Index t = 0; t < y.cols(); ++t) {
        const Index count = counts[static_cast<std::size_t>(t)];
        const VectorXd slopes = solve_leading(factor, count, fold_products.col(t));
        errors(static_cast<Index>(s), t) +=
            (fold_y.col(t) - fold_x.leftCols(count) * slopes).squaredNorm();
      }
    }
  }
  return errors;
}

}  // namespace

std::vector<RidgeFit> fit_nested_ridge(const std::string& name, std::span<const double> regressors,
                                       std::size_t rows, std::span<const RidgeTarget> targets) {
  if (targets.empty()) return {};
  const auto height = static_cast<Index>(rows);
  std::vector<Index> counts;
  Index widest = 0;
  MatrixXd values(height, static_cast<Index>(targets.size()));
  for (const RidgeTarget& target : targets) {
    if (!all_finite(target.values))
      fail<DataError>("{}: data to start from are not finite: clean them or the layers before",
                      name);
    values.col(static_cast<Index>(counts.size())) =
        Eigen::Map<const VectorXd>(target.values.data(), height);
    counts.push_back(height < kFewestRows ? 0 : static_cast<Index>(target.regressors));
    widest = std::max(widest, counts.back());
  }
  if (!all_finite(regressors))
    fail<DataError>("{}: contexts or columns to start from are not finite: clean them", name);
  const Index width = height > 0 ? static_cast<Index>(regressors.size()) / height : 0;
  auto [x, x_means] =
      centre(Eigen::Map<const RowMajor>(regressors.data(), height, width).leftCols(widest));
  const auto [y, y_means] = centre(std::move(values));
  // A constant regressor is 0 and gets the slope 0, whatever its scale.
  VectorXd scales = (x.colwise().squaredNorm() / static_cast<double>(height)).cwiseSqrt();
  for (double& scale : scales) scale = scale > 1e-9 ? scale : 1.0;
  x.array().rowwise() /= scales.transpose().array();

  const MatrixXd moments = moments_of(x);
  const MatrixXd products = x.transpose() * y;
  const MatrixXd errors = errors_left_out(x, y, moments, products, counts);
  std::vector<RidgeFit> fits(targets.size());
  for (std::size_t s = 0; s < kStrengths.size(); ++s) {
    MatrixXd factor;
    for (std::size_t t = 0; t < targets.size(); ++t) {
      Index best = 0;
      const auto column = static_cast<Index>(t);
      const double error = errors.col(column).minCoeff(&best);
      if (best != static_cast<Index>(s)) continue;
      if (factor.size() == 0) factor = factor_of(moments, kStrengths[s]);
      const Index count = counts[t];
      const VectorXd slopes =
          solve_leading(factor, count, products.col(column)).cwiseQuotient(scales.head(count));
      fits[t].slopes.assign(slopes.begin(), slopes.end());
      fits[t].intercept = y_means(column) - slopes.dot(x_means.head(count));
      fits[t].deviation = std::sqrt(error / static_cast<double>(height));
    }
  }
  return fits;
}

}  // namespace thalweg
