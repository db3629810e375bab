// What weighted samples of a model say about its target.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace thalweg {

/// From samples x of a model q and log weights log p(x) - log q(x), p unnormalised.
struct ImportanceEstimate {
  double log_integral = 0.0;        ///< log of the mean weight: of the integral of p
  double log_integral_error = 0.0;  ///< its standard error, to first order
  double effective_share = 0.0;     ///< Kish's (sum w)^2 / (n sum w^2), in (0, 1]
};

/// Weights of 0 are log weights of -inf. Throws NumericalError for NaN and +inf, and where no
/// weight is positive; ShapeError for no weights. Both say nothing about parts of p that no sample
/// met.
ImportanceEstimate importance_estimate(std::span<const double> log_weights);

/// A mean of one value a sample under p, and its standard error.
struct WeightedMean {
  double value = 0.0, error = 0.0;
};

/// Self-normalised: sum w f / sum w, with the error (sum w^2 (f - mean)^2)^(1/2) / sum w to first
/// order (Owen 2013, eq. 9.8). Samples with weight 0 do not count, whatever their values. Throws as
/// importance_estimate, and ShapeError for lengths that differ.
WeightedMean weighted_mean(std::span<const double> log_weights, std::span<const double> values);

/// Shape k of a generalised Pareto distribution fitted to the largest weights, which tells how far
/// the other estimates can be trusted: below 0.5 the weights have a variance; below 0.7 estimates
/// from them and their errors are reliable at practical numbers of samples; above 1 they have no
/// mean. The fit is that of Zhang and Stephens 2009 to the min(0.2 n, 3 sqrt(n)) largest of the n
/// weights, in excess of the next one, drawn towards 0.5 by as much as ten more weights would, as
/// in Vehtari et al. 2024. -inf where the largest weights are all equal; +inf where less than five
/// exceed the rest. Throws as importance_estimate, and ShapeError for less than 25 weights.
double pareto_shape(std::span<const double> log_weights);

/// Rows that stand for `count` draws from p (0: as many as there are weights): systematic
/// resampling, each row as often as its share of the weights says, rounded up or down, in their
/// order. In the mean over `offset`, uniform in (0, 1), that share exactly. Throws as
/// importance_estimate, ConfigError for an offset outside (0, 1) or a negative count.
std::vector<std::int64_t> resampled_rows(std::span<const double> log_weights, double offset,
                                         std::int64_t count = 0);

/// Share of p's mass where the model's density is less than a twentieth of p's: the weighted share
/// of samples with log q < log p - log_integral - log(20). `log_weights` are those of the samples,
/// which should cover all of p. Throws as importance_estimate.
double missed_share(std::span<const double> log_weights, std::span<const double> log_target,
                    std::span<const double> log_model, double log_integral);

}  // namespace thalweg
