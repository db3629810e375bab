#include "thalweg/transforms/internal_coordinates.h"

#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr double kLeastSquare = 1e-28;

using Indices = std::vector<std::int32_t>;

/// Row by row the cross product of vectors, n x 3.
Value cross(Value a, Value b) {
  const Indices next = {1, 2, 0}, last = {2, 0, 1};
  return take(a, next, Axis::kItems) * take(b, last, Axis::kItems) -
         take(a, last, Axis::kItems) * take(b, next, Axis::kItems);
}
Value dot(Value a, Value b) { return sum(a * b, Axis::kItems); }
/// The square of a length, where it matters that it is not 0.
Value square_length(Value a) { return maximum(dot(a, a), a.graph->constant(kLeastSquare)); }
Value unit(Value a) { return a * reciprocal(sqrt(square_length(a))); }

/// Those of the rows from `first` on.
Indices column_of(const std::vector<ZMatrixRow>& rows, std::int32_t ZMatrixRow::*member,
                  std::size_t first) {
  Indices result;
  for (std::size_t i = first; i < rows.size(); ++i) result.push_back(rows[i].*member);
  return result;
}

const double kLogTurns = std::log(8.0 * std::numbers::pi * std::numbers::pi);

}  // namespace

InternalCoordinates::InternalCoordinates(const std::vector<ZMatrixRow>& rows,
                                         const std::string& source,
                                         std::vector<double> torsion_centres)
    : rows_(rows), torsion_centres_(std::move(torsion_centres)) {
  if (complete_z_matrix(rows, std::ssize(rows), {}, source) != rows)
    fail<DataError>("{}: expected rows that refer to earlier ones alone", source);
  if (!torsion_centres_.empty() && torsion_centres_.size() + 3 != rows.size())
    fail<ShapeError>("{}: expected middles of {} torsions, one a row from the fourth on, got {}",
                     source, rows.size() - 3, torsion_centres_.size());
  const auto count = static_cast<std::int32_t>(rows_.size());
  struct Placed {
    InternalCoordinate coordinate;
    std::int32_t place;
  };
  std::array<std::vector<Placed>, 2> halves;
  std::array<std::size_t, 2> dealt = {0, 0};  // of rows about a bond, and of siblings
  for (std::int32_t i = 0; i < count; ++i) {
    const ZMatrixRow& row = rows_[static_cast<std::size_t>(i)];
    bool sibling = false;
    for (std::int32_t j = 0; j < i; ++j) {
      const ZMatrixRow& other = rows_[static_cast<std::size_t>(j)];
      sibling = sibling || (row.torsion_to == other.atom && row.bond_to == other.bond_to);
    }
    std::vector<Placed>& half = halves[dealt[sibling ? 1 : 0]++ % 2];
    if (row.bond_to >= 0) half.push_back({{InternalKind::kBond, row}, i - 1});
    if (row.angle_to >= 0) half.push_back({{InternalKind::kAngle, row}, count - 1 + i - 2});
    if (row.torsion_to >= 0) half.push_back({{InternalKind::kTorsion, row}, 2 * count - 3 + i - 3});
  }
  from_features_.resize(static_cast<std::size_t>(features()));
  for (const std::vector<Placed>& half : halves)
    for (const Placed& each : half) {
      from_features_[static_cast<std::size_t>(each.place)] =
          static_cast<std::int32_t>(coordinates_.size());
      to_features_.push_back(each.place);
      coordinates_.push_back(each.coordinate);
      // A bond has two atoms and an angle three.
      if (each.coordinate.kind != InternalKind::kTorsion) coordinates_.back().row.torsion_to = -1;
      if (each.coordinate.kind == InternalKind::kBond) coordinates_.back().row.angle_to = -1;
    }
}

Mapped InternalCoordinates::to_internal(Value x) const {
  if (x.shape() != Shape{positions(), 1})
    fail<ShapeError>("internal coordinates: expected {} x 1 positions, got {} x {}", positions(),
                     x.features(), x.items());
  const Value at = reshape(x, {atoms(), 3});
  const auto difference = [&](std::int32_t ZMatrixRow::*to, std::int32_t ZMatrixRow::*from,
                              std::size_t first) {
    return take(at, column_of(rows_, to, first)) - take(at, column_of(rows_, from, first));
  };
  const Value bond = difference(&ZMatrixRow::atom, &ZMatrixRow::bond_to, 1);
  const Value square_bond = square_length(bond);
  const std::int64_t angles = atoms() - 2, torsions = atoms() - 3;
  const Value u = slice(bond, 1, angles);
  const Value w = difference(&ZMatrixRow::angle_to, &ZMatrixRow::bond_to, 2);
  const Value normal = cross(u, w);
  const Value square_normal = square_length(normal);
  const Value square_w = square_length(w);
  std::vector<Value> parts = {sqrt(square_bond), atan2(sqrt(square_normal), dot(u, w))};
  if (torsions > 0) {
    const Value h = difference(&ZMatrixRow::torsion_to, &ZMatrixRow::angle_to, 3);
    const Value axis = slice(w, 1, torsions);
    const Value plane = cross(h, axis);
    const Value sine = sqrt(slice(square_w, 1, torsions)) * dot(plane, slice(u, 1, torsions));
    const Value cosine = dot(slice(normal, 1, torsions), plane);
    // Of atoms on a line the torsion is 0.
    const Value lost = less(square(sine) + square(cosine), x.graph->constant(kLeastSquare));
    const Value one = broadcast(x.graph->constant(1.0), {torsions, 1});
    const Value kept = select(lost, one, cosine);
    if (torsion_centres_.empty()) {
      parts.push_back(atan2(sine, kept));
    } else {  // Turned back by the middle, and forth again.
      std::vector<double> cosines, sines;
      for (const double centre : torsion_centres_) {
        cosines.push_back(std::cos(centre));
        sines.push_back(std::sin(centre));
      }
      const auto of_middle = [&](std::vector<double> values) {
        return x.graph->constant({torsions, 1}, std::move(values));
      };
      const Value c = of_middle(cosines), s = of_middle(sines);
      parts.push_back(of_middle(torsion_centres_) +
                      atan2(sine * c - kept * s, kept * c + sine * s));
    }
  }
  const Value volume =
      sum(log(slice(square_bond, 0, 1))) +
      0.5 * sum(log(slice(square_bond, 1, angles)) + log(square_normal) - log(square_w));
  return {take(concat(parts), to_features_), -(volume + kLogTurns)};
}

Value InternalCoordinates::log_volume(Value q) const {
  if (q.shape() != Shape{features(), 1})
    fail<ShapeError>("internal coordinates: expected {} x 1 coordinates, got {} x {}", features(),
                     q.features(), q.items());
  const Value ordered = take(q, from_features_);
  const std::int64_t bonds = atoms() - 1;
  return 2.0 * sum(log(slice(ordered, 0, bonds))) +
         sum(log(sin(slice(ordered, bonds, bonds - 1)))) + kLogTurns;
}

Mapped InternalCoordinates::to_positions(Value q) const {
  const Value volume = log_volume(q);
  const Value ordered = take(q, from_features_);
  const std::int64_t bonds = atoms() - 1;
  const Value r = slice(ordered, 0, bonds);
  const Value angle = slice(ordered, bonds, bonds - 1);
  const Value sine = sin(angle), cosine = cos(angle);
  const Value none = 0.0 * slice(r, 0, 1);
  const auto first = [](Value a, std::int64_t place) { return slice(a, place, 1); };
  // The frame: atoms 0, 1 and 2.
  const bool at_first = rows_[2].bond_to == rows_[0].atom;
  const Value along = first(r, 1) * first(cosine, 0);
  const Value third = concat(
      {at_first ? along : first(r, 0) - along, first(r, 1) * first(sine, 0), none}, Axis::kItems);
  Value at = concat({concat({none, none, none}, Axis::kItems),
                     concat({first(r, 0), none, none}, Axis::kItems), third});
  Indices where(rows_.size(), -1);  // of atoms among those that are placed
  for (std::int32_t i = 0; i < 3; ++i)
    where[static_cast<std::size_t>(rows_[static_cast<std::size_t>(i)].atom)] = i;
  std::int32_t placed = 3;
  std::vector<bool> done(rows_.size(), false);
  done[0] = done[1] = done[2] = true;
  while (placed < static_cast<std::int32_t>(rows_.size())) {
    // All atoms whose references are placed go at once.
    Indices now, of_bond, of_angle, of_torsion, b, c, d;
    for (std::size_t i = 3; i < rows_.size(); ++i) {
      const auto place = [&](std::int32_t atom) { return where[static_cast<std::size_t>(atom)]; };
      const ZMatrixRow& row = rows_[i];
      if (done[i] || place(row.bond_to) < 0 || place(row.angle_to) < 0 || place(row.torsion_to) < 0)
        continue;
      const auto number = static_cast<std::int32_t>(i);
      now.push_back(number);
      of_bond.push_back(number - 1);
      of_angle.push_back(number - 2);
      of_torsion.push_back(static_cast<std::int32_t>(2 * bonds - 1) + number - 3);
      b.push_back(place(row.bond_to));
      c.push_back(place(row.angle_to));
      d.push_back(place(row.torsion_to));
    }
    const Value origin = take(at, b), beside = take(at, c);
    const Value axis = unit(origin - beside);
    const Value normal = unit(cross(beside - take(at, d), axis));
    const Value length = take(r, of_bond), torsion = take(ordered, of_torsion);
    const Value off = length * take(sine, of_angle);
    const Value next = origin - length * take(cosine, of_angle) * axis +
                       off * cos(torsion) * cross(normal, axis) + off * sin(torsion) * normal;
    at = concat({at, next});
    for (const std::int32_t number : now) {
      done[static_cast<std::size_t>(number)] = true;
      where[static_cast<std::size_t>(rows_[static_cast<std::size_t>(number)].atom)] = placed++;
    }
  }
  return {reshape(take(at, where), {positions(), 1}), volume};
}

std::vector<double> InternalCoordinates::to_frame(std::span<const double> x,
                                                  std::span<const double> vectors) const {
  if (std::ssize(x) != positions() || std::ssize(vectors) != positions())
    fail<ShapeError>(
        "internal coordinates: expected {} positions and as many vectors, got {} and {}",
        positions(), x.size(), vectors.size());
  using Vector = std::array<double, 3>;
  const auto difference = [&](std::int32_t to, std::int32_t from) {
    Vector result;
    for (std::size_t axis = 0; axis < 3; ++axis)
      result[axis] =
          x[3 * static_cast<std::size_t>(to) + axis] - x[3 * static_cast<std::size_t>(from) + axis];
    return result;
  };
  const auto product = [](const Vector& a, const Vector& b) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  };
  const auto normalise = [&](Vector& a) {
    const double length = std::sqrt(std::max(product(a, a), kLeastSquare));
    for (double& value : a) value /= length;
  };
  Vector e1 = difference(rows_[1].atom, rows_[0].atom);
  normalise(e1);
  Vector e2 = difference(rows_[2].atom, rows_[0].atom);
  const double along = product(e1, e2);
  for (std::size_t axis = 0; axis < 3; ++axis) e2[axis] -= along * e1[axis];
  normalise(e2);
  const Vector e3 = {e1[1] * e2[2] - e1[2] * e2[1], e1[2] * e2[0] - e1[0] * e2[2],
                     e1[0] * e2[1] - e1[1] * e2[0]};
  std::vector<double> result;
  for (std::size_t i = 0; i < vectors.size(); i += 3)
    for (const Vector& axis : {e1, e2, e3})
      result.push_back(product({vectors[i], vectors[i + 1], vectors[i + 2]}, axis));
  return result;
}

}  // namespace thalweg
