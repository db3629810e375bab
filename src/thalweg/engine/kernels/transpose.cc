// Transposes.
#include <algorithm>

#include "thalweg/engine/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thalweg/engine/kernels/transpose.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace thalweg::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using std::int64_t;
using std::ptrdiff_t;

#if HWY_TARGET == HWY_SCALAR
constexpr int64_t kTransposeBytes = 0;
constexpr int64_t kTransposeParts = 1;
template <int64_t kParts, typename T>
void transpose_block(const T* a, ptrdiff_t, T* out, ptrdiff_t) {
  *out = *a;
}
#else
// A vector consists of parts of 128 bits. Each part transposes 4 x 4 floats or 2 x 2 doubles; all
// parts of a vector work side by side, on rows of `a` that follow each other.
constexpr int64_t kTransposeBytes = 16;
#if HWY_HAVE_SCALABLE
constexpr int64_t kTransposeParts = 1;
#else
constexpr int64_t kTransposeParts = hn::MaxLanes(hn::ScalableTag<float>()) / 4;
#endif

/// A vector whose part k holds what is at a + k step.
template <int64_t kParts, typename T>
HWY_ATTR HWY_INLINE auto load_parts(const T* a, ptrdiff_t step) {
  const hn::FixedTag<T, kParts * 16 / sizeof(T)> d;
  if constexpr (kParts == 1) {
    return hn::LoadU(d, a);
  } else {
    return hn::Combine(d, load_parts<kParts / 2>(a + kParts / 2 * step, step),
                       load_parts<kParts / 2>(a, step));
  }
}

template <int64_t kParts>
HWY_ATTR HWY_INLINE void transpose_block(const float* a, ptrdiff_t lda, float* out, ptrdiff_t ldo) {
  const hn::FixedTag<float, 4 * kParts> d;
  const hn::FixedTag<double, 2 * kParts> pairs;
  const auto r0 = load_parts<kParts>(a, 4 * lda);
  const auto r1 = load_parts<kParts>(a + lda, 4 * lda);
  const auto r2 = load_parts<kParts>(a + 2 * lda, 4 * lda);
  const auto r3 = load_parts<kParts>(a + 3 * lda, 4 * lda);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, r0, r1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, r2, r3));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, r0, r1));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, out + ldo);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, out + 2 * ldo);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, out + 3 * ldo);
}

template <int64_t kParts>
HWY_ATTR HWY_INLINE void transpose_block(const double* a, ptrdiff_t lda, double* out,
                                         ptrdiff_t ldo) {
  const hn::FixedTag<double, 2 * kParts> d;
  const auto r0 = load_parts<kParts>(a, 2 * lda);
  const auto r1 = load_parts<kParts>(a + lda, 2 * lda);
  hn::StoreU(hn::InterleaveLower(d, r0, r1), d, out);
  hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, out + ldo);
}

#endif

template <typename T>
HWY_ATTR void transposed(int64_t rows, int64_t columns, const T* a, ptrdiff_t lda, T* out,
                         ptrdiff_t ldo) {
  constexpr int64_t kSide = std::max<int64_t>(1, kTransposeBytes / sizeof(T));
  constexpr int64_t kHigh = kSide * kTransposeParts;
  const int64_t whole_columns = columns / kSide * kSide;
  int64_t r = 0;
  for (; r + kHigh <= rows; r += kHigh)
    for (int64_t c = 0; c < whole_columns; c += kSide)
      transpose_block<kTransposeParts>(a + r * lda + c, lda, out + c * ldo + r, ldo);
  for (; r + kSide <= rows; r += kSide)
    for (int64_t c = 0; c < whole_columns; c += kSide)
      transpose_block<1>(a + r * lda + c, lda, out + c * ldo + r, ldo);
  const int64_t whole_rows = r;
  for (; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) out[c * ldo + r] = a[r * lda + c];
  for (int64_t c = whole_columns; c < columns; ++c)
    for (int64_t row = 0; row < whole_rows; ++row) out[c * ldo + row] = a[row * lda + c];
}

void transpose_float(int64_t rows, int64_t columns, const float* a, ptrdiff_t lda, float* out,
                     ptrdiff_t ldo) {
  transposed(rows, columns, a, lda, out, ldo);
}
void transpose_double(int64_t rows, int64_t columns, const double* a, ptrdiff_t lda, double* out,
                      ptrdiff_t ldo) {
  transposed(rows, columns, a, lda, out, ldo);
}

}  // namespace thalweg::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thalweg::kernels {

using std::int64_t;
using std::ptrdiff_t;

HWY_EXPORT(transpose_float);
HWY_EXPORT(transpose_double);

template <>
void transpose(int64_t rows, int64_t columns, const float* a, ptrdiff_t lda, float* out,
               ptrdiff_t ldo) {
  HWY_DYNAMIC_DISPATCH(transpose_float)(rows, columns, a, lda, out, ldo);
}
template <>
void transpose(int64_t rows, int64_t columns, const double* a, ptrdiff_t lda, double* out,
               ptrdiff_t ldo) {
  HWY_DYNAMIC_DISPATCH(transpose_double)(rows, columns, a, lda, out, ldo);
}

}  // namespace thalweg::kernels
#endif
