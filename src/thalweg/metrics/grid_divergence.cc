#include "thalweg/metrics/grid_divergence.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {

namespace {

constexpr double kOffset = 1e-10;  // of the published divergence

void check(const char* function, double half_width, std::int64_t points) {
  if (!(half_width > 0.0) || !std::isfinite(half_width) || points < 2)
    fail<ConfigError>("{}: expected a positive half width and at least 2 points, got {} and {}",
                      function, half_width, points);
}

/// Calls visit(points as rows x 2) for some grid rows at a time, so that memory stays small.
template <typename Visit>
void visit_grid(double first, double step, std::int64_t points, const Visit& visit) {
  const std::int64_t rows_at_once = std::max<std::int64_t>(1, 65536 / points);
  std::vector<double> block;
  for (std::int64_t begin = 0; begin < points; begin += rows_at_once) {
    block.clear();
    for (std::int64_t row = begin; row < std::min(begin + rows_at_once, points); ++row)
      for (std::int64_t column = 0; column < points; ++column) {
        block.push_back(first + step * static_cast<double>(column));
        block.push_back(first + step * static_cast<double>(row));
      }
    visit(block);
  }
}

}  // namespace

GridDivergence grid_divergence(const PlaneLogDensity& log_target, double log_normaliser,
                               const PlaneLogDensity& log_model, double half_width,
                               std::int64_t points) {
  check("grid_divergence", half_width, points);
  const double width = 2.0 * half_width;
  GridDivergence result;
  double weight = 0.0, sum = 0.0;
  visit_grid(-half_width, width / static_cast<double>(points - 1), points,
             [&](const std::vector<double>& block) {
               const std::vector<double> target = log_target(block), model = log_model(block);
               for (std::size_t i = 0; i < target.size(); ++i) {
                 const double p = std::exp(target[i]);
                 const double normalised = std::exp(target[i] - log_normaliser);
                 const double q = std::exp(model[i]);
                 const bool sound = std::isfinite(q);
                 if (!sound) ++result.non_finite;
                 weight += normalised;
                 sum +=
                     normalised * std::log((normalised + kOffset) / ((sound ? q : 0.0) + kOffset));
                 const double term = p * std::log((p + kOffset) / (q + kOffset));
                 if (!std::isnan(term)) result.as_published += term;
                 result.published_floor += p * std::log((p + kOffset) / (normalised + kOffset));
               }
             });
  const double cell = width * width / static_cast<double>(points * points);
  result.nats = sum / weight;
  result.as_published *= cell;
  result.published_floor *= cell;
  return result;
}

GridIntegral grid_integral(const PlaneLogDensity& log_density, double half_width,
                           std::int64_t points) {
  check("grid_integral", half_width, points);
  const double step = 2.0 * half_width / static_cast<double>(points);
  GridIntegral result;
  visit_grid(-half_width + 0.5 * step, step, points, [&](const std::vector<double>& block) {
    for (const double value : log_density(block)) {
      const double density = std::exp(value);
      if (std::isfinite(density))
        result.value += density * step * step;
      else
        ++result.non_finite;
    }
  });
  return result;
}

}  // namespace thalweg
