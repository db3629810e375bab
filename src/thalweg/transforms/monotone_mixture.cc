#include "thalweg/transforms/monotone_mixture.h"

namespace thalweg {

Value inverse(const std::shared_ptr<const MonotoneMixture>& mixture, Value y,
              const std::vector<Value>& parameters, const RootSearch& search) {
  const auto [low, high] = mixture->around_root(y, parameters);
  return find_root(mixture, y, parameters, low, high, search);
}

}  // namespace thalweg
