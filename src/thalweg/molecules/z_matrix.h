// Z-matrices: by which bond, angle and torsion each atom of a molecule is placed.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "thalweg/io/pdb_file.h"
#include "thalweg/molecules/molecular_system.h"

namespace thalweg {

/// One atom and those that it is placed by, numbers from 0: it is at a distance from `bond_to`, at
/// an angle (itself, bond_to, angle_to) and a torsion (itself, bond_to, angle_to, torsion_to). -1:
/// none, as for the first three atoms.
struct ZMatrixRow {
  std::int32_t atom = 0, bond_to = -1, angle_to = -1, torsion_to = -1;
  bool operator==(const ZMatrixRow&) const = default;
};

/// Two atoms that are bonded, the smaller number first.
using AtomPair = std::pair<std::int32_t, std::int32_t>;

/// Rows in an order in which each refers to earlier ones alone. The first row has no reference, the
/// second a bond, the third a bond and an angle, all others all three. Atoms without a row, anchors
/// that others are placed by, get one: they are placed by each other, in the order of their numbers
/// along `bonds` where these are known. Throws DataError, which begins with `source`, for atoms
/// that are not there or come twice, references that are repeated or go in a circle.
std::vector<ZMatrixRow> complete_z_matrix(std::vector<ZMatrixRow> rows, std::int64_t atoms,
                                          std::span<const AtomPair> bonds,
                                          const std::string& source);

/// Rows of which the first are of anchors, atoms that no row was given for.
struct ZMatrix {
  std::vector<ZMatrixRow> rows;
  std::int64_t anchors = 0;
};

/// Reads a table with the columns atom, bond_to, angle_to and dihedral_to (.csv, numbers from 0, -1
/// for none), completed. Throws as complete_z_matrix and load_table.
ZMatrix read_z_matrix(const std::string& path, std::int64_t atoms, std::span<const AtomPair> bonds);

/// A z-matrix along bonds: from the middle of the molecule outwards, atoms with further neighbours
/// first. The first atom at a bond is placed by a torsion about it, its siblings by their torsion
/// against that one, which is the stiffer coordinate. Throws DataError, which begins with `source`,
/// for fewer than 3 atoms and for atoms that no chain of bonds joins.
std::vector<ZMatrixRow> make_z_matrix(std::int64_t atoms, std::span<const AtomPair> bonds,
                                      const std::string& source);

/// Whether the last reference of a row is bonded to its `bond_to`, beside the atom itself: a
/// torsion of siblings, about no bond of the chain.
bool is_improper(const ZMatrixRow& row, std::span<const AtomPair> bonds);

/// The bonds of a system, in order.
std::vector<AtomPair> bonds_of(const MolecularSystem& system);
/// Bonds by distances: atoms that are nearer than 1.3 times the sum of their covalent radii.
/// `positions` has 3 numbers an atom, in nm. Throws DataError, which begins with `source`, for
/// elements that are not known.
std::vector<AtomPair> bonds_by_distance(std::span<const AtomLabel> atoms,
                                        std::span<const double> positions,
                                        const std::string& source);

/// Throws DataError, which begins with `source`, for a row whose bond_to is not bonded to its atom:
/// a z-matrix of another molecule, or of the atoms in another order.
void check_z_matrix_bonds(std::span<const ZMatrixRow> rows, std::span<const AtomPair> bonds,
                          std::span<const std::string> names, const std::string& source);

/// A row as text, "10 8 6 14" or with fewer numbers, and back. Throws ConfigError.
std::string text_of(const ZMatrixRow& row);
ZMatrixRow z_matrix_row(const std::string& text);

/// What atoms are called in columns: number of their residue and name, as 2:CA, or where two of
/// them would be the same, or names are not known, their number as #8.
std::vector<std::string> atom_names(std::span<const AtomLabel> atoms, std::int64_t count);

}  // namespace thalweg
