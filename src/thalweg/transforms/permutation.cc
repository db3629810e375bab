#include "thalweg/transforms/permutation.h"

#include <algorithm>
#include <numeric>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

std::vector<std::int32_t> identity_order(std::int64_t features) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(features));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

std::vector<std::int32_t> reversed_order(std::int64_t features) {
  auto order = identity_order(features);
  std::reverse(order.begin(), order.end());
  return order;
}

std::vector<std::int32_t> swapped_halves_order(std::int64_t features) {
  auto order = identity_order(features);
  std::rotate(order.begin(), order.begin() + (features + 1) / 2, order.end());
  return order;
}

std::vector<std::int32_t> random_order(std::int64_t features, RandomSequence& random) {
  auto order = identity_order(features);
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[static_cast<std::size_t>(random.below(i))]);
  return order;
}

std::vector<std::int32_t> inverse_order(const std::string& name,
                                        const std::vector<std::int32_t>& order) {
  std::vector<std::int32_t> back(order.size(), -1);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::int32_t from = order[i];
    if (from < 0 || static_cast<std::size_t>(from) >= order.size() ||
        back[static_cast<std::size_t>(from)] >= 0)
      fail<ConfigError>("{}: expected an order with each of 0 to {} once, got {} at place {}", name,
                        static_cast<std::int64_t>(order.size()) - 1, from, i);
    back[static_cast<std::size_t>(from)] = static_cast<std::int32_t>(i);
  }
  return back;
}

Permutation::Permutation(ParameterStore& parameters, const std::string& name,
                         const std::vector<std::int32_t>& order)
    : Transform(name, static_cast<std::int64_t>(order.size())),
      order_(parameters.add_integers(name + ".order", order)),
      back_(inverse_order(name, order_)) {}

Mapped Permutation::build_forward(Value z, Value /*context*/) const {
  return {take(z, order_), z.graph->constant(0.0)};
}

Mapped Permutation::build_inverse(Value x, Value /*context*/) const {
  return {take(x, back_), x.graph->constant(0.0)};
}

}  // namespace thalweg
