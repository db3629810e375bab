// Elementwise functions of two and three operands, and reductions along the
// outer axis.
#include <cmath>
#include <numbers>

#include "thalweg/engine/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thalweg/engine/kernels/elementwise.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
// Read after highway.h, once for each instruction set.
#include <hwy/contrib/math/math-inl.h>

#include "thalweg/engine/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thalweg::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using std::int64_t;
using std::ptrdiff_t;

/// The C library's where an operand is not finite.
template <class D, class V>
HWY_INLINE HWY_ATTR V atan2_of(D d, V y, V x) {
  using T = hn::TFromD<D>;
  const V zero = hn::Zero(d), pi = hn::Set(d, static_cast<T>(std::numbers::pi));
  const V high = hn::Abs(y), wide = hn::Abs(x);
  const V larger = hn::Max(high, wide), smaller = hn::Min(high, wide);
  const auto both_zero = hn::Eq(larger, zero);
  const V ratio = hn::Div(smaller, hn::IfThenElse(both_zero, hn::Set(d, T(1)), larger));
  const auto known = hn::And(hn::IsFinite(y), hn::IsFinite(x));
  V angle = hn::Atan(d, hn::IfThenElseZero(known, ratio));
  angle = hn::IfThenElse(hn::Gt(high, wide), hn::MulSub(hn::Set(d, T(0.5)), pi, angle), angle);
  // Of -0 as well.
  const auto left = hn::Lt(hn::CopySign(hn::Set(d, T(1)), x), zero);
  angle = hn::CopySign(hn::IfThenElse(left, hn::Sub(pi, angle), angle), y);
  if (HWY_LIKELY(hn::AllTrue(d, known))) return angle;
  HWY_ALIGN T ys[HWY_MAX_BYTES / sizeof(T)];
  HWY_ALIGN T xs[HWY_MAX_BYTES / sizeof(T)];
  hn::Store(y, d, ys);
  hn::Store(x, d, xs);
  for (size_t lane = 0; lane < hn::Lanes(d); ++lane) ys[lane] = std::atan2(ys[lane], xs[lane]);
  return hn::IfThenElse(known, angle, hn::Load(d, ys));
}

#define THALWEG_BINARY(Name, expression)                    \
  struct Name {                                             \
    template <class D, class V>                             \
    HWY_INLINE HWY_ATTR V operator()(D d, V a, V b) const { \
      using T = hn::TFromD<D>;                              \
      (void)d;                                              \
      (void)sizeof(T);                                      \
      return expression;                                    \
    }                                                       \
  };

THALWEG_BINARY(AddOp, hn::Add(a, b))
THALWEG_BINARY(SubtractOp, hn::Sub(a, b))
THALWEG_BINARY(MultiplyOp, hn::Mul(a, b))
THALWEG_BINARY(DivideOp, hn::Div(a, b))
THALWEG_BINARY(MaxOp, keep_nan(d, a, keep_nan(d, b, hn::IfThenElse(hn::Gt(a, b), a, b))))
THALWEG_BINARY(MinOp, keep_nan(d, a, keep_nan(d, b, hn::IfThenElse(hn::Lt(a, b), a, b))))
THALWEG_BINARY(LessOp, hn::IfThenElseZero(hn::Lt(a, b), hn::Set(d, T(1))))
THALWEG_BINARY(LessEqualOp, hn::IfThenElseZero(hn::Le(a, b), hn::Set(d, T(1))))
THALWEG_BINARY(EqualOp, hn::IfThenElseZero(hn::Eq(a, b), hn::Set(d, T(1))))
THALWEG_BINARY(MultiplyStepOp, keep_nan(d, b,
                                        hn::IfThenElse(hn::Gt(b, hn::Zero(d)), a,
                                                       hn::IfThenElseZero(hn::IsNaN(a), a))))
THALWEG_BINARY(MultiplyTanhSlopeOp, hn::Mul(a, hn::NegMulAdd(b, b, hn::Set(d, T(1)))))
THALWEG_BINARY(MultiplySigmoidSlopeOp, hn::Mul(a, hn::NegMulAdd(b, b, b)))
THALWEG_BINARY(Atan2Op, atan2_of(d, a, b))

#undef THALWEG_BINARY

template <bool kBroadcastA, bool kBroadcastB, typename T, class Function>
HWY_ATTR void binary_loop(const Extent& e, const Strided<const T>& a, const Strided<const T>& b,
                          const Strided<T>& out, const Function& function) {
  const hn::ScalableTag<T> d;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < e.outer; ++i)
    for (int64_t j = 0; j < e.middle; ++j) {
      const T* left = a.data + i * a.outer + j * a.middle;
      const T* right = b.data + i * b.outer + j * b.middle;
      T* to = out.data + i * out.outer + j * out.middle;
      int64_t k = 0;
      for (; k + width <= e.inner; k += width)
        hn::StoreU(function(d, fetch<kBroadcastA>(d, left, k), fetch<kBroadcastB>(d, right, k)), d,
                   to + k);
      if (k < e.inner) {
        const auto count = static_cast<size_t>(e.inner - k);
        store_first(d,
                    function(d, fetch_first<kBroadcastA>(d, left, k, count),
                             fetch_first<kBroadcastB>(d, right, k, count)),
                    to + k, count);
      }
    }
}

template <typename T, class Function>
HWY_ATTR void binary_any(const Extent& extent, const Strided<const T>& a, const Strided<const T>& b,
                         const Strided<T>& out, const Function& function) {
  const Extent e = collapse(extent, a, b, out);
  if (a.inner == 0 && b.inner == 0)
    binary_loop<true, true>(e, a, b, out, function);
  else if (a.inner == 0)
    binary_loop<true, false>(e, a, b, out, function);
  else if (b.inner == 0)
    binary_loop<false, true>(e, a, b, out, function);
  else
    binary_loop<false, false>(e, a, b, out, function);
}

template <typename T>
HWY_ATTR void binary_all(Binary function, const Extent& e, const Strided<const T>& a,
                         const Strided<const T>& b, const Strided<T>& out) {
  switch (function) {
    case Binary::kAdd:
      return binary_any(e, a, b, out, AddOp());
    case Binary::kSubtract:
      return binary_any(e, a, b, out, SubtractOp());
    case Binary::kMultiply:
      return binary_any(e, a, b, out, MultiplyOp());
    case Binary::kDivide:
      return binary_any(e, a, b, out, DivideOp());
    case Binary::kMax:
      return binary_any(e, a, b, out, MaxOp());
    case Binary::kMin:
      return binary_any(e, a, b, out, MinOp());
    case Binary::kLess:
      return binary_any(e, a, b, out, LessOp());
    case Binary::kLessEqual:
      return binary_any(e, a, b, out, LessEqualOp());
    case Binary::kEqual:
      return binary_any(e, a, b, out, EqualOp());
    case Binary::kMultiplyStep:
      return binary_any(e, a, b, out, MultiplyStepOp());
    case Binary::kMultiplyTanhSlope:
      return binary_any(e, a, b, out, MultiplyTanhSlopeOp());
    case Binary::kMultiplySigmoidSlope:
      return binary_any(e, a, b, out, MultiplySigmoidSlopeOp());
    case Binary::kAtan2:
      return binary_any(e, a, b, out, Atan2Op());
  }
}

template <class D, typename T = hn::TFromD<D>>
HWY_INLINE HWY_ATTR hn::Vec<D> fetch_any(D d, const T* row, ptrdiff_t inner, int64_t k) {
  return inner == 0 ? hn::Set(d, *row) : hn::LoadU(d, row + k);
}

template <typename T>
T choose(T condition, T a, T b) {
  if (std::isnan(condition)) return condition;
  return condition != T(0) ? a : b;
}

template <typename T>
HWY_ATTR void select_all(const Extent& extent, const Strided<const T>& condition,
                         const Strided<const T>& a, const Strided<const T>& b,
                         const Strided<T>& out) {
  const hn::ScalableTag<T> d;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  const Extent e = collapse(extent, condition, a, b, out);
  for (int64_t i = 0; i < e.outer; ++i)
    for (int64_t j = 0; j < e.middle; ++j) {
      const T* flags = condition.data + i * condition.outer + j * condition.middle;
      const T* left = a.data + i * a.outer + j * a.middle;
      const T* right = b.data + i * b.outer + j * b.middle;
      T* to = out.data + i * out.outer + j * out.middle;
      int64_t k = 0;
      for (; k + width <= e.inner; k += width) {
        const auto flag = fetch_any(d, flags, condition.inner, k);
        const auto chosen =
            hn::IfThenElse(hn::Eq(flag, hn::Zero(d)), fetch_any(d, right, b.inner, k),
                           fetch_any(d, left, a.inner, k));
        hn::StoreU(keep_nan(d, flag, chosen), d, to + k);
      }
      for (; k < e.inner; ++k)
        to[k] = choose(flags[k * condition.inner], left[k * a.inner], right[k * b.inner]);
    }
}

template <typename T>
HWY_ATTR void multiply_add_all(const Extent& extent, const Strided<const T>& a,
                               const Strided<const T>& b, const Strided<const T>& c,
                               const Strided<T>& out) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  const Extent e = collapse(extent, a, b, c, out);
  for (int64_t i = 0; i < e.outer; ++i)
    for (int64_t j = 0; j < e.middle; ++j) {
      const T* left = a.data + i * a.outer + j * a.middle;
      const T* right = b.data + i * b.outer + j * b.middle;
      const T* added = c.data + i * c.outer + j * c.middle;
      T* to = out.data + i * out.outer + j * out.middle;
      int64_t k = 0;
      for (; k + width <= e.inner; k += width)
        hn::StoreU(hn::MulAdd(fetch_any(d, left, a.inner, k), fetch_any(d, right, b.inner, k),
                              fetch_any(d, added, c.inner, k)),
                   d, to + k);
      for (; k < e.inner; ++k)
        hn::StoreU(
            hn::MulAdd(hn::LoadU(one, left + k * a.inner), hn::LoadU(one, right + k * b.inner),
                       hn::LoadU(one, added + k * c.inner)),
            one, to + k);
    }
}

template <typename T, class Function>
HWY_ATTR void reduce(const Extent& e, const Strided<const T>& a, const Strided<T>& out,
                     const Function& function) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t j = 0; j < e.middle; ++j) {
    const T* from = a.data + j * a.middle;
    T* to = out.data + j * out.middle;
    int64_t k = 0;
    // Four columns of vectors side by side hide the latency of the additions.
    for (; a.inner != 0 && k + 4 * width <= e.inner; k += 4 * width) {
      const T* row = from + k;
      auto sum0 = hn::LoadU(d, row);
      auto sum1 = hn::LoadU(d, row + width);
      auto sum2 = hn::LoadU(d, row + 2 * width);
      auto sum3 = hn::LoadU(d, row + 3 * width);
      for (int64_t i = 1; i < e.outer; ++i) {
        row += a.outer;
        sum0 = function(d, sum0, hn::LoadU(d, row));
        sum1 = function(d, sum1, hn::LoadU(d, row + width));
        sum2 = function(d, sum2, hn::LoadU(d, row + 2 * width));
        sum3 = function(d, sum3, hn::LoadU(d, row + 3 * width));
      }
      hn::StoreU(sum0, d, to + k);
      hn::StoreU(sum1, d, to + k + width);
      hn::StoreU(sum2, d, to + k + 2 * width);
      hn::StoreU(sum3, d, to + k + 3 * width);
    }
    for (; k + width <= e.inner; k += width) {
      auto sum = fetch_any(d, from, a.inner, k);
      for (int64_t i = 1; i < e.outer; ++i)
        sum = function(d, sum, fetch_any(d, from + i * a.outer, a.inner, k));
      hn::StoreU(sum, d, to + k);
    }
    for (; k < e.inner; ++k) {
      auto sum = hn::LoadU(one, from + k * a.inner);
      for (int64_t i = 1; i < e.outer; ++i)
        sum = function(one, sum, hn::LoadU(one, from + i * a.outer + k * a.inner));
      hn::StoreU(sum, one, to + k);
    }
  }
}

template <typename T>
HWY_ATTR void cumulative(const Extent& e, const Strided<const T>& a, const Strided<T>& out,
                         bool reverse, bool exclusive) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  const int64_t first = reverse ? e.outer - 1 : 0;
  const int64_t step = reverse ? -1 : 1;
  for (int64_t j = 0; j < e.middle; ++j) {
    const T* from = a.data + j * a.middle;
    T* to = out.data + j * out.middle;
    int64_t k = 0;
    for (; k + width <= e.inner; k += width) {
      auto sum = hn::Zero(d);
      for (int64_t i = 0; i < e.outer; ++i) {
        const int64_t row = first + i * step;
        const auto next = hn::Add(sum, fetch_any(d, from + row * a.outer, a.inner, k));
        hn::StoreU(exclusive ? sum : next, d, to + row * out.outer + k);
        sum = next;
      }
    }
    for (; k < e.inner; ++k) {
      auto sum = hn::Zero(one);
      for (int64_t i = 0; i < e.outer; ++i) {
        const int64_t row = first + i * step;
        const auto next = hn::Add(sum, hn::LoadU(one, from + row * a.outer + k * a.inner));
        hn::StoreU(exclusive ? sum : next, one, to + row * out.outer + k);
        sum = next;
      }
    }
  }
}

#define THALWEG_FOR_TYPE(T, suffix)                                                           \
  void binary_##suffix(Binary function, const Extent& e, const Strided<const T>& a,           \
                       const Strided<const T>& b, const Strided<T>& out) {                    \
    binary_all<T>(function, e, a, b, out);                                                    \
  }                                                                                           \
  void select_##suffix(const Extent& e, const Strided<const T>& condition,                    \
                       const Strided<const T>& a, const Strided<const T>& b,                  \
                       const Strided<T>& out) {                                               \
    select_all<T>(e, condition, a, b, out);                                                   \
  }                                                                                           \
  void multiply_add_##suffix(const Extent& e, const Strided<const T>& a,                      \
                             const Strided<const T>& b, const Strided<const T>& c,            \
                             const Strided<T>& out) {                                         \
    multiply_add_all<T>(e, a, b, c, out);                                                     \
  }                                                                                           \
  void sum_##suffix(const Extent& e, const Strided<const T>& a, const Strided<T>& out) {      \
    reduce<T>(e, a, out, AddOp());                                                            \
  }                                                                                           \
  void max_##suffix(const Extent& e, const Strided<const T>& a, const Strided<T>& out) {      \
    reduce<T>(e, a, out, MaxOp());                                                            \
  }                                                                                           \
  void cumulative_##suffix(const Extent& e, const Strided<const T>& a, const Strided<T>& out, \
                           bool reverse, bool exclusive) {                                    \
    cumulative<T>(e, a, out, reverse, exclusive);                                             \
  }

THALWEG_FOR_TYPE(float, float)
THALWEG_FOR_TYPE(double, double)
#undef THALWEG_FOR_TYPE

}  // namespace thalweg::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thalweg::kernels {

using std::int64_t;

#define THALWEG_EXPORT(T)                                                                         \
  HWY_EXPORT(binary_##T);                                                                         \
  HWY_EXPORT(multiply_add_##T);                                                                   \
  HWY_EXPORT(select_##T);                                                                         \
  HWY_EXPORT(sum_##T);                                                                            \
  HWY_EXPORT(max_##T);                                                                            \
  HWY_EXPORT(cumulative_##T);                                                                     \
  template <>                                                                                     \
  void binary(Binary function, const Extent& extent, const Strided<const T>& a,                   \
              const Strided<const T>& b, const Strided<T>& out) {                                 \
    HWY_DYNAMIC_DISPATCH(binary_##T)(function, extent, a, b, out);                                \
  }                                                                                               \
  template <>                                                                                     \
  void select(const Extent& extent, const Strided<const T>& condition, const Strided<const T>& a, \
              const Strided<const T>& b, const Strided<T>& out) {                                 \
    HWY_DYNAMIC_DISPATCH(select_##T)(extent, condition, a, b, out);                               \
  }                                                                                               \
  template <>                                                                                     \
  void multiply_add(const Extent& extent, const Strided<const T>& a, const Strided<const T>& b,   \
                    const Strided<const T>& c, const Strided<T>& out) {                           \
    HWY_DYNAMIC_DISPATCH(multiply_add_##T)(extent, a, b, c, out);                                 \
  }                                                                                               \
  template <>                                                                                     \
  void sum_outer(const Extent& extent, const Strided<const T>& a, const Strided<T>& out) {        \
    HWY_DYNAMIC_DISPATCH(sum_##T)(extent, a, out);                                                \
  }                                                                                               \
  template <>                                                                                     \
  void max_outer(const Extent& extent, const Strided<const T>& a, const Strided<T>& out) {        \
    HWY_DYNAMIC_DISPATCH(max_##T)(extent, a, out);                                                \
  }                                                                                               \
  template <>                                                                                     \
  void cumulative_sum_outer(const Extent& extent, const Strided<const T>& a,                      \
                            const Strided<T>& out, bool reverse, bool exclusive) {                \
    HWY_DYNAMIC_DISPATCH(cumulative_##T)(extent, a, out, reverse, exclusive);                     \
  }

THALWEG_EXPORT(float)
THALWEG_EXPORT(double)
#undef THALWEG_EXPORT

}  // namespace thalweg::kernels
#endif
