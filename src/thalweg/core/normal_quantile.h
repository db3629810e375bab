// The inverse of the normal distribution function.
#pragma once

namespace thalweg {

/// x with Phi(x) = p for 0 < p < 1: Abramowitz and Stegun's 26.2.23, to 4.5e-4, and two steps of
/// Newton's, to some 1e-14. Beyond, -inf and inf. Thread safe.
double normal_quantile(double p);

}  // namespace thalweg
