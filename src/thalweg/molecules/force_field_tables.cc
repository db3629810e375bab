#include "thalweg/molecules/force_field_tables.h"

#include <algorithm>
#include <cmath>

namespace thalweg {

template <typename T>
ForceFieldTables<T>::ForceFieldTables(const MolecularSystem& system)
    : atoms(system.atoms()), in_solvent(system.solvent.has_value()), solvent() {
  for (const HarmonicBond& bond : system.bonds)
    bonds.push_back({bond.atoms, static_cast<T>(bond.length), static_cast<T>(bond.stiffness)});
  for (const HarmonicAngle& angle : system.angles)
    angles.push_back({angle.atoms, static_cast<T>(angle.angle), static_cast<T>(angle.stiffness)});
  std::vector<PeriodicTorsion> terms = system.torsions;
  std::ranges::stable_sort(terms, {}, &PeriodicTorsion::atoms);
  for (const PeriodicTorsion& term : terms) {
    if (torsions.empty() || torsions.back().atoms != term.atoms)
      torsions.push_back({term.atoms, 1, T(0), {}, {}});
    Torsion& torsion = torsions.back();
    torsion.order = std::max(torsion.order, term.periodicity);
    torsion.constant += static_cast<T>(term.stiffness);
    const auto n = static_cast<std::size_t>(term.periodicity - 1);
    torsion.cosine[n] += static_cast<T>(term.stiffness * std::cos(term.phase));
    torsion.sine[n] += static_cast<T>(term.stiffness * std::sin(term.phase));
  }
  std::vector<NonbondedPair> sorted = system.pairs;
  std::ranges::stable_sort(sorted, {}, &NonbondedPair::atoms);
  pair_begin.assign(static_cast<std::size_t>(atoms) + 1, 0);
  for (const NonbondedPair& pair : sorted) {
    pairs.push_back({pair.atoms[1], static_cast<T>(pair.c12), static_cast<T>(pair.c6),
                     static_cast<T>(pair.coulomb)});
    ++pair_begin[static_cast<std::size_t>(pair.atoms[0]) + 1];
  }
  for (std::size_t i = 1; i < pair_begin.size(); ++i) pair_begin[i] += pair_begin[i - 1];
  if (!system.solvent) return;
  const GeneralisedBorn& born = *system.solvent;
  const auto cast = [](const std::vector<double>& numbers) {
    return std::vector<T>(numbers.begin(), numbers.end());
  };
  solvent = {.alpha = static_cast<T>(born.alpha),
             .beta = static_cast<T>(born.beta),
             .gamma = static_cast<T>(born.gamma),
             .solvation = static_cast<T>(born.solvation),
             .surface = static_cast<T>(born.surface),
             .probe = static_cast<T>(born.probe),
             .offset = static_cast<T>(born.offset),
             .engulfed = born.engulfed,
             .charge = cast(born.charge),
             .radius = cast(born.radius),
             .scaled_radius = cast(born.scaled_radius)};
}

template <typename T>
std::int64_t force_field_scratch(const ForceFieldTables<T>& tables) {
  const std::int64_t rows = 5 * tables.atoms + tables.atoms * (tables.atoms - 1);
  return tables.in_solvent ? rows * kForceFieldLanes : 0;
}

template struct ForceFieldTables<float>;
template struct ForceFieldTables<double>;
template std::int64_t force_field_scratch(const ForceFieldTables<float>& tables);
template std::int64_t force_field_scratch(const ForceFieldTables<double>& tables);

}  // namespace thalweg
