// Complete settings by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "thalweg/runs/run_options.h"

namespace thalweg {

/// Settings that can be asked for by name.
struct Preset {
  std::string name, summary;
  RunOptions (*options)();
};

/// All presets; "tabular" is what data alone get, with sizes chosen from the data.
const std::vector<Preset>& presets();

/// The preset of this name, or null.
const Preset* find_preset(std::string_view name);

}  // namespace thalweg
