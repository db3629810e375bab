// Systems that AMBER's programs wrote.
#pragma once

#include <string>
#include <vector>

#include "thalweg/io/pdb_file.h"
#include "thalweg/molecules/molecular_system.h"

namespace thalweg {

/// A system with the names of its atoms.
struct AmberTopology {
  MolecularSystem system;
  std::vector<AtomLabel> atoms;
};

/// Reads an AMBER topology (prmtop, formats %FLAG and %FORMAT): bonds, angles, dihedrals, Coulomb
/// and Lennard-Jones forces, with 1-4 pairs divided by SCEE_SCALE_FACTOR and SCNB_SCALE_FACTOR (1.2
/// and 2 where they are missing). `solvent` is "none", "obc1" or "obc2" (igb = 2 and 5), with the
/// file's radii, dielectric constants 1 and 78.5 and the surface term of ACE, as OpenMM's reader
/// makes them. Charges are divided by 18.2223, Coulomb's constant is OpenMM's (138.9354576 kJ
/// nm/mol/e^2). Throws ConfigError for another solvent; DataError for periodic boxes, CHARMM's
/// topologies, CMAP, 12-6-4 and 10-12 potentials, extra points, and for files that are cut off or
/// damaged.
AmberTopology read_amber_topology(const std::string& path, const std::string& solvent = "none");

}  // namespace thalweg
