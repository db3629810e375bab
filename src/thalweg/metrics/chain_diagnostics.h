// How well Markov chains have mixed, and how much their draws are worth.
#pragma once

#include <cstdint>
#include <span>

namespace thalweg {

struct ChainDiagnostics {
  /// Root of the ratio of the variance over all draws to that within half chains: near 1 where the
  /// chains have forgotten their starts (split R-hat; Gelman et al. 2013, section 11.4, without
  /// ranks). NaN for fewer than 4 draws a chain, and where no half chain moves.
  double r_hat = 0.0;
  /// Number of independent draws whose mean is as precise, from autocorrelations of the half chains
  /// up to the first pair of them whose sum is not positive, made monotone (Geyer 1992; section
  /// 11.5). NaN as r_hat.
  double effective_samples = 0.0;
};

/// Of one column: `values` holds chains x draws numbers, row-major. Throws ShapeError unless it
/// holds whole chains. Takes time proportional to the draws times the lags that count.
ChainDiagnostics chain_diagnostics(std::span<const double> values, std::int64_t chains);

/// The worst of all columns, largest R-hat and fewest effective samples: `draws` holds draws x
/// chains x features numbers, as chains give them. NaN where some column's are. Throws ShapeError
/// unless it holds whole draws.
ChainDiagnostics worst_diagnostics(std::span<const double> draws, std::int64_t chains,
                                   std::int64_t features);

}  // namespace thalweg
