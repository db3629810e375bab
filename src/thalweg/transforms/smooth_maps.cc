#include "thalweg/transforms/smooth_maps.h"

#include <fmt/ranges.h>

#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/transforms/circle.h"
#include "thalweg/transforms/logistic_mixture.h"
#include "thalweg/transforms/moebius_mixture.h"

namespace thalweg {
namespace {

constexpr double kTurn = 2.0 * std::numbers::pi;

/// `mapped`, but without the rounding that would leave [0, 1] where `original` is in it.
Value kept_inside(Value original, Value mapped) {
  Graph& graph = *original.graph;
  const Value inside =
      less_equal(graph.constant(0.0), original) * less_equal(original, graph.constant(1.0));
  const Value moved = select(inside, clamp(mapped, 0.0, 1.0) - mapped, graph.constant(0.0));
  return mapped + stop_gradient(moved);
}

}  // namespace

std::vector<std::string> circle_map_names() { return {"bumps", "published_bumps", "moebius"}; }

CircleMap circle_map_by_name(std::string_view name) {
  if (name == "bumps") return CircleMap::kBumps;
  if (name == "published_bumps") return CircleMap::kPublishedBumps;
  if (name == "moebius") return CircleMap::kMoebius;
  fail<ConfigError>("flow.circle_map: expected one of {}, got '{}'",
                    fmt::join(circle_map_names(), ", "), name);
}

SmoothMaps::SmoothMaps(const std::string& name, std::int64_t features,
                       const SmoothMapsOptions& options, const std::vector<bool>& circular)
    : FeatureMaps(name, features, circular),
      bounded_(options.line == LineMap::kBumps),
      search_(options.search) {
  BumpMixtureOptions bumps = options.bumps;
  check_bump_options(name, bumps);
  if (bounded_) {
    bumps.circular = false;
    line_ = std::make_shared<BumpMixture>(bumps);
  } else {
    line_ = std::make_shared<LogisticMixture>(LogisticMixtureOptions{
        .components = bumps.components, .smallest_density = bumps.smallest_density});
  }
  if (options.circle == CircleMap::kMoebius) {
    circle_ = std::make_shared<MoebiusMixture>(bumps.components);
  } else {
    bumps.circular = true;
    bumps.one_width = options.circle == CircleMap::kPublishedBumps;
    circle_ = std::make_shared<BumpMixture>(bumps);
  }
}

std::int64_t SmoothMaps::parameters_of(bool circular) const {
  return circular ? circle_->raw_parameters() + 1 : line_->raw_parameters();
}

Mapped SmoothMaps::map(bool circular, bool invert, Value raw, Value x) const {
  const auto& mixture = circular ? circle_ : line_;
  const std::int64_t own = mixture->raw_parameters();
  const std::vector<Value> parameters = mixture->parameters(slice(raw, 0, own));
  const Value shift = circular ? slice(raw, own, 1) : Value{};
  const double bound = std::numbers::pi;
  const Value row = transpose(x);
  Value at = row;
  if (circular) at = wrapped(invert ? row - shift : row, bound) / kTurn + 0.5;
  Value place = at, value;
  if (invert)
    value = place = inverse(mixture, at, parameters, search_);
  else
    value = (*mixture)(at, parameters);
  const Value image = invert ? (*mixture)(place, parameters) : value;
  const Value slope =
      jvp({image}, {place}, {broadcast(row.graph->constant(1.0), row.shape())}).front();
  if (circular)
    value = wrapped(invert ? kTurn * (value - 0.5) : kTurn * (value - 0.5) + shift, bound);
  else if (bounded_)
    value = kept_inside(at, value);
  const Value log_det = sum(log(slope));
  return {transpose(value), invert ? -log_det : log_det};
}

}  // namespace thalweg
