// The numeric inverse of monotone functions, as a graph.
#pragma once

#include <cstdint>
#include <vector>

#include "thalweg/engine/graph.h"

namespace thalweg {

/// How a root is looked for: an interval that holds it is divided in `bins` so many times that it
/// shrinks to 2^-10 at least, then come Newton's steps, which are kept inside of what is left of
/// the interval.
struct RootSearch {
  /// 2 is bisection. More save steps at the price of bins - 1 values of the function each (Koehler,
  /// Kraemer, Noe 2021, section 5), which pays where many processors wait for one sample.
  std::int64_t bins = 2;
  std::int64_t newton_steps = 6;
};

/// The x between `low` and `high` with function(x, parameters) = y for an increasing function with
/// function(low) <= y <= function(high), elementwise, with the derivatives of the inverse function
/// to any order (see root()). `y` is features x items; so are `low` and `high`, or numbers 1 x 1;
/// parameters have as many items as y, or one. As accurate as rounding of the function permits:
/// some epsilons of its values over its slope. Throws ConfigError for fewer than 2 bins or a
/// negative number of steps, ShapeError as root().
Value find_root(const std::shared_ptr<const MonotoneFunction>& function, Value y,
                const std::vector<Value>& parameters, Value low, Value high,
                const RootSearch& search = {});

}  // namespace thalweg
