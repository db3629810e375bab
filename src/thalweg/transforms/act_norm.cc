#include "thalweg/transforms/act_norm.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {
constexpr double kSmallestScale = 1e-6;
}

ActNorm::ActNorm(ParameterStore& parameters, const std::string& name, std::int64_t features)
    : Transform(name, features),
      mean_(parameters.add(name + ".mean", features, 1, 0.0)),
      log_scale_(parameters.add(name + ".log_scale", features, 1, 0.0)) {}

void ActNorm::initialise(ParameterStore& parameters, std::span<const double> x,
                         std::span<const double> /*context*/) const {
  const auto columns = static_cast<std::size_t>(features());
  if (x.empty() || x.size() % columns != 0)
    fail<DataError>("{}: expected rows of {} values to start from, got {} values", name(), columns,
                    x.size());
  const std::size_t rows = x.size() / columns;
  for (std::size_t column = 0; column < columns; ++column) {
    double mean = 0.0;
    for (std::size_t row = 0; row < rows; ++row) mean += x[row * columns + column];
    mean /= static_cast<double>(rows);
    double variance = 0.0;
    for (std::size_t row = 0; row < rows; ++row) {
      const double distance = x[row * columns + column] - mean;
      variance += distance * distance;
    }
    variance /= static_cast<double>(rows);
    if (!std::isfinite(variance))
      fail<DataError>(
          "{}: feature {} of the data to start from is not finite: clean the data or the layers "
          "before",
          name(), column);
    parameters.values(mean_)[column] = mean;
    parameters.values(log_scale_)[column] = std::log(std::max(std::sqrt(variance), kSmallestScale));
  }
}

Mapped ActNorm::build_forward(Value z, Value /*context*/) const {
  Graph& graph = *z.graph;
  const Value log_scale = graph.parameter(log_scale_);
  return {z * exp(log_scale) + graph.parameter(mean_), sum(log_scale, Axis::kFeatures)};
}

Mapped ActNorm::build_inverse(Value x, Value /*context*/) const {
  Graph& graph = *x.graph;
  const Value log_scale = graph.parameter(log_scale_);
  // The shift is worked out once for all samples, which leaves one multiply-add a sample.
  const Value factor = exp(-log_scale);
  return {x * factor + graph.parameter(mean_) * -factor, -sum(log_scale, Axis::kFeatures)};
}

}  // namespace thalweg
