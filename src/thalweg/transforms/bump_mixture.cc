#include "thalweg/transforms/bump_mixture.h"

#include <fmt/ranges.h>

#include "thalweg/core/error.h"
#include "thalweg/engine/whole_power.h"

namespace thalweg {
namespace {

constexpr Axis kBumps = Axis::kFeatures;
// Added to raw numbers, so that zeros give bumps so wide and low that the map is nearly the
// identity.
constexpr double kAlphaShift = -3.0, kFloorShift = 2.0;
constexpr double kPublishedSharpness = 1.3086;  // of circles, by a slip that ignores the network
constexpr double kLeastAlpha = 0.8656721, kAlphaRange = 10.0;
// Nearer to its ends a bump and its derivatives vanish in double, with alpha of at least 0.86.
constexpr double kEdge = 1e-3;

/// Parameters of BumpMixture, in their order.
struct Parameters {
  Value weight, start, location, sharpness, floor, alpha;  ///< floor is 1 x maps, others bumps x

  std::vector<Value> listed() const {
    std::vector<Value> list{weight, start, location, sharpness, floor};
    if (alpha.valid()) list.push_back(alpha);
    return list;
  }
  static Parameters of(const std::vector<Value>& list) {
    return {list.at(0), list.at(1), list.at(2),
            list.at(3), list.at(4), list.size() > 5 ? list[5] : Value{}};
  }
};

std::int64_t power_of(const BumpMixtureOptions& options) {
  if (options.power != 0) return options.power;
  return options.ramp == Ramp::kExponential ? 1 : 3;
}

}  // namespace

std::vector<std::string> ramp_names() { return {"exponential", "monomial"}; }

Ramp ramp_by_name(std::string_view name) {
  if (name == "exponential") return Ramp::kExponential;
  if (name == "monomial") return Ramp::kMonomial;
  fail<ConfigError>("flow.ramp: expected one of {}, got '{}'", fmt::join(ramp_names(), ", "), name);
}

void check_bump_options(const std::string& name, const BumpMixtureOptions& options) {
  if (options.components < 1)
    fail<ConfigError>("{}: expected at least 1 bump, got {}", name, options.components);
  if (!(options.smallest_density > 0.0 && options.smallest_density < 1.0))
    fail<ConfigError>("{}: expected a smallest density in (0, 1), got {}", name,
                      options.smallest_density);
  const bool exponential = options.ramp == Ramp::kExponential;
  const std::int64_t least = exponential ? 1 : 2, most = exponential ? 2 : 20;
  if (options.power != 0 && (options.power < least || options.power > most))
    fail<ConfigError>("{}: expected a power of {} to {} for {} ramps, got {}", name, least, most,
                      exponential ? "exponential" : "monomial", options.power);
}

Value generalised_sigmoid(const BumpMixtureOptions& options, Value u, Value alpha) {
  const std::int64_t power = power_of(options);
  if (options.ramp == Ramp::kMonomial) {
    const Value inside = clamp(u, 0.0, 1.0);
    const Value rising = whole_power(inside, power);
    return rising / (rising + whole_power(1.0 - inside, power));
  }
  // sigmoid(h) with h the difference of the ramps' exponents, alpha ((1 - u)^-power - u^-power);
  // of the side whose value is small, so that its slope, too, is right to rounding on both.
  Graph& graph = *u.graph;
  const Value inside = clamp(u, kEdge, 1.0 - kEdge);
  const Value exponent =
      alpha * (whole_power(1.0 / (1.0 - inside), power) - whole_power(1.0 / inside, power));
  const Value lower = less(exponent, graph.constant(0.0));
  const Value small = sigmoid(select(lower, exponent, -exponent));
  return select(lower, small, 1.0 - small);
}

std::int64_t BumpMixture::raw_parameters() const {
  return options_.components * (options_.ramp == Ramp::kExponential ? 5 : 4);
}

Value BumpMixture::bumps(Value x, Value location, Value sharpness, Value alpha) const {
  const Value away = x - location;
  if (!options_.circular) return generalised_sigmoid(options_, sharpness * away + 0.5, alpha);
  // Of the copies the nearest alone is not flat; where it takes over from another, both are.
  const Value turns = floor(away + 0.5);
  return turns + generalised_sigmoid(options_, sharpness * (away - turns) + 0.5, alpha);
}

std::vector<Value> BumpMixture::parameters(Value raw) const {
  Graph& graph = *raw.graph;
  const std::int64_t count = options_.components;
  const auto part = [&](std::int64_t number) { return slice(raw, number * count, count); };
  const double least = options_.smallest_density;
  Parameters result;
  const Value weight = softmax(part(0), kBumps);
  result.location = cumulative_sum(softmax(part(1), kBumps));
  result.sharpness = options_.one_width
                         ? kPublishedSharpness + 0.0 * part(2)
                         : exp(options_.circular ? 0.5 + 0.5 * tanh(part(2)) : tanh(part(2)));
  const Value floor = least + (1.0 - least) * sigmoid(part(3) + kFloorShift);
  if (options_.ramp == Ramp::kExponential)
    result.alpha = kAlphaRange * sigmoid(part(4) + kAlphaShift) + kLeastAlpha;
  const auto at = [&](double x) {
    return bumps(graph.constant(x), result.location, result.sharpness, result.alpha);
  };
  result.start = at(0.0);
  result.weight = weight * (1.0 - floor);
  if (!options_.circular) result.weight = result.weight / (at(1.0) - result.start);
  result.floor = sum(weight * floor, kBumps);
  return result.listed();
}

Value BumpMixture::operator()(Value x, const std::vector<Value>& parameters) const {
  const Parameters p = Parameters::of(parameters);
  const Value risen = bumps(x, p.location, p.sharpness, p.alpha) - p.start;
  return sum(p.weight * risen, kBumps) + p.floor * x;
}

MonotoneMixture::Interval BumpMixture::around_root(Value y,
                                                   const std::vector<Value>& parameters) const {
  Graph& graph = *y.graph;
  const Value zero = graph.constant(0.0), one = graph.constant(1.0);
  // Beyond [0, 1] the bumps lead on, so that the floor alone bounds how far the root is.
  const Value floor = Parameters::of(parameters).floor;
  const Value below = less(y, zero), above = less(one, y);
  return {select(below, y / floor, select(above, one, zero)),
          select(above, 1.0 + (y - 1.0) / floor, select(below, zero, one))};
}

}  // namespace thalweg
