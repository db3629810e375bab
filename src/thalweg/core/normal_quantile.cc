#include "thalweg/core/normal_quantile.h"

#include <cmath>
#include <numbers>

namespace thalweg {

double normal_quantile(double p) {
  if (p > 0.5) return -normal_quantile(1.0 - p);
  if (!(p > 0.0)) return -INFINITY;
  const double t = std::sqrt(-2.0 * std::log(p));
  double x = (2.515517 + t * (0.802853 + t * 0.010328)) /
                 (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))) -
             t;
  for (int step = 0; step < 2; ++step) {
    const double below = 0.5 * std::erfc(-x / std::numbers::sqrt2);
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
    x -= (below - p) / density;
  }
  return x;
}

}  // namespace thalweg
