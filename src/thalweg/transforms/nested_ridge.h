// Ridge regressions of several targets, each on the first so many of the same regressors.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace thalweg {

struct RidgeTarget {
  std::vector<double> values;  ///< one a row
  std::size_t regressors = 0;  ///< it is explained by the first so many
};

/// target = intercept + slopes . regressors, in their own units.
struct RidgeFit {
  std::vector<double> slopes;
  double intercept = 0.0;
  double deviation = 0.0;  ///< root mean square of what is left over, in rows left out of the fit
};

/// Minimises |y - X b|^2 + strength |b|^2 over b with regressors scaled to deviation 1 and both
/// sides centred. The strength is the one of 1, 10, ..., 10000 that predicts best in five-fold
/// cross-validation (fold of row i: i modulo 5). With fewer than 10 rows there are no slopes.
/// `regressors` is row-major with `rows` rows. All targets share one factorisation a strength and
/// fold, of K^3 / 3 operations for K regressors. Throws DataError, naming `name`, for values that
/// are not finite.
std::vector<RidgeFit> fit_nested_ridge(const std::string& name, std::span<const double> regressors,
                                       std::size_t rows, std::span<const RidgeTarget> targets);

}  // namespace thalweg
