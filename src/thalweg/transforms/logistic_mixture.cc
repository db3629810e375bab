#include "thalweg/transforms/logistic_mixture.h"

#include <utility>

namespace thalweg {
namespace {

constexpr double kLogRange = 3.0;

/// exp of a number, which goes no further than exp(3) or its inverse.
Value bounded_exp(Value raw) { return exp(kLogRange * tanh((1.0 / kLogRange) * raw)); }

/// Parameters of LogisticMixture, in their order: those of components are components x maps, the
/// others 1 x maps.
struct Parameters {
  Value log_weight, location, sharpness, scale, shift;

  static Parameters of(const std::vector<Value>& list) {
    return {list.at(0), list.at(1), list.at(2), list.at(3), list.at(4)};
  }
};

}  // namespace

std::vector<Value> LogisticMixture::parameters(Value raw) const {
  const std::int64_t count = options_.components;
  const auto part = [&](std::int64_t number) { return slice(raw, number * count, count); };
  std::vector<double> places;
  for (std::int64_t k = 0; k < count; ++k)
    places.push_back(static_cast<double>(2 * k - count + 1) / static_cast<double>(count));
  return {log_softmax(part(0)), part(1) + raw.graph->constant({count, 1}, std::move(places)),
          1.0 / bounded_exp(part(2)), bounded_exp(slice(raw, 3 * count, 1)),
          slice(raw, 3 * count + 1, 1)};
}

Value LogisticMixture::operator()(Value x, const std::vector<Value>& parameters) const {
  const Parameters p = Parameters::of(parameters);
  const Value u = p.sharpness * (x - p.location);
  // Both tails by their logarithms, so that neither rounds to 1.
  const Value logit =
      log_sum_exp(p.log_weight + log_sigmoid(u)) - log_sum_exp(p.log_weight + log_sigmoid(-u));
  const double line = options_.smallest_density;
  return p.scale * ((1.0 - line) * logit + line * x) + p.shift;
}

MonotoneMixture::Interval LogisticMixture::around_root(Value y,
                                                       const std::vector<Value>& parameters) const {
  // f is between the least and the greatest of the maps that single components would be.
  const Parameters p = Parameters::of(parameters);
  const double line = options_.smallest_density;
  const Value steepness = (1.0 - line) * p.sharpness;
  const Value roots = ((y - p.shift) / p.scale + steepness * p.location) / (steepness + line);
  return {-max(-roots, Axis::kFeatures), max(roots, Axis::kFeatures)};
}

}  // namespace thalweg
