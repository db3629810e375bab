// Forces of a model beside those of the energy that it learnt.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/sampling/column_map.h"

namespace thalweg {

/// Slopes of log densities, d/dx log q and d/dx log p*, in kT over the units of the columns; rows x
/// features each. NaN where a target's slope is none.
struct RunForces {
  std::vector<double> model, target;
};

/// Both at rows of a run's columns (the coordinates of their values), in double; none for a run
/// without a target, with a condition, of particles, or with layers that have no exact slopes:
/// random moves, free-form ones, and series of determinants.
std::optional<RunForces> forces_of(const LoadedRun& run, std::span<const double> x,
                                   ThreadPool& pool);

/// Slopes of a model's log density alone, in double, compiled once. One caller at a time; the run
/// and the pool must outlive it.
class DensitySlopes {
 public:
  /// Throws ConfigError for a model without exact slopes: with random moves, free-form layers or
  /// series of determinants, or of particles.
  DensitySlopes(const LoadedRun& run, ThreadPool& pool);
  /// d/dx log q, rows x features, with the condition of each row. NaN outside of a column's bounds.
  std::vector<double> operator()(std::span<const double> x, std::span<const double> context = {});

 private:
  const Model& model_;
  ColumnMap columns_;
  RowMap map_;
};

/// The same once; none for a model without exact slopes.
std::optional<std::vector<double>> model_forces(const LoadedRun& run, std::span<const double> x,
                                                std::span<const double> context, ThreadPool& pool);

/// The mean of |d/dx log q - d/dx log p*|^2, with the forces that came with the points or those of
/// the run's target, over at most 2000 of the points, evenly spaced, or, where
/// there are none, of the model's `samples`, and that of |d/dx log p*|^2, by which it is large or
/// small.
std::vector<Metric> force_metrics(const LoadedRun& run, const HeldOut& points,
                                  std::span<const double> samples, ThreadPool& pool);

}  // namespace thalweg
