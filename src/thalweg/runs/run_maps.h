// Pictures of runs in the plane: densities, samples, latent space, and what bases have learnt.
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/report/plot.h"
#include "thalweg/runs/evaluation.h"

namespace thalweg {

/// A run with its name in pictures and tables.
struct NamedRun {
  std::string name;
  const LoadedRun* run = nullptr;
};

/// Densities of a run by rows x features, at its usual context.
RowFunction model_density(const LoadedRun& run, ThreadPool& pool);

/// The first `most` rows of two columns.
PointCloud plane_cloud(std::string title, std::span<const double> rows,
                       std::size_t most = std::numeric_limits<std::size_t>::max());

/// A plot without panels over a square that reaches from -half_width to half_width.
HeatMapPlot square_plot(std::string title, std::string x_label, std::string y_label,
                        double half_width);

/// Adds a panel with a function's values at the middles of cells over the plot's ranges.
Grid& add_function(HeatMapPlot& plot, std::string title, const RowFunction& function);

/// Adds panels to a plot over its ranges: a target's density, in the scale of whose largest value
/// the colours of all panels are, and densities of runs. Where the target's integral is not known,
/// it is that over the plot, as far as the energy is a number.
void add_target_density(HeatMapPlot& plot, std::string title,
                        const std::shared_ptr<const Target>& target, ThreadPool& pool);
void add_model_densities(HeatMapPlot& plot, const std::vector<NamedRun>& runs, ThreadPool& pool);

/// Half the side of the square that holds the target of a run.
double target_half_width(const LoadedRun& run);

/// Densities of runs that learnt the same two-dimensional target, after the target's own, over a
/// square.
HeatMapPlot density_maps(const std::vector<NamedRun>& runs, double half_width, ThreadPool& pool);
/// Exact samples of that target, and samples of each run.
ScatterPlot sample_maps(const std::vector<NamedRun>& runs, ThreadPool& pool);

/// Densities of the runs' bases in the latent plane.
HeatMapPlot base_maps(const std::vector<NamedRun>& runs, ThreadPool& pool);
/// The probability that a draw of a resampled base's proposal is accepted, for all runs that have
/// such a base.
HeatMapPlot acceptance_maps(const std::vector<NamedRun>& runs, ThreadPool& pool);
/// Latent space of a run in the plane: log densities of its target pulled back, of q_Z/|J_f|, and
/// of the base, each less its largest value, down to -10 nats.
HeatMapPlot latent_maps(const LoadedRun& run, ThreadPool& pool);

/// Draws of a run's base on their way through its flow: after every stochastic layer, and after the
/// blocks between them.
ScatterPlot stage_maps(const NamedRun& run, ThreadPool& pool);

}  // namespace thalweg
