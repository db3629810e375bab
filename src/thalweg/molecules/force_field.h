// Energies and forces of molecules.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/primitives.h"
#include "thalweg/molecules/force_field_tables.h"
#include "thalweg/molecules/molecular_system.h"
#include "thalweg/molecules/potential.h"

namespace thalweg {

/// Names of the terms, in the order of their energies.
inline constexpr std::array<const char*, kForceTerms> kForceTermNames = {
    "bonds", "angles", "torsions", "nonbonded", "solvent"};

/// The energy of a MolecularSystem in kJ/mol, with forces in kJ/mol/nm, of positions in nm.
/// Configurations are the lanes of vectors, 16 a tile, which stays in the first cache. Agrees with
/// OpenMM's reference platform to 1e-9 in double; float keeps some 1e-5 of the largest term.
/// Finite, with forces that are, wherever no two atoms coincide (in float: are nearer than some
/// 1e-3 nm); NaN where a position that an energy depends on is. Thread safe.
class ForceField : public Potential {
 public:
  /// Throws as check_system.
  explicit ForceField(MolecularSystem system);

  const MolecularSystem& system() const { return system_; }
  std::int64_t coordinates() const override { return 3 * system_.atoms(); }
  void evaluate(const double* x, std::int64_t count, double* energies,
                double* forces) const override;

  /// Of rows of 3 numbers an atom: `rows` and `forces` are count x 3 atoms, `terms` count x
  /// kForceTerms, `energies` count, the sums of terms in double. What is empty is not given. The
  /// same bits for any number of threads. Throws ShapeError for sizes that do not fit.
  template <typename T>
  void evaluate_rows(std::span<const T> rows, std::span<double> energies, std::span<T> terms,
                     std::span<T> forces, ThreadPool& pool) const;

 private:
  template <typename T>
  const ForceFieldTables<T>& tables() const;

  MolecularSystem system_;
  ForceFieldTables<double> double_tables_;
  ForceFieldTables<float> float_tables_;
};

/// A force field at a temperature as an energy in kT of rows of 3 numbers an atom, in nm, with its
/// gradient: what graphs and targets take from outside. It depends on no place and no turn of the
/// molecule, so exp(-u) has a finite integral over internal coordinates alone. Energies that are
/// not finite are +inf with slopes of 0. Thread safe.
class ForceFieldEnergy : public OutsideFunction {
 public:
  /// `temperature` in K; throws ConfigError unless it is above 0.
  ForceFieldEnergy(std::shared_ptr<const ForceField> force_field, double temperature);
  void evaluate(const double* points, std::int64_t count, std::int64_t features, double* values,
                double* gradients) const override;

 private:
  std::shared_ptr<const ForceField> force_field_;
  double beta_;  // mol/kJ
};

}  // namespace thalweg
