// Positions of a few atoms, up to rigid motions, as components along fixed directions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/engine/graph.h"

namespace thalweg {

/// The map between positions of A atoms up to rigid motions and 3 A - 6 components, as a graph:
/// positions are superposed on a reference a, so that the sum of squared distances from it is
/// least, and then are
///
///     y = a + sum over j of c_j v_j,
///
/// with directions v of unit length at right angles to each other and to all moves and turns of the
/// reference. Superposed positions are of this form without a remainder: the sum of a_i x y_i is 0
/// (Eckart 1935). With S = sum of y_i a_i^T and M(y) = trace(S) - S, with d^3 t for the place and
/// dR for the orientation,
///
///     d^{3A} x = J dc d^3 t dR,  J = A^{3/2} det M(y) / sqrt(det M(a)).
///
/// Components for which M is not positive definite are of no superposed positions: those would be
/// turned further. J is A^{3/2} 1e-28 sqrt(det M(a)) there, so small that nothing weighs. Const
/// functions are thread safe.
class EckartFrame {
 public:
  /// `reference` has 3 numbers an atom, in nm, of 3 atoms at least, and `directions` those of each
  /// v; any directions if there are none. Throws ShapeError for other numbers, and DataError,
  /// which begins with `source`, for a reference on a line and other directions than the above.
  EckartFrame(std::vector<double> reference, std::vector<double> directions,
              const std::string& source);

  std::int64_t atoms() const { return static_cast<std::int64_t>(reference_.size()) / 3; }
  std::int64_t features() const { return 3 * atoms() - 6; }
  /// The centre of the reference is at 0.
  const std::vector<double>& reference() const { return reference_; }
  const std::vector<double>& directions() const { return directions_; }

  /// Where the atoms are in the frame of the reference, A x 3, of c, features() x 1.
  Value to_positions(Value c) const;
  /// log J of superposed positions, A x 3.
  Value log_volume(Value superposed) const;

  struct Superposed {
    Value components;  ///< features() x 1
    Value positions;   ///< A x 3
    /// 3 x 3: vectors, as rows, go to the frame by their product with it.
    Value turn;
  };
  /// Of positions x, A x 3, by Newton steps on a x y = 0 from the frame of three of the atoms; the
  /// last two are part of the graph, so that derivatives up to the third are right. Components are
  /// NaN where the steps did not end at the least distance: atoms that are turned by half a turn
  /// against the reference or lie on a line.
  Superposed superpose(Value x) const;

 private:
  std::vector<double> reference_, directions_;
  std::vector<std::int32_t> corners_;  // three atoms whose triangle in the reference is largest
};

/// Row by row the cross product of vectors, n x 3.
Value cross(Value a, Value b);

/// The frame of three points, rows of a 3 x 3 matrix: its rows are the unit vectors from the first
/// to the second, at right angles to it in the plane of the third, and at right angles to both.
/// Finite where the points lie on a line.
Value frame_of(Value corners);

/// Directions at right angles to moves and turns of `reference`, sorted by how much the components
/// vary: `covariance` is that of components along `directions`, features() x features(). Throws
/// ShapeError.
std::vector<double> principal_directions(const EckartFrame& frame,
                                         std::span<const double> covariance);

}  // namespace thalweg
