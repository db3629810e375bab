// How far marginals of samples are from those of data, by histograms: in nats, and as published.
#pragma once

#include <span>
#include <vector>

namespace thalweg {

/// Values less the mean of the reference, in units of its deviation. Of angles the mean is the
/// circular one, and all values are taken within half a turn of it.
struct StandardisedPair {
  std::vector<double> values, reference;
};
/// Throws ShapeError for no reference; a reference that is one value has a deviation of 1.
StandardisedPair standardised_pair(std::span<const double> values,
                                   std::span<const double> reference, bool angles);

/// KL(reference || values) of standardised values over 200 equal bins of [-5, 5] and the two sides
/// beyond, a bin that has reference and no value counting as half a value.
struct MarginalDivergence {
  double nats = 0.0;
  /// What two samples of one law are apart on average: (bins with reference - 1) (1 / references +
  /// 1 / values) / 2.
  double by_chance = 0.0;
  /// As Stimper, Schoelkopf, Hernandez-Lobato 2022 take it: without the sides, the densities that
  /// are left made to integrate to 1, and 1e-10 added to each.
  double as_published = 0.0;
};
/// Values that are no number count as beyond. Throws ShapeError for no values.
MarginalDivergence marginal_divergence(const StandardisedPair& pair);

/// The "KL" of torsions of Wu, Koehler, Noe 2020, Table 2, of angles in radians: sum of p log (p /
/// q) over 50 bins, p and q being densities smoothed by the weights .25, .5, 1, .5, .25, whose sum
/// is 2.5, and without the bins' width, so that it is 19.9 times a divergence of smoothed
/// densities. 1e-10 is added to both here, where the smoothed values may be 0. Angles that are not
/// finite do not count. Throws ShapeError for no values.
double torsion_divergence_as_published(std::span<const double> values,
                                       std::span<const double> reference);

/// The "KL" of Ramachandran plots of Stimper, Schoelkopf, Hernandez-Lobato 2022, Tables 13 to 15,
/// in thousandths as printed: the mean over 64 x 64 bins of share p times log (c + 1e-10) / log (c'
/// + 1e-10), c and c' being the counts of reference and values. Two equal samples have 0.244, and a
/// bin with one value, whose logarithm is 1e-10, decides all. Counts are compared, so that the
/// first of both are taken, as many as the fewer. The angles, in radians, are as many
/// of phi as of psi; those that are not finite count as 0, as published. Throws ShapeError.
double plane_divergence_as_published(std::span<const double> phi, std::span<const double> psi,
                                     std::span<const double> phi_reference,
                                     std::span<const double> psi_reference);

}  // namespace thalweg
