// What the elementwise loops share. Read once for each instruction set.
#if defined(THALWEG_ENGINE_KERNELS_LOOPS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef THALWEG_ENGINE_KERNELS_LOOPS_INL_H
#undef THALWEG_ENGINE_KERNELS_LOOPS_INL_H
#else
#define THALWEG_ENGINE_KERNELS_LOOPS_INL_H
#endif

#include <hwy/highway.h>

#include "thalweg/engine/kernels/kernels.h"
#include "thalweg/engine/kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thalweg::kernels::HWY_NAMESPACE {

template <class D, class V>
HWY_INLINE HWY_ATTR V keep_nan(D, V x, V y) {
  return hwy::HWY_NAMESPACE::IfThenElse(hwy::HWY_NAMESPACE::IsNaN(x), x, y);
}

/// A vector of an operand at position k of a row: its elements, or one element
/// for all lanes.
template <bool kBroadcast, class D, typename T = hwy::HWY_NAMESPACE::TFromD<D>>
HWY_INLINE HWY_ATTR hwy::HWY_NAMESPACE::Vec<D> fetch(D d, const T* row, std::int64_t k) {
  if constexpr (kBroadcast)
    return hwy::HWY_NAMESPACE::Set(d, *row);
  else
    return hwy::HWY_NAMESPACE::LoadU(d, row + k);
}

/// The last, partial vector of a row.
template <bool kBroadcast, class D, typename T = hwy::HWY_NAMESPACE::TFromD<D>>
HWY_INLINE HWY_ATTR hwy::HWY_NAMESPACE::Vec<D> fetch_first(D d, const T* row, std::int64_t k,
                                                           std::size_t count) {
  if constexpr (kBroadcast)
    return hwy::HWY_NAMESPACE::Set(d, *row);
  else
    return load_first(d, row + k, count);
}

/// Joins loops over which all operands walk without a gap (or stand still) into
/// the inner one.
template <typename... Operands>
HWY_INLINE Extent collapse(Extent e, const Operands&... operand) {
  if (e.middle == 1 || ((operand.middle == operand.inner * e.inner) && ...)) {
    e.inner *= e.middle;
    e.middle = 1;
  }
  if (e.middle == 1 && ((operand.outer == operand.inner * e.inner) && ...)) {
    e.inner *= e.outer;
    e.outer = 1;
  }
  return e;
}

}  // namespace thalweg::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
