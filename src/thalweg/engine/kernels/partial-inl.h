// The first lanes of a vector to and from memory that may end right behind
// them. Highway's masked loads read whole aligned vectors where the machine has
// no masked instructions. Read once for each instruction set, so its guard
// follows Highway's toggle.
#if defined(THALWEG_ENGINE_KERNELS_PARTIAL_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef THALWEG_ENGINE_KERNELS_PARTIAL_INL_H
#undef THALWEG_ENGINE_KERNELS_PARTIAL_INL_H
#else
#define THALWEG_ENGINE_KERNELS_PARTIAL_INL_H
#endif

#include <hwy/highway.h>

#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace thalweg::kernels::HWY_NAMESPACE {

/// from[0] ... from[count - 1], then zeros; count is at most the lanes of a
/// vector.
template <class D, typename T = hwy::HWY_NAMESPACE::TFromD<D>>
HWY_INLINE HWY_ATTR hwy::HWY_NAMESPACE::Vec<D> load_first(D d, const T* from, std::size_t count) {
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)] = {};
  for (std::size_t lane = 0; lane < count; ++lane) lanes[lane] = from[lane];
  return hwy::HWY_NAMESPACE::Load(d, lanes);
#else
  return hwy::HWY_NAMESPACE::MaskedLoad(hwy::HWY_NAMESPACE::FirstN(d, count), d, from);
#endif
}

/// Writes the first `count` lanes and nothing behind them.
template <class D, typename T = hwy::HWY_NAMESPACE::TFromD<D>>
HWY_INLINE HWY_ATTR void store_first(D d, hwy::HWY_NAMESPACE::Vec<D> values, T* to,
                                     std::size_t count) {
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)];
  hwy::HWY_NAMESPACE::Store(values, d, lanes);
  for (std::size_t lane = 0; lane < count; ++lane) to[lane] = lanes[lane];
#else
  hwy::HWY_NAMESPACE::BlendedStore(values, hwy::HWY_NAMESPACE::FirstN(d, count), d, to);
#endif
}

}  // namespace thalweg::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
