// What weighted samples of a model say about its target.
#pragma once

#include <span>

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

/// Share of p's mass where the model's density is less than a twentieth of p's: the weighted share
/// of samples with log q < log p - log_integral - log(20). `log_weights` are those of the samples,
/// which should cover all of p. Throws as importance_estimate.
double missed_share(std::span<const double> log_weights, std::span<const double> log_target,
                    std::span<const double> log_model, double log_integral);

}  // namespace thalweg
