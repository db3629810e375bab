// The linear assignment problem.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace thalweg {

/// Which column each row has, no two the same, and the proof that no other choice costs less:
/// potentials with row + column <= cost everywhere and = cost at the chosen places (to rounding).
struct Assignment {
  std::vector<std::int32_t> column_of_row;
  std::vector<double> row_potential, column_potential;
};

/// The assignment of `size` rows to as many columns whose sum of costs is least; `costs` is size x
/// size, row-major, all finite. By shortest augmenting paths with potentials (Jonker, Volgenant
/// 1987, after a reduction of the columns; paths as in Crouse 2016), in time of order size^3 at
/// most. The same costs give the same assignment. Throws ShapeError for another number of costs,
/// NumericalError for costs that are not finite. Thread safe.
Assignment least_assignment(std::span<const double> costs, std::int64_t size);

}  // namespace thalweg
