// Divergence and integral of two-dimensional densities by sums over a grid.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace thalweg {

/// Log densities in nats of points given as rows x 2, row-major.
using PlaneLogDensity = std::function<std::vector<double>(std::span<const double> points)>;

/// Kullback-Leibler divergences of a model from a target.
struct GridDivergence {
  /// KL(target || model) in nats, both normalised over the plane: the mean over the grid, weighted
  /// by p, of log (p + 1e-10) / (q + 1e-10). The offset keeps it finite where a flow's tails fall
  /// off faster than the target's.
  double nats = 0.0;
  /// The metric of Stimper et al. 2022 as published: sum over the grid of p log((p + 1e-10) / (q +
  /// 1e-10)) times the cell, with p unnormalised and NaN taken as 0.
  double as_published = 0.0;
  /// What `as_published` gives for an exact model.
  double published_floor = 0.0;
  /// Grid points where q is NaN or infinite; it counts as 0 there in `nats`.
  std::int64_t non_finite = 0;
};

/// Compares on a `points` x `points` grid over [-half_width, half_width]^2, ends included.
/// `log_target` may be unnormalised; `log_normaliser` is the log of its integral over the plane.
/// Throws ConfigError unless points >= 2 and half_width > 0.
GridDivergence grid_divergence(const PlaneLogDensity& log_target, double log_normaliser,
                               const PlaneLogDensity& log_model, double half_width = 3.0,
                               std::int64_t points = 300);

/// An integral by a grid.
struct GridIntegral {
  double value = 0.0;
  /// Points where the density is NaN or infinite, which count as 0; a log density of -inf is none.
  std::int64_t non_finite = 0;
};

/// Integral of exp(log_density) over [-half_width, half_width]^2 by the midpoint rule with `points`
/// x `points` cells: exact to rounding once a cell is about half as wide as the density's finest
/// detail. Throws as grid_divergence.
GridIntegral grid_integral(const PlaneLogDensity& log_density, double half_width = 8.0,
                           std::int64_t points = 1600);

}  // namespace thalweg
