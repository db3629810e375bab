// Whether the slopes that an energy comes with are those of the energy.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "thalweg/core/thread_pool.h"
#include "thalweg/datasets/column.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// Compares the gradient of a target's energy with central differences, at some two dozen of
/// `points` (rows x features, row-major) and beside them. `scales` (one a feature, > 0) are the
/// lengths over which the energy changes by about 1 kT, to a factor of a thousand or so; `columns`
/// (one a feature, or none) have bounds that are not left.
///
/// Throws DataError with the column, the point, the slope given and the one found, where three
/// points and most of those that can be judged agree that a slope is wrong, by more than 1 %.
/// Points near kinks, walls and energies that are not finite are not judged: differences of two
/// lengths, and their second differences, disagree there. Takes 16 evaluations a feature and point.
/// Throws ShapeError for sizes that do not fit, ConfigError for scales that are not positive.
void check_gradients(const std::shared_ptr<const Target>& target, std::span<const double> points,
                     std::span<const double> scales, std::span<const ColumnOptions> columns,
                     ThreadPool& pool);

/// "x = 1, y = -2": a point of a target, its first 12 numbers, as people read it.
std::string point_text(const Target& target, std::span<const double> point);

/// What to say of an energy that is NaN at a point: the point and, if the target can tell, where in
/// its definition.
std::string undefined_energy_text(const Target& target, std::span<const double> point);

/// That of the first of `points` (rows x features) that is finite and has an energy of NaN; empty
/// if there is none. An energy that is a C function tells by itself, by a NumericalError.
std::string find_undefined_energy(const std::shared_ptr<const Target>& target,
                                  std::span<const double> points, ThreadPool& pool);

}  // namespace thalweg
