// A stack for a small table: candidates, what each says of rows that it did not see, and the
// mixture of those that cross-validation gives a weight.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/datasets/prepare_data.h"
#include "thalweg/flows/model.h"
#include "thalweg/metrics/metric.h"
#include "thalweg/runs/run_options.h"

namespace thalweg {

/// Whether data of this shape are best learnt by a stack: unconditional, without periodic columns
/// and weights, and at most kMostStackedRows rows to train and to validate.
inline constexpr std::int64_t kMostStackedRows = 1000;
bool suits_stack(const PreparedData& data);

/// Sets flow, base and training of a run that learns a stack: no layers, no steps, double
/// precision.
void choose_stack(RunOptions& options);

/// Throws ConfigError for a stack with a condition, without data, or beside layers of a flow.
void check_stack(const ModelOptions& model, const PreparedData* data);

struct StackCallbacks {
  std::function<void(double, const std::string&)> progress =
      {};                                  ///< share done, what is being done
  std::function<bool()> interrupted = {};  ///< true ends the fit
};

/// Fits a stack to the rows for training and validation, of which cross-validation keeps each from
/// the fits that judge it, and sets the members in `model` (whose columns are those of the data).
/// The candidates are Gaussians (raw and shrunk covariance), an elliptical density, a kernel
/// estimate, mixtures of up to 20 Gaussians (full and diagonal, also of whitened rows) and two
/// small flows. Each is fitted ten times, without a tenth of the rows in turn; its weight is that
/// of stacking_weights() on the rows left out, and its density the mean of the ten, but for the
/// kernel estimate, which is fitted once more to all rows. Spaced columns are dequantised, with
/// several copies of each row. A candidate that cannot be fitted or trained drops out. `seconds`
/// limits the flows; 0: no limit, and then the same seed gives the same bits for any number of
/// threads. Null if interrupted. Throws NumericalError if no candidate is left.
std::unique_ptr<Model> fit_stack(ModelOptions& model, const PreparedData& data, std::uint64_t seed,
                                 double seconds, ThreadPool& pool,
                                 const StackCallbacks& callbacks = {});

/// Weight and held-out log likelihood of each member of a stack; empty for other models.
std::vector<Metric> stack_metrics(const Model& model);

}  // namespace thalweg
