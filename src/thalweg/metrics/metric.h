// A scalar result with its error.
#pragma once

#include <string>

namespace thalweg {

/// One metric; `error` is a standard error, 0 where there is none, NaN where none can be trusted,
/// as of weights with a heavy tail.
struct Metric {
  std::string name;   ///< "log_likelihood"
  std::string label;  ///< as people read it
  double value = 0.0, error = 0.0;
  int decimals = 5;  ///< after the point, as people read it
  /// What it is about: fit, free_form (what its densities are worth), stack (members of one),
  /// weights (samples reweighted to a target), exploration (of an energy), samples (beside exact
  /// ones) or grid; empty: none of them.
  std::string group = {};
};

}  // namespace thalweg
