#include "thalweg/transforms/moebius_mixture.h"

#include <cmath>
#include <numbers>
#include <utility>

namespace thalweg {
namespace {

constexpr double kTurn = 2.0 * std::numbers::pi;
constexpr double kLargest = 0.99, kSpread = 0.3;

/// -arg(1 - conj(w) z) of points z = c + i s of the circle; the real part is above 0.
Value angle(Value c, Value s, Value real, Value imaginary) {
  return atan2(s * real - c * imaginary, 1.0 - (c * real + s * imaginary));
}

}  // namespace

std::vector<Value> MoebiusMixture::parameters(Value raw) const {
  Graph& graph = *raw.graph;
  std::vector<double> cosines, sines;
  for (std::int64_t k = 0; k < components_; ++k) {
    const double place = kTurn * static_cast<double>(k) / static_cast<double>(components_);
    cosines.push_back(kSpread * std::cos(place));
    sines.push_back(kSpread * std::sin(place));
  }
  const auto part = [&](std::int64_t number) {
    return slice(raw, number * components_, components_);
  };
  const Value a = part(1) + graph.constant({components_, 1}, std::move(cosines));
  const Value b = part(2) + graph.constant({components_, 1}, std::move(sines));
  const Value shrink = kLargest * reciprocal(sqrt(1.0 + square(a) + square(b)));
  const Value real = a * shrink, imaginary = b * shrink;
  const Value start = angle(graph.constant(1.0), graph.constant(0.0), real, imaginary);
  return {softmax(part(0), Axis::kFeatures), real, imaginary, start};
}

Value MoebiusMixture::operator()(Value x, const std::vector<Value>& parameters) const {
  const Value &weight = parameters.at(0), &real = parameters.at(1), &imaginary = parameters.at(2),
              &start = parameters.at(3);
  const Value turned = angle(cos(kTurn * x), sin(kTurn * x), real, imaginary) - start;
  return x + (1.0 / std::numbers::pi) * sum(weight * turned, Axis::kFeatures);
}

MonotoneMixture::Interval MoebiusMixture::around_root(
    Value y, const std::vector<Value>& /*parameters*/) const {
  return {y - 1.0, y + 1.0};  // Each map moves a point by less than a turn.
}

}  // namespace thalweg
