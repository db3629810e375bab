#include "thalweg/nn/angle_embedding.h"

namespace thalweg {

AngleEmbedding::AngleEmbedding(std::int64_t features, const std::vector<bool>& circular,
                               bool unit_interval)
    : unit_interval_(unit_interval) {
  for (std::int32_t feature = 0; feature < features; ++feature)
    (!circular.empty() && circular[static_cast<std::size_t>(feature)] ? circle_ : line_)
        .push_back(feature);
}

std::int64_t AngleEmbedding::outputs() const { return std::ssize(line_) + 2 * std::ssize(circle_); }

Value AngleEmbedding::operator()(Value x) const {
  const auto on_line = [&](Value values) { return unit_interval_ ? 2.0 * values - 1.0 : values; };
  if (circle_.empty()) return on_line(x);
  const Value angles = take(x, circle_);
  std::vector<Value> seen{cos(angles), sin(angles)};
  if (!line_.empty()) seen.push_back(on_line(take(x, line_)));
  return concat(seen);
}

}  // namespace thalweg
