// The loops of a force field for each instruction set, lanes being configurations.
#include "thalweg/molecules/force_field_tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thalweg/molecules/force_field_loops.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
// Read after highway.h, once for each instruction set.
#include "thalweg/molecules/nonbonded-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thalweg::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, typename T = hn::TFromD<D>>
HWY_ATTR void evaluate(D d, const ForceFieldTables<T>& tables, const T* x, std::int64_t count,
                       T* energies, T* forces, T* scratch) {
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t lane = 0; lane < count; lane += width) {
    const Place<T> place{x + lane, forces + lane, static_cast<std::ptrdiff_t>(count)};
    for (std::int64_t row = 0; row < 3 * tables.atoms; ++row)
      hn::StoreU(hn::Zero(d), d, forces + row * count + lane);
    T* energy = energies + lane;
    hn::StoreU(bond_energies(d, tables, place), d, energy);
    hn::StoreU(angle_energies(d, tables, place), d, energy + count);
    hn::StoreU(torsion_energies(d, tables, place), d, energy + 2 * count);
    hn::StoreU(pair_energies(d, tables, place), d, energy + 3 * count);
    hn::Vec<D> solvent = hn::Zero(d);
    if (tables.in_solvent)
      solvent = tables.solvent.engulfed ? solvent_energies<true>(d, tables, place, scratch)
                                        : solvent_energies<false>(d, tables, place, scratch);
    hn::StoreU(solvent, d, energy + 4 * count);
  }
}

template <typename T>
HWY_ATTR void vector_loops(const ForceFieldTables<T>& tables, const T* x, std::int64_t count,
                           T* energies, T* forces, T* scratch) {
  evaluate(hn::CappedTag<T, kForceFieldLanes>(), tables, x, count, energies, forces, scratch);
}
void loops_float(const ForceFieldTables<float>& tables, const float* x, std::int64_t count,
                 float* energies, float* forces, float* scratch) {
  vector_loops(tables, x, count, energies, forces, scratch);
}
void loops_double(const ForceFieldTables<double>& tables, const double* x, std::int64_t count,
                  double* energies, double* forces, double* scratch) {
  vector_loops(tables, x, count, energies, forces, scratch);
}
void reference_float(const ForceFieldTables<float>& tables, const float* x, std::int64_t count,
                     float* energies, float* forces, float* scratch) {
  evaluate(hn::CappedTag<float, 1>(), tables, x, count, energies, forces, scratch);
}
void reference_double(const ForceFieldTables<double>& tables, const double* x, std::int64_t count,
                      double* energies, double* forces, double* scratch) {
  evaluate(hn::CappedTag<double, 1>(), tables, x, count, energies, forces, scratch);
}

}  // namespace thalweg::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thalweg {

#define THALWEG_EXPORT(exported, function, T)                                                   \
  HWY_EXPORT(function##_##T);                                                                   \
  template <>                                                                                   \
  void exported(const ForceFieldTables<T>& tables, const T* x, std::int64_t count, T* energies, \
                T* forces, T* scratch) {                                                        \
    HWY_DYNAMIC_DISPATCH(function##_##T)(tables, x, count, energies, forces, scratch);          \
  }

THALWEG_EXPORT(force_field_loops, loops, float)
THALWEG_EXPORT(force_field_loops, loops, double)
THALWEG_EXPORT(force_field_reference, reference, float)
THALWEG_EXPORT(force_field_reference, reference, double)
#undef THALWEG_EXPORT

}  // namespace thalweg
#endif
