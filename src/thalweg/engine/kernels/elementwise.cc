// Elementwise functions and reductions along the outer axis.
#include <algorithm>
#include <cmath>
#include <limits>

#include "thalweg/engine/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thalweg/engine/kernels/elementwise.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
// Highway's mathematics needs its own header after highway.h, once for each instruction set.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace thalweg::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using std::int64_t;
using std::ptrdiff_t;

template <typename T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();
template <typename T>
constexpr T kNotANumber = std::numeric_limits<T>::quiet_NaN();
template <typename T>
constexpr T kLargestExponent = sizeof(T) == 4
                                   ? T(88.722839)
                                   : T(709.78271289338397);  // log of the largest finite number
template <typename T>
constexpr T kLargestAngle = T(30000);  // Highway's sin and cos are accurate up to 39000

// --- Mathematics that keeps what is not finite (Highway's own masks it)
// ---------------------------------------------

template <class D, class V>
HWY_INLINE HWY_ATTR V keep_nan(D, V x, V y) {
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

template <class D, class V>
HWY_INLINE HWY_ATTR V exp_of(D d, V x) {
  using T = hn::TFromD<D>;
  const V limit = hn::Set(d, kLargestExponent<T>);
  const V y =
      hn::IfThenElse(hn::Gt(x, limit), hn::Set(d, kInfinity<T>), hn::Exp(d, hn::Min(x, limit)));
  return keep_nan(d, x, y);
}

template <class D, class V>
HWY_INLINE HWY_ATTR V expm1_of(D d, V x) {
  using T = hn::TFromD<D>;
  const V limit = hn::Set(d, kLargestExponent<T>);
  const V inner = hn::Max(hn::Set(d, T(-60)), hn::Min(x, limit));
  const V y = hn::IfThenElse(hn::Gt(x, limit), hn::Set(d, kInfinity<T>), hn::Expm1(d, inner));
  return keep_nan(d, x, hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, y));
}

/// log and log1p share their ends: -inf at `pole`, NaN below it, inf at inf.
template <class D, class V>
HWY_INLINE HWY_ATTR V logarithm_ends(D d, V x, V pole, V y) {
  using T = hn::TFromD<D>;
  const V infinity = hn::Set(d, kInfinity<T>);
  y = hn::IfThenElse(hn::Eq(x, infinity), infinity, y);
  y = hn::IfThenElse(hn::Eq(x, pole), hn::Neg(infinity), y);
  y = hn::IfThenElse(hn::Lt(x, pole), hn::Set(d, kNotANumber<T>), y);
  return keep_nan(d, x, y);
}

template <class D, class V>
HWY_INLINE HWY_ATTR V log_of(D d, V x) {
  return logarithm_ends(d, x, hn::Zero(d), hn::Log(d, x));
}

template <class D, class V>
HWY_INLINE HWY_ATTR V log1p_of(D d, V x) {
  using T = hn::TFromD<D>;
  const V y = hn::Log1p(d, hn::IfThenElse(hn::Eq(x, hn::Set(d, kInfinity<T>)), hn::Zero(d), x));
  // Highway divides by (1 + x) - 1, which is 0 for the smallest x.
  const V tiny = hn::Set(d, std::numeric_limits<T>::epsilon() / 4);
  return logarithm_ends(d, x, hn::Set(d, T(-1)), hn::IfThenElse(hn::Lt(hn::Abs(x), tiny), x, y));
}

template <class D, class V>
HWY_INLINE HWY_ATTR V tanh_of(D d, V x) {
  using T = hn::TFromD<D>;
  const V limit = hn::Set(d, T(20));  // tanh is 1 to rounding beyond
  const V y = hn::Tanh(d, hn::Max(hn::Neg(limit), hn::Min(x, limit)));
  const V tiny = hn::Set(d, std::numeric_limits<T>::epsilon());
  return keep_nan(d, x, hn::IfThenElse(hn::Lt(hn::Abs(x), tiny), x, y));
}

template <class D, class V>
HWY_INLINE HWY_ATTR V sigmoid_of(D d, V x) {
  using T = hn::TFromD<D>;
  const V one = hn::Set(d, T(1));
  // exp of a negative number only: its relative accuracy carries over to both tails.
  const V e = exp_of(d, hn::Neg(hn::Abs(x)));
  const V numerator = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one);
  return keep_nan(d, x, hn::Div(numerator, hn::Add(one, e)));
}

template <class D, class V>
HWY_INLINE HWY_ATTR V softplus_of(D d, V x) {
  const V y = log1p_of(d, exp_of(d, hn::Neg(hn::Abs(x))));
  return keep_nan(d, x, hn::Add(hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), x), y));
}

/// One lane at a time through the C library.
template <class D, class V, typename Function>
HWY_INLINE HWY_ATTR V by_lane(D d, V x, Function function) {
  using T = hn::TFromD<D>;
  HWY_ALIGN T values[HWY_MAX_BYTES / sizeof(T)];
  hn::Store(x, d, values);
  for (size_t lane = 0; lane < hn::Lanes(d); ++lane) values[lane] = function(values[lane]);
  return hn::Load(d, values);
}

template <typename T>
struct LibrarySin {
  T operator()(T x) const { return std::sin(x); }
};
template <typename T>
struct LibraryCos {
  T operator()(T x) const { return std::cos(x); }
};
template <typename T>
struct LibraryErf {
  T operator()(T x) const { return std::erf(x); }
};
template <typename T>
struct LibraryPower {
  T exponent;
  T operator()(T x) const { return std::pow(x, exponent); }
};

template <class D, class V>
HWY_INLINE HWY_ATTR bool has_large_angle(D d, V x) {
  using T = hn::TFromD<D>;
  return !hn::AllTrue(d, hn::Le(hn::Abs(x), hn::Set(d, kLargestAngle<T>)));  // NaN counts as large
}

// --- Functors: one a function
// -----------------------------------------------------------------------------------------

#define THALWEG_UNARY(Name, expression)                \
  struct Name {                                        \
    template <class D, class V>                        \
    HWY_INLINE HWY_ATTR V operator()(D d, V x) const { \
      using T = hn::TFromD<D>;                         \
      (void)d;                                         \
      (void)sizeof(T);                                 \
      return expression;                               \
    }                                                  \
  };

THALWEG_UNARY(CopyOp, x)
THALWEG_UNARY(NegateOp, hn::Neg(x))
THALWEG_UNARY(AbsOp, hn::Abs(x))
THALWEG_UNARY(SquareOp, hn::Mul(x, x))
THALWEG_UNARY(SqrtOp, hn::Sqrt(x))
THALWEG_UNARY(ReciprocalOp, hn::Div(hn::Set(d, T(1)), x))
THALWEG_UNARY(ExpOp, exp_of(d, x))
THALWEG_UNARY(Expm1Op, expm1_of(d, x))
THALWEG_UNARY(LogOp, log_of(d, x))
THALWEG_UNARY(Log1pOp, log1p_of(d, x))
THALWEG_UNARY(TanhOp, tanh_of(d, x))
THALWEG_UNARY(SigmoidOp, sigmoid_of(d, x))
THALWEG_UNARY(SoftplusOp, softplus_of(d, x))
THALWEG_UNARY(ReluOp, hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), x))
THALWEG_UNARY(StepOp, keep_nan(d, x, hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), hn::Set(d, T(1)))))
THALWEG_UNARY(SignOp, keep_nan(d, x,
                               hn::IfThenZeroElse(hn::Eq(x, hn::Zero(d)),
                                                  hn::CopySign(hn::Set(d, T(1)), x))))
THALWEG_UNARY(SinOp, has_large_angle(d, x) ? by_lane(d, x, LibrarySin<T>()) : hn::Sin(d, x))
THALWEG_UNARY(CosOp, has_large_angle(d, x) ? by_lane(d, x, LibraryCos<T>()) : hn::Cos(d, x))
THALWEG_UNARY(ErfOp, by_lane(d, x, LibraryErf<T>()))
THALWEG_UNARY(FloorOp, hn::Floor(x))
THALWEG_UNARY(IsFiniteOp, hn::IfThenElseZero(hn::IsFinite(x), hn::Set(d, T(1))))

struct PowerOp {
  double exponent;
  template <class D, class V>
  HWY_INLINE HWY_ATTR V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    return by_lane(d, x, LibraryPower<T>{static_cast<T>(exponent)});
  }
};

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

#undef THALWEG_UNARY
#undef THALWEG_BINARY

// --- Loops
// ----------------------------------------------------------------------------------------------------------

/// A vector of an operand at position k of a row: its elements, or one element for all lanes.
template <bool kBroadcast, class D, typename T = hn::TFromD<D>>
HWY_INLINE HWY_ATTR hn::Vec<D> fetch(D d, const T* row, int64_t k) {
  if constexpr (kBroadcast)
    return hn::Set(d, *row);
  else
    return hn::LoadU(d, row + k);
}

template <bool kBroadcast, class D, class M, typename T = hn::TFromD<D>>
HWY_INLINE HWY_ATTR hn::Vec<D> fetch_masked(D d, M mask, const T* row, int64_t k) {
  if constexpr (kBroadcast)
    return hn::Set(d, *row);
  else
    return hn::MaskedLoad(mask, d, row + k);
}

template <bool kBroadcastA, typename T, class Function>
HWY_ATTR void unary_loop(const Extent& e, const Strided<const T>& a, const Strided<T>& out,
                         const Function& function) {
  const hn::ScalableTag<T> d;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < e.outer; ++i)
    for (int64_t j = 0; j < e.middle; ++j) {
      const T* from = a.data + i * a.outer + j * a.middle;
      T* to = out.data + i * out.outer + j * out.middle;
      int64_t k = 0;
      for (; k + width <= e.inner; k += width)
        hn::StoreU(function(d, fetch<kBroadcastA>(d, from, k)), d, to + k);
      if (k < e.inner) {
        const auto mask = hn::FirstN(d, static_cast<size_t>(e.inner - k));
        hn::BlendedStore(function(d, fetch_masked<kBroadcastA>(d, mask, from, k)), mask, d, to + k);
      }
    }
}

template <typename T, class Function>
HWY_ATTR void unary_any(const Extent& e, const Strided<const T>& a, const Strided<T>& out,
                        const Function& function) {
  if (a.inner == 0)
    unary_loop<true>(e, a, out, function);
  else
    unary_loop<false>(e, a, out, function);
}

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
        const auto mask = hn::FirstN(d, static_cast<size_t>(e.inner - k));
        hn::BlendedStore(function(d, fetch_masked<kBroadcastA>(d, mask, left, k),
                                  fetch_masked<kBroadcastB>(d, mask, right, k)),
                         mask, d, to + k);
      }
    }
}

template <typename T, class Function>
HWY_ATTR void binary_any(const Extent& e, const Strided<const T>& a, const Strided<const T>& b,
                         const Strided<T>& out, const Function& function) {
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
HWY_ATTR void unary_all(Unary function, const Extent& e, const Strided<const T>& a,
                        const Strided<T>& out, double parameter) {
  switch (function) {
    case Unary::kCopy:
      return unary_any(e, a, out, CopyOp());
    case Unary::kNegate:
      return unary_any(e, a, out, NegateOp());
    case Unary::kAbs:
      return unary_any(e, a, out, AbsOp());
    case Unary::kSquare:
      return unary_any(e, a, out, SquareOp());
    case Unary::kSqrt:
      return unary_any(e, a, out, SqrtOp());
    case Unary::kReciprocal:
      return unary_any(e, a, out, ReciprocalOp());
    case Unary::kExp:
      return unary_any(e, a, out, ExpOp());
    case Unary::kExpm1:
      return unary_any(e, a, out, Expm1Op());
    case Unary::kLog:
      return unary_any(e, a, out, LogOp());
    case Unary::kLog1p:
      return unary_any(e, a, out, Log1pOp());
    case Unary::kTanh:
      return unary_any(e, a, out, TanhOp());
    case Unary::kSigmoid:
      return unary_any(e, a, out, SigmoidOp());
    case Unary::kSoftplus:
      return unary_any(e, a, out, SoftplusOp());
    case Unary::kRelu:
      return unary_any(e, a, out, ReluOp());
    case Unary::kStep:
      return unary_any(e, a, out, StepOp());
    case Unary::kSign:
      return unary_any(e, a, out, SignOp());
    case Unary::kSin:
      return unary_any(e, a, out, SinOp());
    case Unary::kCos:
      return unary_any(e, a, out, CosOp());
    case Unary::kErf:
      return unary_any(e, a, out, ErfOp());
    case Unary::kFloor:
      return unary_any(e, a, out, FloorOp());
    case Unary::kPower:
      return unary_any(e, a, out, PowerOp{parameter});
    case Unary::kIsFinite:
      return unary_any(e, a, out, IsFiniteOp());
  }
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
HWY_ATTR void select_all(const Extent& e, const Strided<const T>& condition,
                         const Strided<const T>& a, const Strided<const T>& b,
                         const Strided<T>& out) {
  const hn::ScalableTag<T> d;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
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
  void unary_##suffix(Unary function, const Extent& e, const Strided<const T>& a,             \
                      const Strided<T>& out, double parameter) {                              \
    unary_all<T>(function, e, a, out, parameter);                                             \
  }                                                                                           \
  void binary_##suffix(Binary function, const Extent& e, const Strided<const T>& a,           \
                       const Strided<const T>& b, const Strided<T>& out) {                    \
    binary_all<T>(function, e, a, b, out);                                                    \
  }                                                                                           \
  void select_##suffix(const Extent& e, const Strided<const T>& condition,                    \
                       const Strided<const T>& a, const Strided<const T>& b,                  \
                       const Strided<T>& out) {                                               \
    select_all<T>(e, condition, a, b, out);                                                   \
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
  HWY_EXPORT(unary_##T);                                                                          \
  HWY_EXPORT(binary_##T);                                                                         \
  HWY_EXPORT(select_##T);                                                                         \
  HWY_EXPORT(sum_##T);                                                                            \
  HWY_EXPORT(max_##T);                                                                            \
  HWY_EXPORT(cumulative_##T);                                                                     \
  template <>                                                                                     \
  void unary(Unary function, const Extent& extent, const Strided<const T>& a,                     \
             const Strided<T>& out, double parameter) {                                           \
    HWY_DYNAMIC_DISPATCH(unary_##T)(function, extent, a, out, parameter);                         \
  }                                                                                               \
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
