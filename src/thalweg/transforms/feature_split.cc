#include "thalweg/transforms/feature_split.h"

#include <algorithm>

#include "thalweg/core/error.h"

namespace thalweg {

FeatureSplit::FeatureSplit(const std::string& name, std::int64_t features, bool swap,
                           const std::vector<bool>& mask) {
  if (features < 2)
    fail<ConfigError>(
        "{}: a coupling needs at least 2 features, got {}: use an elementwise spline for one", name,
        features);
  const auto count = static_cast<std::size_t>(features);
  std::vector<bool> moves = mask;
  if (moves.empty()) {
    const std::size_t first = (count + 1) / 2;
    for (std::size_t i = 0; i < count; ++i) moves.push_back((i < first) == swap);
  } else if (swap) {
    fail<ConfigError>("{}: give either a mask or swap, not both", name);
  }
  if (moves.size() != count)
    fail<ConfigError>("{}: expected a mask of {} entries, got {}", name, features, moves.size());
  moved_ = std::count(moves.begin(), moves.end(), true);
  kept_ = features - moved_;
  if (moved_ == 0 || kept_ == 0)
    fail<ConfigError>("{}: the mask moves {} of {} features: it must move some and keep some", name,
                      moved_, features);
  moved_first_ = moves.front();
  for (std::size_t i = 0; i < count; ++i)
    (moves[i] ? moved_features_ : kept_features_).push_back(static_cast<std::int32_t>(i));
  std::vector<std::int32_t> order;
  for (const bool part : {moved_first_, !moved_first_})
    for (std::size_t i = 0; i < count; ++i)
      if (moves[i] == part) order.push_back(static_cast<std::int32_t>(i));
  if (std::is_sorted(order.begin(), order.end())) return;
  back_.resize(count);
  for (std::size_t i = 0; i < count; ++i)
    back_[static_cast<std::size_t>(order[i])] = static_cast<std::int32_t>(i);
  order_ = std::move(order);
}

FeatureSplit::Parts FeatureSplit::split(Value value) const {
  if (!order_.empty()) value = take(value, order_);
  return {slice(value, moved_first_ ? moved_ : 0, kept_),
          slice(value, moved_first_ ? 0 : kept_, moved_)};
}

Value FeatureSplit::join(const Parts& parts) const {
  const Value value =
      moved_first_ ? concat({parts.moved, parts.kept}) : concat({parts.kept, parts.moved});
  return back_.empty() ? value : take(value, back_);
}

}  // namespace thalweg
