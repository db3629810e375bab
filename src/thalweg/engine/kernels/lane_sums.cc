// Sums over lanes and over the parts of a batch.
#include <algorithm>

#include "thalweg/engine/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thalweg/engine/kernels/lane_sums.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace thalweg::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using std::int64_t;
using std::ptrdiff_t;

template <typename T>
HWY_ATTR void lane_partials(int64_t rows, int64_t lanes, const T* a, ptrdiff_t a_row, T* partials) {
  const hn::CappedTag<T, 16> d;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole = lanes / kPartialLanes * kPartialLanes;
  for (int64_t r = 0; r < rows; ++r, a += a_row, partials += kPartialLanes) {
    for (int64_t v = 0; v < kPartialLanes; v += width) {
      auto sum = hn::LoadU(d, partials + v);
      for (int64_t l = 0; l < whole; l += kPartialLanes)
        sum = hn::Add(sum, hn::LoadU(d, a + l + v));
      hn::StoreU(sum, d, partials + v);
    }
    for (int64_t l = whole; l < lanes; ++l) partials[l - whole] += a[l];
  }
}

void lane_partials_float(int64_t rows, int64_t lanes, const float* a, ptrdiff_t a_row,
                         float* partials) {
  lane_partials(rows, lanes, a, a_row, partials);
}
void lane_partials_double(int64_t rows, int64_t lanes, const double* a, ptrdiff_t a_row,
                          double* partials) {
  lane_partials(rows, lanes, a, a_row, partials);
}

template <typename T>
HWY_ATTR void product_partials(int64_t rows, int64_t lanes, const T* a, ptrdiff_t a_row, const T* b,
                               ptrdiff_t b_row, T* partials) {
  const hn::CappedTag<T, 16> d;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole = lanes / kPartialLanes * kPartialLanes;
  for (int64_t r = 0; r < rows; ++r, a += a_row, b += b_row, partials += kPartialLanes) {
    for (int64_t v = 0; v < kPartialLanes; v += width) {
      auto sum = hn::LoadU(d, partials + v);
      for (int64_t l = v; l < whole; l += kPartialLanes)
        sum = hn::MulAdd(hn::LoadU(d, a + l), hn::LoadU(d, b + l), sum);
      hn::StoreU(sum, d, partials + v);
    }
    for (int64_t l = whole; l < lanes; ++l) partials[l - whole] += a[l] * b[l];
  }
}

void product_partials_float(int64_t rows, int64_t lanes, const float* a, ptrdiff_t a_row,
                            const float* b, ptrdiff_t b_row, float* partials) {
  product_partials(rows, lanes, a, a_row, b, b_row, partials);
}
void product_partials_double(int64_t rows, int64_t lanes, const double* a, ptrdiff_t a_row,
                             const double* b, ptrdiff_t b_row, double* partials) {
  product_partials(rows, lanes, a, a_row, b, b_row, partials);
}

template <typename T>
HWY_ATTR void outer_partials(int64_t rows, int64_t columns, int64_t lanes, const T* a,
                             ptrdiff_t a_row, const T* b, ptrdiff_t b_row, T* partials) {
  const hn::CappedTag<T, 16> d;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole = lanes / kPartialLanes * kPartialLanes;
  for (int64_t r = 0; r < rows; ++r) {
    const T* left = a + r * a_row;
    for (int64_t c = 0; c < columns; ++c, partials += kPartialLanes) {
      const T* right = b + c * b_row;
      for (int64_t v = 0; v < kPartialLanes; v += width) {
        auto sum = hn::LoadU(d, partials + v);
        for (int64_t l = v; l < whole; l += kPartialLanes)
          sum = hn::MulAdd(hn::LoadU(d, left + l), hn::LoadU(d, right + l), sum);
        hn::StoreU(sum, d, partials + v);
      }
      for (int64_t l = whole; l < lanes; ++l) partials[l - whole] += left[l] * right[l];
    }
  }
}

void outer_partials_float(int64_t rows, int64_t columns, int64_t lanes, const float* a,
                          ptrdiff_t a_row, const float* b, ptrdiff_t b_row, float* partials) {
  outer_partials(rows, columns, lanes, a, a_row, b, b_row, partials);
}
void outer_partials_double(int64_t rows, int64_t columns, int64_t lanes, const double* a,
                           ptrdiff_t a_row, const double* b, ptrdiff_t b_row, double* partials) {
  outer_partials(rows, columns, lanes, a, a_row, b, b_row, partials);
}

template <typename T>
HWY_ATTR void parts(int64_t size, int64_t count, const T* const* sources, T* out) {
  const hn::ScalableTag<T> d;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + width <= size; i += width) {
    auto sum = hn::LoadU(d, sources[0] + i);
    for (int64_t k = 1; k < count; ++k) sum = hn::Add(sum, hn::LoadU(d, sources[k] + i));
    hn::StoreU(sum, d, out + i);
  }
  for (; i < size; ++i) {
    T sum = sources[0][i];
    for (int64_t k = 1; k < count; ++k) sum += sources[k][i];
    out[i] = sum;
  }
}

void parts_float(int64_t size, int64_t count, const float* const* sources, float* out) {
  parts(size, count, sources, out);
}
void parts_double(int64_t size, int64_t count, const double* const* sources, double* out) {
  parts(size, count, sources, out);
}

}  // namespace thalweg::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thalweg::kernels {

using std::int64_t;
using std::ptrdiff_t;

HWY_EXPORT(lane_partials_float);
HWY_EXPORT(lane_partials_double);
HWY_EXPORT(product_partials_float);
HWY_EXPORT(product_partials_double);
HWY_EXPORT(outer_partials_float);
HWY_EXPORT(outer_partials_double);
HWY_EXPORT(parts_float);
HWY_EXPORT(parts_double);

template <>
void add_lane_partials(int64_t rows, int64_t lanes, const float* a, ptrdiff_t a_row,
                       float* partials) {
  HWY_DYNAMIC_DISPATCH(lane_partials_float)(rows, lanes, a, a_row, partials);
}
template <>
void add_lane_partials(int64_t rows, int64_t lanes, const double* a, ptrdiff_t a_row,
                       double* partials) {
  HWY_DYNAMIC_DISPATCH(lane_partials_double)(rows, lanes, a, a_row, partials);
}

template <>
void add_product_partials(int64_t rows, int64_t lanes, const float* a, ptrdiff_t a_row,
                          const float* b, ptrdiff_t b_row, float* partials) {
  HWY_DYNAMIC_DISPATCH(product_partials_float)(rows, lanes, a, a_row, b, b_row, partials);
}
template <>
void add_product_partials(int64_t rows, int64_t lanes, const double* a, ptrdiff_t a_row,
                          const double* b, ptrdiff_t b_row, double* partials) {
  HWY_DYNAMIC_DISPATCH(product_partials_double)(rows, lanes, a, a_row, b, b_row, partials);
}

template <>
void add_outer_partials(int64_t rows, int64_t columns, int64_t lanes, const float* a,
                        ptrdiff_t a_row, const float* b, ptrdiff_t b_row, float* partials) {
  HWY_DYNAMIC_DISPATCH(outer_partials_float)(rows, columns, lanes, a, a_row, b, b_row, partials);
}
template <>
void add_outer_partials(int64_t rows, int64_t columns, int64_t lanes, const double* a,
                        ptrdiff_t a_row, const double* b, ptrdiff_t b_row, double* partials) {
  HWY_DYNAMIC_DISPATCH(outer_partials_double)(rows, columns, lanes, a, a_row, b, b_row, partials);
}

template <typename T>
void finish_lane_partials(int64_t rows, const T* partials, T* out) {
  for (int64_t r = 0; r < rows; ++r, partials += kPartialLanes) {
    T sums[kPartialLanes];
    std::copy(partials, partials + kPartialLanes, sums);
    for (int64_t half = kPartialLanes / 2; half > 0; half /= 2)
      for (int64_t l = 0; l < half; ++l) sums[l] += sums[l + half];
    out[r] = sums[0];
  }
}
template void finish_lane_partials(int64_t, const float*, float*);
template void finish_lane_partials(int64_t, const double*, double*);

template <>
void sum_parts(int64_t size, int64_t count, const float* const* sources, float* out) {
  HWY_DYNAMIC_DISPATCH(parts_float)(size, count, sources, out);
}
template <>
void sum_parts(int64_t size, int64_t count, const double* const* sources, double* out) {
  HWY_DYNAMIC_DISPATCH(parts_double)(size, count, sources, out);
}

}  // namespace thalweg::kernels
#endif
