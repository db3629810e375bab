// Weights of a mixture of densities by what each says of rows that it was not fitted to.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace thalweg {

struct StackingOptions {
  std::int64_t iterations = 2000;
  double tolerance = 1e-7;     ///< stops when the mean log likelihood grows by less nats a row
  double least_weight = 1e-3;  ///< candidates that end below get weight 0, and the others go on
};

/// Weights, summing to 1, that make sum over rows of log sum over k of weight_k p_k(row) largest:
/// stacking of densities (Smyth and Wolpert 1999), by expectation maximisation from equal weights,
/// which has one optimum. `log_densities` is candidates x rows, each value by a fit that did not
/// see the row; a candidate with a NaN or +inf gets no weight, -inf is a density of 0. Throws
/// ShapeError for sizes that do not fit, NumericalError if no candidate has a density at some row.
std::vector<double> stacking_weights(std::span<const double> log_densities, std::int64_t candidates,
                                     const StackingOptions& options = {});

/// Which of `folds` parts each of `rows` rows is in: parts of equal size but for one, drawn by
/// `seed`. Throws ConfigError for less than 2 folds, or fewer rows than folds.
std::vector<std::int64_t> random_folds(std::int64_t rows, std::int64_t folds, std::uint64_t seed);

}  // namespace thalweg
