// Pairs and implicit solvent of a vector of configurations. Read once for each instruction set.
#if defined(THALWEG_MOLECULES_NONBONDED_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef THALWEG_MOLECULES_NONBONDED_INL_H
#undef THALWEG_MOLECULES_NONBONDED_INL_H
#else
#define THALWEG_MOLECULES_NONBONDED_INL_H
#endif

#include <array>
#include <cstddef>

#include "thalweg/molecules/bonded-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thalweg::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Like solvent_energies() not inlined: together they were compiled to code a seventh slower.
template <class D, typename T = hn::TFromD<D>>
HWY_NOINLINE HWY_ATTR hn::Vec<D> pair_energies(D d, const ForceFieldTables<T>& tables,
                                               const Place<T>& place) {
  using V = hn::Vec<D>;
  V energy = hn::Zero(d);
  for (std::int32_t a = 0; a < tables.atoms; ++a) {
    const auto begin = static_cast<std::size_t>(tables.pair_begin[static_cast<std::size_t>(a)]);
    const auto end = static_cast<std::size_t>(tables.pair_begin[static_cast<std::size_t>(a) + 1]);
    if (begin == end) continue;
    V x, y, z, fx = hn::Zero(d), fy = hn::Zero(d), fz = hn::Zero(d);
    load_position(d, place, a, x, y, z);
    for (std::size_t p = begin; p < end; ++p) {
      const auto& pair = tables.pairs[p];
      V dx, dy, dz;
      load_position(d, place, pair.other, dx, dy, dz);
      dx = hn::Sub(x, dx);
      dy = hn::Sub(y, dy);
      dz = hn::Sub(z, dz);
      const V second = hn::Div(hn::Set(d, T(1)), positive(d, dot(dx, dy, dz, dx, dy, dz)));
      const V sixth = hn::Mul(second, hn::Mul(second, second));
      const V coulomb = hn::Mul(hn::Set(d, pair.coulomb), hn::Sqrt(second));
      const V repulsion = hn::Mul(hn::Mul(hn::Set(d, pair.c12), sixth), sixth);
      const V attraction = hn::Mul(hn::Set(d, pair.c6), sixth);
      energy = hn::Add(energy, hn::Add(coulomb, hn::Sub(repulsion, attraction)));
      const V twice = hn::Sub(hn::Add(repulsion, repulsion), attraction);
      const V push = hn::Mul(hn::MulAdd(hn::Set(d, T(6)), twice, coulomb), second);
      dx = hn::Mul(push, dx);
      dy = hn::Mul(push, dy);
      dz = hn::Mul(push, dz);
      fx = hn::Add(fx, dx);
      fy = hn::Add(fy, dy);
      fz = hn::Add(fz, dz);
      add_force(d, place, pair.other, hn::Neg(dx), hn::Neg(dy), hn::Neg(dz));
    }
    add_force(d, place, a, fx, fy, fz);
  }
  return energy;
}

/// Coefficients of (atanh(x) - x) / x^3 = 1/3 + y/5 + y^2/7 + ... in powers of y = x^2: Chebyshev
/// approximations for y in [0, 1/4], within 1.2e-16 in double and 1.2e-8 in float.
template <typename T>
inline constexpr std::array<double, 13> kAtanhRemainder = {
    0.33333333333333342, 0.19999999999988883, 0.14285714288195786, 0.11111110894155086,
    0.09090918911391244, 0.07692044266759973, 0.06671177979729383, 0.05830953115691236,
    0.05659941737733248, 0.02691354505150102, 0.11454754510889020, -0.10951650742612855,
    0.19745426478533491};
template <>
inline constexpr std::array<double, 7> kAtanhRemainder<float> = {
    0.33333333437307107, 0.19999959336215827, 0.14288286042811285, 0.11050830395223991,
    0.09751940865741168, 0.04091623071823774, 0.15629165381856370};

template <class D, class V>
HWY_INLINE HWY_ATTR V atanh_remainder(D d, V y) {
  using T = hn::TFromD<D>;
  constexpr auto& kTerms = kAtanhRemainder<T>;
  constexpr std::size_t kLast = kTerms.size() - 1;
  // Even and odd powers are two chains, neither of which waits for the other.
  const V square = hn::Mul(y, y);
  V even = hn::Set(d, static_cast<T>(kTerms[kLast]));
  V odd = hn::Set(d, static_cast<T>(kTerms[kLast - 1]));
  for (std::size_t k = kLast - 2; k >= 2; k -= 2) {
    even = hn::MulAdd(even, square, hn::Set(d, static_cast<T>(kTerms[k])));
    odd = hn::MulAdd(odd, square, hn::Set(d, static_cast<T>(kTerms[k - 1])));
  }
  even = hn::MulAdd(even, square, hn::Set(d, static_cast<T>(kTerms[0])));
  return hn::MulAdd(odd, y, even);
}

/// What an atom of radius o loses of its sum by another one of scaled radius s at distance r, and
/// the derivative by r over r. kApart: r is above |o - s|, so that neither is inside the other.
template <bool kEngulfed, bool kApart, class D, class V, typename T = hn::TFromD<D>>
HWY_INLINE HWY_ATTR void descreen(D d, V r, V inverse, V half_inverse, T o, T s, V& value,
                                  V& slope) {
  const V one = hn::Set(d, T(1)), quarter = hn::Set(d, T(0.25));
  const V radius = hn::Set(d, o), scaled = hn::Set(d, s), square = hn::Set(d, s * s);
  const V upper = hn::Add(r, scaled);
  const V lower = hn::Max(radius, hn::Abs(hn::Sub(r, scaled)));
  const V both = hn::Div(one, hn::Mul(upper, lower));  // divisions are what takes the time
  const V u = hn::Mul(both, lower), l = hn::Mul(both, upper);
  const V over_r = hn::Mul(half_inverse, hn::Log(d, hn::Mul(lower, u)));
  const V apart = hn::Sub(u, l), mean = hn::Mul(quarter, hn::Add(u, l));
  const V squares = hn::Mul(apart, mean);
  const V ratio = hn::Mul(square, inverse);
  value = hn::MulAdd(apart, hn::MulSub(mean, hn::Sub(r, ratio), one), over_r);
  slope = hn::NegMulAdd(over_r, inverse, hn::MulAdd(hn::Mul(ratio, inverse), squares, squares));
  if constexpr (kApart) {
    slope = hn::Mul(slope, inverse);
    return;
  }
  const auto inside = hn::Lt(radius, hn::Sub(scaled, r));
  if constexpr (kEngulfed) {
    const V more = hn::Sub(hn::Set(d, T(2) / o), hn::Add(l, l));
    value = hn::Add(value, hn::IfThenElseZero(inside, more));
  } else {
    // Without that term the lower limit's own derivative stays.
    slope = hn::Add(slope, hn::IfThenElseZero(inside, hn::Mul(hn::Add(l, l), l)));
  }
  const auto reached = hn::Lt(radius, upper);
  value = hn::IfThenElseZero(reached, value);
  slope = hn::IfThenElseZero(reached, hn::Mul(slope, inverse));
}

/// The same of both atoms of a pair by each other.
template <bool kEngulfed, bool kApart, class D, typename S, class V>
HWY_INLINE HWY_ATTR void descreen_near(D d, V r, const S& solvent, std::size_t i, std::size_t j,
                                       V& value_i, V& slope_i, V& value_j, V& slope_j) {
  using T = hn::TFromD<D>;
  const V inverse = hn::Div(hn::Set(d, T(1)), r);
  const V half_inverse = hn::Mul(hn::Set(d, T(0.5)), inverse);
  descreen<kEngulfed, kApart>(d, r, inverse, half_inverse, solvent.radius[i],
                              solvent.scaled_radius[j], value_i, slope_i);
  descreen<kEngulfed, kApart>(d, r, inverse, half_inverse, solvent.radius[j],
                              solvent.scaled_radius[i], value_j, slope_j);
}

/// The same where r is at least twice both scaled radii and no radius reaches into the other's.
/// With x = s / r the sum loses (x / (1 - x^2) - atanh(x)) / r, whose leading terms cancel: a
/// function of r^2, for which one division does.
template <class D, typename S, class V>
HWY_INLINE HWY_ATTR void descreen_far(D d, V square, const S& solvent, std::size_t i, std::size_t j,
                                      V& value_i, V& slope_i, V& value_j, V& slope_j) {
  using T = hn::TFromD<D>;
  const T by_i = solvent.scaled_radius[i], by_j = solvent.scaled_radius[j];
  square = hn::Min(square, hn::Set(d, T(1e12)));  // nothing is lost there, nor do powers overflow
  const V less_i = hn::Sub(square, hn::Set(d, by_i * by_i));
  const V less_j = hn::Sub(square, hn::Set(d, by_j * by_j));
  const V product = hn::Mul(less_i, less_j);
  const V over_all = hn::Div(hn::Set(d, T(1)), hn::Mul(square, product));
  const V inverse = hn::Mul(over_all, product);  // 1 / r^2
  const V over_product = hn::Mul(over_all, hn::Mul(square, square));
  const V fourth = hn::Mul(inverse, inverse);
  const auto lost = [&](T s, V pole, V& value, V& slope) HWY_ATTR {  // pole: 1 / (1 - x^2)
    const V scale = hn::Mul(hn::Set(d, s * s * s), fourth);
    const V series = hn::Sub(pole, atanh_remainder(d, hn::Mul(hn::Set(d, s * s), inverse)));
    value = hn::Mul(scale, series);
    slope =
        hn::Mul(hn::Neg(hn::Mul(scale, inverse)), hn::MulAdd(hn::Add(pole, pole), pole, series));
  };
  lost(by_j, hn::Mul(over_product, less_i), value_i, slope_i);
  lost(by_i, hn::Mul(over_product, less_j), value_j, slope_j);
}

/// Each lane by what suits it, so that no number depends on the configurations beside it.
template <bool kEngulfed, class D, typename S, class V>
HWY_INLINE HWY_ATTR void descreen_both(D d, V square, const S& solvent, std::size_t i,
                                       std::size_t j, V& value_i, V& slope_i, V& value_j,
                                       V& slope_j) {
  using T = hn::TFromD<D>;
  const T o_i = solvent.radius[i], o_j = solvent.radius[j];
  const T s_i = solvent.scaled_radius[i], s_j = solvent.scaled_radius[j];
  const T beyond = std::max(std::max(o_i, s_j) + s_j, std::max(o_j, s_i) + s_i);
  const V least = hn::Set(d, beyond);
  const auto far = hn::Ge(square, hn::Mul(least, least));
  if (hn::AllTrue(d, far)) {  // mostly
    descreen_far(d, square, solvent, i, j, value_i, slope_i, value_j, slope_j);
    return;
  }
  const V r = hn::Sqrt(square);
  const V apart = hn::Set(d, std::max(std::abs(o_i - s_j), std::abs(o_j - s_i)));
  if (hn::AllTrue(d, hn::Gt(r, apart)))
    descreen_near<kEngulfed, true>(d, r, solvent, i, j, value_i, slope_i, value_j, slope_j);
  else
    descreen_near<kEngulfed, false>(d, r, solvent, i, j, value_i, slope_i, value_j, slope_j);
  if (hn::AllFalse(d, far)) return;
  V far_value_i, far_slope_i, far_value_j, far_slope_j;
  descreen_far(d, square, solvent, i, j, far_value_i, far_slope_i, far_value_j, far_slope_j);
  value_i = hn::IfThenElse(far, far_value_i, value_i);
  slope_i = hn::IfThenElse(far, far_slope_i, slope_i);
  value_j = hn::IfThenElse(far, far_value_j, value_j);
  slope_j = hn::IfThenElse(far, far_slope_j, slope_j);
}

/// `scratch` holds five rows of atoms and two of pairs.
template <bool kEngulfed, class D, typename T = hn::TFromD<D>>
HWY_NOINLINE HWY_ATTR hn::Vec<D> solvent_energies(D d, const ForceFieldTables<T>& tables,
                                                  const Place<T>& place, T* scratch) {
  using V = hn::Vec<D>;
  const auto& solvent = tables.solvent;
  const auto atoms = static_cast<std::size_t>(tables.atoms);
  const std::size_t width = hn::Lanes(d), row = atoms * width;
  T* sums = scratch;            // of what others take away
  T* born = sums + row;         // radii B
  T* inverses = born + row;     // 1 / B
  T* by_born = inverses + row;  // derivatives of the energy, times B
  T* by_sum = by_born + row;    // of B by the sum, then of the energy
  T* slopes = by_sum + row;     // of sums by distances, over distances
  const V one = hn::Set(d, T(1)), half = hn::Set(d, T(0.5)), quarter = hn::Set(d, T(0.25));
  for (std::size_t i = 0; i < atoms; ++i) hn::StoreU(hn::Zero(d), d, sums + i * width);
  T* at = slopes;
  for (std::size_t i = 0; i < atoms; ++i) {
    V x, y, z, sum = hn::LoadU(d, sums + i * width);
    load_position(d, place, static_cast<std::int32_t>(i), x, y, z);
    for (std::size_t j = i + 1; j < atoms; ++j, at += 2 * width) {
      V dx, dy, dz;
      load_position(d, place, static_cast<std::int32_t>(j), dx, dy, dz);
      dx = hn::Sub(x, dx);
      dy = hn::Sub(y, dy);
      dz = hn::Sub(z, dz);
      const V square = positive(d, dot(dx, dy, dz, dx, dy, dz));
      V value_i, slope_i, value_j, slope_j;
      descreen_both<kEngulfed>(d, square, solvent, i, j, value_i, slope_i, value_j, slope_j);
      T* others = sums + j * width;
      sum = hn::Add(sum, value_i);
      hn::StoreU(hn::Add(hn::LoadU(d, others), value_j), d, others);
      hn::StoreU(slope_i, d, at);
      hn::StoreU(slope_j, d, at + width);
    }
    hn::StoreU(sum, d, sums + i * width);
  }
  V energy = hn::Zero(d);
  for (std::size_t i = 0; i < atoms; ++i) {
    const T o = solvent.radius[i], whole = o + solvent.offset, q = solvent.charge[i];
    const V psi = hn::Mul(hn::Set(d, T(0.5) * o), hn::LoadU(d, sums + i * width));
    const V alpha = hn::Set(d, solvent.alpha);
    const V inner = hn::MulAdd(
        psi, hn::MulSub(hn::Set(d, solvent.gamma), psi, hn::Set(d, solvent.beta)), alpha);
    const V t = hn::Tanh(d, hn::Mul(psi, inner));
    const V over = hn::NegMulAdd(t, hn::Set(d, T(1) / whole), hn::Set(d, T(1) / o));
    const V b = hn::Div(one, over);
    const V outer = hn::MulAdd(
        psi, hn::MulSub(hn::Set(d, T(3) * solvent.gamma), psi, hn::Set(d, T(2) * solvent.beta)),
        alpha);
    const V steep = hn::Mul(hn::Mul(b, b), hn::NegMulAdd(t, t, one));
    hn::StoreU(b, d, born + i * width);
    hn::StoreU(over, d, inverses + i * width);
    hn::StoreU(hn::Mul(hn::Mul(steep, outer), hn::Set(d, T(0.5) * o / whole)), d,
               by_sum + i * width);
    const V self = hn::Mul(hn::Set(d, T(-0.5) * solvent.solvation * q * q), over);
    const V third = hn::Mul(hn::Set(d, whole), over), cube = hn::Mul(third, hn::Mul(third, third));
    const T area = solvent.surface * (whole + solvent.probe) * (whole + solvent.probe);
    const V surface = hn::Mul(hn::Set(d, area), hn::Mul(cube, cube));
    energy = hn::Add(energy, hn::Add(self, surface));
    const V slope = hn::MulAdd(hn::Set(d, T(6)), surface, self);
    hn::StoreU(hn::Neg(slope), d, by_born + i * width);
  }
  for (std::size_t i = 0; i < atoms; ++i) {
    const V charge = hn::Set(d, solvent.solvation * solvent.charge[i]);
    const V b = hn::LoadU(d, born + i * width), over = hn::LoadU(d, inverses + i * width);
    V x, y, z, fx = hn::Zero(d), fy = hn::Zero(d), fz = hn::Zero(d);
    V own = hn::LoadU(d, by_born + i * width);
    load_position(d, place, static_cast<std::int32_t>(i), x, y, z);
    for (std::size_t j = i + 1; j < atoms; ++j) {
      V dx, dy, dz;
      load_position(d, place, static_cast<std::int32_t>(j), dx, dy, dz);
      dx = hn::Sub(x, dx);
      dy = hn::Sub(y, dy);
      dz = hn::Sub(z, dz);
      const V square = hn::Mul(quarter, dot(dx, dy, dz, dx, dy, dz));
      const V product = hn::Mul(b, hn::LoadU(d, born + j * width));
      const V over_product = hn::Mul(over, hn::LoadU(d, inverses + j * width));
      const V fade = hn::Exp(d, hn::Neg(hn::Mul(square, over_product)));
      const V f_square = hn::MulAdd(hn::Set(d, T(4)), square, hn::Mul(product, fade));
      const V over_square = hn::Div(one, positive(d, f_square));
      const V pair = hn::Mul(hn::Mul(charge, hn::Set(d, solvent.charge[j])), hn::Sqrt(over_square));
      energy = hn::Sub(energy, pair);
      // Of the energy by f^2.
      const V slope = hn::Mul(half, hn::Mul(pair, over_square));
      const V by_radius = hn::Mul(hn::Mul(slope, fade), hn::Add(product, square));
      own = hn::Add(own, by_radius);
      T* others = by_born + j * width;
      hn::StoreU(hn::Add(hn::LoadU(d, others), by_radius), d, others);
      const V push = hn::Mul(hn::Add(slope, slope), hn::MulSub(quarter, fade, one));
      dx = hn::Mul(push, dx);
      dy = hn::Mul(push, dy);
      dz = hn::Mul(push, dz);
      fx = hn::Add(fx, dx);
      fy = hn::Add(fy, dy);
      fz = hn::Add(fz, dz);
      add_force(d, place, static_cast<std::int32_t>(j), hn::Neg(dx), hn::Neg(dy), hn::Neg(dz));
    }
    add_force(d, place, static_cast<std::int32_t>(i), fx, fy, fz);
    T* chain = by_sum + i * width;
    hn::StoreU(hn::Mul(hn::Mul(own, over), hn::LoadU(d, chain)), d, chain);
  }
  at = slopes;
  for (std::size_t i = 0; i < atoms; ++i) {
    const V chain = hn::LoadU(d, by_sum + i * width);
    V x, y, z, fx = hn::Zero(d), fy = hn::Zero(d), fz = hn::Zero(d);
    load_position(d, place, static_cast<std::int32_t>(i), x, y, z);
    for (std::size_t j = i + 1; j < atoms; ++j, at += 2 * width) {
      V dx, dy, dz;
      load_position(d, place, static_cast<std::int32_t>(j), dx, dy, dz);
      const V push =
          hn::MulAdd(chain, hn::LoadU(d, at),
                     hn::Mul(hn::LoadU(d, by_sum + j * width), hn::LoadU(d, at + width)));
      dx = hn::Mul(push, hn::Sub(dx, x));
      dy = hn::Mul(push, hn::Sub(dy, y));
      dz = hn::Mul(push, hn::Sub(dz, z));
      fx = hn::Add(fx, dx);
      fy = hn::Add(fy, dy);
      fz = hn::Add(fz, dz);
      add_force(d, place, static_cast<std::int32_t>(j), hn::Neg(dx), hn::Neg(dy), hn::Neg(dz));
    }
    add_force(d, place, static_cast<std::int32_t>(i), fx, fy, fz);
  }
  return energy;
}

}  // namespace thalweg::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
