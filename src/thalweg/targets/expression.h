// Targets whose energy is an expression, as 0.5*x^2 + cos(3*y).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/targets/target.h"

namespace thalweg {

/// A number of a user's, or a list or a matrix of them.
struct NamedConstant {
  std::string name;
  std::vector<std::int64_t> shape;  ///< empty for a number; else of one or two extents
  std::vector<double> values;       ///< row-major
};

/// A target with log density -energy, the energy in kT as a function of the point.
///
/// Numbers, + - * / ^ (or **; from right to left, and before a sign: -x^2 is -(x^2)), parentheses;
/// exp expm1 log log1p sqrt abs sin cos tan sinh cosh tanh erf sigmoid softplus lgamma; min, max
/// and logsumexp of any number of arguments; < <= > >= == != and or not, which give 1 or 0, and
/// where(condition, a, b), whose branch that is not taken leaves no trace in the gradient;
/// sum(i, first, last, body) with a whole number i from first to last, and likewise product, min,
/// max and logsumexp. lgamma is that of x > 0.
///
/// The variables are `variables`, in the order of the columns; if that is empty, x, y and z, or x0,
/// x1, ... , as many as the expression has. All have to occur, since else the density could not be
/// normalised. name[i] is element i of the constant `name`, counted from 0, and A[i, j] one of a
/// matrix; if there is no such constant, it is the variable whose name is `name` followed by i:
/// x[3] is x3. A name means an index, else a constant of `constants`, a variable, pi, e or inf.
/// A negative number to a power that is not whole is NaN.
///
/// `half_width` is what Target::half_width gives. The target cannot be sampled. Throws ConfigError
/// with the place of what was not understood.
std::unique_ptr<Target> make_expression_target(std::string_view energy,
                                               const std::vector<std::string>& variables = {},
                                               double half_width = 0.0,
                                               const std::vector<NamedConstant>& constants = {});

}  // namespace thalweg
