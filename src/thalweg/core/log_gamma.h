// The logarithm of the gamma function, for many threads at once.
#pragma once

#include <math.h>

namespace thalweg {

/// log |Gamma(x)|, NaN or infinite where that is; as accurate as the C library. std::lgamma is the
/// same but writes the sign to a variable that all threads share.
inline double log_gamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

}  // namespace thalweg
