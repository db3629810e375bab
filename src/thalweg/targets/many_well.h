// Independent double wells side by side.
#pragma once

#include <memory>

#include "thalweg/targets/target.h"

namespace thalweg {

/// `pairs` double wells (see make_double_well) in 2 pairs features, well k in features 2k and
/// 2k + 1: 2^pairs modes. Throws ConfigError for fewer than 1.
std::unique_ptr<Target> make_many_well(std::int64_t pairs);

}  // namespace thalweg
