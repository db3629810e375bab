#include "thalweg/molecules/molecular_system.h"

#include <cmath>
#include <span>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

void check_atoms(const MolecularSystem& system, const char* what,
                 std::span<const std::int32_t> atoms) {
  for (std::size_t i = 0; i < atoms.size(); ++i) {
    if (atoms[i] < 0 || atoms[i] >= system.atoms())
      fail<DataError>("{}: {}: expected atoms from 0 to {}, got {}", system.source, what,
                      system.atoms() - 1, atoms[i]);
    for (std::size_t j = 0; j < i; ++j)
      if (atoms[i] == atoms[j])
        fail<DataError>("{}: {}: expected different atoms, got {} twice", system.source, what,
                        atoms[i]);
  }
}

void check_finite(const MolecularSystem& system, const char* what,
                  std::initializer_list<double> numbers) {
  for (const double number : numbers)
    if (!std::isfinite(number))
      fail<DataError>("{}: {}: expected finite numbers, got {}", system.source, what, number);
}

}  // namespace

void check_atom_count(const std::string& source, std::int64_t atoms) {
  if (atoms > kMostAtoms)
    fail<DataError>("{}: expected at most {} atoms, got {}: all pairs are computed", source,
                    kMostAtoms, atoms);
}

void check_system(const MolecularSystem& system) {
  if (system.masses.empty()) fail<DataError>("{}: expected atoms, found none", system.source);
  check_atom_count(system.source, system.atoms());
  for (std::size_t i = 0; i < system.masses.size(); ++i)
    if (!(system.masses[i] > 0.0) || !std::isfinite(system.masses[i]))
      fail<DataError>(
          "{}: atom {}: expected a mass above 0, got {}: atoms that do not move and "
          "virtual sites are not supported",
          system.source, i, system.masses[i]);
  for (const HarmonicBond& bond : system.bonds) {
    check_atoms(system, "a bond", bond.atoms);
    check_finite(system, "a bond", {bond.length, bond.stiffness});
  }
  for (const HarmonicAngle& angle : system.angles) {
    check_atoms(system, "an angle", angle.atoms);
    check_finite(system, "an angle", {angle.angle, angle.stiffness});
  }
  for (const PeriodicTorsion& torsion : system.torsions) {
    check_atoms(system, "a torsion", torsion.atoms);
    check_finite(system, "a torsion", {torsion.phase, torsion.stiffness});
    if (torsion.periodicity < 1 || torsion.periodicity > 6)
      fail<DataError>("{}: a torsion: expected a periodicity from 1 to 6, got {}", system.source,
                      torsion.periodicity);
  }
  for (const NonbondedPair& pair : system.pairs) {
    check_atoms(system, "a nonbonded pair", pair.atoms);
    check_finite(system, "a nonbonded pair", {pair.c12, pair.c6, pair.coulomb});
  }
  if (!system.solvent) return;
  const GeneralisedBorn& solvent = *system.solvent;
  check_finite(system, "the implicit solvent",
               {solvent.alpha, solvent.beta, solvent.gamma, solvent.offset, solvent.solvation,
                solvent.surface, solvent.probe});
  for (const std::vector<double>* numbers :
       {&solvent.charge, &solvent.radius, &solvent.scaled_radius})
    if (numbers->size() != system.masses.size())
      fail<DataError>("{}: the implicit solvent: expected {} atoms, got {}", system.source,
                      system.atoms(), numbers->size());
  for (std::size_t i = 0; i < system.masses.size(); ++i) {
    check_finite(system, "the implicit solvent", {solvent.charge[i], solvent.scaled_radius[i]});
    if (!(solvent.radius[i] > 0.0 && solvent.radius[i] + solvent.offset > 0.0) ||
        !std::isfinite(solvent.radius[i]))
      fail<DataError>(
          "{}: the implicit solvent: atom {}: expected a radius above the offset {}, "
          "got {}",
          system.source, i, solvent.offset, solvent.radius[i] + solvent.offset);
  }
}

}  // namespace thalweg
