// Samples of a trained model.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/flows/model.h"

namespace thalweg {

/// What drawing samples cost.
struct SamplingStatistics {
  std::int64_t samples = 0;
  /// Proposals per sample: proposals / samples (1 without a rejection step).
  std::int64_t proposals = 0;
  /// Samples that were accepted only because the truncation was reached.
  std::int64_t truncated = 0;
  std::int64_t non_finite = 0;  ///< samples with a value that is not finite
  /// Samples, or where they were asked for their log densities, that an integration missed by its
  /// own estimate (see Mapped::unsolved).
  std::int64_t unsolved = 0;
};

/// Draws as a model's layers know them, in standardised columns without bounds: rows x features,
/// and the log density of each there if it was asked for.
struct LayerDraws {
  std::vector<double> y, log_density;
};

/// Draws samples of one model in order; the same seed gives the same samples whatever the block
/// sizes and threads. Columns leave their standardisation and enter their bounds in double whatever
/// the precision (see ColumnMap).
class FlowSampler {
 public:
  FlowSampler(const Model& model, ThreadPool& pool, std::uint64_t seed,
              Precision precision = Precision::kFloat);
  ~FlowSampler();
  FlowSampler(const FlowSampler&) = delete;
  FlowSampler& operator=(const FlowSampler&) = delete;

  /// The next `count` samples, count x features, integer columns rounded down and bounds respected.
  /// A model with a context wants one row of it for each sample. Memory is proportional to `count`.
  /// Throws ShapeError, and DataError for a context that is none of the base's classes.
  ///
  /// If `log_density` is given, it gets log p(z) - log|det dx/dz| of each sample, its log density
  /// (before integer columns are rounded), and continuous values stay as they were drawn, within
  /// no limits that data showed, so that weights with it are right. Of a flow with stochastic
  /// layers that is no density, but exp(log p*(x) - log_density) is the exact importance weight of
  /// the path from z to x (Wu, Koehler, Noe 2020, eq. 11), for any target p*.
  std::vector<double> next(std::int64_t count, std::span<const double> context = {},
                           std::vector<double>* log_density = nullptr);
  /// The same draws as the layers know them, of which none counts as non_finite. Throws as next().
  LayerDraws next_layers(std::int64_t count, std::span<const double> context = {},
                         bool with_density = true);
  const SamplingStatistics& statistics() const { return statistics_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  SamplingStatistics statistics_;
};

/// The seed of what is drawn for class `number`: that of the caller itself for class 0.
std::uint64_t class_seed(std::uint64_t seed, std::size_t number);

}  // namespace thalweg
