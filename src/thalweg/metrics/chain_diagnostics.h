// How well Markov chains have mixed, and how much their draws are worth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

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

/// Chains by where they began, which tells those that never change modes, however alike the modes
/// are in all that R-hat sees.
struct StartDiagnostics {
  std::int64_t groups = 0;  ///< of chains that began near each other
  /// Root of 1 + variance between the means of groups / mean variance within, of normal scores, of
  /// the worst column: nested R-hat with groups of chains as superchains (Margossian et al. 2024,
  /// section 2), all groups counting alike. 1 where groups have forgotten their starts.
  double r_hat = 1.0;
  double left = 1.0;  ///< share of chains of which some draw, of up to 200, was in another group
};

/// `draws` holds draws x chains x features numbers. Chains are grouped by their first draw: by
/// `group_of` a row, if it is given, else by the gaps that stand out most among the edges of the
/// shortest tree that joins the first draws, or in two halves where there are none; groups of a
/// single chain do not count for R-hat. None where there are fewer than 10 chains or 4 draws, or a
/// single group. Throws ShapeError unless it holds whole draws.
std::optional<StartDiagnostics> start_diagnostics(
    std::span<const double> draws, std::int64_t chains, std::int64_t features,
    const std::function<std::size_t(const double* row)>& group_of = {});

/// The normal quantile that belongs to the rank of each value, equal ones having their mean rank.
std::vector<double> normal_scores(const std::vector<double>& values);

}  // namespace thalweg
