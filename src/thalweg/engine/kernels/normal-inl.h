// The distribution function of the standard normal and its inverse. Read once for each instruction
// set.
#if defined(THALWEG_ENGINE_KERNELS_NORMAL_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef THALWEG_ENGINE_KERNELS_NORMAL_INL_H
#undef THALWEG_ENGINE_KERNELS_NORMAL_INL_H
#else
#define THALWEG_ENGINE_KERNELS_NORMAL_INL_H
#endif

#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "thalweg/engine/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thalweg::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// One lane of the distribution function, in double.
inline double library_normal_cdf(double x) {
  constexpr double kHigh = 0x1.6a09e667f3bcdp-1, kLow = -4.833646656726457e-17;  // 1 / sqrt 2
  const double t = -x * kHigh;
  const double y = std::erfc(t);
  // Far out erfc multiplies the rounding of t by 2 t^2; beyond 30 it is 0 or 2.
  if (!(std::abs(t) < 30.0)) return 0.5 * y;
  const double rest = std::fma(-x, kHigh, -t) - x * kLow;
  constexpr double kSlope = 1.1283791670955126;  // 2 / sqrt pi
  return 0.5 * (y - kSlope * std::exp(-t * t) * rest);
}

template <typename T>
struct LibraryNormalCdf {
  T operator()(T x) const { return static_cast<T>(library_normal_cdf(static_cast<double>(x))); }
};

/// sum of c_i x^i.
template <class D, class V>
HWY_INLINE HWY_ATTR V polynomial_of(D d, const double (&c)[8], V x) {
  using T = hn::TFromD<D>;
  V y = hn::Set(d, static_cast<T>(c[7]));
  for (int i = 6; i >= 0; --i) y = hn::MulAdd(y, x, hn::Set(d, static_cast<T>(c[i])));
  return y;
}

template <class D, class V>
HWY_INLINE HWY_ATTR V ratio_of(D d, const double (&above)[8], const double (&below)[8], V x) {
  return hn::Div(polynomial_of(d, above, x), polynomial_of(d, below, x));
}

/// Wichura 1988, algorithm AS 241 (PPND16): of q = p - 1/2 in the middle, of sqrt(-log) of the
/// nearer tail further out. All coefficients are positive, so that nothing cancels.
template <class D, class V>
HWY_INLINE HWY_ATTR V normal_quantile_of(D d, V p) {
  using T = hn::TFromD<D>;
  static constexpr double kMiddleAbove[8] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                                             1.9715909503065514427e3, 1.3731693765509461125e4,
                                             4.5921953931549871457e4, 6.7265770927008700853e4,
                                             3.3430575583588128105e4, 2.5090809287301226727e3};
  static constexpr double kMiddleBelow[8] = {1.0,
                                             4.2313330701600911252e1,
                                             6.8718700749205790830e2,
                                             5.3941960214247511077e3,
                                             2.1213794301586595867e4,
                                             3.9307895800092710610e4,
                                             2.8729085735721942674e4,
                                             5.2264952788528545610e3};
  static constexpr double kNearAbove[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                           5.76949722146069140550e0,  3.64784832476320460504e0,
                                           1.27045825245236838258e0,  2.41780725177450611770e-1,
                                           2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double kNearBelow[8] = {1.0,
                                           2.05319162663775882187e0,
                                           1.67638483018380384940e0,
                                           6.89767334985100004550e-1,
                                           1.48103976427480074590e-1,
                                           1.51986665636164571966e-2,
                                           5.47593808499534494600e-4,
                                           1.05075007164441684324e-9};
  static constexpr double kFarAbove[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                          1.78482653991729133580e0,  2.96560571828504891230e-1,
                                          2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                          2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr double kFarBelow[8] = {1.0,
                                          5.99832206555887937690e-1,
                                          1.36929880922735805310e-1,
                                          1.48753612908506148525e-2,
                                          7.86869131145613259100e-4,
                                          1.84631831751005468180e-5,
                                          1.42151175831644588870e-7,
                                          2.04426310338993978564e-15};
  const V zero = hn::Zero(d);
  const V one = hn::Set(d, T(1));
  const V q = hn::Sub(p, hn::Set(d, T(0.5)));
  const V square = hn::NegMulAdd(q, q, hn::Set(d, T(0.180625)));
  const V middle = hn::Mul(q, ratio_of(d, kMiddleAbove, kMiddleBelow, square));
  const V below_half = hn::IfThenElse(hn::Lt(q, zero), p, hn::Sub(one, p));
  const V root = hn::Sqrt(hn::Neg(hn::Log(d, below_half)));
  const V near = ratio_of(d, kNearAbove, kNearBelow, hn::Sub(root, hn::Set(d, T(1.6))));
  const V far = ratio_of(d, kFarAbove, kFarBelow, hn::Sub(root, hn::Set(d, T(5))));
  const V tail = hn::IfThenElse(hn::Le(root, hn::Set(d, T(5))), near, far);
  const V signed_tail = hn::IfThenElse(hn::Lt(q, zero), hn::Neg(tail), tail);
  const V infinity = hn::Set(d, std::numeric_limits<T>::infinity());
  V y = hn::IfThenElse(hn::Le(hn::Abs(q), hn::Set(d, T(0.425))), middle, signed_tail);
  y = hn::IfThenElse(hn::Eq(p, zero), hn::Neg(infinity), y);
  y = hn::IfThenElse(hn::Eq(p, one), infinity, y);
  const V nothing = hn::Set(d, std::numeric_limits<T>::quiet_NaN());
  y = hn::IfThenElse(hn::Lt(p, zero), nothing, hn::IfThenElse(hn::Gt(p, one), nothing, y));
  return keep_nan(d, p, y);
}

}  // namespace thalweg::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
