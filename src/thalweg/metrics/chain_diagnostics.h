// How well Markov chains have mixed, and how much their draws are worth.
#pragma once

#include <cstdint>
#include <span>

namespace thalweg {

struct ChainDiagnostics {
  /// Near 1 where the chains have forgotten their starts: the root of the ratio of the variance
  /// over all draws to that within half chains, of normal scores of the ranks of draws, and of
  /// those of their distances from the median, which tell chains of other widths; the larger counts
  /// (Vehtari et al. 2021, section 4). NaN for fewer than 4 draws a chain, and where no half chain
  /// moves.
  double r_hat = 0.0;
  /// Number of independent draws whose mean is as precise, from autocorrelations of the half chains
  /// up to the first pair of them whose sum is not positive, made monotone (Geyer 1992; Gelman et
  /// al. 2013, section 11.5). NaN as r_hat.
  double effective_samples = 0.0;
};

/// Of one column: `values` holds chains x draws numbers, row-major. Throws ShapeError unless it
/// holds whole chains. Takes time proportional to the draws times the lags that count, and sorts
/// them.
ChainDiagnostics chain_diagnostics(std::span<const double> values, std::int64_t chains);

/// The worst of all columns, largest R-hat and fewest effective samples: `draws` holds draws x
/// chains x features numbers, as chains give them. NaN where some column's are. Throws ShapeError
/// unless it holds whole draws.
ChainDiagnostics worst_diagnostics(std::span<const double> draws, std::int64_t chains,
                                   std::int64_t features);

}  // namespace thalweg
