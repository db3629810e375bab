// Atoms and what they feel of each other, as numbers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace thalweg {

/// k_B in kJ/mol/K.
inline constexpr double kBoltzmann = 0.00831446261815324;
/// Coulomb's constant in kJ nm/mol/e^2, as OpenMM's NonbondedForce has it.
inline constexpr double kCoulomb = 138.93545764438198;

/// k / 2 (r - length)^2, nm and kJ/mol/nm^2.
struct HarmonicBond {
  std::array<std::int32_t, 2> atoms;
  double length, stiffness;
};

/// k / 2 (theta - angle)^2 of the angle at the middle atom, radians and kJ/mol/rad^2.
struct HarmonicAngle {
  std::array<std::int32_t, 3> atoms;
  double angle, stiffness;
};

/// k (1 + cos(n phi - phase)) of the dihedral angle phi (IUPAC: 0 where the ends are cis).
struct PeriodicTorsion {
  std::array<std::int32_t, 4> atoms;
  std::int32_t periodicity;  ///< n, from 1 to 6
  double phase, stiffness;   ///< radians, kJ/mol
};

/// c12 / r^12 - c6 / r^6 + coulomb / r, in kJ/mol with r in nm. With sigma and epsilon, c12 =
/// 4 epsilon sigma^12 and c6 = 4 epsilon sigma^6.
struct NonbondedPair {
  std::array<std::int32_t, 2> atoms;
  double c12, c6, coulomb;
};

/// Implicit solvent of Onufriev, Bashford and Case 2004 as OpenMM has it:
///
///     psi_i = o_i / 2 sum over j with r + s_j > o_i of
///             (1/L - 1/U + (r - s_j^2/r) (1/U^2 - 1/L^2) / 4 + ln(L/U) / (2 r)),
///     U = r + s_j, L = max(o_i, |r - s_j|),
///     1/B_i = 1/o_i - tanh(alpha psi - beta psi^2 + gamma psi^3) / (o_i + offset),
///     E = -solvation (1/2 sum_i q_i^2 / B_i + sum_{i<j} q_i q_j / f_ij)
///         + surface sum_i (o_i + offset + probe)^2 ((o_i + offset) / B_i)^6,
///     f^2 = r^2 + B_i B_j exp(-r^2 / (4 B_i B_j)),
///
/// over all pairs, those without nonbonded forces too. With `engulfed`, a pair with o_i < s_j - r
/// adds 2 (1/o_i - 1/L) to the terms of the sum.
struct GeneralisedBorn {
  double alpha = 1.0, beta = 0.8, gamma = 4.85;
  double offset = 0.009;   ///< nm
  double solvation = 0.0;  ///< Coulomb's constant times (1/solute - 1/solvent dielectric)
  double surface = 0.0;    ///< kJ/mol/nm^2
  double probe = 0.14;     ///< nm
  bool engulfed = false;
  std::vector<double> charge = {}, radius = {}, scaled_radius = {};  ///< q, o and s of each atom
};

/// All that an energy of atoms consists of. No boundaries, no cutoffs, no constraints.
struct MolecularSystem {
  std::string source;          ///< where it comes from, for messages
  std::vector<double> masses;  ///< g/mol, above 0
  std::vector<HarmonicBond> bonds = {};
  std::vector<HarmonicAngle> angles = {};
  std::vector<PeriodicTorsion> torsions = {};
  std::vector<NonbondedPair> pairs = {};  ///< those that feel something
  std::optional<GeneralisedBorn> solvent = std::nullopt;

  std::int64_t atoms() const { return static_cast<std::int64_t>(masses.size()); }
};

/// Throws DataError, with the source, for atoms that are not there or come twice in one term,
/// numbers that are not finite, masses and radii that are not positive, and more than
/// kMostAtoms.
void check_system(const MolecularSystem& system);

/// Throws DataError for more than kMostAtoms: before all pairs are made.
void check_atom_count(const std::string& source, std::int64_t atoms);

/// Every atom has pairs with all others: a limit on memory.
inline constexpr std::int64_t kMostAtoms = 1000;

}  // namespace thalweg
