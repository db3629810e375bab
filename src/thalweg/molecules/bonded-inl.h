// Bonds, angles and torsions of a vector of configurations. Read once for each instruction set.
#if defined(THALWEG_MOLECULES_BONDED_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef THALWEG_MOLECULES_BONDED_INL_H
#undef THALWEG_MOLECULES_BONDED_INL_H
#else
#define THALWEG_MOLECULES_BONDED_INL_H
#endif

#include <hwy/highway.h>
// Read after highway.h.
#include <hwy/contrib/math/math-inl.h>

#include <numbers>

#include "thalweg/molecules/force_field_tables.h"

HWY_BEFORE_NAMESPACE();
namespace thalweg::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// One vector of configurations: where its coordinates and forces are.
template <typename T>
struct Place {
  const T* x;
  T* forces;
  std::ptrdiff_t stride;
};

template <class D, typename T, class V>
HWY_INLINE HWY_ATTR void load_position(D d, const Place<T>& place, std::int32_t atom, V& x, V& y,
                                       V& z) {
  const T* from = place.x + 3 * atom * place.stride;
  x = hn::LoadU(d, from);
  y = hn::LoadU(d, from + place.stride);
  z = hn::LoadU(d, from + 2 * place.stride);
}

/// From atom b to atom a.
template <class D, typename T, class V>
HWY_INLINE HWY_ATTR void difference(D d, const Place<T>& place, std::int32_t a, std::int32_t b,
                                    V& x, V& y, V& z) {
  V bx, by, bz;
  load_position(d, place, a, x, y, z);
  load_position(d, place, b, bx, by, bz);
  x = hn::Sub(x, bx);
  y = hn::Sub(y, by);
  z = hn::Sub(z, bz);
}

template <class D, typename T, class V>
HWY_INLINE HWY_ATTR void add_force(D d, const Place<T>& place, std::int32_t atom, V x, V y, V z) {
  T* to = place.forces + 3 * atom * place.stride;
  hn::StoreU(hn::Add(hn::LoadU(d, to), x), d, to);
  to += place.stride;
  hn::StoreU(hn::Add(hn::LoadU(d, to), y), d, to);
  to += place.stride;
  hn::StoreU(hn::Add(hn::LoadU(d, to), z), d, to);
}

template <class V>
HWY_INLINE HWY_ATTR V dot(V ax, V ay, V az, V bx, V by, V bz) {
  return hn::MulAdd(az, bz, hn::MulAdd(ay, by, hn::Mul(ax, bx)));
}

template <class V>
HWY_INLINE HWY_ATTR void cross(V ax, V ay, V az, V bx, V by, V bz, V& x, V& y, V& z) {
  x = hn::MulSub(ay, bz, hn::Mul(az, by));
  y = hn::MulSub(az, bx, hn::Mul(ax, bz));
  z = hn::MulSub(ax, by, hn::Mul(ay, bx));
}

/// Squares below this are of atoms on a line or at one place, where a direction means nothing. NaN
/// stays, which a maximum would make a number of.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE HWY_ATTR hn::Vec<D> positive(D d, hn::Vec<D> square) {
  const hn::Vec<D> least = hn::Set(d, static_cast<T>(1e-30));
  return hn::IfThenElse(hn::Lt(square, least), least, square);
}

template <class D, typename T = hn::TFromD<D>>
HWY_ATTR hn::Vec<D> bond_energies(D d, const ForceFieldTables<T>& tables, const Place<T>& place) {
  using V = hn::Vec<D>;
  V energy = hn::Zero(d);
  for (const auto& bond : tables.bonds) {
    V x, y, z;
    difference(d, place, bond.atoms[0], bond.atoms[1], x, y, z);
    const V r = hn::Sqrt(positive(d, dot(x, y, z, x, y, z)));
    const V off = hn::Sub(r, hn::Set(d, bond.length));
    const V slope = hn::Mul(hn::Set(d, bond.stiffness), off);
    energy = hn::MulAdd(hn::Mul(hn::Set(d, T(0.5)), slope), off, energy);
    const V pull = hn::Div(slope, r);
    x = hn::Mul(pull, x);
    y = hn::Mul(pull, y);
    z = hn::Mul(pull, z);
    add_force(d, place, bond.atoms[0], hn::Neg(x), hn::Neg(y), hn::Neg(z));
    add_force(d, place, bond.atoms[1], x, y, z);
  }
  return energy;
}

/// The angle in [0, pi] with this sine and cosine times the same length >= 0. Half angles keep its
/// precision near 0 and pi.
template <class D, class V>
HWY_INLINE HWY_ATTR V angle_of(D d, V sine, V cosine, V length) {
  using T = hn::TFromD<D>;
  const auto obtuse = hn::Lt(cosine, hn::Zero(d));
  const V half = hn::Atan(d, hn::Div(sine, positive(d, hn::Add(length, hn::Abs(cosine)))));
  const V acute = hn::Add(half, half);
  return hn::IfThenElse(obtuse, hn::Sub(hn::Set(d, static_cast<T>(std::numbers::pi)), acute),
                        acute);
}

template <class D, typename T = hn::TFromD<D>>
HWY_ATTR hn::Vec<D> angle_energies(D d, const ForceFieldTables<T>& tables, const Place<T>& place) {
  using V = hn::Vec<D>;
  V energy = hn::Zero(d);
  for (const auto& angle : tables.angles) {
    V ux, uy, uz, wx, wy, wz, px, py, pz;
    difference(d, place, angle.atoms[0], angle.atoms[1], ux, uy, uz);
    difference(d, place, angle.atoms[2], angle.atoms[1], wx, wy, wz);
    cross(ux, uy, uz, wx, wy, wz, px, py, pz);
    const V uu = positive(d, dot(ux, uy, uz, ux, uy, uz));
    const V ww = positive(d, dot(wx, wy, wz, wx, wy, wz));
    const V sine = hn::Sqrt(positive(d, dot(px, py, pz, px, py, pz)));
    const V theta = angle_of(d, sine, dot(ux, uy, uz, wx, wy, wz), hn::Sqrt(hn::Mul(uu, ww)));
    const V off = hn::Sub(theta, hn::Set(d, angle.angle));
    const V slope = hn::Mul(hn::Set(d, angle.stiffness), off);
    energy = hn::MulAdd(hn::Mul(hn::Set(d, T(0.5)), slope), off, energy);
    // d theta / d a = u x p / (|u|^2 |p|), d theta / d c = p x w / (|w|^2 |p|), p = u x w.
    const V pull = hn::Neg(hn::Div(slope, sine));
    const V at_a = hn::Div(pull, uu), at_c = hn::Div(pull, ww);
    V ax, ay, az, cx, cy, cz;
    cross(ux, uy, uz, px, py, pz, ax, ay, az);
    cross(px, py, pz, wx, wy, wz, cx, cy, cz);
    ax = hn::Mul(at_a, ax);
    ay = hn::Mul(at_a, ay);
    az = hn::Mul(at_a, az);
    cx = hn::Mul(at_c, cx);
    cy = hn::Mul(at_c, cy);
    cz = hn::Mul(at_c, cz);
    add_force(d, place, angle.atoms[0], ax, ay, az);
    add_force(d, place, angle.atoms[2], cx, cy, cz);
    add_force(d, place, angle.atoms[1], hn::Neg(hn::Add(ax, cx)), hn::Neg(hn::Add(ay, cy)),
              hn::Neg(hn::Add(az, cz)));
  }
  return energy;
}

/// Forces of torsions after Blondel and Karplus 1996, eq. 27: no singularity but where three
/// atoms lie on a line.
template <class D, typename T = hn::TFromD<D>>
HWY_ATTR hn::Vec<D> torsion_energies(D d, const ForceFieldTables<T>& tables,
                                     const Place<T>& place) {
  using V = hn::Vec<D>;
  V energy = hn::Zero(d);
  for (const auto& torsion : tables.torsions) {
    V fx, fy, fz, gx, gy, gz, hx, hy, hz, ax, ay, az, bx, by, bz;
    difference(d, place, torsion.atoms[0], torsion.atoms[1], fx, fy, fz);
    difference(d, place, torsion.atoms[1], torsion.atoms[2], gx, gy, gz);
    difference(d, place, torsion.atoms[3], torsion.atoms[2], hx, hy, hz);
    cross(fx, fy, fz, gx, gy, gz, ax, ay, az);
    cross(hx, hy, hz, gx, gy, gz, bx, by, bz);
    const V aa = positive(d, dot(ax, ay, az, ax, ay, az));
    const V bb = positive(d, dot(bx, by, bz, bx, by, bz));
    const V g = hn::Sqrt(positive(d, dot(gx, gy, gz, gx, gy, gz)));
    const V scale = hn::Div(hn::Set(d, T(1)), hn::Sqrt(hn::Mul(aa, bb)));
    const V cosine = hn::Mul(scale, dot(ax, ay, az, bx, by, bz));
    const V sine = hn::Neg(hn::Mul(hn::Mul(scale, g), dot(bx, by, bz, fx, fy, fz)));
    V c = cosine, s = sine, slope = hn::Zero(d);
    energy = hn::Add(energy, hn::Set(d, torsion.constant));
    for (std::int32_t n = 0;;) {
      const V in_cosine = hn::Set(d, torsion.cosine[static_cast<std::size_t>(n)]);
      const V in_sine = hn::Set(d, torsion.sine[static_cast<std::size_t>(n)]);
      energy = hn::MulAdd(in_cosine, c, hn::MulAdd(in_sine, s, energy));
      const V turn = hn::MulSub(in_sine, c, hn::Mul(in_cosine, s));
      slope = hn::MulAdd(hn::Set(d, static_cast<T>(n + 1)), turn, slope);
      if (++n == torsion.order) break;
      const V next = hn::MulSub(c, cosine, hn::Mul(s, sine));
      s = hn::MulAdd(s, cosine, hn::Mul(c, sine));
      c = next;
    }
    // d phi / d i = -|g| a / a^2, d phi / d l = |g| b / b^2.
    const V over_aa = hn::Div(slope, aa), over_bb = hn::Div(slope, bb);
    const V at_i = hn::Mul(g, over_aa), at_l = hn::Neg(hn::Mul(g, over_bb));
    const V over_g = hn::Div(hn::Set(d, T(1)), g);
    const V by_a = hn::Mul(hn::Mul(dot(fx, fy, fz, gx, gy, gz), over_g), over_aa);
    const V by_b = hn::Mul(hn::Mul(dot(hx, hy, hz, gx, gy, gz), over_g), over_bb);
    const V ix = hn::Mul(at_i, ax), iy = hn::Mul(at_i, ay), iz = hn::Mul(at_i, az);
    const V lx = hn::Mul(at_l, bx), ly = hn::Mul(at_l, by), lz = hn::Mul(at_l, bz);
    const V mx = hn::MulSub(by_b, bx, hn::Mul(by_a, ax));
    const V my = hn::MulSub(by_b, by, hn::Mul(by_a, ay));
    const V mz = hn::MulSub(by_b, bz, hn::Mul(by_a, az));
    add_force(d, place, torsion.atoms[0], ix, iy, iz);
    add_force(d, place, torsion.atoms[3], lx, ly, lz);
    add_force(d, place, torsion.atoms[1], hn::Sub(mx, ix), hn::Sub(my, iy), hn::Sub(mz, iz));
    add_force(d, place, torsion.atoms[2], hn::Neg(hn::Add(mx, lx)), hn::Neg(hn::Add(my, ly)),
              hn::Neg(hn::Add(mz, lz)));
  }
  return energy;
}

}  // namespace thalweg::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
