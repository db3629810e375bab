#include "thalweg/transforms/feature_maps.h"

#include "thalweg/core/error.h"
#include "thalweg/transforms/permutation.h"

namespace thalweg {

FeatureMaps::FeatureMaps(const std::string& name, std::int64_t features,
                         const std::vector<bool>& circular) {
  if (!circular.empty() && static_cast<std::int64_t>(circular.size()) != features)
    fail<ConfigError>("{}: expected {} flags for circular features, got {}", name, features,
                      circular.size());
  for (std::int32_t feature = 0; feature < features; ++feature) {
    const bool turns = !circular.empty() && circular[static_cast<std::size_t>(feature)];
    (turns ? on_circle_ : on_line_).push_back(feature);
  }
  std::vector<std::int32_t> order = on_line_;
  order.insert(order.end(), on_circle_.begin(), on_circle_.end());
  back_ = inverse_order(name, order);
}

std::int64_t FeatureMaps::parameters() const {
  return parameters_of(false) * static_cast<std::int64_t>(on_line_.size()) +
         parameters_of(true) * static_cast<std::int64_t>(on_circle_.size());
}

Mapped FeatureMaps::mapped(bool invert, Value raw, Value x) const {
  const auto lines = static_cast<std::int64_t>(on_line_.size());
  const auto circles = static_cast<std::int64_t>(on_circle_.size());
  const auto part = [&](bool circular, Value own, std::int64_t features, Value at) {
    return map(circular, invert, reshape(own, {parameters_of(circular), features}), at);
  };
  if (circles == 0) return part(false, raw, lines, x);
  if (lines == 0) return part(true, raw, circles, x);
  const Value flat = reshape(raw, {parameters(), 1});
  const std::int64_t first = parameters_of(false) * lines;
  const Mapped line = part(false, slice(flat, 0, first), lines, take(x, on_line_));
  const Mapped circle =
      part(true, slice(flat, first, parameters() - first), circles, take(x, on_circle_));
  return {take(concat({line.value, circle.value}), back_), line.log_det + circle.log_det};
}

}  // namespace thalweg
