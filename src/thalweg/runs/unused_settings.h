// Settings that the kinds of flow, base, moves and objective that were chosen do not read.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "thalweg/runs/run_options.h"

namespace thalweg {

/// A sentence for each of `keys` that some other kind would read and none that `options` chooses
/// does, unless its value is the usual one.
std::vector<std::string> unused_settings(const RunOptions& options,
                                         const std::set<std::string>& keys);

}  // namespace thalweg
