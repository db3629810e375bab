// The backbone of proteins: which atoms turn about which bonds, and how far.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/io/pdb_file.h"
#include "thalweg/molecules/molecular_system.h"

namespace thalweg {

/// The angles phi (C-N-CA-C) and psi (N-CA-C-N) of a residue, as four atoms each.
struct BackboneAngles {
  std::string residue;  ///< as ALA 2
  std::array<std::int64_t, 4> phi, psi;
};

/// Of all residues that have both, by the names N, CA and C and the order of the residues. Where
/// `bonds` are given, residues without one between C and N do not follow each other: AMBER's
/// topologies do not say where a molecule ends.
std::vector<BackboneAngles> backbone_angles(std::span<const AtomLabel> atoms,
                                            std::span<const HarmonicBond> bonds = {});

/// Atoms of a residue that has a handed alpha carbon, by their numbers.
struct AlphaCarbon {
  std::string residue;  ///< as ALA 2
  std::size_t n, ca, c, cb;
};
/// Of all residues that have these four atoms by name, in the order of the atoms.
std::vector<AlphaCarbon> alpha_carbons(std::span<const AtomLabel> atoms);
/// Their form in configurations of `atoms` atoms, 3 numbers an atom: 1 or -1, by the sign of the
/// volume that N, C and CB span about CA; configurations x carbons.
std::vector<double> alpha_carbon_forms(std::span<const double> positions, std::int64_t atoms,
                                       std::span<const AlphaCarbon> carbons);

/// Angles of a residue in radians, one a configuration.
struct BackboneRows {
  std::string residue;
  std::vector<double> phi, psi;
};
/// Of configurations of `atoms` atoms, 3 numbers an atom, all one after the other.
std::vector<BackboneRows> backbone_rows(std::span<const double> positions, std::int64_t atoms,
                                        std::span<const BackboneAngles> angles);

/// The dihedral angle of four atoms in radians, in [-pi, pi], 0 where the ends are cis and positive
/// where the last is turned clockwise, looked at along the middle bond (IUPAC). `row` has 3 numbers
/// an atom. NaN where three of them lie on a line or two coincide.
double dihedral_angle(std::span<const double> row, const std::array<std::int64_t, 4>& atoms);

}  // namespace thalweg
