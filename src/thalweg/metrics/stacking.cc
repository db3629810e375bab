#include "thalweg/metrics/stacking.h"

#include <Eigen/Core>
#include <cmath>
#include <limits>
#include <numeric>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {

std::vector<double> stacking_weights(std::span<const double> log_densities, std::int64_t candidates,
                                     const StackingOptions& options) {
  using RowArray = Eigen::Array<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  if (candidates < 1 || log_densities.empty() ||
      log_densities.size() % static_cast<std::size_t>(candidates) != 0)
    fail<ShapeError>("stacking_weights: expected values of {} candidates, got {}", candidates,
                     log_densities.size());
  const auto rows = static_cast<Eigen::Index>(log_densities.size()) / candidates;
  RowArray densities = Eigen::Map<const RowArray>(log_densities.data(), candidates, rows);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Eigen::ArrayXd weights(candidates);
  for (Eigen::Index k = 0; k < candidates; ++k) {
    const bool usable = (densities.row(k) < kInfinity).all();
    weights[k] = usable ? 1.0 : 0.0;
    if (!usable) densities.row(k) = -kInfinity;
  }
  const Eigen::Array<double, 1, Eigen::Dynamic> peak = densities.colwise().maxCoeff();
  if (!(peak > -kInfinity).all())
    fail<NumericalError>("stacking_weights: no candidate has a density at one of the rows");
  densities = (densities.rowwise() - peak).exp();
  weights /= weights.sum();
  for (;;) {
    double previous = -kInfinity;
    for (std::int64_t iteration = 0; iteration < options.iterations; ++iteration) {
      const RowArray shares = densities.colwise() * weights;
      const Eigen::Array<double, 1, Eigen::Dynamic> sums = shares.colwise().sum();
      const double likelihood = sums.log().mean();
      weights = (shares.rowwise() / sums).rowwise().mean();
      if (likelihood - previous < options.tolerance) break;
      previous = likelihood;
    }
    const Eigen::ArrayXd kept = (weights < options.least_weight).select(0.0, weights);
    // Those that alone explain some row stay, however small their weights.
    const bool explained = ((densities.colwise() * kept).colwise().sum() > 0.0).all();
    if ((kept == weights).all() || !explained) break;
    weights = kept / kept.sum();
  }
  return {weights.begin(), weights.end()};
}

std::vector<std::int64_t> random_folds(std::int64_t rows, std::int64_t folds, std::uint64_t seed) {
  if (folds < 2 || rows < folds)
    fail<ConfigError>("random_folds: expected 2 folds or more and a row for each, got {} and {}",
                      folds, rows);
  std::vector<std::int64_t> result(static_cast<std::size_t>(rows));
  for (std::size_t row = 0; row < result.size(); ++row)
    result[row] = static_cast<std::int64_t>(row) % folds;
  RandomSequence random(seed, Stream::kSplit, 1);
  for (std::size_t left = result.size(); left > 1; --left)
    std::swap(result[left - 1], result[random.below(left)]);
  return result;
}

}  // namespace thalweg
