// Which explored mode a point belongs to.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "thalweg/datasets/column.h"
#include "thalweg/exploration/exploration.h"

namespace thalweg {

/// Tells the mode that is nearest to a point in the mode's own deviations: the one whose Gaussian
/// of independent columns is densest there. Const calls are thread safe.
class NearestMode {
 public:
  /// `columns` are those of the model, or none; differences of periodic ones wrap around.
  NearestMode(std::vector<ExploredMode> modes, std::span<const ColumnOptions> columns);

  /// Of one row, in the units of the columns; 0 is the first mode.
  std::size_t operator()(const double* row) const;
  /// Of rows x columns.
  std::vector<std::size_t> of(std::span<const double> x) const;

 private:
  std::vector<ExploredMode> modes_;
  std::vector<double> period_;  // 0 where a column does not repeat
};

/// Where a mode is, in words: "(x 20, y -0.01, z 3, ...)".
std::string place_of(const ExploredMode& mode, std::span<const std::string> names);

}  // namespace thalweg
