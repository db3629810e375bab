// A model that trains in a blink.
#pragma once

#include <cstdint>
#include <string>

#include "thalweg/flows/model.h"

namespace thalweg::testing {

/// Two small couplings with ActNorm.
inline ModelOptions small_model(std::int64_t features, const std::string& base = "normal") {
  ModelOptions options;
  options.features = features;
  options.flow.blocks = 2;
  options.flow.hidden = {8};
  options.base.kind = base;
  options.base.hidden = {8};
  options.base.proposals = 100;
  return options;
}

}  // namespace thalweg::testing
