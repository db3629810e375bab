// Matrix products.
#include <algorithm>

#include "thalweg/engine/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thalweg/engine/kernels/matrix_product.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
// Read after highway.h, once for each instruction set.
#include "thalweg/engine/kernels/partial-inl.h"

#ifndef THALWEG_ENGINE_KERNELS_MATRIX_PRODUCT_CC  // this file is read once for each instruction set
#define THALWEG_ENGINE_KERNELS_MATRIX_PRODUCT_CC
namespace thalweg::kernels {

/// Arguments of matrix_product that all blocks share.
template <typename T>
struct Product {
  std::int64_t depth;
  std::ptrdiff_t a_row, a_depth, ldb, ldc;
  std::ptrdiff_t mask_row;
  bool accumulate, relu;
};

}  // namespace thalweg::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace thalweg::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using std::int64_t;
using std::ptrdiff_t;

// Accumulators fill the registers: of 32, four vectors by 6 rows or two by 12; of 16, two by 6.
// Scalable vectors cannot be held in arrays: there one vector by 8 rows, by name.
#if HWY_HAVE_SCALABLE
constexpr int kBlockRows = 8;
constexpr bool kManyRegisters = false;
#elif HWY_TARGET <= HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr int kBlockRows = 12;
constexpr bool kManyRegisters = true;
#else
constexpr int kBlockRows = 6;
constexpr bool kManyRegisters = false;
#endif
// Rows of B that stay in the first cache while all rows of A pass by.
constexpr int64_t kBlockDepth = 128;

/// value * (other > 0): zero where other <= 0, but NaN of either stays.
template <class D, class V>
HWY_INLINE HWY_ATTR V multiply_step(D d, V value, V other) {
  const V kept = hn::IfThenElse(hn::Gt(other, hn::Zero(d)), value,
                                hn::IfThenElseZero(hn::IsNaN(value), value));
  return hn::IfThenElse(hn::IsNaN(other), other, kept);
}

#if HWY_HAVE_SCALABLE

/// What a vector of C, `offset` elements behind the corner, holds before the first product.
/// What the sum of one row's vector starts from; `c` points to that vector.
template <bool kMasked, class D, typename T = hn::TFromD<D>>
HWY_INLINE HWY_ATTR hn::Vec<D> start_of(D d, const Product<T>& p, const T* bias, const T* c,
                                        size_t lanes) {
  const auto start = hn::Set(d, bias != nullptr ? *bias : T(0));
  if (!p.accumulate) return start;
  return hn::Add(start, kMasked ? load_first(d, c, lanes) : hn::LoadU(d, c));
}

template <bool kMasked, class D, typename T = hn::TFromD<D>>
HWY_INLINE HWY_ATTR void finish(D d, const Product<T>& p, const T* mask, size_t lanes,
                                hn::Vec<D> sum, T* c) {
  if (p.relu) {
    sum = hn::IfThenZeroElse(hn::Le(sum, hn::Zero(d)), sum);
  } else if (mask != nullptr) {
    sum = multiply_step(d, sum, kMasked ? load_first(d, mask, lanes) : hn::LoadU(d, mask));
  }
  if (kMasked)
    store_first(d, sum, c, lanes);
  else
    hn::StoreU(sum, d, c);
}

#define THALWEG_ROWS(statement)                                                              \
  statement(0) statement(1) statement(2) statement(3) statement(4) statement(5) statement(6) \
      statement(7)
#define THALWEG_START(r)   \
  auto c##r = hn::Zero(d); \
  if constexpr (kRows > r) \
    c##r = start_of<kMasked>(d, p, bias != nullptr ? bias + r : bias, to + r * p.ldc, lanes);
#define THALWEG_MULTIPLY(r) \
  if constexpr (kRows > r) c##r = hn::MulAdd(hn::Set(d, left[r * p.a_row]), right, c##r);
#define THALWEG_FINISH(r)                                                              \
  if constexpr (kRows > r)                                                             \
    finish<kMasked>(d, p, mask != nullptr ? mask + r * p.mask_row : mask, lanes, c##r, \
                    to + r * p.ldc);

/// kRows rows by kVectors vectors of C; the last vector has `lanes` lanes if kMasked.
template <int kRows, int kVectors, bool kMasked, typename T>
HWY_ATTR void block(const Product<T>& p, const T* a, const T* b, const T* bias, T* to_c,
                    const T* masks, size_t lanes) {
  const hn::ScalableTag<T> d;
  for (int v = 0; v < kVectors; ++v) {
    const auto offset = static_cast<ptrdiff_t>(v * hn::Lanes(d));
    T* to = to_c + offset;
    const T* mask = masks != nullptr ? masks + offset : nullptr;
    THALWEG_ROWS(THALWEG_START)
    const T* left = a;
    const T* from = b + offset;
    for (int64_t k = p.depth; k > 0; --k) {
      const auto right = kMasked ? load_first(d, from, lanes) : hn::LoadU(d, from);
      THALWEG_ROWS(THALWEG_MULTIPLY)
      left += p.a_depth;
      from += p.ldb;
    }
    THALWEG_ROWS(THALWEG_FINISH)
  }
}

#undef THALWEG_ROWS
#undef THALWEG_START
#undef THALWEG_MULTIPLY
#undef THALWEG_FINISH

#else

/// kRows rows by kVectors vectors of C; the last vector has `lanes` lanes if kMasked.
template <int kRows, int kVectors, bool kMasked, typename T>
HWY_ATTR void block(const Product<T>& p, const T* a, const T* b, const T* bias, T* to_c,
                    const T* masks, size_t lanes) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const size_t width = hn::Lanes(d);
  V c[kRows][kVectors];
  if (p.accumulate) {
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const T* from = to_c + r * p.ldc + v * width;
        c[r][v] = kMasked ? load_first(d, from, lanes) : hn::LoadU(d, from);
        if (bias != nullptr) c[r][v] = hn::Add(c[r][v], hn::Set(d, bias[r]));
      }
  } else {
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const V start = bias != nullptr ? hn::Set(d, bias[r]) : hn::Zero(d);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) c[r][v] = start;
    }
  }
  const ptrdiff_t a_row = p.a_row;
  for (int64_t k = p.depth; k > 0; --k) {
    V right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
      right[v] = kMasked ? load_first(d, b + v * width, lanes) : hn::LoadU(d, b + v * width);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const V left = hn::Set(d, a[r * a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) c[r][v] = hn::MulAdd(left, right[v], c[r][v]);
    }
    a += p.a_depth;
    b += p.ldb;
  }
  if (p.relu) {
    const V zero = hn::Zero(d);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        c[r][v] = hn::IfThenZeroElse(hn::Le(c[r][v], zero), c[r][v]);
  } else if (masks != nullptr) {
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const T* from = masks + r * p.mask_row + v * width;
        const V other = kMasked ? load_first(d, from, lanes) : hn::LoadU(d, from);
        c[r][v] = multiply_step(d, c[r][v], other);
      }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      T* to = to_c + r * p.ldc + v * width;
      if (kMasked)
        store_first(d, c[r][v], to, lanes);
      else
        hn::StoreU(c[r][v], d, to);
    }
}

#endif

// Pointers are passed one by one: a structure of them, written and at once copied as a vector,
// would stall.

/// All rows of one column block, in blocks of up to kRows.
template <int kVectors, bool kMasked, typename T>
HWY_ATTR void rows_of(const Product<T>& p, int64_t rows, const T* a, const T* b, const T* bias,
                      T* c, const T* masks, size_t lanes) {
  constexpr int kRows = kVectors == 4 ? kBlockRows / 2 : kBlockRows;
  const auto advance = [&](int64_t count) {
    rows -= count;
    a += count * p.a_row;
    c += count * p.ldc;
    if (bias != nullptr) bias += count;
    if (masks != nullptr) masks += count * p.mask_row;
  };
  for (; rows >= kRows; advance(kRows))
    block<kRows, kVectors, kMasked>(p, a, b, bias, c, masks, lanes);
  if constexpr (kRows > 8)
    for (; rows >= 8; advance(8)) block<8, kVectors, kMasked>(p, a, b, bias, c, masks, lanes);
  if constexpr (kRows > 4)
    for (; rows >= 4; advance(4)) block<4, kVectors, kMasked>(p, a, b, bias, c, masks, lanes);
  switch (rows) {
    case 1:
      block<1, kVectors, kMasked>(p, a, b, bias, c, masks, lanes);
      break;
    case 2:
      block<2, kVectors, kMasked>(p, a, b, bias, c, masks, lanes);
      break;
    case 3:
      block<3, kVectors, kMasked>(p, a, b, bias, c, masks, lanes);
      break;
    default:
      break;
  }
}

/// All columns of one block of the depth.
template <typename T>
HWY_ATTR void columns_of(const Product<T>& p, int64_t rows, int64_t columns, const T* a, const T* b,
                         const T* bias, T* c, const T* masks) {
  const auto width = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  const auto advance = [&](int64_t count) {
    columns -= count;
    b += count;
    c += count;
    if (masks != nullptr) masks += count;
  };
  // Few rows wait for the latency of the additions: more vectors side by side hide it.
  if (kManyRegisters || rows <= kBlockRows / 2)
    for (; columns >= 4 * width; advance(4 * width))
      rows_of<4, false>(p, rows, a, b, bias, c, masks, 0);
  for (; columns >= 2 * width; advance(2 * width))
    rows_of<2, false>(p, rows, a, b, bias, c, masks, 0);
  for (; columns >= width; advance(width)) rows_of<1, false>(p, rows, a, b, bias, c, masks, 0);
  if (columns > 0) rows_of<1, true>(p, rows, a, b, bias, c, masks, static_cast<size_t>(columns));
}

template <typename T>
HWY_ATTR void product(const Product<T>& p, int64_t rows, int64_t columns, const T* a, const T* b,
                      const T* bias, T* c, const T* masks) {
  if (p.depth <= kBlockDepth) {
    columns_of(p, rows, columns, a, b, bias, c, masks);
    return;
  }
  for (int64_t first = 0; first < p.depth; first += kBlockDepth) {
    const bool last = first + kBlockDepth >= p.depth;
    Product<T> part = p;
    part.depth = std::min(kBlockDepth, p.depth - first);
    part.accumulate = p.accumulate || first > 0;
    part.relu = p.relu && last;
    columns_of(part, rows, columns, a + first * p.a_depth, b + first * p.ldb,
               first == 0 ? bias : nullptr, c, last ? masks : nullptr);
  }
}

void product_float(const Product<float>& p, int64_t rows, int64_t columns, const float* a,
                   const float* b, const float* bias, float* c, const float* masks) {
  product(p, rows, columns, a, b, bias, c, masks);
}
void product_double(const Product<double>& p, int64_t rows, int64_t columns, const double* a,
                    const double* b, const double* bias, double* c, const double* masks) {
  product(p, rows, columns, a, b, bias, c, masks);
}

}  // namespace thalweg::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thalweg::kernels {

using std::int64_t;
using std::ptrdiff_t;

HWY_EXPORT(product_float);
HWY_EXPORT(product_double);

template <>
void matrix_product(int64_t rows, int64_t columns, int64_t depth, const float* a, ptrdiff_t a_row,
                    ptrdiff_t a_depth, const float* b, ptrdiff_t ldb, const float* bias,
                    bool accumulate, float* c, ptrdiff_t ldc, const Epilogue<float>& epilogue) {
  const Product<float> product{depth,      a_row,        a_depth, ldb, ldc, epilogue.mask_row,
                               accumulate, epilogue.relu};
  HWY_DYNAMIC_DISPATCH(product_float)(product, rows, columns, a, b, bias, c, epilogue.mask);
}
template <>
void matrix_product(int64_t rows, int64_t columns, int64_t depth, const double* a, ptrdiff_t a_row,
                    ptrdiff_t a_depth, const double* b, ptrdiff_t ldb, const double* bias,
                    bool accumulate, double* c, ptrdiff_t ldc, const Epilogue<double>& epilogue) {
  const Product<double> product{depth,      a_row,        a_depth, ldb, ldc, epilogue.mask_row,
                                accumulate, epilogue.relu};
  HWY_DYNAMIC_DISPATCH(product_double)(product, rows, columns, a, b, bias, c, epilogue.mask);
}

}  // namespace thalweg::kernels
#endif
