#include "thalweg/transforms/normal_cdf_columns.h"

#include <cmath>
#include <numbers>

namespace thalweg {
namespace {

constexpr double kSmallestTail = 0x1p-54;

/// -log of the density of the standard normal.
Value normal_energy(Value x) { return 0.5 * square(x) + 0.5 * std::log(2.0 * std::numbers::pi); }

}  // namespace

NormalCdfColumns::NormalCdfColumns(const std::string& name, const std::vector<bool>& flags)
    : Transform(name, static_cast<std::int64_t>(flags.size())) {
  for (const bool mapped : flags) flags_.push_back(mapped ? 1.0 : 0.0);
}

Mapped NormalCdfColumns::build_forward(Value z, Value /*context*/) const {
  Graph& graph = *z.graph;
  const Value flags = graph.constant({features(), 1}, flags_);
  const Value half = graph.constant(0.5);
  // By the nearer end, whose tail is exact.
  const Value inside = select(flags, z, half);
  const Value lower = less(inside, half);
  const Value tail = maximum(select(lower, inside, 1.0 - inside), graph.constant(kSmallestTail));
  const Value distance = normal_quantile(tail);
  const Value x = select(lower, distance, -distance);
  return {select(flags, x, z), sum(flags * normal_energy(x), Axis::kFeatures)};
}

Mapped NormalCdfColumns::build_inverse(Value x, Value /*context*/) const {
  const Value flags = x.graph->constant({features(), 1}, flags_);
  const Value at = select(flags, x, x.graph->constant(0.0));
  return {select(flags, normal_cdf(at), x), -sum(flags * normal_energy(at), Axis::kFeatures)};
}

}  // namespace thalweg
