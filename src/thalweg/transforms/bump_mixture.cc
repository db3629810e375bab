#include "thalweg/transforms/bump_mixture.h"

#include <fmt/ranges.h>

#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/engine/whole_power.h"
#include "thalweg/transforms/circle.h"

namespace thalweg {
namespace {

constexpr Axis kBumps = Axis::kFeatures;
constexpr double kTurn = 2.0 * std::numbers::pi;
// Added to raw numbers, so that zeros give bumps so wide and low that the map is nearly the
// identity.
constexpr double kAlphaShift = -3.0, kFloorShift = 2.0;
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

/// `mapped`, but without the rounding that would leave [0, 1] where `original` is in it.
Value kept_inside(Value original, Value mapped) {
  Graph& graph = *original.graph;
  const Value inside =
      less_equal(graph.constant(0.0), original) * less_equal(original, graph.constant(1.0));
  const Value moved = select(inside, clamp(mapped, 0.0, 1.0) - mapped, graph.constant(0.0));
  return mapped + stop_gradient(moved);
}

}  // namespace

std::vector<std::string> ramp_names() { return {"exponential", "monomial"}; }

Ramp ramp_by_name(std::string_view name) {
  if (name == "exponential") return Ramp::kExponential;
  if (name == "monomial") return Ramp::kMonomial;
  fail<ConfigError>("flow.ramp: expected one of {}, got '{}'", fmt::join(ramp_names(), ", "), name);
}

std::vector<std::string> circle_map_names() { return {"bumps", "moebius"}; }

CircleMap circle_map_by_name(std::string_view name) {
  if (name == "bumps") return CircleMap::kBumps;
  if (name == "moebius") return CircleMap::kMoebius;
  fail<ConfigError>("flow.circle_map: expected one of {}, got '{}'",
                    fmt::join(circle_map_names(), ", "), name);
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
  result.sharpness = exp(options_.circular ? 0.5 + 0.5 * tanh(part(2)) : tanh(part(2)));
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

Value BumpMixture::inverse(const std::shared_ptr<const BumpMixture>& mixture, Value y,
                           const std::vector<Value>& parameters) {
  Graph& graph = *y.graph;
  const Value zero = graph.constant(0.0), one = graph.constant(1.0);
  // Beyond [0, 1] the bumps lead on, so that the floor alone bounds how far the root is.
  const Value floor = Parameters::of(parameters).floor;
  const Value below = less(y, zero), above = less(one, y);
  const Value low = select(below, y / floor, select(above, one, zero));
  const Value high = select(above, 1.0 + (y - 1.0) / floor, select(below, zero, one));
  return find_root(mixture, y, parameters, low, high, mixture->options_.search);
}

MixedBumps::MixedBumps(const std::string& name, std::int64_t features,
                       const BumpMixtureOptions& options, const std::vector<bool>& circular)
    : FeatureMaps(name, features, circular), search_(options.search) {
  check_bump_options(name, options);
  BumpMixtureOptions each = options;
  each.circular = false;
  line_ = std::make_shared<BumpMixture>(each);
  each.circular = true;
  circle_ = std::make_shared<BumpMixture>(each);
  if (options.circle == CircleMap::kMoebius)
    moebius_ = std::make_shared<MoebiusMixture>(options.components);
}

std::int64_t MixedBumps::parameters_of(bool circular) const {
  if (!circular) return line_->raw_parameters();
  return (moebius_ ? moebius_->raw_parameters() : circle_->raw_parameters()) + 1;
}

Mapped MixedBumps::map(bool circular, bool invert, Value raw, Value x) const {
  const bool turned = circular && moebius_;
  const auto& bumps = circular ? circle_ : line_;
  const std::int64_t own = turned ? moebius_->raw_parameters() : bumps->raw_parameters();
  const Value given = slice(raw, 0, own);
  const std::vector<Value> parameters =
      turned ? moebius_->parameters(given) : bumps->parameters(given);
  const MonotoneFunction& mixture =
      turned ? static_cast<const MonotoneFunction&>(*moebius_) : *bumps;
  const Value shift = circular ? slice(raw, own, 1) : Value{};
  const double bound = std::numbers::pi;
  const Value row = transpose(x);
  Value at = row;
  if (circular) at = wrapped(invert ? row - shift : row, bound) / kTurn + 0.5;
  Value place = at, value;
  if (invert)
    value = place = turned ? MoebiusMixture::inverse(moebius_, at, parameters, search_)
                           : BumpMixture::inverse(bumps, at, parameters);
  else
    value = mixture(at, parameters);
  const Value image = invert ? mixture(place, parameters) : value;
  const Value slope =
      jvp({image}, {place}, {broadcast(row.graph->constant(1.0), row.shape())}).front();
  if (!circular)
    value = kept_inside(at, value);
  else if (invert)
    value = wrapped(kTurn * (value - 0.5), bound);
  else
    value = wrapped(kTurn * (value - 0.5) + shift, bound);
  const Value log_det = sum(log(slope));
  return {transpose(value), invert ? -log_det : log_det};
}

}  // namespace thalweg
