// Targets whose energy is an expression, as 0.5*x^2 + cos(3*y).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/targets/target.h"

namespace thalweg {

/// A target with log density -energy, the energy in kT as a function of the point.
///
/// Numbers, + - * / ^ (or **; from right to left, and before a sign: -x^2 is -(x^2)), parentheses,
/// pi, and exp log log1p sqrt abs sin cos tan sinh cosh tanh erf min max, the last two of any
/// number of arguments. The variables are `variables`, in the order of the columns; if that is
/// empty, x, y and z, or x0, x1, ... , as many as the expression has. All have to occur, since else
/// the density could not be normalised. A negative number to a power that is not whole is NaN.
///
/// `half_width` is what Target::half_width gives. The target cannot be sampled. Throws ConfigError
/// with the column of what was not understood.
std::unique_ptr<Target> make_expression_target(std::string_view energy,
                                               const std::vector<std::string>& variables = {},
                                               double half_width = 0.0);

}  // namespace thalweg
