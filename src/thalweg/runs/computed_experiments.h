// Experiments whose numbers are computed, not learnt by runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/metrics/metric.h"
#include "thalweg/runs/experiment_pictures.h"

namespace thalweg {

/// One kind of computed experiment, which an experiment file names as `computed`.
struct ComputedKind {
  const char* name;
  /// The metrics of a row and a column, by their keys, where `seed` is one of chance. Throws
  /// ConfigError for keys that it does not know.
  std::vector<Metric> (*metrics)(const std::string& row, const std::string& column,
                                 std::int64_t seed, ThreadPool& pool);
  std::vector<DrawnPlot> (*draw)(ThreadPool& pool);  ///< null: charts of the metrics are enough
};

const std::vector<ComputedKind>& computed_kinds();

/// Throws ConfigError with the nearest name for an unknown kind; `where` begins the message.
const ComputedKind& find_computed_kind(const std::string& name, const std::string& where);

/// The weight by which a row or column of such an experiment is named. Throws ConfigError, whose
/// message begins with the kind, for anything but a number above 0.
double weight_of(const char* kind, const std::string& name);

/// Draxler, Sorrenson et al. 2024, figure 2: the gradients of the losses of f(x) = a x, g(z) = b z
/// for normal data of deviation 1.5 with beta = 1. Rows are "g" (the decoder's Jacobian in the
/// estimate) and "inverse" (the true one).
std::vector<Metric> landscape_metrics(const std::string& row, const std::string& column,
                                      std::int64_t seed, ThreadPool& pool);
std::vector<DrawnPlot> draw_landscape(ThreadPool& pool);

/// Figure 4 there: networks that minimise the loss with the true Jacobian for two Gaussians, at
/// distance 4 with deviation 0.3. Rows are weights beta, columns where the encoder starts:
/// "identity" or "folded", which maps both Gaussians to the base.
std::vector<Metric> weight_metrics_of_two(const std::string& row, const std::string& column,
                                          std::int64_t seed, ThreadPool& pool);
std::vector<DrawnPlot> draw_weights_of_two(ThreadPool& pool);

/// Figure 5 there: the loss of encoders that map each part of a partition of three Gaussians to the
/// base, by quadrature, beside theorem 7.6. Rows are partitions as "12-3", columns weights beta.
std::vector<Metric> partition_metrics(const std::string& row, const std::string& column,
                                      std::int64_t seed, ThreadPool& pool);
std::vector<DrawnPlot> draw_partitions(ThreadPool& pool);

/// Koehler, Kraemer, Noe 2021, figure 1: mixtures of three bumps. Rows are "interval" and "circle",
/// columns the ramps "exponential" and "monomial".
std::vector<Metric> bump_metrics(const std::string& row, const std::string& column,
                                 std::int64_t seed, ThreadPool& pool);
std::vector<DrawnPlot> draw_bumps(ThreadPool& pool);

/// Section 6.2 there: times of the inverse of splines by a search. Rows are numbers of columns,
/// columns numbers of bins.
std::vector<Metric> root_runtime_metrics(const std::string& row, const std::string& column,
                                         std::int64_t seed, ThreadPool& pool);

/// Draxler, Sorrenson et al. 2024, Table 6: times of samples of models that are not trained. Rows
/// are "dw4", "lj13" and "lj55", columns "free-form" and "matching", alone or with "-density"
/// behind it.
std::vector<Metric> particle_sampling_metrics(const std::string& row, const std::string& column,
                                              std::int64_t seed, ThreadPool& pool);

}  // namespace thalweg
