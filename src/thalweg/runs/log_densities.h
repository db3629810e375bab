// Log densities of tables of points under a run, and their mean.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/io/table.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/sampling/density_evaluator.h"

namespace thalweg {

/// How log densities are made.
struct DensityOptions {
  std::optional<Precision> precision = {};  ///< empty: the run's own
  /// Draws a point, of a flow with stochastic layers; 0: the run's own.
  std::int64_t draws = 0;
  std::string weights = {};  ///< a column that says how much rows count in the mean; empty: alike
  /// Whether rows may follow each other, as those of a file do: the mean's error is of blocks then.
  bool in_order = false;
};

/// A mean with its standard error; 0 and 0 for no values.
struct MeanWithError {
  double mean = 0.0, error = 0.0;
};
/// How rows count in a mean, and which of them are no news of each other.
struct RowRelations {
  std::span<const double> weights = {};  ///< not all 0; empty: rows count alike
  /// Numbers of blocks of rows that follow each other (see find_row_order): blocks alone are
  /// independent; empty: rows are.
  std::span<const std::int64_t> blocks = {};
};
/// The error over blocks is at least that over rows, as few blocks may agree by chance.
MeanWithError mean_with_error(std::span<const double> values, const RowRelations& rows = {});

/// Numbers of the blocks of rows `x` (rows x columns) in the order of a file; empty if they do not
/// follow each other.
std::vector<std::int64_t> blocks_in_order(std::span<const double> x, std::int64_t columns);

/// The mean of log densities. Never NaN.
struct MeanLogDensity {
  std::int64_t zero = 0;       ///< rows of density 0, -inf: one of them makes the mean -inf
  std::int64_t undefined = 0;  ///< rows without a density, NaN or +inf, which are left out
  MeanWithError all;           ///< of all rows that have a density
  MeanWithError finite;        ///< of those where it is not 0
  std::int64_t counted = 0;    ///< how many these are
  std::int64_t blocks = 0;     ///< that the errors are of, see RowRelations; 0: of rows
};
/// `common_error` is one of all rows alike, which the errors include.
/// Rows of weight 0 do not count at all.
MeanLogDensity mean_log_density(std::span<const double> values, double common_error = 0.0,
                                const RowRelations& rows = {});

/// Log densities in nats, one a row. The errors of their means include that of a resampled base's
/// Z.
struct LogDensities {
  std::vector<double> values;
  MeanLogDensity mean;
  /// Of rows whose condition is beyond training, and of those that ModelRows::unkept tells of.
  std::vector<std::string> warnings = {};
  std::int64_t unsolved = 0;  ///< rows without a z, see DensityEvaluator::unsolved()
};

/// Log densities of the rows of `points`, of which the run's columns count. Of a molecule they are
/// those of positions, see InternalCoordinates. Of categories
/// and atoms it is the log mass, of evenly spaced values that over their step; both are taken in
/// the middle of a value's interval (see log_interval). Throws DataError for missing columns and
/// values that are not finite, and as DensityEvaluator::log_prob.
LogDensities log_densities(const LoadedRun& run, const Table& points, ThreadPool& pool,
                           const DensityOptions& options = {});

/// Draws a point: `asked`, or where that is 0 what the run says. Throws ConfigError for some asked
/// of a flow without random layers.
std::int64_t draws_of(const LoadedRun& run, std::int64_t asked);

/// What log_densities() evaluates by, for callers that do so again and again. The run and the pool
/// must outlive it.
DensityEvaluator run_density(const LoadedRun& run, ThreadPool& pool,
                             const DensityOptions& options = {});
/// The same by that, which is compiled once.
LogDensities log_densities(const LoadedRun& run, const Table& points, DensityEvaluator& evaluator,
                           ThreadPool& pool, const DensityOptions& options = {});

/// The weights in a column of a table; none without a name. Throws ConfigError, naming `key`, for
/// an unknown column, and as check_weights.
std::vector<double> weights_of(const Table& table, const std::string& name,
                               const char* key = "data.weights");

/// The run's own column of weights, if a table of new rows has it; else none, and `warnings` say
/// so.
std::string own_weights(const LoadedRun& run, const Table& table,
                        std::vector<std::string>& warnings);

/// The standard error that a resampled base's estimate of Z gives a mean log density over rows with
/// these conditions (rows x columns): that of log Z, which all rows of a class share. 0 for other
/// bases.
double normaliser_error(const Model& model, std::span<const double> context);

}  // namespace thalweg
