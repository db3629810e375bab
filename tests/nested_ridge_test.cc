// Nested ridge regressions against the normal equations of each, solved one by one.
#include "thalweg/transforms/nested_ridge.h"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <cmath>
#include <limits>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

constexpr Eigen::Index kRows = 53, kWidth = 6;

struct Problem {
  std::vector<double> regressors;
  std::vector<RidgeTarget> targets;
};

/// Regressors of several scales, the third constant; targets of much and of little noise.
Problem make_problem() {
  Problem problem;
  RandomSequence random(5, Stream::kEvaluation);
  problem.targets = {{{}, 0}, {{}, 2}, {{}, 6}};
  for (Eigen::Index row = 0; row < kRows; ++row) {
    std::vector<double> x(kWidth);
    for (double& value : x) value = random.normal();
    x[1] = 100.0 + 30.0 * x[1];
    x[2] = 7.0;
    problem.regressors.insert(problem.regressors.end(), x.begin(), x.end());
    problem.targets[0].values.push_back(2.0 + random.normal());
    problem.targets[1].values.push_back(x[0] - 0.1 * x[1] + 0.01 * random.normal());
    problem.targets[2].values.push_back(0.1 * x[5] - 1.0 + 2.0 * random.normal());
  }
  return problem;
}

/// The same from the definition, without what the targets share.
RidgeFit fit_alone(const Problem& problem, const RidgeTarget& target) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto count = static_cast<Eigen::Index>(target.regressors);
  const Matrix all = Eigen::Map<const Matrix>(problem.regressors.data(), kRows, kWidth);
  Eigen::MatrixXd x = all.leftCols(count);
  const Eigen::VectorXd means = x.colwise().mean();
  x.rowwise() -= means.transpose();
  Eigen::VectorXd scales(count);
  for (Eigen::Index i = 0; i < count; ++i) {
    const double scale = std::sqrt(x.col(i).squaredNorm() / static_cast<double>(kRows));
    scales(i) = scale > 1e-9 ? scale : 1.0;
    x.col(i) /= scales(i);
  }
  const Eigen::VectorXd values = Eigen::Map<const Eigen::VectorXd>(target.values.data(), kRows);
  const Eigen::VectorXd y = values.array() - values.mean();
  const auto slopes = [&](double strength, Eigen::Index left_out) {
    Eigen::MatrixXd moments = strength * Eigen::MatrixXd::Identity(count, count);
    Eigen::VectorXd products = Eigen::VectorXd::Zero(count);
    for (Eigen::Index row = 0; row < kRows; ++row) {
      if (row % 5 == left_out) continue;
      moments += x.row(row).transpose() * x.row(row);
      products += x.row(row).transpose() * y(row);
    }
    return Eigen::VectorXd(moments.fullPivLu().solve(products));
  };
  double least = std::numeric_limits<double>::infinity();
  RidgeFit fit;
  for (const double strength : {1.0, 10.0, 100.0, 1000.0, 10000.0}) {
    double error = 0.0;
    for (Eigen::Index row = 0; row < kRows; ++row)
      error += std::pow(y(row) - (count > 0 ? x.row(row).dot(slopes(strength, row % 5)) : 0.0), 2);
    if (!(error < least)) continue;
    least = error;
    const Eigen::VectorXd best =
        count > 0 ? Eigen::VectorXd(slopes(strength, -1).cwiseQuotient(scales)) : means;
    fit.slopes.assign(best.begin(), best.end());
    fit.intercept = values.mean() - best.dot(means);
    fit.deviation = std::sqrt(error / static_cast<double>(kRows));
  }
  return fit;
}

TEST(NestedRidge, AgreesWithTheNormalEquationsOfEachTarget) {
  const Problem problem = make_problem();
  const auto fits = fit_nested_ridge("fit", problem.regressors, kRows, problem.targets);
  ASSERT_EQ(fits.size(), 3U);
  for (std::size_t t = 0; t < fits.size(); ++t) {
    const RidgeFit expected = fit_alone(problem, problem.targets[t]);
    EXPECT_NEAR(fits[t].intercept, expected.intercept, 1e-10);
    EXPECT_NEAR(fits[t].deviation, expected.deviation, 1e-10);
    ASSERT_EQ(fits[t].slopes.size(), problem.targets[t].regressors);
    for (std::size_t i = 0; i < fits[t].slopes.size(); ++i)
      EXPECT_NEAR(fits[t].slopes[i], expected.slopes[i], 1e-10);
  }
  EXPECT_EQ(fits[2].slopes[2], 0.0);                      // the constant one
  EXPECT_LT(fits[1].deviation, 0.1 * fits[0].deviation);  // little noise, little shrinkage
}

TEST(NestedRidge, TakesMeansAloneFromFewRowsAndRefusesWhatIsNotFinite) {
  Problem problem = make_problem();
  problem.regressors.resize(4 * kWidth);
  for (RidgeTarget& target : problem.targets) target.values = {1.0, 2.0, 4.0, 5.0};
  for (const RidgeFit& fit : fit_nested_ridge("fit", problem.regressors, 4, problem.targets)) {
    EXPECT_TRUE(fit.slopes.empty());
    EXPECT_DOUBLE_EQ(fit.intercept, 3.0);
    EXPECT_DOUBLE_EQ(fit.deviation, std::sqrt(2.5));
  }
  EXPECT_TRUE(fit_nested_ridge("fit", problem.regressors, 4, {}).empty());
  problem.regressors[3] = std::numeric_limits<double>::infinity();
  EXPECT_THROW(fit_nested_ridge("fit", problem.regressors, 4, problem.targets), DataError);
  problem.regressors[3] = 0.0;
  problem.targets[0].values[1] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(fit_nested_ridge("fit", problem.regressors, 4, problem.targets), DataError);
}

}  // namespace
}  // namespace thalweg
