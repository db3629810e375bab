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

Value dot(Value a, Value b) { return sum(a * b, Axis::kItems); }
/// The square of a length, where it matters that it is not 0.
Value square_length(Value a) { return maximum(dot(a, a), a.graph->constant(kLeastSquare)); }
Value unit(Value a) { return a * reciprocal(sqrt(square_length(a))); }

/// Those of the rows from `first` on.
Indices column_of(const std::vector<ZMatrixRow>& rows, std::int32_t ZMatrixRow::*member,
                  std::int64_t first) {
  Indices result;
  for (auto i = static_cast<std::size_t>(first); i < rows.size(); ++i)
    result.push_back(rows[i].*member);
  return result;
}

const double kLogTurns = std::log(8.0 * std::numbers::pi * std::numbers::pi);

}  // namespace

InternalCoordinates::InternalCoordinates(const std::vector<ZMatrixRow>& rows,
                                         const std::string& source,
                                         std::vector<double> torsion_centres,
                                         std::optional<EckartFrame> anchors)
    : rows_(rows), torsion_centres_(std::move(torsion_centres)), anchors_(std::move(anchors)) {
  if (complete_z_matrix(rows, std::ssize(rows), {}, source) != rows)
    fail<DataError>("{}: expected rows that refer to earlier ones alone", source);
  if (!torsion_centres_.empty() && torsion_centres_.size() + 3 != rows.size())
    fail<ShapeError>("{}: expected middles of {} torsions, one a row from the fourth on, got {}",
                     source, rows.size() - 3, torsion_centres_.size());
  if (anchors_ && anchors_->atoms() > atoms())
    fail<ShapeError>("{}: expected at most {} anchors, all atoms, got {}", source, atoms(),
                     anchors_->atoms());
  if (anchors_) first_bond_ = first_angle_ = first_torsion_ = anchors_->atoms();
  struct Placed {
    InternalCoordinate coordinate;
    std::int64_t place;
  };
  std::array<std::vector<Placed>, 2> halves;
  std::array<std::size_t, 2> dealt = {0, 0};  // of rows about a bond, and of siblings
  for (std::int64_t i = 0; i < components(); ++i)
    halves[static_cast<std::size_t>(i % 2)].push_back(
        {{InternalKind::kComponent, {.atom = static_cast<std::int32_t>(i)}}, i});
  for (std::int64_t i = anchors_ ? anchors_->atoms() : 0; i < atoms(); ++i) {
    const ZMatrixRow& row = rows_[static_cast<std::size_t>(i)];
    bool sibling = false;
    for (std::int64_t j = 0; j < i; ++j) {
      const ZMatrixRow& other = rows_[static_cast<std::size_t>(j)];
      sibling = sibling || (row.torsion_to == other.atom && row.bond_to == other.bond_to);
    }
    std::vector<Placed>& half = halves[dealt[sibling ? 1 : 0]++ % 2];
    if (row.bond_to >= 0) half.push_back({{InternalKind::kBond, row}, bond_place(i)});
    if (row.angle_to >= 0) half.push_back({{InternalKind::kAngle, row}, angle_place(i)});
    if (row.torsion_to >= 0) half.push_back({{InternalKind::kTorsion, row}, torsion_place(i)});
  }
  from_features_.resize(static_cast<std::size_t>(features()));
  for (const std::vector<Placed>& half : halves)
    for (const Placed& each : half) {
      from_features_[static_cast<std::size_t>(each.place)] =
          static_cast<std::int32_t>(coordinates_.size());
      to_features_.push_back(static_cast<std::int32_t>(each.place));
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
  std::vector<Value> parts;
  Value volume = x.graph->constant(kLogTurns);
  if (anchors_) {
    const EckartFrame::Superposed superposed =
        anchors_->superpose(take(at, first_atoms(anchors_->atoms())));
    parts.push_back(superposed.components);
    volume = volume + anchors_->log_volume(superposed.positions);
  }
  const std::int64_t bonds = atoms() - first_bond_, angles = atoms() - first_angle_,
                     torsions = atoms() - first_torsion_;
  const auto difference = [&](std::int32_t ZMatrixRow::*to, std::int32_t ZMatrixRow::*from,
                              std::int64_t first) {
    return take(at, column_of(rows_, to, first)) - take(at, column_of(rows_, from, first));
  };
  if (bonds > 0) {
    const Value bond = difference(&ZMatrixRow::atom, &ZMatrixRow::bond_to, first_bond_);
    const Value square_bond = square_length(bond);
    const Value u = slice(bond, bonds - angles, angles);
    const Value w = difference(&ZMatrixRow::angle_to, &ZMatrixRow::bond_to, first_angle_);
    const Value normal = cross(u, w);
    const Value square_normal = square_length(normal);
    const Value square_w = square_length(w);
    parts.push_back(sqrt(square_bond));
    parts.push_back(atan2(sqrt(square_normal), dot(u, w)));
    if (bonds > angles) volume = volume + sum(log(slice(square_bond, 0, bonds - angles)));
    volume = volume + 0.5 * sum(log(slice(square_bond, bonds - angles, angles)) +
                                log(square_normal) - log(square_w));
    if (torsions > 0) {
      const auto last = [&](Value a) { return slice(a, angles - torsions, torsions); };
      const Value h = difference(&ZMatrixRow::torsion_to, &ZMatrixRow::angle_to, first_torsion_);
      const Value axis = last(w);
      const Value plane = cross(h, axis);
      const Value sine = sqrt(last(square_w)) * dot(plane, last(u));
      const Value cosine = dot(last(normal), plane);
      parts.push_back(torsions_of(sine, cosine));
    }
  }
  return {take(concat(parts), to_features_), -volume};
}

Value InternalCoordinates::torsions_of(Value sine, Value cosine) const {
  Graph& graph = *sine.graph;
  const std::int64_t torsions = atoms() - first_torsion_;
  // Of atoms on a line the torsion is 0.
  const Value lost = less(square(sine) + square(cosine), graph.constant(kLeastSquare));
  const Value one = broadcast(graph.constant(1.0), {torsions, 1});
  const Value kept = select(lost, one, cosine);
  if (torsion_centres_.empty()) return atan2(sine, kept);
  // Turned back by the middle, and forth again.
  std::vector<double> centres(torsion_centres_.end() - torsions, torsion_centres_.end());
  std::vector<double> cosines, sines;
  for (const double centre : centres) {
    cosines.push_back(std::cos(centre));
    sines.push_back(std::sin(centre));
  }
  const auto of_middle = [&](std::vector<double> values) {
    return graph.constant({torsions, 1}, std::move(values));
  };
  const Value c = of_middle(std::move(cosines)), s = of_middle(std::move(sines));
  return of_middle(std::move(centres)) + atan2(sine * c - kept * s, kept * c + sine * s);
}

Value InternalCoordinates::ordered(Value q) const {
  if (q.shape() != Shape{features(), 1})
    fail<ShapeError>("internal coordinates: expected {} x 1 coordinates, got {} x {}", features(),
                     q.features(), q.items());
  return take(q, from_features_);
}

Value InternalCoordinates::log_frame_volume(Value q) const {
  const Value own = ordered(q);
  if (anchors_)
    return anchors_->log_volume(anchors_->to_positions(slice(own, 0, anchors_->features()))) +
           kLogTurns;
  return 2.0 * log(slice(own, bond_place(1), 1)) + log(slice(own, bond_place(2), 1)) +
         log(sin(slice(own, angle_place(2), 1))) + kLogTurns;
}

Value InternalCoordinates::log_volume(Value q) const {
  const Value own = ordered(q);
  Value volume = log_frame_volume(q);
  const std::int64_t first = anchors_ ? anchors_->atoms() : 3, others = atoms() - first;
  if (!anchors_) volume = volume + log(slice(own, bond_place(2), 1));
  if (others == 0) return volume;
  return volume + 2.0 * sum(log(slice(own, bond_place(first), others))) +
         sum(log(sin(slice(own, angle_place(first), others))));
}

Mapped InternalCoordinates::to_positions(Value q) const {
  const Value volume = log_volume(q);
  const Value own = ordered(q);
  Value at;
  std::int32_t placed = 3;
  if (anchors_) {
    at = anchors_->to_positions(slice(own, 0, anchors_->features()));
    placed = static_cast<std::int32_t>(anchors_->atoms());
  } else {
    // The frame: atoms 0, 1 and 2.
    const Value first = slice(own, bond_place(1), 1), second = slice(own, bond_place(2), 1);
    const Value angle = slice(own, angle_place(2), 1), none = 0.0 * first;
    const bool at_first = rows_[2].bond_to == rows_[0].atom;
    const Value along = second * cos(angle);
    at = concat(
        {concat({none, none, none}, Axis::kItems), concat({first, none, none}, Axis::kItems),
         concat({at_first ? along : first - along, second * sin(angle), none}, Axis::kItems)});
  }
  Indices where(rows_.size(), -1);  // of atoms among those that are placed
  for (std::int32_t i = 0; i < placed; ++i)
    where[static_cast<std::size_t>(rows_[static_cast<std::size_t>(i)].atom)] = i;
  std::vector<bool> done(rows_.size(), false);
  for (std::int32_t i = 0; i < placed; ++i) done[static_cast<std::size_t>(i)] = true;
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
      of_bond.push_back(static_cast<std::int32_t>(bond_place(number)));
      of_angle.push_back(static_cast<std::int32_t>(angle_place(number)));
      of_torsion.push_back(static_cast<std::int32_t>(torsion_place(number)));
      b.push_back(place(row.bond_to));
      c.push_back(place(row.angle_to));
      d.push_back(place(row.torsion_to));
    }
    const Value origin = take(at, b), beside = take(at, c);
    const Value axis = unit(origin - beside);
    const Value normal = unit(cross(beside - take(at, d), axis));
    const Value length = take(own, of_bond), angle = take(own, of_angle),
                torsion = take(own, of_torsion);
    const Value off = length * sin(angle);
    const Value next = origin - length * cos(angle) * axis +
                       off * cos(torsion) * cross(normal, axis) + off * sin(torsion) * normal;
    at = concat({at, next});
    for (const std::int32_t number : now) {
      done[static_cast<std::size_t>(number)] = true;
      where[static_cast<std::size_t>(rows_[static_cast<std::size_t>(number)].atom)] = placed++;
    }
  }
  return {reshape(take(at, where), {positions(), 1}), volume};
}

Value InternalCoordinates::to_frame(Value x, Value vectors) const {
  for (const Value& each : {x, vectors})
    if (each.shape() != Shape{positions(), 1})
      fail<ShapeError>(
          "internal coordinates: expected {0} x 1 positions and as many vectors, got {1} x {2}",
          positions(), each.features(), each.items());
  const Value at = reshape(x, {atoms(), 3});
  const Value turn = anchors_ ? anchors_->superpose(take(at, first_atoms(anchors_->atoms()))).turn
                              : transpose(frame_of(take(at, first_atoms(3))));
  return reshape(matmul(reshape(vectors, {atoms(), 3}), turn), {positions(), 1});
}

std::vector<std::int32_t> InternalCoordinates::first_atoms(std::int64_t count) const {
  Indices result;
  for (std::int64_t i = 0; i < count; ++i)
    result.push_back(rows_[static_cast<std::size_t>(i)].atom);
  return result;
}

}  // namespace thalweg
