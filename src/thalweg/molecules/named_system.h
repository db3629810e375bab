// Systems of atoms with what their atoms are called, by the ends of their files' names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/io/pdb_file.h"
#include "thalweg/molecules/molecular_system.h"

namespace thalweg {

/// A system with what its atoms are called, if that is known.
struct NamedSystem {
  MolecularSystem system;
  std::vector<AtomLabel> atoms = {};
};

/// Whether a file's name is one of a system of atoms: an OpenMM System (.xml) or an AMBER topology
/// (.prmtop, .parm7, .top).
bool is_system_file(const std::string& path);

/// Reads a system: see read_openmm_system and read_amber_topology. `solvent` is of AMBER
/// topologies, "none" for others; `topology` is a PDB with names, or empty. Throws ConfigError for
/// a solvent of an OpenMM System, DataError for another kind of file and names of another number of
/// atoms, and as the readers do.
NamedSystem read_named_system(const std::string& path, const std::string& solvent,
                              const std::string& topology);

/// A sentence where a hydrogen, or another atom, weighs what it should not; or none.
std::vector<std::string> element_warnings(const NamedSystem& named);

/// Throws DataError where both do: the names of `source` are in another order than the system.
void refuse_other_elements(const NamedSystem& named, const std::string& source);

/// Throws DataError where atoms have the names of those that are known, but in another order. Names
/// that are others altogether tell nothing, nor do none.
void refuse_other_order(std::span<const AtomLabel> known, std::span<const AtomLabel> given,
                        const std::string& known_source, const std::string& given_source);

/// Throws DataError where the PDB `path` has another atom than a topology at some place.
void refuse_other_atoms(const std::string& path, std::span<const AtomLabel> topology);

/// Throws DataError, with `path` and the frame, where two atoms of a frame (frames x atoms x 3, nm)
/// are nearer than 0.02 nm.
void refuse_overlaps(std::span<const double> positions, std::int64_t atoms,
                     const std::string& path);

/// Throws DataError, with `path` and the frame, where half of a frame's bonds are more than three
/// times as long as the system has them: positions in Angstroms, or atoms in another order.
void refuse_long_bonds(std::span<const double> positions, const MolecularSystem& system,
                       const std::string& path);

/// An atom as text, "CA ALA 2 C A": name, residue, its number, element and chain, "-" for what is
/// not known; and back. Throws ConfigError.
std::string text_of(const AtomLabel& atom);
AtomLabel atom_label(const std::string& text);

/// Whether two labels can be of one atom: names as AMBER and the PDB write them (HH31 and 1HH3) and
/// the place of the residue agree.
bool same_atom(const AtomLabel& a, const AtomLabel& b);

}  // namespace thalweg
