// Elementwise functions of one operand.
#include <cmath>
#include <limits>

#include "thalweg/engine/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thalweg/engine/kernels/unary.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
// These are read after highway.h, once for each instruction set.
#include <hwy/contrib/math/math-inl.h>

#include "thalweg/engine/kernels/loops-inl.h"
#include "thalweg/engine/kernels/normal-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thalweg::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using std::int64_t;

template <typename T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();
template <typename T>
constexpr T kNotANumber = std::numeric_limits<T>::quiet_NaN();
template <typename T>
constexpr T kLargestAngle = T(30000);  // Highway's sin and cos are accurate up to 39000

// exp and its relatives: x = n log 2 + r, with the polynomials fitted at
// Chebyshev nodes.

template <typename T>
struct Exponential;
template <>
struct Exponential<float> {
  static constexpr float kMagic = 0x1.8p23F;  // adding it rounds to an integer in the low bits
  static constexpr float kHigh = 0x1.62e4p-1F,
                         kLow = 1.4286068203094173e-06F;  // log 2
  static constexpr float kUpper = 89,
                         kLower = -104;  // exp is inf above and 0 below
  static constexpr int kMantissa = 23, kBias = 127;
  /// (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2, error times r^2 below 8e-9.
  template <class D, class V>
  static HWY_INLINE HWY_ATTR V polynomial(D d, V r) {
    V y = hn::Set(d, 0.0013926176119935579F);
    y = hn::MulAdd(y, r, hn::Set(d, 0.008363173074513711F));
    y = hn::MulAdd(y, r, hn::Set(d, 0.041666554662050534F));
    y = hn::MulAdd(y, r, hn::Set(d, 0.16666577025597989F));
    return hn::MulAdd(y, r, hn::Set(d, 0.5F));
  }
  /// (atanh(z) / z - 1) / z^2 of w = z^2 <= 1/9, error below 2e-8.
  template <class D, class V>
  static HWY_INLINE HWY_ATTR V atanh_polynomial(D d, V w) {
    V y = hn::Set(d, 0.13425749011418575F);
    y = hn::MulAdd(y, w, hn::Set(d, 0.14118309902655241F));
    y = hn::MulAdd(y, w, hn::Set(d, 0.20003780322455603F));
    return hn::MulAdd(y, w, hn::Set(d, 0.33333320168349617F));
  }
};
template <>
struct Exponential<double> {
  static constexpr double kMagic = 0x1.8p52;
  static constexpr double kHigh = 0x1.62e42feep-1, kLow = 1.9082149292705877e-10;
  static constexpr double kUpper = 710, kLower = -746;
  static constexpr int kMantissa = 52, kBias = 1023;
  /// Error times r^2 below 2e-17.
  template <class D, class V>
  static HWY_INLINE HWY_ATTR V polynomial(D d, V r) {
    V y = hn::Set(d, 2.5100375832561234e-08);
    y = hn::MulAdd(y, r, hn::Set(d, 2.7620075879983367e-07));
    y = hn::MulAdd(y, r, hn::Set(d, 2.7557268480310024e-06));
    y = hn::MulAdd(y, r, hn::Set(d, 2.4801521322368692e-05));
    y = hn::MulAdd(y, r, hn::Set(d, 0.00019841269863040545));
    y = hn::MulAdd(y, r, hn::Set(d, 0.0013888888917196719));
    y = hn::MulAdd(y, r, hn::Set(d, 0.008333333333330065));
    y = hn::MulAdd(y, r, hn::Set(d, 0.041666666666624164));
    y = hn::MulAdd(y, r, hn::Set(d, 0.16666666666666669));
    return hn::MulAdd(y, r, hn::Set(d, 0.5));
  }
  /// Error below 6e-18.
  template <class D, class V>
  static HWY_INLINE HWY_ATTR V atanh_polynomial(D d, V w) {
    V y = hn::Set(d, 0.080820228059717655);
    y = hn::MulAdd(y, w, hn::Set(d, 0.044003692430723371));
    y = hn::MulAdd(y, w, hn::Set(d, 0.060005364047953563));
    y = hn::MulAdd(y, w, hn::Set(d, 0.066570721048274675));
    y = hn::MulAdd(y, w, hn::Set(d, 0.076927850324793115));
    y = hn::MulAdd(y, w, hn::Set(d, 0.090908947180664293));
    y = hn::MulAdd(y, w, hn::Set(d, 0.11111111358713932));
    y = hn::MulAdd(y, w, hn::Set(d, 0.14285714283554379));
    y = hn::MulAdd(y, w, hn::Set(d, 0.20000000000007292));
    return hn::MulAdd(y, w, hn::Set(d, 0.33333333333333331));
  }
};

/// min(x, upper), but NaN stays.
template <class D, class V, typename T = hn::TFromD<D>>
HWY_INLINE HWY_ATTR V at_most(D d, V x, T upper) {
  const V limit = hn::Set(d, upper);
  return hn::IfThenElse(hn::Gt(x, limit), limit, x);
}
template <class D, class V, typename T = hn::TFromD<D>>
HWY_INLINE HWY_ATTR V at_least(D d, V x, T lower) {
  const V limit = hn::Set(d, lower);
  return hn::IfThenElse(hn::Lt(x, limit), limit, x);
}

/// 2^n for an integer n with a normal result.
template <class D, class VI>
HWY_INLINE HWY_ATTR hn::Vec<D> power_of_two(D d, VI n) {
  using E = Exponential<hn::TFromD<D>>;
  const hn::RebindToSigned<D> di;
  return hn::BitCast(d, hn::ShiftLeft<E::kMantissa>(hn::Add(n, hn::Set(di, E::kBias))));
}

/// Splits x = n log 2 + r; gives n and exp(r) - 1. NaN goes to the latter.
template <class D, class V, class VI>
HWY_INLINE HWY_ATTR V reduce_exponent(D d, V x, VI& n) {
  using T = hn::TFromD<D>;
  using E = Exponential<T>;
  const hn::RebindToSigned<D> di;
  const V magic = hn::Set(d, E::kMagic);
  const V shifted = hn::MulAdd(x, hn::Set(d, T(1.4426950408889634)), magic);
  const V whole = hn::Sub(shifted, magic);
  n = hn::Sub(hn::BitCast(di, shifted), hn::BitCast(di, magic));
  V r = hn::NegMulAdd(whole, hn::Set(d, E::kHigh), x);
  r = hn::NegMulAdd(whole, hn::Set(d, E::kLow), r);
  return hn::MulAdd(E::polynomial(d, r), hn::Mul(r, r), r);
}

/// exp(x) for x <= kUpper.
template <class D, class V>
HWY_INLINE HWY_ATTR V exp_below(D d, V x) {
  using T = hn::TFromD<D>;
  hn::Vec<hn::RebindToSigned<D>> n;
  const V y = reduce_exponent(d, at_least(d, x, Exponential<T>::kLower), n);
  // In two steps, since 2^n alone may leave the normal numbers.
  const auto half = hn::ShiftRight<1>(n);
  return hn::Mul(hn::Mul(hn::Add(y, hn::Set(d, T(1))), power_of_two(d, half)),
                 power_of_two(d, hn::Sub(n, half)));
}

template <class D, class V>
HWY_INLINE HWY_ATTR V exp_of(D d, V x) {
  return exp_below(d, at_most(d, x, Exponential<hn::TFromD<D>>::kUpper));
}

/// (exp(x) - 1) / 2 for -60 <= x <= kUpper, to full relative accuracy unless x is tiny.
template <class D, class V>
HWY_INLINE HWY_ATTR V half_expm1(D d, V x) {
  using T = hn::TFromD<D>;
  hn::Vec<hn::RebindToSigned<D>> n;
  const V y = reduce_exponent(d, x, n);
  // 2^n may be too large although the result is not.
  const hn::RebindToSigned<D> di;
  const V half = power_of_two(d, hn::Sub(n, hn::Set(di, 1)));
  return hn::MulAdd(half, y, hn::Sub(half, hn::Set(d, T(0.5))));
}

template <class D, class V>
HWY_INLINE HWY_ATTR V expm1_of(D d, V x) {
  using E = Exponential<hn::TFromD<D>>;
  const V inner = at_least(d, at_most(d, x, E::kUpper), hn::TFromD<D>(-60));
  // x itself where it is too small for r * r, which also keeps the sign of
  // zero.
  const V tiny = hn::Set(d, std::numeric_limits<hn::TFromD<D>>::epsilon() / 4);
  const V half = half_expm1(d, inner);
  return hn::IfThenElse(hn::Lt(hn::Abs(x), tiny), x, hn::Add(half, half));
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
  const V magnitude = at_most(d, hn::Abs(x), T(20));  // tanh is 1 to rounding beyond
  const V e = half_expm1(d, hn::Add(magnitude, magnitude));
  return hn::CopySignToAbs(hn::Div(e, hn::Add(e, hn::Set(d, T(1)))), x);
}

template <class D, class V>
HWY_INLINE HWY_ATTR V sigmoid_of(D d, V x) {
  using T = hn::TFromD<D>;
  const V one = hn::Set(d, T(1));
  // exp of a negative number only: its relative accuracy carries over to both
  // tails.
  const V e = exp_below(d, hn::Neg(hn::Abs(x)));
  const V numerator = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one);
  return hn::Div(numerator, hn::Add(one, e));
}

template <class D, class V>
HWY_INLINE HWY_ATTR V softplus_of(D d, V x) {
  using T = hn::TFromD<D>;
  // log(1 + e) = 2 atanh(e / (2 + e)) with e <= 1, to full relative accuracy
  // for small e.
  const V e = exp_below(d, hn::Neg(hn::Abs(x)));
  const V twice = hn::Div(hn::Add(e, e), hn::Add(hn::Set(d, T(2)), e));
  const V z = hn::Mul(twice, hn::Set(d, T(0.5)));
  const V square = hn::Mul(z, z);
  const V y =
      hn::MulAdd(hn::Mul(Exponential<T>::atanh_polynomial(d, square), square), twice, twice);
  return hn::Add(hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x), y);
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
HWY_INLINE HWY_ATTR auto is_small_angle(D d, V x) {
  return hn::Le(hn::Abs(x), hn::Set(d, kLargestAngle<hn::TFromD<D>>));
}

/// x, but 0 where Highway must not see it: its scalar target converts the angle to an integer,
/// which is undefined for NaN.
template <class D, class V>
HWY_INLINE HWY_ATTR V small_angle(D d, V x) {
  return hn::IfThenElseZero(is_small_angle(d, x), x);
}

/// y, but where the angle is too large for Highway (or not finite) the C
/// library's value.
template <class D, class V, typename Function>
HWY_INLINE HWY_ATTR V with_large_angles(D d, V x, V y, Function function) {
  const auto small = is_small_angle(d, x);
  if (HWY_LIKELY(hn::AllTrue(d, small))) return y;
  return hn::IfThenElse(small, y, by_lane(d, x, function));
}

template <class D, class V>
HWY_INLINE HWY_ATTR V sin_of(D d, V x) {
  const V y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, hn::Sin(d, small_angle(d, x)));
  return with_large_angles(d, x, y, LibrarySin<hn::TFromD<D>>());
}

template <class D, class V>
HWY_INLINE HWY_ATTR V cos_of(D d, V x) {
  return with_large_angles(d, x, hn::Cos(d, small_angle(d, x)), LibraryCos<hn::TFromD<D>>());
}

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
THALWEG_UNARY(SinOp, sin_of(d, x))
THALWEG_UNARY(CosOp, cos_of(d, x))
THALWEG_UNARY(ErfOp, by_lane(d, x, LibraryErf<T>()))
THALWEG_UNARY(NormalCdfOp, by_lane(d, x, LibraryNormalCdf<T>()))
THALWEG_UNARY(NormalQuantileOp, normal_quantile_of(d, x))
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

#undef THALWEG_UNARY

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
        const auto count = static_cast<size_t>(e.inner - k);
        store_first(d, function(d, fetch_first<kBroadcastA>(d, from, k, count)), to + k, count);
      }
    }
}

template <typename T, class Function>
HWY_ATTR void unary_any(const Extent& extent, const Strided<const T>& a, const Strided<T>& out,
                        const Function& function) {
  const Extent e = collapse(extent, a, out);
  if (a.inner == 0)
    unary_loop<true>(e, a, out, function);
  else
    unary_loop<false>(e, a, out, function);
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
    case Unary::kNormalCdf:
      return unary_any(e, a, out, NormalCdfOp());
    case Unary::kNormalQuantile:
      return unary_any(e, a, out, NormalQuantileOp());
    case Unary::kFloor:
      return unary_any(e, a, out, FloorOp());
    case Unary::kPower:
      return unary_any(e, a, out, PowerOp{parameter});
    case Unary::kIsFinite:
      return unary_any(e, a, out, IsFiniteOp());
  }
}

void unary_float(Unary function, const Extent& e, const Strided<const float>& a,
                 const Strided<float>& out, double parameter) {
  unary_all<float>(function, e, a, out, parameter);
}
void unary_double(Unary function, const Extent& e, const Strided<const double>& a,
                  const Strided<double>& out, double parameter) {
  unary_all<double>(function, e, a, out, parameter);
}

}  // namespace thalweg::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thalweg::kernels {

HWY_EXPORT(unary_float);
HWY_EXPORT(unary_double);

template <>
void unary(Unary function, const Extent& extent, const Strided<const float>& a,
           const Strided<float>& out, double parameter) {
  HWY_DYNAMIC_DISPATCH(unary_float)(function, extent, a, out, parameter);
}
template <>
void unary(Unary function, const Extent& extent, const Strided<const double>& a,
           const Strided<double>& out, double parameter) {
  HWY_DYNAMIC_DISPATCH(unary_double)(function, extent, a, out, parameter);
}

}  // namespace thalweg::kernels
#endif
