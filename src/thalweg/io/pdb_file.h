// Names and positions of atoms in PDB files: https://www.wwpdb.org/documentation/file-format
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace thalweg {

/// In nm: files of atoms have their lengths in it.
inline constexpr double kAngstrom = 0.1;

/// What an atom is called. Texts are without blanks.
struct AtomLabel {
  std::string name = {};     ///< as CA
  std::string residue = {};  ///< as ALA
  std::string chain = {};    ///< one letter, or none
  std::int64_t residue_number = 0;
  std::string element = {};    ///< as C; empty where it is not known
  std::string insertion = {};  ///< a letter where residues share a number, as 52 and 52A; or none
};

/// Whether atoms are of more than one chain.
bool has_chains(std::span<const AtomLabel> atoms);

/// A PDB file's atoms, and the positions of its models.
struct PdbFile {
  std::vector<AtomLabel> atoms = {};
  /// models x atoms x 3, in nm.
  std::vector<double> positions = {};
  std::int64_t models() const {
    return atoms.empty() ? 0 : static_cast<std::int64_t>(positions.size() / (3 * atoms.size()));
  }
};

/// Reads ATOM and HETATM records; of an atom's alternate locations the first that is there, of
/// alternate residues the first one's atoms. Without a column of elements,
/// an element is told from the name. Throws DataError, with the line, for positions that are no
/// numbers, models of different atoms, and a file without atoms.
PdbFile read_pdb(const std::string& path);

/// Writes models (models x atoms x 3, nm) to a PDB file, atomically. Positions are rounded to 1e-4
/// nm. Throws ShapeError for positions that are no whole models, DataError for those beyond what
/// the format's eight columns hold (-99.9 to 999.9 nm).
void write_pdb(const std::string& path, std::span<const AtomLabel> atoms,
               std::span<const double> positions);

}  // namespace thalweg
