// Functions of one number that expressions know, in graphs and in numbers.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "thalweg/core/log_gamma.h"
#include "thalweg/targets/expression_parts.h"

namespace thalweg::detail {
namespace {

/// log Gamma(a) for a > 0, NaN below: eight steps up, then Stirling's series, to about 1e-13.
Value log_gamma(Value a) {
  Value product = a + 1.0;
  for (int i = 2; i < 8; ++i) product = product * (a + static_cast<double>(i));
  const Value z = a + 8.0;
  const Value r = reciprocal(z), r2 = square(r);
  // Coefficients B_2k / (2k (2k - 1)) of the Bernoulli numbers B_2k.
  Value series = r2 * (-691.0 / 360360.0) + 1.0 / 1188.0;
  for (const double coefficient : {-1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0})
    series = series * r2 + coefficient;
  const double half_log_two_pi = 0.5 * std::log(2.0 * std::numbers::pi);
  return (z - 0.5) * log(z) - z + half_log_two_pi + series * r - log(product) - log(a);
}

}  // namespace

const std::vector<ScalarFunction>& scalar_functions() {
  static const std::vector<ScalarFunction> table = {
      {"exp", [](Value a) { return exp(a); }, [](double a) { return std::exp(a); }},
      {"expm1", [](Value a) { return expm1(a); }, [](double a) { return std::expm1(a); }},
      {"log", [](Value a) { return log(a); }, [](double a) { return std::log(a); }},
      {"log1p", [](Value a) { return log1p(a); }, [](double a) { return std::log1p(a); }},
      {"sqrt", [](Value a) { return sqrt(a); }, [](double a) { return std::sqrt(a); }},
      {"abs", [](Value a) { return abs(a); }, [](double a) { return std::abs(a); }},
      {"sin", [](Value a) { return sin(a); }, [](double a) { return std::sin(a); }},
      {"cos", [](Value a) { return cos(a); }, [](double a) { return std::cos(a); }},
      {"tan", [](Value a) { return sin(a) / cos(a); }, [](double a) { return std::tan(a); }},
      {"sinh", [](Value a) { return 0.5 * (exp(a) - exp(-a)); },
       [](double a) { return std::sinh(a); }},
      {"cosh", [](Value a) { return 0.5 * (exp(a) + exp(-a)); },
       [](double a) { return std::cosh(a); }},
      {"tanh", [](Value a) { return tanh(a); }, [](double a) { return std::tanh(a); }},
      {"erf", [](Value a) { return erf(a); }, [](double a) { return std::erf(a); }},
      {"sigmoid", [](Value a) { return sigmoid(a); },
       [](double a) { return 1.0 / (1.0 + std::exp(-a)); }},
      {"softplus", [](Value a) { return softplus(a); },
       [](double a) { return std::max(a, 0.0) + std::log1p(std::exp(-std::abs(a))); }},
      {"lgamma", [](Value a) { return log_gamma(a); },
       [](double a) { return thalweg::log_gamma(a); }},
  };
  return table;
}

}  // namespace thalweg::detail
