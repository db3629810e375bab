// Positions of a molecule's atoms, up to rigid motions, as bonds, angles and torsions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "thalweg/molecules/z_matrix.h"
#include "thalweg/transforms/eckart_frame.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

/// What one internal coordinate is: a distance in nm, an angle in [0, pi], a torsion in
/// [c - pi, c + pi] (IUPAC: 0 where the ends are cis), c = 0 unless it is given, or a component of
/// the superposed anchors, in nm.
enum class InternalKind : std::uint8_t { kBond, kAngle, kTorsion, kComponent };

/// One internal coordinate: its kind and the 2, 3 or 4 atoms that it is of; others are -1. A
/// component is of all anchors, and row.atom is its number.
struct InternalCoordinate {
  InternalKind kind = InternalKind::kBond;
  ZMatrixRow row;
};

/// The map between positions x of N atoms, 3 N numbers in nm, and 3 N - 6 internal coordinates q by
/// a z-matrix, as a graph. Positions that differ by a rigid motion have the same q, mirror images
/// have torsions of opposite sign.
///
/// Log-determinants are between densities of q and of x as follows. With d^3 t for the place of the
/// first atom and dR for the orientation, whose whole measure is 8 pi^2,
///
///     d^{3N} x = J(q) dq d^3 t dR,  J = product over atoms of r^2 sin(theta),
///
/// the second atom having r^2 alone and the first 1. Densities p(x) are with respect to positions
/// of all atoms but for the place of the molecule, all orientations being equally likely: p(x) =
/// p(q) / (8 pi^2 J). Its slopes by x are those that forces are compared with.
///
/// Or the first A atoms, the anchors, are placed by the components of an EckartFrame, whose J takes
/// the place of theirs, and the others by bonds, angles and torsions from them: the mixed
/// coordinates of Noe et al. 2019 with superposed anchors, whose six lost components are exactly
/// those of moves and turns.
///
/// Where atoms coincide or lie on a line, J is 0 and torsions mean nothing: squares of lengths and
/// of areas are kept above 1e-28 nm^2 and nm^4, so that values and slopes stay finite. Const
/// functions are thread safe (one graph belongs to one thread).
class InternalCoordinates {
 public:
  /// `rows` as complete_z_matrix() gives them. `torsion_centres` are the middles c of the torsions'
  /// ranges in radians, one for each row from the fourth on (of anchors they do nothing); empty:
  /// all are 0. `anchors` are in the order of the first rows. Throws DataError, which begins with
  /// `source`, for other rows, and ShapeError for another number of middles and for more anchors
  /// than atoms.
  explicit InternalCoordinates(const std::vector<ZMatrixRow>& rows,
                               const std::string& source = "z-matrix",
                               std::vector<double> torsion_centres = {},
                               std::optional<EckartFrame> anchors = {});

  std::int64_t atoms() const { return static_cast<std::int64_t>(rows_.size()); }
  std::int64_t positions() const { return 3 * atoms(); }
  std::int64_t features() const { return 3 * atoms() - 6; }
  const std::vector<ZMatrixRow>& rows() const { return rows_; }
  /// Null where all atoms are placed by bonds, angles and torsions.
  const EckartFrame* anchors() const { return anchors_ ? &*anchors_ : nullptr; }
  /// One a feature, in the order of q. Atoms are dealt out to the two halves in turn, those with a
  /// torsion about a bond and others apart, so that each half of a coupling has some of all.
  const std::vector<InternalCoordinate>& coordinates() const { return coordinates_; }

  /// x, 3 N x 1 (x, y, z of each atom), to q, features() x 1, with log p(x) - log p(q). Throws
  /// ShapeError.
  Mapped to_internal(Value x) const;
  /// q to x in a frame of its own: the first atom of the z-matrix at 0, the second on the positive
  /// x axis, the third in the half of the xy plane where y > 0, or that of the anchors' reference;
  /// with log p(q) - log p(x).
  Mapped to_positions(Value q) const;
  /// log (8 pi^2 J) of q, 1 x 1.
  Value log_volume(Value q) const;
  /// The part of it that is the frame's, 8 pi^2 r_1^2 r_2 sin(theta_2), or 8 pi^2 and the J of the
  /// anchors: what published densities, of positions in the frame, leave out. 1 x 1.
  Value log_frame_volume(Value q) const;

  /// A vector at each atom (forces, say) turned from the frame of `x` to that of to_positions; both
  /// are 3 N x 1, and so is the result. Throws ShapeError.
  Value to_frame(Value x, Value vectors) const;

 private:
  /// Features in the order of components, bonds, angles and torsions of rows.
  Value ordered(Value q) const;
  Value torsions_of(Value sine, Value cosine) const;
  std::vector<std::int32_t> first_atoms(std::int64_t count) const;
  /// Where those of row `i`, which has one, are in that order.
  std::int64_t bond_place(std::int64_t i) const { return components() + i - first_bond_; }
  std::int64_t angle_place(std::int64_t i) const {
    return components() + atoms() - first_bond_ + i - first_angle_;
  }
  std::int64_t torsion_place(std::int64_t i) const {
    return components() + 2 * atoms() - first_bond_ - first_angle_ + i - first_torsion_;
  }
  std::int64_t components() const { return anchors_ ? anchors_->features() : 0; }

  std::vector<ZMatrixRow> rows_;
  std::vector<InternalCoordinate> coordinates_;
  std::vector<double> torsion_centres_;  // of rows from the fourth on, or none
  std::optional<EckartFrame> anchors_;
  std::int64_t first_bond_ = 1, first_angle_ = 2, first_torsion_ = 3;  // rows that have them
  /// Where in components, bonds, angles and torsions of rows, one kind after the other, each
  /// feature is, and the other way round.
  std::vector<std::int32_t> to_features_, from_features_;
};

}  // namespace thalweg
