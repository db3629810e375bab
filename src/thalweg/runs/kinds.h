// All kinds that settings choose from, in one list.
#pragma once

#include <string>
#include <vector>

namespace thalweg {

/// A row of one of the tables of kinds.
struct KindSummary {
  std::string name, summary;
  std::vector<std::string> settings;  ///< keys of the settings that it reads
};

/// The kinds that one setting chooses from.
struct KindGroup {
  std::string title;   ///< in the plural, "bases"
  std::string chosen;  ///< how a user chooses, "base.kind"
  std::vector<KindSummary> kinds;
};

/// Those of the library and those that the program has added, table by table.
std::vector<KindGroup> kind_groups();

}  // namespace thalweg
