// Whether a flow and an independent exploration of its energy say the same.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/exploration/exploration.h"
#include "thalweg/flows/model_options.h"
#include "thalweg/metrics/importance.h"
#include "thalweg/metrics/metric.h"
#include "thalweg/metrics/model_check.h"

namespace thalweg {

/// What a flow says of its target.
struct FlowSide {
  std::span<const double> x;  ///< samples of the flow, rows x features
  /// Of these samples; none where some weight is not finite.
  std::optional<SmoothedWeights> weights = {};
  double normaliser_error = 0.0;  ///< of every log density, as a resampled base has it
  /// Log density of the flow at the exploration's samples; empty where it has none in closed form.
  std::span<const double> log_model = {};
};

/// What came of the comparison.
struct RunVerdict {
  bool explored = false;  ///< whether there was anything to compare with
  /// Each comparison: log integrals, masses of the modes, the exploration's samples in the flow's
  /// density. Good, doubtful where draws of the flow want their weights, broken where something is
  /// lost.
  std::vector<Finding> findings;
  std::vector<std::string> disagreements;  ///< a sentence for each that is not good
  /// What the exploration warned of, or that there was none: a sentence each.
  std::vector<std::string> cautions;
  /// The best estimate of the log integral, then what the exploration found and what it says of
  /// the flow.
  std::vector<Metric> metrics;
  std::string method;  ///< what the exploration's log integral rests on, in words
  double log_integral = 0.0, log_integral_error = 0.0;  ///< the first of the metrics
  /// Whether weighted draws of the flow stand for the target; else the exploration's samples do.
  bool flow_stands = true;

  /// Whether no comparison found anything.
  bool agrees() const { return explored && disagreements.empty(); }
  bool lost() const;  ///< whether some finding is broken
  /// All in one line: "flow and exploration agree", or what disagrees.
  std::string text() const;
};

/// What nothing here can tell.
inline constexpr char kUnseenModes[] =
    "a mode much narrower than the region around it may remain unseen by flow and exploration "
    "alike";

/// Compares. Limits, beyond which a comparison is not good, measured on flows right and wrong: log
/// integrals 3 standard errors + 0.02 apart; 0.5 % of the exploration's samples where the target
/// has more than 20 times the flow's density; KL(target || flow) on these samples 0.1 nats, or 0.01
/// nats a column; a mode that the flow draws less than a twentieth as often as it should, or whose
/// mass by weighted draws is 3 standard errors + 0.02 away, or by plain ones 3 + 0.05. Samples of
/// both belong to the mode that is nearest in its own deviations.
///
/// Doubts of the exploration about its integral are cautions unless weighted draws of the flow with
/// an effective share of a tenth confirm it.
///
/// The log integral is the flow's where its weights are reliable and neither it nor the samples
/// disagree, its error including the share of the exploration's samples that the flow misses; else
/// the exploration's, with an error of at least half the difference. Throws ShapeError for arrays
/// that do not fit.
RunVerdict compare_with_exploration(const FlowSide& flow, const Exploration& exploration,
                                    const ModelOptions& model);

/// Of an energy that was not explored: nothing is certified.
RunVerdict unexplored_verdict();

}  // namespace thalweg
