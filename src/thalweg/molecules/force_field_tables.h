// A force field as its loops read it, and the loops.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "thalweg/molecules/molecular_system.h"

namespace thalweg {

/// Rows of energies: bonds, angles, torsions, nonbonded, solvent.
inline constexpr std::int64_t kForceTerms = 5;

/// Parameters in the precision of the loops. Lengths in nm, energies in kJ/mol.
template <typename T>
struct ForceFieldTables {
  struct Bond {
    std::array<std::int32_t, 2> atoms;
    T length, stiffness;
  };
  struct Angle {
    std::array<std::int32_t, 3> atoms;
    T angle, stiffness;
  };
  /// All terms of one dihedral angle phi: constant + sum over n = 1 to `order` of
  /// cosine[n - 1] cos(n phi) + sine[n - 1] sin(n phi).
  struct Torsion {
    std::array<std::int32_t, 4> atoms;
    std::int32_t order;
    T constant;
    std::array<T, 6> cosine, sine;
  };
  struct Pair {
    std::int32_t other;
    T c12, c6, coulomb;
  };
  struct Solvent {
    T alpha, beta, gamma, solvation, surface, probe, offset;
    bool engulfed;
    std::vector<T> charge, radius, scaled_radius;
  };

  explicit ForceFieldTables(const MolecularSystem& system);

  std::int64_t atoms;
  std::vector<Bond> bonds;
  std::vector<Angle> angles;
  std::vector<Torsion> torsions;
  std::vector<Pair> pairs;               ///< by their first atom
  std::vector<std::int64_t> pair_begin;  ///< of each atom, and one more: the end
  bool in_solvent;
  Solvent solvent;
};

/// Numbers of type T that the loops want as scratch, aligned to 64 bytes.
template <typename T>
std::int64_t force_field_scratch(const ForceFieldTables<T>& tables);

/// Lanes of the widest vectors: numbers of configurations are multiples of it.
inline constexpr std::int64_t kForceFieldLanes = 16;

/// Energies and forces of `count` configurations, a multiple of kForceFieldLanes. Coordinate c of
/// atom a is row 3 a + c of `x` and `forces`, a term a row of `energies`; rows are `count` apart.
/// A configuration's results do not depend on its place among the others. Thread safe.
template <typename T>
void force_field_loops(const ForceFieldTables<T>& tables, const T* x, std::int64_t count,
                       T* energies, T* forces, T* scratch);

/// The same by vectors of one lane: the reference that the others are compared with.
template <typename T>
void force_field_reference(const ForceFieldTables<T>& tables, const T* x, std::int64_t count,
                           T* energies, T* forces, T* scratch);

}  // namespace thalweg
