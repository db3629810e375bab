#include "thalweg/transforms/eckart_frame.h"

#include <Eigen/Dense>
#include <cmath>
#include <limits>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr double kLeast = 1e-28;
constexpr int kFreeSteps = 6, kStepsOfGraph = 2;

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// trace(S) - S, of a graph and of numbers.
Value without_trace(Value s) {
  const Value one = identity_matrix(*s.graph, 3);
  return sum(s * one) * one - s;
}
Eigen::Matrix3d moments(const std::vector<double>& a) {
  const Eigen::Map<const Matrix> at(a.data(), std::ssize(a) / 3, 3);
  const Eigen::Matrix3d s = at.transpose() * at;
  return s.trace() * Eigen::Matrix3d::Identity() - s;
}

/// Rows m2 x m3, m3 x m1, m1 x m2 of a matrix's rows: its determinant times the inverse's
/// transpose.
Value cofactors(Value m) { return cross(take(m, {1, 2, 0}), take(m, {2, 0, 1})); }
Value determinant(Value m, Value of_cofactors) {
  return sum(slice(m, 0, 1) * slice(of_cofactors, 0, 1));
}
Value entry(Value m, std::int64_t row, std::int64_t column) {
  return slice(slice(m, row, 1), column, 1, Axis::kItems);
}
/// 1 where a symmetric matrix is positive definite, by its leading minors.
Value is_positive(Value m, Value of_cofactors) {
  const Value none = m.graph->constant(0.0);
  return less(none, entry(m, 0, 0)) * less(none, entry(of_cofactors, 2, 2)) *
         less(none, determinant(m, of_cofactors));
}

/// The part of a matrix that a turn would make 0, S - S^T, as a vector, 1 x 3.
Value twist(Value s) {
  return concat({entry(s, 2, 1) - entry(s, 1, 2), entry(s, 0, 2) - entry(s, 2, 0),
                 entry(s, 1, 0) - entry(s, 0, 1)},
                Axis::kItems);
}

/// The rotation that is nearly that by a small vector w, 1 x 3, by Cayley's formula.
Value small_turn(Value w) {
  const Value p = 0.5 * w;
  const Value none = 0.0 * entry(p, 0, 0);
  const auto at = [&](std::int64_t axis) { return slice(p, axis, 1, Axis::kItems); };
  const Value skew = concat({concat({none, -at(2), at(1)}, Axis::kItems),
                             concat({at(2), none, -at(0)}, Axis::kItems),
                             concat({-at(1), at(0), none}, Axis::kItems)});
  return identity_matrix(*w.graph, 3) + (skew + matmul(skew, skew)) * (2.0 / (1.0 + sum(p * p)));
}

}  // namespace

Value cross(Value a, Value b) {
  const std::vector<std::int32_t> next = {1, 2, 0}, last = {2, 0, 1};
  return take(a, next, Axis::kItems) * take(b, last, Axis::kItems) -
         take(a, last, Axis::kItems) * take(b, next, Axis::kItems);
}

Value frame_of(Value corners) {
  const auto row = [&](std::int64_t place) { return slice(corners, place, 1); };
  const auto unit = [&](Value a) {
    return a / sqrt(maximum(sum(a * a), a.graph->constant(kLeast)));
  };
  const Value e1 = unit(row(1) - row(0));
  const Value e3 = unit(cross(e1, row(2) - row(0)));
  return concat({e1, cross(e3, e1), e3});
}

EckartFrame::EckartFrame(std::vector<double> reference, std::vector<double> directions,
                         const std::string& source)
    : reference_(std::move(reference)), directions_(std::move(directions)) {
  if (reference_.size() < 9 || reference_.size() % 3 != 0)
    fail<ShapeError>("{}: expected 3 numbers an atom of 3 atoms at least, got {}", source,
                     reference_.size());
  const std::int64_t count = atoms(), width = 3 * count;
  Eigen::Map<Matrix> at(reference_.data(), count, 3);
  at.rowwise() -= at.colwise().mean().eval();
  double largest = 0.0;
  for (std::int32_t i = 0; i < count; ++i)
    for (std::int32_t j = i + 1; j < count; ++j)
      for (std::int32_t k = j + 1; k < count; ++k) {
        const Eigen::Vector3d a = at.row(j) - at.row(i), b = at.row(k) - at.row(i);
        const double area = a.cross(b).norm();
        if (area <= largest) continue;
        largest = area;
        corners_ = {i, j, k};
      }
  const double spread = at.squaredNorm();
  if (!(largest > 1e-6 * spread))
    fail<DataError>("{}: expected a reference that is not on a line", source);
  // Moves and turns of the reference.
  Matrix rigid = Matrix::Zero(width, 6);
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t axis = 0; axis < 3; ++axis) {
      rigid(3 * i + axis, axis) = 1.0;
      const Eigen::Vector3d place = at.row(i);
      const Eigen::Vector3d turn = Eigen::Vector3d::Unit(axis).cross(place);
      rigid.block<3, 1>(3 * i, 3 + axis) = turn;
    }
  for (std::int64_t column = 0; column < 6; ++column) rigid.col(column).normalize();
  if (directions_.empty()) {
    const Eigen::HouseholderQR<Eigen::MatrixXd> factors{Eigen::MatrixXd(rigid)};
    const Eigen::MatrixXd whole = factors.householderQ() * Eigen::MatrixXd::Identity(width, width);
    const Matrix rows = whole.rightCols(features()).transpose();
    directions_.assign(rows.data(), rows.data() + rows.size());
  }
  if (std::ssize(directions_) != features() * width)
    fail<ShapeError>("{}: expected {} directions of {} numbers, got {} numbers", source, features(),
                     width, directions_.size());
  const Eigen::Map<const Matrix> rows(directions_.data(), features(), width);
  const double off =
      std::max((rows * rows.transpose() - Matrix::Identity(features(), features())).norm(),
               (rows * rigid).norm());
  if (!(off < 1e-8))
    fail<DataError>(
        "{}: expected directions of unit length at right angles to each other and to all moves and "
        "turns of the reference, they are off by {:.2g}",
        source, off);
}

Value EckartFrame::to_positions(Value c) const {
  Graph& graph = *c.graph;
  const Value directions = graph.constant({features(), 3 * atoms()}, directions_);
  return reshape(graph.constant({3 * atoms(), 1}, reference_) + matmul(directions, c, true),
                 {atoms(), 3});
}

Value EckartFrame::log_volume(Value superposed) const {
  Graph& graph = *superposed.graph;
  const Value reference = graph.constant({atoms(), 3}, reference_);
  const Value m = without_trace(matmul(superposed, reference, true));
  const Value of_cofactors = cofactors(m);
  const double scale = moments(reference_).determinant();
  const Value volume = determinant(m, of_cofactors) / scale;
  const Value least = graph.constant(kLeast);
  return log(maximum(select(is_positive(m, of_cofactors), volume, least), least)) +
         (1.5 * std::log(static_cast<double>(atoms())) + 0.5 * std::log(scale));
}

EckartFrame::Superposed EckartFrame::superpose(Value x) const {
  Graph& graph = *x.graph;
  const Value reference = graph.constant({atoms(), 3}, reference_);
  const Value centred = x - sum(x, Axis::kFeatures) / static_cast<double>(atoms());
  // Rows of the product of a frame's transpose and another's: from the one to the other.
  const Value correlation = matmul(centred, reference, true);  // sum of x_i a_i^T
  Value turn = stop_gradient(
      matmul(frame_of(take(centred, corners_)), frame_of(take(reference, corners_)), true));
  Value s, m, of_cofactors;
  const auto look = [&](Value of) {
    s = matmul(turn, of, true);  // sum of y_i a_i^T with y = turn^T x
    m = without_trace(0.5 * (s + transpose(s)));
    of_cofactors = cofactors(m);
  };
  const auto step = [&](Value of) {
    look(of);
    const Value w = -matmul(twist(s), of_cofactors) / determinant(m, of_cofactors);
    turn = matmul(turn, small_turn(w), false, true);
  };
  for (int i = 0; i < kFreeSteps; ++i) step(stop_gradient(correlation));
  turn = stop_gradient(turn);
  for (int i = 0; i < kStepsOfGraph; ++i) step(correlation);
  look(stop_gradient(correlation));
  const Value w = twist(s), size = sum(m * m);
  // Of points on a line one direction may be turned freely: rounding must not decide.
  constexpr double kThin = 1e-6;
  const Value mean = (entry(m, 0, 0) + entry(m, 1, 1) + entry(m, 2, 2)) / 3.0;
  const Value thick = less(kThin * mean * mean * mean, determinant(m, of_cofactors));
  const Value found =
      stop_gradient(less(sum(w * w), 1e-11 * size) * is_positive(m, of_cofactors) * thick);
  const Value positions = matmul(centred, turn);
  const Value directions = graph.constant({features(), 3 * atoms()}, directions_);
  const Value components = matmul(directions, reshape(positions - reference, {3 * atoms(), 1}));
  const Value lost =
      broadcast(graph.constant(std::numeric_limits<double>::quiet_NaN()), components.shape());
  return {select(broadcast(found, components.shape()), components, lost), positions, turn};
}

std::vector<double> principal_directions(const EckartFrame& frame,
                                         std::span<const double> covariance) {
  const std::int64_t width = frame.features();
  if (std::ssize(covariance) != width * width)
    fail<ShapeError>("principal directions: expected {} x {} numbers, got {}", width, width,
                     covariance.size());
  const Eigen::Map<const Matrix> spread(covariance.data(), width, width);
  const Eigen::Map<const Matrix> directions(frame.directions().data(), width, 3 * frame.atoms());
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver{Eigen::MatrixXd(spread)};
  Matrix result(width, directions.cols());
  for (std::int64_t i = 0; i < width; ++i) {
    // The one that varies most first; the sign is that of its largest entry.
    result.row(i) = solver.eigenvectors().col(width - 1 - i).transpose() * directions;
    Eigen::Index largest = 0;
    result.row(i).cwiseAbs().maxCoeff(&largest);
    if (result(i, largest) < 0.0) result.row(i) *= -1.0;
  }
  return {result.data(), result.data() + result.size()};
}

}  // namespace thalweg
