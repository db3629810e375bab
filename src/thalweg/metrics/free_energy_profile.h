// Free energies along a coordinate, from plain or weighted samples, and how far they are from the
// truth.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace thalweg {

/// -log of a histogram's density in kT, moved so that its mean over the bins that hold weight is 0.
struct FreeEnergyProfile {
  std::vector<double> centres;
  std::vector<double> values;  ///< NaN where a bin is empty
};

/// The profile of `x`, each with weight exp(log_weight), or equal weights where there are none.
/// `bins` equal bins between `edges`, or between the least and the greatest x. What is not finite
/// or outside is left out, and so are weights below 1e-38 times the largest. Throws ConfigError for
/// fewer than 1 bin or edges that are not in order, ShapeError for lengths that differ,
/// NumericalError where no weight falls between the edges.
FreeEnergyProfile free_energy_profile(std::span<const double> x,
                                      std::span<const double> log_weights, std::int64_t bins,
                                      const std::optional<std::pair<double, double>>& edges);

/// Mean of repeated profiles, bin by bin, with the standard deviation of one of them; NaN where
/// fewer than one (two) have a value. Bins are matched by number; centres are means. Throws
/// ShapeError for no profiles and for numbers of bins that differ.
struct MeanProfile {
  std::vector<double> centres, values, deviations;
};
MeanProfile mean_profile(std::span<const FreeEnergyProfile> repeats);

/// How far repeated profiles are from an exact one, in kT.
struct ProfileError {
  /// Size of the mean error. The mean over bins lets errors of opposite signs cancel.
  double bias = 0.0;
  /// Standard deviation over the repeats, in the mean over the bins. Of the profile itself, so that
  /// it grows where edges or the set of bins with samples differ between repeats.
  double deviation = 0.0;
  double error_deviation = 0.0;  ///< the same of the difference to the exact profile
  double mean_absolute = 0.0;    ///< mean size of the error
};

/// Over the bins whose centre (the mean over repeats) is within `limit` of 0. `exact` gives a free
/// energy up to a constant; it is moved to mean 0 over the bins that hold samples, for each repeat
/// anew. Needs at least two repeats; throws as mean_profile.
ProfileError profile_error(std::span<const FreeEnergyProfile> repeats,
                           const std::function<double(double)>& exact, double limit);

}  // namespace thalweg
