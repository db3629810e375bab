#include "thalweg/flows/unsolved.h"

#include <fmt/format.h>

#include <algorithm>

#include "thalweg/transforms/continuous.h"

namespace thalweg {

bool has_continuous(const Flow& flow) {
  return std::ranges::any_of(flow.transforms(), [](const auto& transform) {
    return dynamic_cast<const Continuous*>(transform.get()) != nullptr;
  });
}

std::string unsolved_text(const Flow& flow, const std::string& which) {
  if (has_continuous(flow))
    return fmt::format(
        "the integration is too coarse for {}: by its own estimate, their log densities may be off "
        "by more than 0.01 nats; raise flow.steps in the run's config.toml, which takes no "
        "training",
        which);
  return fmt::format(
      "no latent point was found for {}, which the model may not reach; their log densities are "
      "makeshifts, those at the encoder's f(x)",
      which);
}

std::string unsolved_samples_text(const std::string& which) {
  return fmt::format(
      "the integration is too coarse for {}: by its own estimate, they may be off by more than a "
      "thousandth of their size, or their weights by more than 0.01 nats; raise flow.steps in the "
      "run's config.toml, which takes no training",
      which);
}

}  // namespace thalweg
