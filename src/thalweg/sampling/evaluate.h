// Host-side work with a trained model on arrays: densities, samples, the final normaliser. Nothing
// here changes a model but estimate_normaliser.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/flows/model.h"

namespace thalweg {

/// float (fast; log densities to about 1e-5) or double.
enum class Precision : std::uint8_t { kFloat, kDouble };

/// Evaluates log p(x) and the latent map of one model. Holds compiled programs and working memory:
/// one per caller.
class DensityEvaluator {
 public:
  /// `draws` is for flows with stochastic layers alone (see log_prob). Throws ConfigError for fewer
  /// than 1.
  DensityEvaluator(const Model& model, ThreadPool& pool, Precision precision = Precision::kFloat,
                   std::int64_t draws = 1);
  ~DensityEvaluator();
  DensityEvaluator(const DensityEvaluator&) = delete;
  DensityEvaluator& operator=(const DensityEvaluator&) = delete;

  /// Log densities in nats in the units of the data; `x` is rows x features, `context` rows x
  /// context features, row-major. -inf, density 0, where z is too far away for a number, as
  /// couplings with the scale map exp make it some scales beyond the data; NaN only for a NaN in x
  /// or context, or in the model itself. Throws ShapeError, and DataError for a context that is
  /// none of the classes of a class-conditional base.
  ///
  /// Of a flow with stochastic layers, the logarithm of the mean over `draws` importance-weighted
  /// estimates: in the mean a lower bound that rises with the draws (Burda, Grosse, Salakhutdinov
  /// 2016). A row's random numbers depend on its place in `x` alone.
  std::vector<double> log_prob(std::span<const double> x, std::span<const double> context = {});
  /// z of each row, and if `log_det` is given log|det dz/dx|.
  std::vector<double> to_latent(std::span<const double> x, std::span<const double> context = {},
                                std::vector<double>* log_det = nullptr);
  /// x of each row of `z`, and if `log_det` is given log|det dx/dz|.
  std::vector<double> to_data(std::span<const double> z, std::span<const double> context = {},
                              std::vector<double>* log_det = nullptr);

 private:
  struct Programs;
  std::unique_ptr<Programs> programs_;
};

/// Rounds evenly spaced columns of samples down to their values, as a model's data have them. Gives
/// the number of rows that are not finite. `x` is rows x features.
std::int64_t finish_samples(const Model& model, std::span<double> x, ThreadPool& pool);

/// What drawing samples cost.
struct SamplingStatistics {
  std::int64_t samples = 0,
               proposals =
                   0;  ///< proposals per sample: proposals / samples (1 without a rejection step)
  std::int64_t truncated =
      0;  ///< samples that were accepted only because the truncation was reached
  std::int64_t non_finite = 0;  ///< samples with a value that is not finite
};

/// Draws samples of one model in order; the same seed gives the same samples whatever the block
/// sizes and threads.
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
  /// (before integer columns are rounded). Of a flow with stochastic layers that is no density, but
  /// exp(log p*(x) - log_density) is the exact importance weight of the path from z to x (Wu,
  /// Koehler, Noe 2020, eq. 11), for any target p*.
  std::vector<double> next(std::int64_t count, std::span<const double> context = {},
                           std::vector<double>* log_density = nullptr);
  const SamplingStatistics& statistics() const { return statistics_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  SamplingStatistics statistics_;
};

/// Monte Carlo estimate of a resampled base's Z with its standard error.
struct NormaliserEstimate {
  double value = 1.0, standard_error = 0.0;
  std::int64_t samples = 0;
};

/// Estimates Z, of each class where there are classes, from `samples` proposals in double and
/// stores values and errors in the model's buffers, which from then on serve log_prob. A model
/// without a resampled base is left as it is and gives none. Throws ConfigError for samples < 2.
std::vector<NormaliserEstimate> estimate_normaliser(Model& model, std::int64_t samples,
                                                    std::uint64_t seed, ThreadPool& pool);

}  // namespace thalweg
