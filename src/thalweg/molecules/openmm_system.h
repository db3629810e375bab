// Systems that OpenMM wrote.
#pragma once

#include <string>

#include "thalweg/molecules/molecular_system.h"

namespace thalweg {

/// Reads an OpenMM System in XML (XmlSerializer.serialize): HarmonicBondForce, HarmonicAngleForce,
/// PeriodicTorsionForce, NonbondedForce without a cutoff, GBSAOBCForce, and the CustomGBForce that
/// OpenMM's own readers write for OBC1 and OBC2, told by its expressions, whose constants are
/// used. CMMotionRemover is accepted and does nothing. Coulomb's constant is 138.9354576 kJ
/// nm/mol/e^2, in a CustomGBForce the one that its expressions have. Throws DataError, by name, for
/// all that is not known (cutoffs, periodic boundaries, constraints, virtual sites, other forces),
/// and for a file that is cut off or no such system.
MolecularSystem read_openmm_system(const std::string& path);

}  // namespace thalweg
